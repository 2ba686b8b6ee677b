"""The denoising autoencoder (Vincent, Larochelle, Bengio & Manzagol, 2008; 2010, JMLR 11)."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from jaxae.autoencoders.base.pairs import Pair
from jaxae.distributions.corruptions import GaussianNoise, Masking
from jaxae.protocols.parts import Corruption, Schedule, unit_of
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class Emphasis:
    """alpha D_corrupted + beta D_kept (Vincent et al., 2010, section 3.4); beta = 0 is full emphasis."""

    alpha: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the corrupted components."""
    beta: Annotated[float, Ge(0)] | Schedule = 0.5
    """Weight of the others."""


@spec
class DenoisingAE(Pair):
    """Reconstructs the clean x from a corrupted one: d(x, g(f(x_corrupted))); `encode` sees the clean x.

    With an `emphasis` the loss is its two weights' sum of the distortion of the components that were chosen
    for corruption and of that of the others.
    """

    corruption: Corruption = Masking()
    """How x is corrupted: Masking, Dropout, GaussianNoise or SaltAndPepper."""
    emphasis: Emphasis | None = None
    """Other weights for corrupted components than for the rest; None for one distortion."""

    def check(self) -> None:
        """Raises ValueError for an emphasis where every component is corrupted."""
        Pair.check(self)
        if self.emphasis is not None and isinstance(self.corruption, GaussianNoise):
            raise ValueError("emphasis: GaussianNoise corrupts every component, so there are no others")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, or `distortion_corrupted` and `distortion_kept`; f32[B], in its own unit."""
        corrupted, chosen = self.corruption.corrupt(batch.x, key)
        z = self.code(variables.params, corrupted)
        if self.emphasis is None:
            return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra
        parameters = self.decode(variables, z)
        # Pixels as one axis: XLA's loops on CPU are slow over a short last one.
        x, chosen = (leaf.reshape(leaf.shape[0], -1) for leaf in (batch.x, chosen))
        rank = batch.x.ndim
        flat = jax.tree.map(lambda leaf: leaf.reshape(x.shape[0], -1, *leaf.shape[rank:]), parameters)
        each = self.reconstruction.distortion(flat, x, 0)
        terms = {
            "distortion_corrupted": jnp.where(chosen, each, 0.0).sum(axis=-1),
            "distortion_kept": jnp.where(chosen, 0.0, each).sum(axis=-1),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1, or alpha for the corrupted components and beta for the others."""
        if self.emphasis is None:
            return {"distortion": 1.0}
        alpha, beta = value(self.emphasis.alpha, step), value(self.emphasis.beta, step)
        return {"distortion_corrupted": alpha, "distortion_kept": beta}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        names = "distortion", "distortion_corrupted", "distortion_kept"
        return dict.fromkeys(names, unit_of(self.reconstruction))
