"""Ways to corrupt an input: pure functions of a batch and a key, as specs a denoising autoencoder takes.

Each gives the corrupted x f32[B, ...] and which of its components it chose to corrupt, bool[B, ...]: chosen
components may keep their value by chance (a masked zero stays zero). Components are chosen independently.
"""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge, Le, Lt
from jax import Array

from jaxae import keys
from jaxae.protocols.parts import Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Key

Share = Annotated[float, Ge(0), Le(1)] | Schedule


@spec
class Masking:
    """Chosen components become 0, the others are untouched (Vincent et al., 2008; 2010, section 3.3)."""

    rate: Share = 0.25
    """Probability that a component is chosen, Vincent's nu; from 0 to 1, or a schedule."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """x f32[B, ...] -> the corrupted x, and the components chosen."""
        pixels = _flat(x)
        chosen = _choose(key, self.rate, pixels)
        return _like(x, jnp.where(chosen, 0.0, pixels), chosen)


@spec
class Dropout:
    """Inverted dropout of the input: chosen components become 0, the others x / (1 - rate), so that E = x.

    Not masking: its survivors are rescaled (Srivastava et al., 2014, section 10). Behind a linear layer W
    without bias the two differ by the factor 1 / (1 - rate) alone.
    """

    rate: Annotated[float, Ge(0), Lt(1)] | Schedule = 0.25
    """Probability that a component is chosen; from 0 to below 1, or a schedule."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """x f32[B, ...] -> the corrupted x, and the components chosen."""
        pixels = _flat(x)
        chosen = _choose(key, self.rate, pixels)
        return _like(x, jnp.where(chosen, 0.0, pixels / (1.0 - value(self.rate, 0))), chosen)


@spec
class GaussianNoise:
    """x + std * noise, noise ~ N(0, I): every component is corrupted (Vincent et al., 2010, section 3.3)."""

    std: Annotated[float, Ge(0)] | Schedule = 0.3
    """Standard deviation of the noise, in the data's unit; 0 or above, or a schedule."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """x f32[B, ...] -> the corrupted x, and the components chosen: all."""
        pixels = _flat(x)
        noise = keys.normal(key, pixels.shape)
        return _like(x, pixels + value(self.std, 0) * noise, jnp.ones(x.shape, bool))


@spec
class SaltAndPepper:
    """Chosen components become `low` or `high`, each for half of them (Vincent et al., 2010, 3.3)."""

    rate: Share = 0.25
    """Probability that a component is chosen; from 0 to 1, or a schedule."""
    low: float = 0.0
    """Pepper: the least value of a component, in the data's unit."""
    high: float = 1.0
    """Salt: the greatest value of a component, in the data's unit."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """x f32[B, ...] -> the corrupted x, and the components chosen."""
        choice_key, coin_key = jax.random.split(key)
        pixels = _flat(x)
        chosen, coins = _choose(choice_key, self.rate, pixels), _choose(coin_key, 0.5, pixels)
        return _like(x, jnp.where(chosen, jnp.where(coins, self.high, self.low), pixels), chosen)


def _flat(x: Array) -> Array:
    """x with its pixels as one axis: XLA's loops on CPU are slow over a short last one."""
    return x.reshape(x.shape[0], -1)


def _like(x: Array, corrupted: Array, chosen: Array) -> tuple[Array, Array]:
    """Both in the shape of x."""
    return corrupted.reshape(x.shape), chosen.reshape(x.shape)


def _choose(key: Key, rate: Any, x: Array) -> Array:
    """bool[B, ...], each True with probability `rate`; drawn along one axis, as `keys.normal` is."""
    return jax.random.bernoulli(key, rate, (x.size,)).reshape(x.shape)
