"""An encoder, a decoder and how x is compared: what the whole family is made of."""

from typing import Annotated, Any, Literal

import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae import nets
from jaxae.distributions import SquaredError
from jaxae.protocols.parts import Reconstruction, unit_of
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Variables

Activation = Literal["identity", "sigmoid", "tanh", "relu", "softplus"]
Shape = tuple[Annotated[int, Gt(0)], ...]


@spec
class Pair:
    """z = s(f(x)) and p(x|z) from g(z). Abstract: members of the family add `terms` and `weights`."""

    encoder: nn.Module = nets.MLP()
    """The net x -> z, before the code's activation."""
    decoder: nn.Module = nets.MLP()
    """The net z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 8
    """Size of the code z; larger than the data's it is overcomplete."""
    activation: Activation = "identity"
    """s, the nonlinearity of the code's units."""
    reconstruction: Reconstruction = SquaredError()
    """How x and its reconstruction are compared."""
    tied: bool = False
    """Whether the decoder's matrices are the encoder's, transposed; for an MLP and its mirror image."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run begins."""

    @property
    def has_exact_zeros(self) -> bool:
        """Whether units of the code are off, exactly 0, so that they can be counted."""
        return self.activation == "relu"

    def check(self) -> None:
        """Raises ValueError for nets that cannot be tied."""
        if not self.tied:
            return
        if not (isinstance(self.encoder, nets.MLP) and isinstance(self.decoder, nets.MLP)):
            raise ValueError("tied: is for two MLPs only")
        if self.decoder.widths != self.encoder.widths[::-1]:
            mirror = self.encoder.widths[::-1]
            raise ValueError(f"tied: the decoder's widths are {self.decoder.widths}, expected {mirror}")

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term; members with more terms than the distortion add theirs."""
        return {"distortion": unit_of(self.reconstruction)}

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of encoder and decoder; a tied decoder has biases only."""
        size, shape = self.latent_dim, self.reconstruction.output_shape(self.data_shape)
        params = nets.init_pair(self.encoder, self.decoder, key, batch.x, size, size, shape)
        if self.tied:
            params["decoder"] = nets.biases(params["decoder"])
        return Variables({**params, **learned(self.reconstruction)})

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """f32[B, ...] -> f32[B, L]."""
        return self.code(variables.params, batch.x)

    def code(self, params: Params, x: Array) -> Array:
        """s(f(x)), f32[B, ...] -> f32[B, L]."""
        return activate(self.activation, self.features(params, x))

    def features(self, params: Params, x: Array) -> Array:
        """f(x), before the activation, f32[B, ...] -> f32[B, L]."""
        return nets.apply(self.encoder, params["encoder"], x, (self.latent_dim,))

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """f32[B, L] -> the parameters of p(x|z): {`mean` or `logits`: f32[B, ...], ...}."""
        params = variables.params
        if self.tied:
            params = {**params, "decoder": nets.transposed(params["encoder"], params["decoder"])}
        return decode(self.reconstruction, self.decoder, params, z, self.data_shape)

    def image(self, parameters: dict[str, Array]) -> Array:
        """The mean of p(x|z): what `decode` gave -> f32[B, ...], in the data's unit."""
        return self.reconstruction.mean(parameters)

    def distortion(self, variables: Variables, z: Array, x: Array) -> Array:
        """d(x, g(z)): the reconstruction's own, f32[B]."""
        parameters = self.decode(variables, z)
        return self.reconstruction.distortion(parameters, x, len(self.data_shape))


def init_decoder(
    comparison: Reconstruction,
    decoder: nn.Module,
    key: Key,
    latent_dim: int,
    data_shape: Shape,
    condition: Any = (),
) -> Params:
    """`decoder`: the net's fresh parameters; `likelihood`: the comparison's own, where it learns any."""
    z = jnp.zeros((1, latent_dim))
    params = nets.init(decoder, key, z, comparison.output_shape(data_shape), condition)
    return {"decoder": params, **learned(comparison)}


def learned(comparison: Reconstruction) -> Params:
    """`likelihood`: the comparison's own fresh parameters, or nothing."""
    params = comparison.init()
    return {"likelihood": params} if params else {}


def decode(
    comparison: Reconstruction,
    decoder: nn.Module,
    params: Params,
    z: Array,
    data_shape: Shape,
    condition: Any = (),
) -> dict[str, Array]:
    """z f32[B, L] -> the parameters of p(x|z), f32[B, ...] each."""
    shape = comparison.output_shape(data_shape)
    outputs = nets.apply(decoder, params["decoder"], z, shape, condition)
    return comparison.parameters(outputs, params.get("likelihood", ()))


def activate(name: Activation, features: Array) -> Array:
    """s(features), elementwise."""
    return features if name == "identity" else getattr(nn, name)(features)
