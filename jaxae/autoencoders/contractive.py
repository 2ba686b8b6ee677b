"""The contractive autoencoder (Rifai, Vincent, Muller, Glorot & Bengio, 2011), with the Hessian too."""

import functools
import math
from typing import Annotated, Any, Literal

import jax
from annotated_types import Ge, Gt
from flax import linen as nn
from jax import Array

from jaxae import keys, nets
from jaxae.autoencoders.base.pairs import Activation, Pair, activate
from jaxae.maths import jacobians
from jaxae.maths.precision import widened
from jaxae.protocols.parts import Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Terms, Variables

Method = Literal["auto", "closed", "exact", "hutchinson"]
MOST_EXACT = 512  # directions that the automatic choice takes one by one


@spec
class Hessian:
    """weight E |J_f(x) - J_f(x + noise)|_F^2, noise ~ N(0, std^2 I): for small noise std^2 |H_f(x)|_F^2."""

    weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the penalty, CAE+H's gamma."""
    std: Annotated[float, Gt(0)] = 0.1
    """Standard deviation of the noise, in the data's unit; above 0."""
    num_samples: Annotated[int, Gt(0)] = 4
    """Noisy neighbours of each example."""


@spec
class ContractiveAE(Pair):
    """loss = D + contraction_weight |J_f(x)|_F^2, and with a `hessian` its penalty on the Jacobian's change.

    J_f is the Jacobian of the encoder, at the clean x. `method`: closed for one layer of sigmoid, tanh or
    rectified units; exact for any encoder, one derivative for each input or each unit, whichever are
    fewer; hutchinson, an unbiased estimate from `num_probes` probes of the input space. auto takes the first
    of them that fits: closed, exact up to 512 derivatives, hutchinson. Untied, an encoder may shrink
    while the decoder grows, which costs nothing: the paper ties them, and so does this.
    """

    encoder: nn.Module = nets.MLP(widths=())
    """The net x -> z, before the code's activation."""
    decoder: nn.Module = nets.MLP(widths=())
    """The net z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z; larger than the data's it is overcomplete."""
    activation: Activation = "sigmoid"
    """s, the nonlinearity of the code's units."""
    tied: bool = True
    """Whether the decoder's matrices are the encoder's, transposed; for an MLP and its mirror image."""
    contraction_weight: Annotated[float, Ge(0)] | Schedule = 0.1
    """Weight of |J_f(x)|_F^2, the paper's lambda."""
    method: Method = "auto"
    """How |J_f(x)|_F^2 is found."""
    num_probes: Annotated[int, Gt(0)] = 1
    """Probes of the hutchinson estimate."""
    hessian: Hessian | None = None
    """The penalty on the Jacobian's change nearby, CAE+H; None for the CAE."""

    def check(self) -> None:
        """Raises ValueError for a closed form that there is none of."""
        Pair.check(self)
        if self.method == "closed" and not self._has_closed_form:
            raise ValueError("method: closed needs the encoder MLP(widths=()), one layer of units")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`; `contraction` and, where asked for, `hessian`, (code / data unit)^2; f32[B]."""
        probe_key, noise_key = jax.random.split(key)
        params, x = variables.params, batch.x
        terms = {
            "distortion": self.distortion(variables, self.encode(variables, batch), x),
            "contraction": self.contraction(params, x, probe_key),
        }
        if self.hessian is not None:
            terms["hessian"] = self._change(self.hessian, params, x, noise_key)
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1, and the two penalties' weights."""
        weights = {"distortion": 1.0, "contraction": value(self.contraction_weight, step)}
        if self.hessian is None:
            return weights
        return {**weights, "hessian": value(self.hessian.weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        slope = "(code unit / data unit) squared"
        return {**Pair.term_units(self), "contraction": slope, "hessian": slope}

    def contraction(self, params: Params, x: Array, key: Key) -> Array:
        """|J_f(x)|_F^2 by `method`, f32[B]."""
        if self._method(x) == "closed":
            return self._closed(params, self._slopes(params, x))
        return self._norm(jax.linearize(functools.partial(self.code, params), x)[1], x, key)

    def _change(self, hessian: Hessian, params: Params, x: Array, key: Key) -> Array:
        """The mean over noisy neighbours of |J_f(x) - J_f(x + noise)|_F^2, f32[B]."""
        noise_key, probe_key = jax.random.split(key)
        noise = hessian.std * keys.normal(noise_key, (hessian.num_samples, *x.shape))

        def change(of: tuple[Array, Key]) -> Array:
            near, probe_key = x + of[0], of[1]
            if self._method(x) == "closed":
                return self._closed(params, self._slopes(params, near) - self._slopes(params, x))
            code = functools.partial(self.code, params)
            here, there = jax.linearize(code, x)[1], jax.linearize(code, near)[1]
            return self._norm(lambda tangents: there(tangents) - here(tangents), x, probe_key)

        probe_keys = jax.random.split(probe_key, hessian.num_samples)
        return jax.lax.map(change, (noise, probe_keys)).mean(axis=0)

    def _norm(self, linear: jacobians.Linear, x: Array, key: Key) -> Array:
        if self._method(x) == "exact":
            return jacobians.frobenius_squared(linear, x)
        return jacobians.hutchinson(linear, x, key, self.num_probes)

    def _closed(self, params: Params, slopes: Array) -> Array:
        """sum_j slope_j^2 |W_j|^2 of one layer, W_j the weights into unit j; f32[B, L] -> f32[B]."""
        kernel = widened(params["encoder"]["Dense_0"]["kernel"])
        return (slopes**2) @ (kernel**2).sum(axis=0)

    def _slopes(self, params: Params, x: Array) -> Array:
        """s'(f(x)) of each unit, f32[B, L]."""
        features = self.features(params, x)
        slope = jax.grad(lambda feature: activate(self.activation, feature))
        return jax.vmap(jax.vmap(slope))(features)

    @property
    def _has_closed_form(self) -> bool:
        return isinstance(self.encoder, nets.MLP) and self.encoder.widths == ()

    def _method(self, x: Array) -> Method:
        if self.method != "auto":
            return self.method
        if self._has_closed_form:
            return "closed"
        return "exact" if min(self.latent_dim, math.prod(x.shape[1:])) <= MOST_EXACT else "hutchinson"
