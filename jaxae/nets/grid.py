"""Convolutional nets from images to grids of vectors and back (van den Oord et al., 2017, section 4.1)."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt
from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.nets.conv import Widths, small
from jaxae.nets.conv_layers import Conv, ConvTranspose
from jaxae.nets.mlp import Activation
from jaxae.specs.field_docs import with_attributes
from jaxae.types import Shape


class Residual(nn.Module):
    """Residual block, [B, h, w, C] -> [B, h, w, C]: x + conv1x1(act(conv3x3(act(x))))."""

    width: int
    """Channels between the two convolutions."""
    activation: Activation
    """Nonlinearity before each convolution."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Compute [B, h, w, C] -> [B, h, w, C]."""
        act = getattr(nn, self.activation)
        hidden = Conv(self.width, (3, 3))(act(x))
        return x + Conv(x.shape[-1], (1, 1))(act(hidden))


@with_attributes
class GridEncoder(nn.Module):
    """Encoder of images as grids of vectors, [B, H, W, C] -> [B, h, w, D], for discrete autoencoders.

    A convolution of stride 2 for each of `channels`, then residual blocks. 28x28 becomes 7x7 with two of
    them, 256x256 becomes 32x32 with three.
    """

    channels: Widths = (32, 64)
    """Channels of each convolution of stride 2, first to last."""
    num_blocks: Annotated[int, Ge(0)] = 2
    """Number of residual blocks, at the resolution of the grid."""
    block_width: Annotated[int, Gt(0)] = 32
    """Channels inside a residual block."""
    activation: Activation = "relu"
    """Nonlinearity of all layers except the last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape) -> Array:
        """Compute [B, H, W, C] -> [B, *shape], where shape = (h, w, D)."""
        _check_grid(small(x.shape[1:], len(self.channels), "GridEncoder"), shape, "GridEncoder")
        act = getattr(nn, self.activation)
        for number, channels in enumerate(self.channels):
            # The nonlinearity comes before a convolution (as in the residual blocks), but never before the
            # pixels.
            x = Conv(channels, (4, 4), (2, 2), "SAME")(act(x) if number else x)
        x = Conv(x.shape[-1], (3, 3))(act(x))
        for _ in range(self.num_blocks):
            x = Residual(self.block_width, self.activation)(x)
        return Conv(shape[-1], (1, 1), name="out")(act(x))


@with_attributes
class GridDecoder(nn.Module):
    """Decoder of grids of vectors, [B, h, w, D] -> [B, H, W, C]: residual blocks, then conv_layers.

    Each of `channels` is the number of channels before one doubling of height and width. So (64, 32) mirrors
    an encoder with (32, 64).
    """

    channels: Widths = (64, 32)
    """Channels before each doubling of height and width, first to last."""
    num_blocks: Annotated[int, Ge(0)] = 2
    """Number of residual blocks, at the resolution of the grid."""
    block_width: Annotated[int, Gt(0)] = 32
    """Channels inside a residual block."""
    activation: Activation = "relu"
    """Nonlinearity of all layers except the last."""
    doubling: Literal["transposed", "nearest"] = "transposed"
    """How height and width are doubled: `transposed` or `nearest`.

    `transposed` is a transposed convolution. `nearest` repeats each vector in a 2x2 square and applies a 3x3
    convolution, which avoids checkerboard artefacts (Odena, Dumoulin & Olah, 2016).
    """

    @nn.compact
    def __call__(self, x: Array, shape: Shape) -> Array:
        """Compute [B, h, w, D] -> [B, *shape], where shape = (H, W, C)."""
        _check_grid(small(shape, len(self.channels), "GridDecoder"), x.shape[1:], "GridDecoder")
        act = getattr(nn, self.activation)
        # D numbers of a code become channels; the code itself may be of any length.
        x = Conv(self.channels[0], (3, 3))(x)
        for _ in range(self.num_blocks):
            x = Residual(self.block_width, self.activation)(x)
        for channels in self.channels[1:]:
            x = self._upsample(act(x), channels)
        # A fixed name, whatever the number of layers: `VQGAN.last_layer` finds the decoder's last layer by
        # it.
        return self._upsample(act(x), shape[-1], "out")

    def _upsample(self, x: Array, channels: int, name: str | None = None) -> Array:
        """Upsample [B, h, w, C] -> [B, 2 h, 2 w, channels]."""
        if self.doubling == "transposed":
            return ConvTranspose(channels, name=name)(x)
        return Conv(channels, (3, 3), name=name)(x.repeat(2, axis=1).repeat(2, axis=2))


def _check_grid(expected: tuple[int, int], shape: Shape, name: str) -> None:
    """Check that a grid has the height and width that the convolutions make. Raises: JaxaeError otherwise."""
    if len(shape) != 3 or tuple(shape[:2]) != expected:
        raise JaxaeError(
            f"{name}: got a grid of {'x'.join(map(str, shape[:-1]))}, expected "
            f"{expected[0]}x{expected[1]}, which its channels make"
        )
