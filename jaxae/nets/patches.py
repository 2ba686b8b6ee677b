"""A net that judges an image patch by patch (Isola, Zhu, Zhou & Efros, 2017, arXiv 1611.07004)."""

from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.nets.conv import Widths, small
from jaxae.nets.upsampling import Conv
from jaxae.types import Shape

SLOPE = 0.2  # of the leaky relu below 0


class PatchDiscriminator(nn.Module):
    """[B, H, W, C] -> a logit for each patch, [B, h, w, 1]: a convolution of stride 2 for each of `channels`.

    Then one of 3x3 and one of 1x1. A patch is what a logit sees: 8, 18 or 38 pixels wide with one, two or
    three of `channels`. Without the paper's batch normalisation: a logit sees no more than its patch.
    """

    channels: Widths = (32, 64)
    """Channels after each halving, first to last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape) -> Array:
        """[B, H, W, C] -> [B, *shape], shape = (h, w, 1)."""
        height, width = small(x.shape[1:], len(self.channels), "PatchDiscriminator")
        if tuple(shape[:-1]) != (height, width):
            raise JaxaeError(
                f"PatchDiscriminator: got patches {'x'.join(map(str, shape[:-1]))}, but its channels make "
                f"{height}x{width}"
            )
        for channels in self.channels:
            x = nn.leaky_relu(Conv(channels, (4, 4), (2, 2), "SAME")(x), SLOPE)
        x = nn.leaky_relu(Conv(x.shape[-1], (3, 3))(x), SLOPE)
        return Conv(shape[-1], (1, 1), name="out")(x)
