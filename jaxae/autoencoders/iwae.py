"""The importance weighted autoencoder (Burda et al., 2016, arXiv 1509.00519) and its relatives."""

from typing import Annotated, Any, Literal

import jax
from annotated_types import Ge, Gt, Le
from jax import Array

from jaxae.autoencoders.base.variational import Variational
from jaxae.maths import bounds
from jaxae.protocols.parts import DensityPosterior
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables

Estimator = Literal["standard", "stl", "dreg"]


@spec
class IWAE(Variational):
    """loss = -log 1/k sum_s w_s, minus the IWELBO: a bound that tightens with k.

    The bound is the same for every `estimator`; its gradient is not. standard: of the bound itself. stl:
    without the score of q, whose own parameters are held fixed (Roeder, Wu & Duvenaud, 2017, arXiv
    1703.09194); for k > 1 it is biased. dreg: doubly reparameterised, unbiased, and its signal to noise
    ratio in the encoder's gradient grows with k (Tucker et al., 2019, arXiv 1810.04152).
    With `num_groups` M > 1 the loss is the mean over M such bounds: MIWAE(M, k); with `elbo_weight` beta,
    (1 - beta) of it and beta of the same samples' ELBO: CIWAE; with `partial` the encoder learns by it and
    the decoder by the bound of all M k samples: PIWAE (Rainforth et al., 2018, arXiv 1802.04537).
    """

    num_samples: Annotated[int, Gt(0)] = 5
    """k, the samples of one bound."""
    num_groups: Annotated[int, Gt(0)] = 1
    """M, bounds whose mean is taken; M k codes are drawn for each example and step."""
    estimator: Estimator = "standard"
    """How the gradient is estimated."""
    elbo_weight: Annotated[float, Ge(0), Le(1)] | None = None
    """beta of CIWAE: 1 is the ELBO alone; None for the bound alone."""
    partial: bool = False
    """Whether the decoder learns by the one bound of all M k samples, PIWAE."""

    def check(self) -> None:
        """Raises ValueError for an estimator that this posterior does not allow, and for PIWAE with CIWAE."""
        Variational.check(self)
        if self.estimator != "standard" and not isinstance(self.posterior, DensityPosterior):
            name = type(self.posterior).__name__
            raise ValueError(f"estimator: {self.estimator} needs log q(z|x) of a fixed q, which {name} lacks")
        if self.partial and self.elbo_weight is not None:
            raise ValueError("partial: cannot stand beside elbo_weight")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`negative_iwelbo`; with an `elbo_weight` `negative_elbo`, with `partial` `negative_iwelbo_of_all`.

        All of the same samples, f32[B], nats. With `partial` the first one's gradient reaches the encoder
        alone, the other's the decoder and the prior alone.
        """
        outputs = self.infer(variables, batch)
        z, log_posterior = self.posterior.sample(outputs, key, self.num_groups * self.num_samples)
        generator = jax.lax.stop_gradient(variables) if self.partial else variables
        if self.estimator == "standard":
            log_weights = self._log_joint(generator, batch, z) - log_posterior
        else:
            log_weights = self._path_log_weights(generator, batch, z, outputs)
        iwelbo = bounds.iwelbo_of_groups(log_weights, self.num_samples)
        if self.estimator == "dreg":
            surrogate = self._doubly_reparameterised(generator, batch, z, outputs, log_weights)
            iwelbo = jax.lax.stop_gradient(iwelbo - surrogate) + surrogate
        terms = {"negative_iwelbo": -iwelbo}
        if self.elbo_weight is not None:
            terms["negative_elbo"] = -bounds.elbo(log_weights)
        if self.partial:
            z, log_posterior = jax.lax.stop_gradient((z, log_posterior))
            of_all = self._log_joint(variables, batch, z) - log_posterior
            terms["negative_iwelbo_of_all"] = -bounds.iwelbo(of_all)
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1 - beta for minus the IWELBO, beta for minus the ELBO; 1 for both bounds of `partial`."""
        if self.elbo_weight is not None:
            return {"negative_iwelbo": 1.0 - self.elbo_weight, "negative_elbo": self.elbo_weight}
        return dict.fromkeys(["negative_iwelbo"] + ["negative_iwelbo_of_all"] * self.partial, 1.0)

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return dict.fromkeys(("negative_iwelbo", "negative_elbo", "negative_iwelbo_of_all"), "nats")

    def _log_joint(self, variables: Variables, batch: Batch, z: Array) -> Array:
        """log p(x|z) + log p(z), f32[S, B], nats."""
        return self.log_likelihood(variables, batch, z) + self.log_prior(variables, z)

    def _path_log_weights(self, variables: Variables, batch: Batch, z: Array, outputs: Array) -> Array:
        """log w, f32[S, B], whose gradient reaches the parameters of q by way of z only: no score of q."""
        assert isinstance(self.posterior, DensityPosterior)
        log_posterior = self.posterior.log_prob(jax.lax.stop_gradient(outputs), z)
        return self._log_joint(variables, batch, z) - log_posterior

    def _doubly_reparameterised(
        self, variables: Variables, batch: Batch, z: Array, outputs: Array, log_weights: Array
    ) -> Array:
        """f32[B] with the gradient sum_s v_s d log w_s of p and sum_s v_s^2 dz_s d log w_s / dz_s of q.

        v are the normalised weights of each group (Tucker et al., 2019, equation 8); the mean over groups.
        """
        groups = log_weights.reshape(self.num_groups, self.num_samples, -1)
        shares = jax.lax.stop_gradient(jax.nn.softmax(groups, axis=1)).reshape(log_weights.shape)
        # The same forward computation as `log_weights`, which the compiler makes once.
        again = self._path_log_weights(variables, batch, _scale_gradient(z, shares), outputs)
        return (shares * again).sum(axis=0) / self.num_groups


@jax.custom_jvp
def _scale_gradient(z: Array, shares: Array) -> Array:
    """z f32[S, B, L] itself, its derivative times `shares` f32[S, B]."""
    return z


@_scale_gradient.defjvp
def _scale_gradient_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (z, shares), (dz, _) = primals, tangents
    return z, shares[..., None] * dz
