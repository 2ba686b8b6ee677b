"""The plain autoencoder (Rumelhart, Hinton & Williams, 1986; Hinton & Salakhutdinov, 2006)."""

from typing import Any

from jax import Array

from jaxae.autoencoders.base.pairs import Pair
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class AE(Pair):
    """Plain autoencoder: z = f(x), distortion = d(x, g(z)).

    With `SquaredError` the distortion is the sum over pixels of (x - g(f(x)))^2 (Hinton's convention,
    not nats); with a likelihood it is -log p(x | z) in nats. Linear, its code spans the subspace of
    the principal components (Baldi & Hornik, 1989).
    """

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion` f32[B]; the key is not used, nothing here is random."""
        z = self.encode(variables, batch)
        return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """The distortion is the whole loss."""
        return {"distortion": 1.0}
