"""Likelihoods of binary pixels, and of pixels that take one of K levels from 0 to 1."""

from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from jaxae.distributions.formulas import (
    bernoulli_log_prob,
    categorical_log_prob,
    discretised_logistic_log_prob,
)
from jaxae.protocols.parts import Likelihood, Support
from jaxae.specs.pytree import spec
from jaxae.types import Key, Shape

Levels = Annotated[int, Ge(2)]


@spec
class Bernoulli(Likelihood):
    """Bernoulli likelihood: p(x|z) = prod_i Bernoulli(x_i; sigmoid(logits_i)), for binary pixels.

    Grey pixels in [0, 1] are accepted because much of the literature trains on them. Their distortion is a
    cross-entropy, so that their "ELBO" is not a bound on a log-probability. Compare it on the same data only,
    or binarise the data.
    """

    support: ClassVar[Support] = "unit interval"

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `logits`, the decoder's outputs f32[..., *event]."""
        return {"logits": outputs}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Compute log p(x|z), [..., *event] -> [...], in nats."""
        return bernoulli_log_prob(parameters["logits"], x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Draw x ~ p(x|z), f32[..., *event], 0 or 1."""
        # The draws are bool; they are cast to the real type of the logits, since x is real everywhere else.
        return jax.random.bernoulli(key, self.mean(parameters)).astype(parameters["logits"].dtype)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """Compute E[x|z] = sigmoid(logits), f32[..., *event]."""
        return jax.nn.sigmoid(parameters["logits"])


@spec
class DiscretisedLogistic(Likelihood):
    """Discretised logistic likelihood: P(x|z) is the mass of a logistic density on the bin around each level.

    For x = k / (num_levels - 1), such as images of bytes. A run on other data is refused, because the masses
    of values between the levels do not sum to one. Kingma et al., 2016 (arXiv 1606.04934), section 5.2.
    """

    num_levels: Levels = 256
    """Number of levels of a pixel, K: 256 for bytes, 17 for the 8x8 digits."""

    support: ClassVar[Support] = "unit interval"

    def output_shape(self, data_shape: Shape) -> Shape:
        """Return the shape with two numbers for each channel of a pixel, [H, W, 2 C]."""
        return (*data_shape[:-1], 2 * data_shape[-1])

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `mean`, the location of the logistic density, and `log_scale`, f32[..., *event] each."""
        # log(exp(log_scale) + 1 / (10 (K - 1))): no scale falls below a tenth of the distance of two levels.
        # Far below it the masses hardly change, but the gradients vanish.
        mean, log_scale = jnp.split(outputs, 2, axis=-1)
        return {"mean": mean, "log_scale": jnp.logaddexp(log_scale, -jnp.log(10.0 * (self.num_levels - 1)))}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Compute log P(x|z), [..., *event] -> [...], in nats."""
        mean, log_scale = parameters["mean"], parameters["log_scale"]
        return discretised_logistic_log_prob(mean, log_scale, x, event_ndim, self.num_levels)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Draw x ~ P(x|z), f32[..., *event], rounded to the levels."""
        mean = parameters["mean"]
        real = mean + jnp.exp(parameters["log_scale"]) * jax.random.logistic(key, mean.shape)
        highest = self.num_levels - 1
        # Rounding to the nearest level and clipping draws from the bins of `log_prob`, whose outer ones reach
        # to infinity.
        return jnp.clip(jnp.round(real * highest), 0, highest) / highest

    def mean(self, parameters: dict[str, Array]) -> Array:
        """Compute E[x|z] = sum_{k >= 1} P(x >= level k) / (K - 1), f32[..., *event]."""
        mean, inverse = parameters["mean"], jnp.exp(-parameters["log_scale"])
        edges = (jnp.arange(1, self.num_levels) - 0.5) / (self.num_levels - 1)

        # A scan, because all K - 1 terms at once would need K - 1 times the memory of the images.
        def add(so_far: Array, edge: Array) -> tuple[Array, None]:
            return so_far + jax.nn.sigmoid((mean - edge) * inverse), None

        return jax.lax.scan(add, jnp.zeros_like(mean), edges)[0] / (self.num_levels - 1)


@spec
class Categorical(Likelihood):
    """Categorical likelihood: P(x|z) = softmax(logits) over the K levels of each pixel.

    Unlike `DiscretisedLogistic` it treats levels as unordered. For x = k / (K - 1); a run on other data is
    refused. van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759).
    """

    num_levels: Levels = 256
    """Number of levels of a pixel, K: 256 for bytes, 17 for the 8x8 digits. The decoder returns K logits."""

    support: ClassVar[Support] = "unit interval"

    def output_shape(self, data_shape: Shape) -> Shape:
        """Return the shape with K numbers for each channel of a pixel, [H, W, K C]."""
        return (*data_shape[:-1], self.num_levels * data_shape[-1])

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `logits`, f32[..., *event, K]."""
        # [..., H, W, K C] -> [..., H, W, C, K].
        channels = outputs.shape[-1] // self.num_levels
        return {"logits": outputs.reshape(*outputs.shape[:-1], channels, self.num_levels)}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Compute log P(x|z), [..., *event] -> [...], in nats."""
        return categorical_log_prob(parameters["logits"], x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Draw x ~ P(x|z), f32[..., *event], one of the levels."""
        levels = jax.random.categorical(key, parameters["logits"], axis=-1)
        return levels.astype(parameters["logits"].dtype) / (self.num_levels - 1)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """Compute E[x|z] = sum_k P(level k) k / (K - 1), f32[..., *event]."""
        levels = jnp.arange(self.num_levels) / (self.num_levels - 1)
        return jax.nn.softmax(parameters["logits"], axis=-1) @ levels
