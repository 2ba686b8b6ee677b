"""Residual encoder and decoder of a VAE on 32x32x3, built from jaxae's convolutions."""

import math

from flax import linen as nn
from jax import Array

from jaxae.nets import Conv, ConvTranspose


class Block(nn.Module):
    """Residual block, [B, h, w, C] -> [B, h, w, C]: x + conv3x3(relu(conv3x3(relu(x))))."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Compute [B, h, w, C] -> [B, h, w, C]."""
        hidden = Conv(x.shape[-1], (3, 3))(nn.relu(x))
        return x + Conv(x.shape[-1], (3, 3))(nn.relu(hidden))


class ResidualEncoder(nn.Module):
    """Encoder, [B, 32, 32, 3] -> [B, *shape]: two halvings, each followed by two residual blocks."""

    width: int
    """Channels after the first halving; twice as many after the second."""

    @nn.compact
    def __call__(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Compute [B, H, W, C] -> [B, *shape]."""
        x = Conv(self.width, (4, 4), (2, 2))(x)
        x = Block()(Block()(x))
        x = Conv(2 * self.width, (4, 4), (2, 2))(nn.relu(x))
        x = nn.relu(Block()(Block()(x)))
        return nn.Dense(math.prod(shape))(x.reshape(len(x), -1)).reshape(len(x), *shape)


class ResidualDecoder(nn.Module):
    """Decoder, [B, L] -> [B, 32, 32, 3], the mirror image of the encoder."""

    width: int
    """Channels before the last doubling; twice as many before the first."""

    @nn.compact
    def __call__(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Compute [B, L] -> [B, *shape]."""
        height, width, channels = shape[0] // 4, shape[1] // 4, 2 * self.width
        x = nn.Dense(height * width * channels)(x).reshape(len(x), height, width, channels)
        x = ConvTranspose(self.width)(nn.relu(Block()(Block()(x))))
        return ConvTranspose(shape[-1])(nn.relu(Block()(Block()(x))))
