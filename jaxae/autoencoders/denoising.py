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
    """Emphasis on corrupted components: alpha D_corrupted + beta D_kept; beta = 0 is full emphasis.

    Vincent et al., 2010, section 3.4.
    """

    alpha: Annotated[float, Ge(0)] | Schedule = 1.0
    """Weight of the distortion of corrupted components."""
    beta: Annotated[float, Ge(0)] | Schedule = 0.5
    """Weight of the distortion of the other components."""


@spec
class DenoisingAE(Pair):
    """Denoising autoencoder: loss = d(x, g(f(x~))), x~ a corrupted x; d compares with the clean x.

    Vincent et al., 2008; 2010. The distortion is f32[B], in the unit of `reconstruction`. `encode` sees the
    clean x. With an `emphasis` the loss is alpha times the distortion of the components chosen for corruption
    plus beta times that of the others.
    """

    corruption: Corruption = Masking()
    """Corruption of x: Masking, Dropout, GaussianNoise or SaltAndPepper."""
    emphasis: Emphasis | None = None
    """Separate weights of corrupted and other components; None weighs all components equally."""

    def check(self) -> None:
        """Check that an emphasis has components to distinguish. Raises: ValueError otherwise."""
        Pair.check(self)
        if self.emphasis is not None and isinstance(self.corruption, GaussianNoise):
            raise ValueError("emphasis: GaussianNoise corrupts every component; expected None")

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, or `distortion_corrupted` and `distortion_kept`; f32[B] each."""
        corrupted, chosen = self.corruption.corrupt(batch.x, key)
        # Only the encoder sees the corrupted x; every distortion below compares with the clean one.
        z = self.code(variables.params, corrupted)
        if self.emphasis is None:
            return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra
        parameters = self.decode(variables, z)
        # Pixels as one axis: XLA's loops on CPU are slow over a short last one. `event_ndim` is then 0, so
        # that the distortion stays one number for each pixel, f32[B, D].
        x, chosen = (leaf.reshape(leaf.shape[0], -1) for leaf in (batch.x, chosen))
        rank = batch.x.ndim
        flat_parameters = jax.tree.map(
            lambda leaf: leaf.reshape(x.shape[0], -1, *leaf.shape[rank:]), parameters
        )
        pixel_distortions = self.reconstruction.distortion(flat_parameters, x, 0)
        terms = {
            "distortion_corrupted": jnp.where(chosen, pixel_distortions, 0.0).sum(axis=-1),
            "distortion_kept": jnp.where(chosen, 0.0, pixel_distortions).sum(axis=-1),
        }
        return terms, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1, or alpha for the corrupted components and beta for the others."""
        if self.emphasis is None:
            return {"distortion": 1.0}
        alpha, beta = value(self.emphasis.alpha, step), value(self.emphasis.beta, step)
        return {"distortion_corrupted": alpha, "distortion_kept": beta}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        names = "distortion", "distortion_corrupted", "distortion_kept"
        return dict.fromkeys(names, unit_of(self.reconstruction))
