"""Convolutional encoder and decoder for images [H, W, C]; each layer halves or doubles height and width."""

import math
from typing import Annotated

from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.nets.calls import flat
from jaxae.nets.mlp import Activation
from jaxae.nets.upsampling import Conv, ConvTranspose
from jaxae.types import Shape

Widths = tuple[Annotated[int, Gt(0)], ...]


class ConvEncoder(nn.Module):
    """[B, H, W, C] -> [B, *shape]: a convolution of stride 2 for each of `channels`, then an MLP's layers.

    28x28 becomes 14x14 and 7x7 with two of them, 64x64 becomes 4x4 with four.
    """

    channels: Widths = (32, 64)
    """Channels after each halving, first to last."""
    widths: Widths = (256,)
    """Units of the hidden layers behind the convolutions."""
    kernel: Annotated[int, Gt(1)] = 4
    """Height and width of a kernel."""
    activation: Activation = "relu"
    """The nonlinearity after each layer but the last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape, condition: Array | None = None) -> Array:
        """[B, H, W, C] -> [B, *shape]; a condition [B, K] joins behind the convolutions."""
        small(x.shape[1:], len(self.channels), "ConvEncoder")
        act = getattr(nn, self.activation)
        for channels in self.channels:
            x = act(Conv(channels, (self.kernel, self.kernel), (2, 2), "SAME")(x))
        x = flat(x, condition)
        for width in self.widths:
            x = act(nn.Dense(width)(x))
        return nn.Dense(math.prod(shape))(x).reshape(x.shape[0], *shape)


class ConvDecoder(nn.Module):
    """[B, L] -> [B, H, W, C]: an MLP's layers, then transposed convolutions of stride 2.

    Each of `channels` is what a doubling starts from: (64, 32) mirrors an encoder's (32, 64).
    """

    channels: Widths = (64, 32)
    """Channels before each doubling, first to last."""
    widths: Widths = (256,)
    """Units of the hidden layers before the convolutions."""
    kernel: Annotated[int, Gt(1)] = 4
    """Height and width of a kernel; an even one covers all pixels alike."""
    activation: Activation = "relu"
    """The nonlinearity after each layer but the last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape, condition: Array | None = None) -> Array:
        """[B, ...] -> [B, H, W, C]; a condition [B, K] stands beside the flattened x."""
        height, width = small(shape, len(self.channels), "ConvDecoder")
        act = getattr(nn, self.activation)
        x = flat(x, condition)
        for units in self.widths:
            x = act(nn.Dense(units)(x))
        channels = (*self.channels, shape[-1])
        x = act(nn.Dense(height * width * channels[0])(x)).reshape(x.shape[0], height, width, channels[0])
        for units in channels[1:-1]:
            x = act(doubling(units, self.kernel)(x))
        return doubling(channels[-1], self.kernel)(x)


def doubling(channels: int, kernel: int) -> nn.Module:
    """A transposed convolution of stride 2: with a kernel of 4x4 one that is fast on a CPU too."""
    if kernel == 4:
        return ConvTranspose(channels)
    return nn.ConvTranspose(channels, (kernel, kernel), (2, 2), "SAME")


def small(shape: Shape, halvings: int, name: str) -> tuple[int, int]:
    """Height and width after the halvings. JaxaeError where the shape is no image, or odd on the way."""
    factor = 2**halvings
    if not halvings:
        raise JaxaeError(f"{name}: channels is empty; without convolutions use MLP")
    if len(shape) != 3:
        raise JaxaeError(f"{name}: got examples of shape {shape}, expected images [height, width, channels]")
    height, width, _ = shape
    if height % factor or width % factor:
        raise JaxaeError(
            f"{name}: got images of shape {shape}, but {halvings} halvings need height and width "
            f"divisible by {factor}"
        )
    return height // factor, width // factor
