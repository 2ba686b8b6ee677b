"""Likelihoods of real-valued pixels, and the squared error, which is not a likelihood."""

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
    """Squared error: sum_i (x_i - mean_i)^2, an energy and not a density, so it has no `log_prob`.

    The sum over pixels has no factor 1/2. So its mean over images follows Hinton & Salakhutdinov, 2006, where
    PCA-30 on MNIST's test images is 13.87.
    """

    link: Link = "identity"
    """Function from the decoder's outputs to the mean; Glorot et al. (2011) use softplus."""

    unit: ClassVar[str] = "data unit squared, summed over an example"

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `mean` f32[..., *event], the decoder's outputs after the link."""
        return {"mean": _LINKS[self.link](outputs)}

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Compute sum_i (x_i - mean_i)^2, [..., *event] -> [...], in the data's unit squared."""
        return total(flat(x - parameters["mean"], event_ndim) ** 2, event_ndim)


@spec
class Gaussian(Likelihood):
    """Gaussian likelihood with a fixed standard deviation: p(x|z) = N(x; mean, std^2 I)."""

    std: Annotated[float, Gt(0)] = 1.0
    """Standard deviation of a pixel around the decoder's mean, in the data's unit; above 0."""
    link: Link = "identity"
    """Function from the decoder's outputs to the mean."""

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `mean` f32[..., *event], the decoder's outputs after the link."""
        return {"mean": _LINKS[self.link](outputs)}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Compute log p(x|z) with its normaliser, [..., *event] -> [...], in nats."""
        return gaussian_log_prob(parameters["mean"], 2.0 * jnp.log(self.std), x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Draw x ~ p(x|z), f32[..., *event], in the data's unit."""
        return parameters["mean"] + self.std * keys.normal(key, parameters["mean"].shape)


class _Normal(Likelihood):
    """Abstract Gaussian likelihood N(x; mean, exp log_var); subclasses give `log_var` by `parameters`."""

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Compute log p(x|z) with its normaliser, [..., *event] -> [...], in nats."""
        return gaussian_log_prob(parameters["mean"], parameters["log_var"], x, event_ndim)

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Draw x ~ p(x|z), f32[..., *event], in the data's unit."""
        noise = keys.normal(key, parameters["mean"].shape)
        return parameters["mean"] + jnp.exp(0.5 * parameters["log_var"]) * noise


@spec
class LearnedGaussian(_Normal):
    """Gaussian likelihood with one learned standard deviation: p(x|z) = N(x; mean, std^2 I), the sigma-VAE.

    At the optimum std^2 is the mean squared error of a pixel, which balances distortion against rate without
    a weight. Rybkin, Daniilidis & Levine, 2021 (arXiv 2006.13202).
    """

    initial_std: Annotated[float, Gt(0)] = 1.0
    """Standard deviation at the start, in the data's unit; above 0."""
    min_std: Annotated[float, Gt(0)] = 1e-3
    """Lower bound of the standard deviation: min_std^2 is added to the learned variance; above 0."""
    link: Link = "identity"
    """Function from the decoder's outputs to the mean."""

    def init(self) -> Params:
        """Return `log_var` f32[], the logarithm of initial_std^2."""
        # The logarithm is learned, so that the variance is positive after every step of the optimiser.
        return {"log_var": 2.0 * jnp.log(jnp.asarray(self.initial_std, real()))}

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `mean` f32[..., *event] and `log_var` f32[..., 1, .., 1], the same for every pixel."""
        log_var = _add_min_variance(widened(learned["log_var"]), self.min_std)
        return {"mean": _LINKS[self.link](outputs), "log_var": _broadcast(log_var, outputs)}


@spec
class PixelGaussian(_Normal):
    """Gaussian likelihood with a variance for each pixel: p(x|z) = prod_i N(x_i; mean_i, var_i).

    The decoder returns mean and variance. `min_std` prevents an infinite density of a pixel that is constant
    in the data (Rybkin et al., 2021; Mattei & Frellsen, 2018, arXiv 1802.04826).
    """

    min_std: Annotated[float, Gt(0)] = 1e-2
    """Lower bound of the standard deviation: min_std^2 is added to the decoder's variance; above 0."""
    link: Link = "identity"
    """Function from the decoder's outputs to the mean."""

    def output_shape(self, data_shape: Shape) -> Shape:
        """Return the shape with two numbers for each channel of a pixel, [H, W, 2 C]."""
        return (*data_shape[:-1], 2 * data_shape[-1])

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return `mean` and `log_var`, f32[..., *event] each."""
        mean, log_var = jnp.split(outputs, 2, axis=-1)
        return {"mean": _LINKS[self.link](mean), "log_var": _add_min_variance(log_var, self.min_std)}


def _add_min_variance(log_var: Array, min_std: float) -> Array:
    """Compute log(exp(log_var) + min_std^2)."""
    # A sum, not a maximum, whose gradient below the bound would be 0.
    return jnp.logaddexp(log_var, 2.0 * jnp.log(min_std))


def _broadcast(log_var: Any, outputs: Array) -> Array:
    """Broadcast a number to f32[..., 1, .., 1], one for each row, with the rank of the outputs."""
    # Rank promotion is an error in the tests, so that all arrays of a formula have the same rank.
    return jnp.broadcast_to(log_var, (outputs.shape[0], *(1,) * (outputs.ndim - 1)))
