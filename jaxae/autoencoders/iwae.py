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
    """Importance weighted autoencoder: loss = -log(1/k sum_s w_s), minus the IWELBO; k = 1 is the VAE.

    w_s = p(x|z_s) p(z_s) / q(z_s|x) at z_s ~ q(z|x); the loss is f32[B] in nats, and the bound gets tighter
    with k. Burda et al., 2016, equation 8.

    The `estimator` changes the gradient, never the bound:

    - standard: the gradient of the bound itself;
    - stl: without the score of q, whose parameters are held fixed (Roeder, Wu & Duvenaud, 2017, arXiv
      1703.09194); biased for k > 1;
    - dreg: doubly reparameterised, unbiased; its signal-to-noise ratio in the encoder's gradient grows with k
      (Tucker et al., 2019, arXiv 1810.04152).

    With `num_groups` M > 1 the loss is the mean over M such bounds: MIWAE(M, k). With `elbo_weight` beta it
    is 1 - beta times the bound and beta times the ELBO of the same samples: CIWAE. With `partial` the encoder
    learns by it and the decoder by the bound of all M k samples: PIWAE (Rainforth et al., 2018, arXiv
    1802.04537).
    """

    num_samples: Annotated[int, Gt(0)] = 5
    """Number of samples of one bound, k; 1 is the ELBO."""
    num_groups: Annotated[int, Gt(0)] = 1
    """Number of bounds that are averaged, M; M k codes are drawn for each example and step."""
    estimator: Estimator = "standard"
    """Gradient estimator: standard, stl (no score of q) or dreg (doubly reparameterised)."""
    elbo_weight: Annotated[float, Ge(0), Le(1)] | None = None
    """Weight beta of the ELBO in CIWAE; 1 is the ELBO alone, None the importance weighted bound alone."""
    partial: bool = False
    """Train the decoder by the one bound of all M k samples (PIWAE)."""

    def check(self) -> None:
        """Check that the estimator suits the posterior, and that PIWAE and CIWAE are not combined.

        Raises: ValueError otherwise.
        """
        Variational.check(self)
        if self.estimator != "standard" and not isinstance(self.posterior, DensityPosterior):
            name = type(self.posterior).__name__
            raise ValueError(f"estimator: {self.estimator} needs a posterior with log_prob; got {name}")
        if self.partial and self.elbo_weight is not None:
            raise ValueError("partial: cannot be combined with elbo_weight, which must be None")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute minus the bound, `negative_iwelbo`, and the terms of CIWAE or PIWAE; f32[B], in nats.

        CIWAE adds `negative_elbo`, PIWAE adds `negative_iwelbo_of_all`. All terms use the same samples. With
        `partial` the gradient of the first term reaches the encoder only, and that of
        `negative_iwelbo_of_all` reaches decoder and prior only.
        """
        outputs = self.infer(variables, batch)
        z, log_posterior = self.posterior.sample(outputs, key, self.num_groups * self.num_samples)
        # PIWAE: the decoder is a constant in the bound that trains the encoder.
        generator = jax.lax.stop_gradient(variables) if self.partial else variables
        if self.estimator == "standard":
            # The sampler's own log q(z|x): a flow knows its density at its own samples only.
            log_weights = self._log_joint(generator, batch, z) - log_posterior
        else:
            log_weights = self._path_log_weights(generator, batch, z, outputs)
        iwelbo = bounds.iwelbo_of_groups(log_weights, self.num_samples)
        if self.estimator == "dreg":
            surrogate = self._dreg_surrogate(generator, batch, z, outputs, log_weights)
            # The value of the bound with the gradient of the surrogate.
            iwelbo = jax.lax.stop_gradient(iwelbo - surrogate) + surrogate
        terms = {"negative_iwelbo": -iwelbo}
        if self.elbo_weight is not None:
            terms["negative_elbo"] = -bounds.elbo(log_weights)
        if self.partial:
            # And the encoder is a constant in the bound that trains the decoder.
            z, log_posterior = jax.lax.stop_gradient((z, log_posterior))
            log_weights_of_all = self._log_joint(variables, batch, z) - log_posterior
            terms["negative_iwelbo_of_all"] = -bounds.iwelbo(log_weights_of_all)
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 - beta and beta for IWELBO and ELBO; 1 for both bounds of `partial`."""
        if self.elbo_weight is not None:
            return {"negative_iwelbo": 1.0 - self.elbo_weight, "negative_elbo": self.elbo_weight}
        return dict.fromkeys(["negative_iwelbo"] + ["negative_iwelbo_of_all"] * self.partial, 1.0)

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return dict.fromkeys(("negative_iwelbo", "negative_elbo", "negative_iwelbo_of_all"), "nats")

    def _log_joint(self, variables: Variables, batch: Batch, z: Array) -> Array:
        """Compute log p(x|z) + log p(z), f32[S, B], in nats."""
        return self.log_likelihood(variables, batch, z) + self.log_prior(variables, z)

    def _path_log_weights(self, variables: Variables, batch: Batch, z: Array, outputs: Array) -> Array:
        """Compute log w, f32[S, B], whose gradient reaches the parameters of q through z only (no score)."""
        assert isinstance(self.posterior, DensityPosterior)
        log_posterior = self.posterior.log_prob(jax.lax.stop_gradient(outputs), z)
        return self._log_joint(variables, batch, z) - log_posterior

    def _dreg_surrogate(
        self, variables: Variables, batch: Batch, z: Array, outputs: Array, log_weights: Array
    ) -> Array:
        """Return f32[B] with the doubly reparameterised gradient of the bound; its value has no meaning.

        The gradient of p is sum_s v_s d log w_s, that of q is sum_s v_s^2 dz_s d log w_s / dz_s. v are the
        normalised weights of each group (Tucker et al., 2019, equation 8). The result is the mean over
        groups.
        """
        groups = log_weights.reshape(self.num_groups, self.num_samples, -1)
        # [M k, B] -> [M, k, B]: weights are normalised within each group. They are constants in the
        # surrogate.
        shares = jax.lax.stop_gradient(jax.nn.softmax(groups, axis=1)).reshape(log_weights.shape)
        # The same forward computation as `log_weights`: the compiler merges the two.
        scaled_log_weights = self._path_log_weights(variables, batch, _scale_gradient(z, shares), outputs)
        return (shares * scaled_log_weights).sum(axis=0) / self.num_groups


@jax.custom_jvp
def _scale_gradient(z: Array, shares: Array) -> Array:
    """Return z f32[S, B, L] unchanged, with its derivative multiplied by `shares` f32[S, B]."""
    return z


@_scale_gradient.defjvp
def _scale_gradient_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (z, shares), (dz, _) = primals, tangents
    return z, shares[..., None] * dz
