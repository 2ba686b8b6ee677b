"""Likelihoods of binary pixels, and of pixels that are one of so many levels from 0 to 1."""

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
    """p(x|z) = prod Bernoulli(x; sigmoid(logits)): for binary pixels; a cross-entropy for grey ones.

    Grey pixels in [0, 1] are accepted, since the field trains on them. Their ELBO is then minus a
    cross-entropy and a rate, not a bound on a log-probability: compare it on the same data only, or binarise.
    """

    support: ClassVar[Support] = "unit interval"

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`logits`: the net's outputs f32[..., *event]."""
        return {"logits": outputs}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log p(x|z); [..., *event] -> [...], nats."""
        return bernoulli_log_prob(parameters["logits"], x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """x ~ p(x|z), f32[..., *event], in the data's unit."""
        return jax.random.bernoulli(key, self.mean(parameters)).astype(parameters["logits"].dtype)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """E[x|z] = sigmoid(logits), f32[..., *event]: the image."""
        return jax.nn.sigmoid(parameters["logits"])


@spec
class DiscretisedLogistic(Likelihood):
    """P(x|z): a logistic density, its mass gathered on the levels of a pixel; nats of a discrete x.

    For x = k / (num_levels - 1), as images of bytes are; a run on other data is refused, since the masses of
    values between the levels do not sum to one. Kingma et al., 2016 (arXiv 1606.04934).
    """

    num_levels: Levels = 256
    """Levels of a pixel: 256 for bytes, 17 for digits."""

    support: ClassVar[Support] = "unit interval"

    def output_shape(self, data_shape: Shape) -> Shape:
        """Two numbers for each of a pixel's channels: [H, W, 2 C]."""
        return (*data_shape[:-1], 2 * data_shape[-1])

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`mean`, the logistic's location, and `log_scale`, f32[..., *event].

        No scale is below a tenth of a level: far below, only the gradients change, which vanish.
        """
        mean, log_scale = jnp.split(outputs, 2, axis=-1)
        return {"mean": mean, "log_scale": jnp.logaddexp(log_scale, -jnp.log(10.0 * (self.num_levels - 1)))}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log P(x|z); [..., *event] -> [...], nats."""
        mean, log_scale = parameters["mean"], parameters["log_scale"]
        return discretised_logistic_log_prob(mean, log_scale, x, event_ndim, self.num_levels)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """x ~ p(x|z), f32[..., *event], in the data's unit."""
        mean = parameters["mean"]
        real = mean + jnp.exp(parameters["log_scale"]) * jax.random.logistic(key, mean.shape)
        most = self.num_levels - 1
        return jnp.clip(jnp.round(real * most), 0, most) / most

    def mean(self, parameters: dict[str, Array]) -> Array:
        """E[x|z] = sum_k P(x >= level k) / (num_levels - 1), f32[..., *event]: the image."""
        mean, inverse = parameters["mean"], jnp.exp(-parameters["log_scale"])
        edges = (jnp.arange(1, self.num_levels) - 0.5) / (self.num_levels - 1)

        def add(so_far: Array, edge: Array) -> tuple[Array, None]:
            return so_far + jax.nn.sigmoid((mean - edge) * inverse), None

        return jax.lax.scan(add, jnp.zeros_like(mean), edges)[0] / (self.num_levels - 1)


@spec
class Categorical(Likelihood):
    """P(x|z) = softmax(logits) over the levels of a pixel, which need not be near one another.

    For x = k / (num_levels - 1); a run on other data is refused. van den Oord, Kalchbrenner &
    Kavukcuoglu, 2016 (arXiv 1601.06759).
    """

    num_levels: Levels = 256
    """Levels of a pixel: 256 for bytes, 17 for digits; the net gives as many numbers for each."""

    support: ClassVar[Support] = "unit interval"

    def output_shape(self, data_shape: Shape) -> Shape:
        """A number for each level: [H, W, K C]."""
        return (*data_shape[:-1], self.num_levels * data_shape[-1])

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`logits` f32[..., *event, K]."""
        channels = outputs.shape[-1] // self.num_levels
        return {"logits": outputs.reshape(*outputs.shape[:-1], channels, self.num_levels)}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log P(x|z); [..., *event] -> [...], nats."""
        return categorical_log_prob(parameters["logits"], x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """x ~ p(x|z), f32[..., *event], in the data's unit."""
        levels = jax.random.categorical(key, parameters["logits"], axis=-1)
        return levels.astype(parameters["logits"].dtype) / (self.num_levels - 1)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """E[x|z] = sum_k P(level k) k / (K - 1), f32[..., *event]: the image."""
        levels = jnp.arange(self.num_levels) / (self.num_levels - 1)
        return jax.nn.softmax(parameters["logits"], axis=-1) @ levels
