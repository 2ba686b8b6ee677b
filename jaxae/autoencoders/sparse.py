"""Sparse autoencoders by a penalty on the code: KL divergence of the mean activation, or L1 norm."""

from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
from annotated_types import Ge, Gt, Lt
from jax import Array

from jaxae.autoencoders.base.pairs import Activation, Pair
from jaxae.distributions import SquaredError
from jaxae.maths.divergences import bernoulli_kl
from jaxae.protocols.parts import Reconstruction, Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class KLSparseAE(Pair):
    """KL-sparse autoencoder: loss = D + sparsity_weight sum_j KL(rho || rho_hat_j), for sigmoid codes.

    D = d(x, g(z)) is the distortion, f32[B]; rho_hat_j is the mean of unit j over the batch; the KL
    divergence of two Bernoulli distributions is in nats.

    Each unit should be active for a share rho of the examples (Ng, 2011, CS294A notes; Lee, Ekanadham & Ng,
    2008). The notes average over the training set, here over the batch. The KL is convex in rho_hat, so small
    batches are penalised more (Jensen): compare numbers at one batch size. All examples of a batch have the
    same sparsity term.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z, L; a code larger than the data is overcomplete."""
    activation: Activation = "sigmoid"
    """Nonlinearity s of the code; must be sigmoid, so that codes lie between 0 and 1."""
    rho: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Target share of examples for which a unit is active, from 0 to 1."""
    sparsity_weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the KL penalty; 0 is the plain autoencoder."""

    batch_terms: ClassVar[tuple[str, ...]] = ("sparsity",)  # statistics of the batch

    def check(self) -> None:
        """Check that the codes are sigmoid units. Raises: ValueError otherwise."""
        Pair.check(self)
        if self.activation != "sigmoid":
            raise ValueError(f"activation: got {self.activation}, expected sigmoid: codes from 0 to 1")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, and `sparsity` in nats, a statistic of the batch; f32[B] each."""
        z = self.encode(variables, batch)
        # A unit that is 0 or 1 for the whole batch in float32 would have an infinite penalty and no gradient.
        rho_hat = jnp.clip(z.mean(axis=0), 1e-6, 1.0 - 1e-6)
        sparsity = bernoulli_kl(self.rho, rho_hat).sum()
        distortion = self.distortion(variables, z, batch.x)
        return {
            "distortion": distortion,
            "sparsity": jnp.broadcast_to(sparsity, (z.shape[0],)),
        }, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, `sparsity_weight` for the penalty."""
        return {"distortion": 1.0, "sparsity": value(self.sparsity_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "sparsity": "nats"}


@spec
class L1SparseAE(Pair):
    """L1-sparse autoencoder: loss = D + sparsity_weight |z|_1, with rectified codes.

    D = d(x, g(z)) is the distortion, f32[B], with a softplus reconstruction; |z|_1 = sum_j |z_j|, f32[B], in
    the code's unit. Glorot, Bordes & Bengio, 2011 (Deep sparse rectifier neural networks), section 3.2.

    The scale of the decoder is free, so codes can shrink and weights grow to avoid the penalty. Weight decay
    (`AdamW`) or `tied` prevents this.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z, L; a code larger than the data is overcomplete."""
    activation: Activation = "relu"
    """Nonlinearity s of the code; relu gives exact zeros."""
    reconstruction: Reconstruction = SquaredError(link="softplus")
    """Reconstruction loss d(x, g(z)): a likelihood (nats) or `SquaredError`."""
    sparsity_weight: Annotated[float, Ge(0)] | Schedule = 0.01
    """Weight of the L1 penalty; 0 is the plain autoencoder."""

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, and `sparsity` = sum_j |z_j| in the code's unit; f32[B] each."""
        z = self.encode(variables, batch)
        distortion = self.distortion(variables, z, batch.x)
        # abs matters for activations with negative codes only; rectified codes equal their absolute value.
        return {"distortion": distortion, "sparsity": jnp.abs(z).sum(axis=-1)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, `sparsity_weight` for the penalty."""
        return {"distortion": 1.0, "sparsity": value(self.sparsity_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "sparsity": "code unit"}
