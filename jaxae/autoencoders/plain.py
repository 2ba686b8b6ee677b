"""The plain autoencoder (Rumelhart, Hinton & Williams, 1986; Hinton & Salakhutdinov, 2006)."""

from typing import Annotated, Any

from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae import nets
from jaxae.likelihoods import Reconstruction, SquaredError
from jaxae.pytree import spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class AE:
    """Plain autoencoder: z = f(x), distortion = d(x, g(z)).

    With `SquaredError` the distortion is the sum over pixels of (x - g(f(x)))^2 (Hinton's convention,
    not nats); with a likelihood it is -log p(x | z) in nats.
    """

    encoder: nn.Module = nets.MLP()
    """The net x -> z."""
    decoder: nn.Module = nets.MLP()
    """The net z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 8
    """Size of the code z."""
    reconstruction: Reconstruction = SquaredError()
    """How x and its reconstruction are compared."""
    data_shape: tuple[Annotated[int, Gt(0)], ...] = ()
    """Shape of one example; taken from the data when a run begins."""

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of encoder and decoder."""
        sizes = self.latent_dim, self.latent_dim, self.data_shape
        return Variables(nets.init_pair(self.encoder, self.decoder, key, batch.x, *sizes))

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion` f32[B]; the key is not used, nothing here is random."""
        parameters = self.decode(variables, self.encode(variables, batch))
        distortion = self.reconstruction.distortion(parameters, batch.x, len(self.data_shape))
        return {"distortion": distortion}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """The distortion is the whole loss."""
        return {"distortion": 1.0}

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """f32[B, ...] -> f32[B, L]."""
        return nets.apply(self.encoder, variables.params["encoder"], batch.x, (self.latent_dim,))

    def decode(self, variables: Variables, z: Array) -> dict[str, Array]:
        """f32[B, L] -> {`mean` or `logits`: f32[B, ...]}."""
        outputs = nets.apply(self.decoder, variables.params["decoder"], z, self.data_shape)
        return self.reconstruction.parameters(outputs)

    def image(self, parameters: dict[str, Array]) -> Array:
        """What `decode` gave -> f32[B, ...], in the data's unit."""
        return self.reconstruction.mean(parameters)
