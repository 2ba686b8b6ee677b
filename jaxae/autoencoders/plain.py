"""The plain autoencoder (Rumelhart, Hinton & Williams, 1986; Hinton & Salakhutdinov, 2006)."""

from typing import Any

from jax import Array

from jaxae.autoencoders.base.pairs import Pair
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class AE(Pair):
    """Plain autoencoder: loss = D = d(x, g(z)), with the code z = f(x).

    With `SquaredError` D is the sum over pixels of (x - g(f(x)))^2, f32[B], in the data's unit squared (the
    convention of Hinton & Salakhutdinov, 2006; not nats). With a likelihood D is -log p(x|z), f32[B], in
    nats. A linear code spans the subspace of the principal components (Baldi & Hornik, 1989).

    Example:
        >>> import jaxae
        >>> model = jaxae.AE(latent_dim=2, activation="tanh")
        >>> model.latent_dim, model.encoder.widths
        (2, (400,))
    """

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, f32[B]. The key is not used, since nothing here is random."""
        z = self.encode(variables, batch)
        return {"distortion": self.distortion(variables, z, batch.x)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight 1 of the distortion, which is the whole loss."""
        return {"distortion": 1.0}
