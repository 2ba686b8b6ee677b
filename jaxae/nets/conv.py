"""Convolutional encoder and decoder for images [H, W, C]; each layer halves or doubles height and width."""

import math
from typing import Annotated

from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.nets.calls import flat
from jaxae.nets.conv_layers import Conv, ConvTranspose
from jaxae.nets.mlp import Activation
from jaxae.specs.field_docs import with_attributes
from jaxae.types import Shape

Widths = tuple[Annotated[int, Gt(0)], ...]


@with_attributes
class ConvEncoder(nn.Module):
    """Convolutional encoder, [B, H, W, C] -> [B, *shape]: strided convolutions, then fully connected layers.

    Each of `channels` is a convolution of stride 2. Two of them turn 28x28 into 14x14 and then 7x7; four turn
    64x64 into 4x4. Height and width must be divisible by 2 to the number of convolutions.

    Example:
        >>> import jax, jaxae
        >>> from jaxae import keys
        >>> encoder, x = jaxae.ConvEncoder(channels=(8, 16)), jax.numpy.ones((5, 28, 28, 1))
        >>> params = jaxae.nets.init(encoder, keys.root(0), x, (20,))
        >>> params["Conv_1"]["kernel"].shape, jaxae.nets.apply(encoder, params, x, (20,)).shape
        ((4, 4, 8, 16), (5, 20))
    """

    channels: Widths = (32, 64)
    """Channels of each convolution of stride 2, first to last."""
    widths: Widths = (256,)
    """Units of the hidden layers after the convolutions."""
    kernel: Annotated[int, Gt(1)] = 4
    """Height and width of each kernel, in pixels."""
    activation: Activation = "relu"
    """Nonlinearity after each layer except the last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape, condition: Array | None = None) -> Array:
        """Compute [B, H, W, C] -> [B, *shape]; a condition [B, K] is appended after the convolutions."""
        small(x.shape[1:], len(self.channels), "ConvEncoder")
        act = getattr(nn, self.activation)
        for channels in self.channels:
            x = act(Conv(channels, (self.kernel, self.kernel), (2, 2), "SAME")(x))
        # The condition has no height and width, so that it can only be appended to the flat features.
        x = flat(x, condition)
        for width in self.widths:
            x = act(nn.Dense(width)(x))
        return nn.Dense(math.prod(shape))(x).reshape(x.shape[0], *shape)


@with_attributes
class ConvDecoder(nn.Module):
    """Convolutional decoder, [B, L] -> [B, H, W, C]: fully connected layers, then transposed convolutions.

    Each of `channels` is the number of channels before one transposed convolution of stride 2. So (64, 32)
    mirrors an encoder with (32, 64).
    """

    channels: Widths = (64, 32)
    """Channels before each doubling of height and width, first to last."""
    widths: Widths = (256,)
    """Units of the hidden layers before the convolutions."""
    kernel: Annotated[int, Gt(1)] = 4
    """Height and width of each kernel, in pixels; an even kernel covers all pixels equally often."""
    activation: Activation = "relu"
    """Nonlinearity after each layer except the last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape, condition: Array | None = None) -> Array:
        """Compute [B, ...] -> [B, H, W, C]; a condition [B, K] is appended to the flattened x."""
        height, width = small(shape, len(self.channels), "ConvDecoder")
        act = getattr(nn, self.activation)
        x = flat(x, condition)
        for units in self.widths:
            x = act(nn.Dense(units)(x))
        channels = (*self.channels, shape[-1])
        # [B, h w C] -> [B, h, w, C]: the smallest image, which each layer below doubles.
        x = act(nn.Dense(height * width * channels[0])(x)).reshape(x.shape[0], height, width, channels[0])
        for units in channels[1:-1]:
            x = act(ConvTranspose(units, (self.kernel, self.kernel))(x))
        # No activation after the last layer: its outputs are logits or means.
        return ConvTranspose(channels[-1], (self.kernel, self.kernel))(x)


def small(shape: Shape, halvings: int, name: str) -> tuple[int, int]:
    """Return height and width of an image after it was halved a number of times.

    Args:
        shape: Shape of one image, (H, W, C).
        halvings: Number of convolutions of stride 2.
        name: Name of the net, for the error message.

    Returns:
        (H / 2^halvings, W / 2^halvings).

    Raises:
        JaxaeError: If there are no convolutions, the shape is not that of an image, or a halving leaves a
            remainder.
    """
    factor = 2**halvings
    if not halvings:
        raise JaxaeError(f"{name}: channels is empty, expected at least one convolution; else use MLP")
    if len(shape) != 3:
        raise JaxaeError(f"{name}: got examples of shape {shape}, expected images [height, width, channels]")
    height, width, _ = shape
    # SAME would accept odd sizes, but then the decoder returns another size: 7 -> 4 -> 8.
    if height % factor or width % factor:
        raise JaxaeError(
            f"{name}: got images of shape {shape}, but {halvings} halvings need height and width "
            f"divisible by {factor}"
        )
    return height // factor, width // factor
