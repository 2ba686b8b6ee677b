"""VAEs with Flax's own layers, as Flax's example writes them; `__call__` returns the loss."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array


def halving(channels: int) -> nn.Module:
    """Return a 4x4 convolution of stride 2."""
    return nn.Conv(channels, (4, 4), (2, 2))


def doubling(channels: int) -> nn.Module:
    """Return a transposed 4x4 convolution of stride 2."""
    return nn.ConvTranspose(channels, (4, 4), (2, 2))


def negative_elbo(logits: Array, x: Array, mean: Array, log_var: Array) -> Array:
    """Compute minus the ELBO in nats, the mean over the batch."""
    distortion = optax.sigmoid_binary_cross_entropy(logits, x).sum()
    rate = -0.5 * jnp.sum(1 + log_var - jnp.square(mean) - jnp.exp(log_var))
    return (distortion + rate) / len(x)


class FlaxVAE(nn.Module):
    """Abstract VAE: subclasses define `encode` and `decode`."""

    def elbo(self, x: Array, key: Any, latent: int) -> Array:
        """Compute minus the ELBO of a batch in nats."""
        mean, log_var = jnp.split(self.encode(x, 2 * latent), 2, axis=-1)
        z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)
        return negative_elbo(self.decode(z, x.shape), x, mean, log_var)

    def encode(self, x: Array, outputs: int) -> Array:
        """Compute [B, ...] -> [B, outputs]."""
        raise NotImplementedError

    def decode(self, z: Array, shape: tuple[int, ...]) -> Array:
        """Compute [B, L] -> f32[shape]."""
        raise NotImplementedError


class MLPVAE(FlaxVAE):
    """VAE of multilayer perceptrons."""

    widths: tuple[int, ...]
    latent: int

    @nn.compact
    def __call__(self, x: Array, key: Any) -> Array:
        """Return minus the ELBO in nats."""
        return self.elbo(x, key, self.latent)

    def encode(self, x: Array, outputs: int) -> Array:
        """Compute [B, ...] -> [B, outputs]."""
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(outputs)(x)

    def decode(self, z: Array, shape: tuple[int, ...]) -> Array:
        """Compute [B, L] -> f32[shape]."""
        for width in self.widths[::-1]:
            z = nn.relu(nn.Dense(width)(z))
        return nn.Dense(math.prod(shape[1:]))(z).reshape(shape)


class ConvVAE(FlaxVAE):
    """VAE with convolutions of stride 2 and a dense layer of 256 units, mirrored."""

    side: int
    channels: tuple[int, ...]
    image: int
    latent: int

    @nn.compact
    def __call__(self, x: Array, key: Any) -> Array:
        """Return minus the ELBO in nats."""
        return self.elbo(x, key, self.latent)

    def encode(self, x: Array, outputs: int) -> Array:
        """Compute [B, H, W, C] -> [B, outputs]."""
        for channels in self.channels:
            x = nn.relu(halving(channels)(x))
        return nn.Dense(outputs)(nn.relu(nn.Dense(256)(x.reshape(len(x), -1))))

    def decode(self, z: Array, shape: tuple[int, ...]) -> Array:
        """Compute [B, L] -> f32[shape]."""
        grid, (*outer, last) = self.side // 2 ** len(self.channels), self.channels
        z = nn.Dense(grid**2 * last)(nn.relu(nn.Dense(256)(z)))
        x = nn.relu(z).reshape(len(z), grid, grid, last)
        for channels in reversed(outer):
            x = nn.relu(doubling(channels)(x))
        return doubling(self.image)(x)


class Block(nn.Module):
    """Residual block: x + conv3x3(relu(conv3x3(relu(x))))."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Compute [B, h, w, C] -> [B, h, w, C]."""
        hidden = nn.Conv(x.shape[-1], (3, 3))(nn.relu(x))
        return x + nn.Conv(x.shape[-1], (3, 3))(nn.relu(hidden))


class ResidualVAE(FlaxVAE):
    """VAE with residual blocks at a half and a quarter of 32x32x3."""

    width: int
    latent: int

    @nn.compact
    def __call__(self, x: Array, key: Any) -> Array:
        """Return minus the ELBO in nats."""
        return self.elbo(x, key, self.latent)

    def encode(self, x: Array, outputs: int) -> Array:
        """Compute [B, H, W, C] -> [B, outputs]."""
        x = Block()(Block()(halving(self.width)(x)))
        x = nn.relu(Block()(Block()(halving(2 * self.width)(nn.relu(x)))))
        return nn.Dense(outputs)(x.reshape(len(x), -1))

    def decode(self, z: Array, shape: tuple[int, ...]) -> Array:
        """Compute [B, L] -> f32[shape]."""
        grid, channels = shape[1] // 4, 2 * self.width
        x = nn.Dense(grid**2 * channels)(z).reshape(len(z), grid, grid, channels)
        x = doubling(self.width)(nn.relu(Block()(Block()(x))))
        return doubling(shape[-1])(nn.relu(Block()(Block()(x))))
