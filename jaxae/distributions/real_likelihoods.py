"""Likelihoods of real pixels, and the squared error, which is none."""

from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from annotated_types import Gt
from jax import Array

from jaxae import keys
from jaxae.distributions.formulas import flat, gaussian_log_prob, total
from jaxae.maths.precision import real, widened
from jaxae.protocols.parts import Likelihood, Reconstruction
from jaxae.specs.pytree import spec
from jaxae.types import Key, Params, Shape

Link = Literal["identity", "sigmoid", "softplus"]
_LINKS = {"identity": lambda outputs: outputs, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus}


@spec
class SquaredError(Reconstruction):
    """|x - mean|^2: an energy, not a density, and not nats, so it has no `log_prob`.

    Summed over pixels without a 1/2, so that its mean over images is the convention of Hinton &
    Salakhutdinov, 2006, in which PCA-30 on MNIST's test images is 13.87.
    """

    link: Link = "identity"
    """From the net's outputs to the mean; softplus is what Glorot et al. (2011) take for rectified codes."""

    unit: ClassVar[str] = "data unit squared, summed over an example"

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`mean` f32[..., *event], the net's outputs behind the link."""
        return {"mean": _LINKS[self.link](outputs)}

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Sum over pixels of (x - mean)^2; [..., *event] -> [...], the data's unit squared."""
        return total(flat(x - parameters["mean"], event_ndim) ** 2, event_ndim)


@spec
class Gaussian(Likelihood):
    """p(x|z) = N(x; mean, std^2 I) with one fixed std: for real pixels."""

    std: Annotated[float, Gt(0)] = 1.0
    """Standard deviation of a pixel around the decoder's mean, in the data's unit; above 0."""
    link: Link = "identity"
    """From the net's outputs to the mean."""

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`mean` f32[..., *event], the net's outputs behind the link."""
        return {"mean": _LINKS[self.link](outputs)}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log p(x|z), with its normaliser; [..., *event] -> [...], nats."""
        return gaussian_log_prob(parameters["mean"], 2.0 * jnp.log(self.std), x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """x ~ p(x|z), f32[..., *event], in the data's unit."""
        return parameters["mean"] + self.std * keys.normal(key, parameters["mean"].shape)


class _Normal(Likelihood):
    """N(x; mean, exp log_var) with a `log_var` that `parameters` gives. Abstract."""

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log p(x|z), with its normaliser; [..., *event] -> [...], nats."""
        return gaussian_log_prob(parameters["mean"], parameters["log_var"], x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """x ~ p(x|z), f32[..., *event], in the data's unit."""
        noise = keys.normal(key, parameters["mean"].shape)
        return parameters["mean"] + jnp.exp(0.5 * parameters["log_var"]) * noise


@spec
class LearnedGaussian(_Normal):
    """p(x|z) = N(x; mean, std^2 I) with one std, learned with the nets: the sigma-VAE.

    At the optimum std^2 is the mean squared error of a pixel, which calibrates distortion against rate.
    Rybkin, Daniilidis & Levine, 2021 (arXiv 2006.13202).
    """

    initial_std: Annotated[float, Gt(0)] = 1.0
    """The std at the start, in the data's unit; above 0."""
    min_std: Annotated[float, Gt(0)] = 1e-3
    """The std cannot fall below it: the variance is min_std^2 more than what is learned."""
    link: Link = "identity"
    """From the net's outputs to the mean."""

    def init(self) -> Params:
        """`log_var` f32[], at first that of `initial_std`."""
        return {"log_var": 2.0 * jnp.log(jnp.asarray(self.initial_std, real()))}

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`mean` f32[..., *event], and `log_var` f32[..., 1, ..]: the same for every pixel."""
        log_var = _floor(widened(learned["log_var"]), self.min_std)
        return {"mean": _LINKS[self.link](outputs), "log_var": _shared(log_var, outputs)}


@spec
class PixelGaussian(_Normal):
    """p(x|z) = prod N(x_i; mean_i, var_i): the decoder gives a variance to every pixel of every example.

    `min_std` keeps a pixel that is constant in the data from an infinite density (Rybkin et al., 2021;
    Mattei & Frellsen, 2018, arXiv 1802.04826).
    """

    min_std: Annotated[float, Gt(0)] = 1e-2
    """The std cannot fall below it: the variance is min_std^2 more than what the net gives."""
    link: Link = "identity"
    """From the net's outputs to the mean."""

    def output_shape(self, data_shape: Shape) -> Shape:
        """Two numbers for each of a pixel's channels: [H, W, 2 C]."""
        return (*data_shape[:-1], 2 * data_shape[-1])

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """`mean` and `log_var`, f32[..., *event]."""
        mean, log_var = jnp.split(outputs, 2, axis=-1)
        return {"mean": _LINKS[self.link](mean), "log_var": _floor(log_var, self.min_std)}


def _floor(log_var: Array, min_std: float) -> Array:
    """log(exp(log_var) + min_std^2)."""
    return jnp.logaddexp(log_var, 2.0 * jnp.log(min_std))


def _shared(log_var: Any, outputs: Array) -> Array:
    """A number as f32[..., 1, .., 1]: one for each leading index, whatever the event's rank."""
    return jnp.broadcast_to(log_var, (outputs.shape[0], *(1,) * (outputs.ndim - 1)))
