"""Sparse autoencoders by a penalty on the code: KL of the mean activation, or L1."""

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
    """loss = D + sparsity_weight sum_j KL(rho || rho_hat_j), rho_hat_j the mean of unit j over the batch.

    Codes are sigmoid units, each meant to be on for a share rho of the examples (Ng, 2011, CS294A notes;
    Lee, Ekanadham & Ng, 2008). rho_hat is a statistic of the batch, and the KL is convex in it: small
    batches are penalised more (Jensen), so compare numbers at one batch size. Every example of a batch has
    the batch's term.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z; larger than the data's it is overcomplete."""
    activation: Activation = "sigmoid"
    """s, the nonlinearity of the code's units; must be sigmoid, whose codes are shares."""
    rho: Annotated[float, Gt(0), Lt(1)] = 0.05
    """The share of examples a unit is meant to be on for."""
    sparsity_weight: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the penalty."""

    batch_terms: ClassVar[tuple[str, ...]] = ("sparsity",)  # statistics of the batch

    def check(self) -> None:
        """Raises ValueError for codes that are no shares."""
        Pair.check(self)
        if self.activation != "sigmoid":
            raise ValueError(f"activation: got {self.activation}; the KL of shares needs sigmoid codes")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, and `sparsity` in nats, the batch's own for each example; f32[B]."""
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
        """1 for the distortion, `sparsity_weight` for the penalty."""
        return {"distortion": 1.0, "sparsity": value(self.sparsity_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "sparsity": "nats"}


@spec
class L1SparseAE(Pair):
    """loss = D + sparsity_weight |z|_1, rectified codes and a softplus reconstruction.

    Glorot, Bordes & Bengio, 2011 (Deep sparse rectifier neural networks), section 3.2. The decoder's
    scale is free, so codes shrink and weights grow together against the penalty: weight decay
    (`AdamW`) or `tied` holds them.
    """

    latent_dim: Annotated[int, Gt(0)] = 128
    """Size of the code z; larger than the data's it is overcomplete."""
    activation: Activation = "relu"
    """s, the nonlinearity of the code's units; relu gives exact zeros."""
    reconstruction: Reconstruction = SquaredError(link="softplus")
    """How x and its reconstruction are compared."""
    sparsity_weight: Annotated[float, Ge(0)] | Schedule = 0.01
    """Weight of the penalty."""

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, and `sparsity` = sum_j |z_j| in the code's unit; f32[B]."""
        z = self.encode(variables, batch)
        distortion = self.distortion(variables, z, batch.x)
        return {"distortion": distortion, "sparsity": jnp.abs(z).sum(axis=-1)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1 for the distortion, `sparsity_weight` for the penalty."""
        return {"distortion": 1.0, "sparsity": value(self.sparsity_weight, step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return {**Pair.term_units(self), "sparsity": "code unit"}
