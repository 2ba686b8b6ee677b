"""A discriminator of image patches (Isola, Zhu, Zhou & Efros, 2017, arXiv 1611.07004)."""

from flax import linen as nn
from jax import Array

from jaxae.errors import JaxaeError
from jaxae.nets.conv import Widths, small
from jaxae.nets.conv_layers import Conv
from jaxae.specs.field_docs import with_attributes
from jaxae.types import Shape

# Slope of the leaky ReLU below 0, as in the paper's appendix 6.1.2.
SLOPE = 0.2


@with_attributes
class PatchDiscriminator(nn.Module):
    """Patch discriminator, [B, H, W, C] -> one logit for each patch, [B, h, w, 1].

    A convolution of stride 2 for each of `channels`, then a 3x3 and a 1x1 convolution. The patch that a logit
    depends on is 8, 18 or 38 pixels wide with one, two or three of `channels`. The paper's batch
    normalisation is left out: with it a logit would depend on pixels outside of its patch.
    """

    channels: Widths = (32, 64)
    """Channels of each convolution of stride 2, first to last."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape) -> Array:
        """Compute [B, H, W, C] -> [B, *shape], where shape = (h, w, 1)."""
        height, width = small(x.shape[1:], len(self.channels), "PatchDiscriminator")
        if tuple(shape[:-1]) != (height, width):
            raise JaxaeError(
                f"PatchDiscriminator: got patches {'x'.join(map(str, shape[:-1]))}, expected "
                f"{height}x{width}, which its channels make"
            )
        for channels in self.channels:
            x = nn.leaky_relu(Conv(channels, (4, 4), (2, 2), "SAME")(x), SLOPE)
        x = nn.leaky_relu(Conv(x.shape[-1], (3, 3))(x), SLOPE)
        return Conv(shape[-1], (1, 1), name="out")(x)
