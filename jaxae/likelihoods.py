"""log p(x|z): its formulas, and the specs an autoencoder takes as its `likelihood` or `reconstruction`.

An example has `event_ndim` trailing axes (1 for [D], 3 for [H, W, C]); every function sums over exactly
those and keeps the axes before them: [..., *event] -> [...]. Both arguments have the same rank, so x
meets logits f32[S, B, *event] as x[None].
"""

import math
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from annotated_types import Gt
from jax import Array
from jax.typing import ArrayLike

from jaxae.pytree import spec

Support = Literal["unit interval", "reals"]


def _flat(values: ArrayLike, event_ndim: int) -> Array:
    """[..., *event] -> [..., D]; a number that stands for all pixels stays one."""
    # XLA's loops on CPU are up to 50 times slower where the last axis is short: 28x28x1 against 784.
    values = jnp.asarray(values)
    if values.ndim == 0 or event_ndim <= 1:
        return values
    leading = values.ndim - event_ndim
    return values.reshape(*values.shape[:leading], math.prod(values.shape[leading:]))


def _sum(values: Array, event_ndim: int) -> Array:
    """What `_flat` gave, summed over its pixels: [..., D] -> [...]."""
    return jnp.sum(values, axis=-1) if event_ndim else values


def bernoulli_log_prob(logits: Array, x: Array, event_ndim: int) -> Array:
    """log prod Bernoulli(x; sigmoid(logits)) over pixels; [..., *event] -> [...], nats.

    sum x log sigmoid(l) + (1 - x) log sigmoid(-l). Finite, with the gradient x - sigmoid(l), at every
    finite logit. For x in {0, 1} a log-probability; grey x gives minus the cross-entropy, which is at most
    minus the entropy of x and no log-density (Loaiza-Ganem & Cunningham, 2019, arXiv 1907.06845).
    """
    # log(1 + exp l) = max(l, 0) + log1p(exp(-|l|)) has one transcendental pair. One comparison chooses both
    # sides: jnp.maximum and jnp.abs choose differently at l = 0, and their gradient there is off by 1/2.
    logits, x = _flat(logits, event_ndim), _flat(x, event_ndim)
    positive = logits >= 0
    maximum, minus_abs = jnp.where(positive, logits, 0), jnp.where(positive, -logits, logits)
    return -_sum(maximum - logits * x + jnp.log1p(jnp.exp(minus_abs)), event_ndim)


def gaussian_log_prob(mean: ArrayLike, log_var: ArrayLike, x: Array, event_ndim: int) -> Array:
    """log N(x; mean, diag exp log_var); [..., *event] -> [...], nats.

    -1/2 sum (log 2 pi + log_var + (x - mean)^2 / exp(log_var)), log_var the logarithm of the variance.
    `mean` and `log_var` may be numbers: `gaussian_log_prob(0.0, 0.0, z, 1)` is log N(z; 0, I).
    """
    mean, log_var, x = (_flat(values, event_ndim) for values in (mean, log_var, x))
    values = jnp.log(2 * jnp.pi) + log_var + (x - mean) ** 2 * jnp.exp(-log_var)
    return -0.5 * _sum(values, event_ndim)


@spec
class Bernoulli:
    """p(x|z) = prod Bernoulli(x; sigmoid(logits)): for binary pixels; a cross-entropy for grey ones."""

    is_density: ClassVar[bool] = True
    support: ClassVar[Support] = "unit interval"

    def parameters(self, outputs: Array) -> dict[str, Array]:
        """The net's outputs f32[..., *event], named."""
        return {"logits": outputs}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log p(x|z); [..., *event] -> [...], nats."""
        return bernoulli_log_prob(parameters["logits"], x, event_ndim)

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """-log p(x|z); [..., *event] -> [...], nats."""
        return -self.log_prob(parameters, x, event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """E[x|z] = sigmoid(logits), f32[..., *event]: the image."""
        return jax.nn.sigmoid(parameters["logits"])


@spec
class Gaussian:
    """p(x|z) = N(x; mean, std^2 I) with one fixed std: for real pixels."""

    std: Annotated[float, Gt(0)] = 1.0
    """Standard deviation of a pixel around the decoder's mean, in the data's unit; above 0."""

    is_density: ClassVar[bool] = True
    support: ClassVar[Support] = "reals"

    def parameters(self, outputs: Array) -> dict[str, Array]:
        """The net's outputs f32[..., *event], named."""
        return {"mean": outputs}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log p(x|z), with its normaliser; [..., *event] -> [...], nats."""
        return gaussian_log_prob(parameters["mean"], 2.0 * jnp.log(self.std), x, event_ndim)

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """-log p(x|z), below 0 where the density is above 1; [..., *event] -> [...], nats."""
        return -self.log_prob(parameters, x, event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """E[x|z], f32[..., *event]: the image."""
        return parameters["mean"]


@spec
class SquaredError:
    """|x - mean|^2: an energy, not a density, and not nats, so it has no `log_prob`.

    Summed over pixels without a 1/2, so that its mean over images is the convention of Hinton &
    Salakhutdinov, 2006, in which PCA-30 on MNIST's test images is 13.87.
    """

    is_density: ClassVar[bool] = False
    support: ClassVar[Support] = "reals"

    def parameters(self, outputs: Array) -> dict[str, Array]:
        """The net's outputs f32[..., *event], named."""
        return {"mean": outputs}

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Sum over pixels of (x - mean)^2; [..., *event] -> [...], the data's unit squared."""
        return _sum(_flat(x - parameters["mean"], event_ndim) ** 2, event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """The reconstruction itself, f32[..., *event]: the image."""
        return parameters["mean"]


Likelihood = Bernoulli | Gaussian
Reconstruction = Bernoulli | Gaussian | SquaredError
