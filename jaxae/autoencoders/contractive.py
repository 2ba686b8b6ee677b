"""The contractive autoencoder (Rifai, Vincent, Muller, Glorot & Bengio, 2011), with or without Hessian."""

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
# Largest number of directions that `auto` differentiates one by one, rather than by random probes.
MOST_EXACT = 512


@spec
class Hessian:
    """Hessian penalty: weight E |J_f(x) - J_f(x + noise)|_F^2, noise ~ N(0, std^2 I).

    For small noise it approximates weight std^2 |H_f(x)|_F^2. Rifai, Mesnil, Vincent, Muller, Bengio, Dauphin
    & Glorot, 2011 (Higher order contractive auto-encoder).
    """

    weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the penalty, the paper's gamma."""
    std: Annotated[float, Gt(0)] = 0.1
    """Standard deviation of the noise, in the data's unit; above 0."""
    num_samples: Annotated[int, Gt(0)] = 4
    """Number of noisy neighbours of each example."""


@spec
class ContractiveAE(Pair):
    """Contractive autoencoder: loss = D + contraction_weight |J_f(x)|_F^2, plus a Hessian penalty if given.

    - D = d(x, g(z)) is the distortion, f32[B].
    - J_f is the Jacobian of the encoder at the clean x, [L, D]; its squared Frobenius norm is f32[B], in
      (code unit / data unit)^2.

    Rifai et al., 2011. `method` selects how the norm is computed:

    - closed: for one layer of sigmoid, tanh or rectified units;
    - exact: for any encoder, one derivative for each input or each unit, whichever are fewer;
    - hutchinson: an unbiased estimate from `num_probes` random directions of the input space;
    - auto: the first that fits of closed, exact (up to 512 derivatives) and hutchinson.

    If weights are not tied, the encoder can shrink and the decoder grow at no cost. The paper ties them, and
    so does the default here.
    """

    encoder: nn.Module = nets.MLP(widths=())
    """Network f: x -> z, before the activation of the code."""
    decoder: nn.Module = nets.MLP(widths=())
    """Network g: z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z, L; a code larger than the data is overcomplete."""
    activation: Activation = "sigmoid"
    """Nonlinearity s of the code."""
    tied: bool = True
    """Use the encoder's matrices, transposed, in the decoder; for an MLP and its mirror image."""
    contraction_weight: Annotated[float, Ge(0)] | Schedule = 0.1
    """Weight of |J_f(x)|_F^2, the paper's lambda."""
    method: Method = "auto"
    """Method to compute |J_f(x)|_F^2: closed, exact, hutchinson, or auto for the first that fits."""
    num_probes: Annotated[int, Gt(0)] = 1
    """Number of random directions of the hutchinson estimate."""
    hessian: Hessian | None = None
    """Penalty on the change of the Jacobian near x (CAE+H); None for the plain CAE."""

    def check(self) -> None:
        """Check that the encoder has a closed form if `method` demands it. Raises: ValueError otherwise."""
        Pair.check(self)
        if self.method == "closed" and not self._has_closed_form:
            raise ValueError("method: got closed, which needs a one-layer encoder, MLP(widths=())")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, `contraction` and (if given) `hessian`, f32[B] each."""
        probe_key, noise_key = jax.random.split(key)
        params, x = variables.params, batch.x
        features = self.features(params, x)
        # The closed form shares the features: the gradient then has one product with x and not two, which
        # cost a seventh of a step of 784-1000.
        closed = self._method(x) == "closed"
        terms = {
            "distortion": self.distortion(variables, activate(self.activation, features), x),
            "contraction": self._closed_form(params, self._slopes(features))
            if closed
            else self.contraction(params, x, probe_key),
        }
        if self.hessian is not None:
            terms["hessian"] = self._hessian_penalty(self.hessian, params, x, noise_key)
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, and those of the penalties."""
        weights = {"distortion": 1.0, "contraction": value(self.contraction_weight, step)}
        if self.hessian is None:
            return weights
        return {**weights, "hessian": value(self.hessian.weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        slope = "(code unit / data unit) squared"
        return {**Pair.term_units(self), "contraction": slope, "hessian": slope}

    def contraction(self, params: Params, x: Array, key: Key) -> Array:
        """Compute |J_f(x)|_F^2 by `method`, f32[B].

        Args:
            params: Parameters of the autoencoder.
            x: Examples, f32[B, ...].
            key: Key of the random probes; unused by the closed and exact methods.

        Returns:
            f32[B], in (code unit / data unit)^2.
        """
        # Measured for 784-1000 sigmoid units, batch 100: the closed form takes 0.012 s a step, exact 0.58 s.
        if self._method(x) == "closed":
            return self._closed_form(params, self._slopes(self.features(params, x)))
        # linearize runs the encoder once, and the derivative as often as there are directions.
        return self._squared_norm(jax.linearize(functools.partial(self.code, params), x)[1], x, key)

    def _hessian_penalty(self, hessian: Hessian, params: Params, x: Array, key: Key) -> Array:
        """Compute the mean over noisy neighbours of |J_f(x) - J_f(x + noise)|_F^2, f32[B]."""
        noise_key, probe_key = jax.random.split(key)
        noise = hessian.std * keys.normal(noise_key, (hessian.num_samples, *x.shape))

        def change(noise_and_key: tuple[Array, Key]) -> Array:
            neighbour, probe_key = x + noise_and_key[0], noise_and_key[1]
            if self._method(x) == "closed":
                near, here = self.features(params, neighbour), self.features(params, x)
                return self._closed_form(params, self._slopes(near) - self._slopes(here))
            code = functools.partial(self.code, params)
            at_x, at_neighbour = jax.linearize(code, x)[1], jax.linearize(code, neighbour)[1]
            # The difference of the two linear maps gets the same probes: else the variance would not vanish
            # with it.
            return self._squared_norm(lambda tangents: at_neighbour(tangents) - at_x(tangents), x, probe_key)

        # A map, not vmap: the memory of one neighbour's Jacobian is enough.
        probe_keys = jax.random.split(probe_key, hessian.num_samples)
        return jax.lax.map(change, (noise, probe_keys)).mean(axis=0)

    def _squared_norm(self, linear: jacobians.Linear, x: Array, key: Key) -> Array:
        if self._method(x) == "exact":
            return jacobians.frobenius_squared(linear, x)
        return jacobians.hutchinson(linear, x, key, self.num_probes)

    def _closed_form(self, params: Params, slopes: Array) -> Array:
        """Compute sum_j slope_j^2 |W_j|^2 of one layer, W_j the weights into unit j: f32[B, L] -> f32[B]."""
        # [D, L] -> [L]: the squared length of the weights into each unit.
        kernel = widened(params["encoder"]["Dense_0"]["kernel"])
        return (slopes**2) @ (kernel**2).sum(axis=0)

    def _slopes(self, features: Array) -> Array:
        """Compute s'(f(x)) of each unit from f(x), f32[B, L]."""
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
        # Forward or reverse derivatives, whichever are fewer: one for each input or one for each unit.
        return "exact" if min(self.latent_dim, math.prod(x.shape[1:])) <= MOST_EXACT else "hutchinson"
