"""Corruptions of an input: specs with a pure function of a batch and a key, for denoising autoencoders.

Each returns the corrupted x f32[B, ...] and the components that it chose, bool[B, ...]. A chosen component
may keep its value by chance: a masked zero stays zero. Components are chosen independently.
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
    """Masking noise: chosen components become 0, all others keep their value.

    Vincent et al., 2008; 2010, section 3.3.

    Example:
        >>> import jax.numpy as jnp, jaxae
        >>> from jaxae import keys
        >>> corrupted, chosen = jaxae.distributions.Masking(rate=1.0).corrupt(jnp.ones((1, 3)), keys.root(0))
        >>> corrupted.tolist(), chosen.tolist()
        ([[0.0, 0.0, 0.0]], [[True, True, True]])
    """

    rate: Share = 0.25
    """Probability that a component is masked, the paper's nu; from 0 to 1, or a schedule."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """Set chosen components of x to 0; return f32[B, ...] and the chosen components, bool[B, ...]."""
        pixels = _flatten(x)
        chosen = _choose(key, self.rate, pixels)
        return _reshape(x, jnp.where(chosen, 0.0, pixels), chosen)


@spec
class Dropout:
    """Inverted dropout of the input: chosen components become 0, all others x / (1 - rate); the mean is x.

    Unlike `Masking` it rescales the other components (Srivastava et al., 2014, section 10). In front of a
    linear layer W without bias the two differ by the factor 1 / (1 - rate) only.
    """

    rate: Annotated[float, Ge(0), Lt(1)] | Schedule = 0.25
    """Probability that a component is dropped; from 0 to below 1, or a schedule."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """Set chosen components of x to 0 and rescale the others; return both arrays of [B, ...]."""
        pixels = _flatten(x)
        chosen = _choose(key, self.rate, pixels)
        # Schedules are resolved to numbers before `terms` is called, so that the step has no effect here.
        return _reshape(x, jnp.where(chosen, 0.0, pixels / (1.0 - value(self.rate, 0))), chosen)


@spec
class GaussianNoise:
    """Additive Gaussian noise: x + std * noise, noise ~ N(0, I), on every component.

    Vincent et al., 2010, section 3.3.
    """

    std: Annotated[float, Ge(0)] | Schedule = 0.3
    """Standard deviation of the noise, in the data's unit; 0 or above, or a schedule."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """Add noise to x; return f32[B, ...], and bool[B, ...] that is True everywhere."""
        pixels = _flatten(x)
        noise = keys.normal(key, pixels.shape)
        return _reshape(x, pixels + value(self.std, 0) * noise, jnp.ones(x.shape, bool))


@spec
class SaltAndPepper:
    """Salt-and-pepper noise: chosen components become `low` or `high`, with probability 1/2 each.

    Vincent et al., 2010, section 3.3.
    """

    rate: Share = 0.25
    """Probability that a component is chosen; from 0 to 1, or a schedule."""
    low: float = 0.0
    """Value of pepper: the smallest value of a component, in the data's unit."""
    high: float = 1.0
    """Value of salt: the largest value of a component, in the data's unit."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """Set chosen components of x to `low` or `high`; return x and the chosen ones, bool[B, ...]."""
        # Two keys: salt and pepper must be independent of the choice, or all chosen components would agree.
        choice_key, coin_key = jax.random.split(key)
        pixels = _flatten(x)
        chosen, coins = _choose(choice_key, self.rate, pixels), _choose(coin_key, 0.5, pixels)
        return _reshape(x, jnp.where(chosen, jnp.where(coins, self.high, self.low), pixels), chosen)


def _flatten(x: Array) -> Array:
    """Flatten the pixels of x to one axis, [B, ...] -> [B, D]."""
    # XLA's CPU loops are slow over a short last axis, such as the one channel of [28, 28, 1].
    return x.reshape(x.shape[0], -1)


def _reshape(x: Array, corrupted: Array, chosen: Array) -> tuple[Array, Array]:
    """Reshape the corrupted x and the chosen components to the shape of x."""
    return corrupted.reshape(x.shape), chosen.reshape(x.shape)


def _choose(key: Key, rate: Any, x: Array) -> Array:
    """Draw bool[B, ...], each True with probability `rate`."""
    # Drawn along one axis, as in `keys.normal`: the random bits of a short last axis are slow on CPU.
    return jax.random.bernoulli(key, rate, (x.size,)).reshape(x.shape)
