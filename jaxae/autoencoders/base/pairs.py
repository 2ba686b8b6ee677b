"""Encoder, decoder and reconstruction loss: the parts that most members are made of."""

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
    """Abstract deterministic autoencoder: code z = s(f(x)) and p(x|z) from g(z), without an objective.

    f is `encoder`, g is `decoder`, s is `activation`. Members of the family inherit from it and add `terms`
    and `weights`.
    """

    encoder: nn.Module = nets.MLP()
    """Network f: x -> z, before the activation of the code."""
    decoder: nn.Module = nets.MLP()
    """Network g: z -> the parameters of p(x|z)."""
    latent_dim: Annotated[int, Gt(0)] = 8
    """Size of the code z, L; a code larger than the data is overcomplete."""
    activation: Activation = "identity"
    """Nonlinearity s of the code."""
    reconstruction: Reconstruction = SquaredError()
    """Reconstruction loss d(x, g(z)): a likelihood (nats) or `SquaredError`."""
    tied: bool = False
    """Use the encoder's matrices, transposed, in the decoder; for an MLP and its mirror image."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run starts."""

    @property
    def has_exact_zeros(self) -> bool:
        """True if units of the code can be exactly 0, so that active units can be counted."""
        return self.activation == "relu"

    def check(self) -> None:
        """Check that the nets can be tied. Raises: ValueError otherwise."""
        if not self.tied:
            return
        if not (isinstance(self.encoder, nets.MLP) and isinstance(self.decoder, nets.MLP)):
            names = f"{type(self.encoder).__name__} and {type(self.decoder).__name__}"
            raise ValueError(f"tied: got {names}, expected two MLPs")
        if self.decoder.widths != self.encoder.widths[::-1]:
            mirror = self.encoder.widths[::-1]
            raise ValueError(f"tied: got decoder widths {self.decoder.widths}, expected {mirror}")

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term; members with more terms add their units."""
        return {"distortion": unit_of(self.reconstruction)}

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise encoder and decoder; a tied decoder has biases only."""
        size, shape = self.latent_dim, self.reconstruction.output_shape(self.data_shape)
        params = nets.init_pair(self.encoder, self.decoder, key, batch.x, size, size, shape)
        if self.tied:
            # The decoder's own matrices are dropped after the draw, so that tied and untied nets share one
            # path.
            params["decoder"] = nets.biases(params["decoder"])
        return Variables({**params, **learned(self.reconstruction)})

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the code, f32[B, ...] -> f32[B, L]."""
        return self.code(variables.params, batch.x)

    def code(self, params: Params, x: Array) -> Array:
        """Compute s(f(x)), f32[B, ...] -> f32[B, L].

        Args:
            params: Parameters of the pair.
            x: Examples, f32[B, ...].

        Returns:
            The codes, f32[B, L].
        """
        return activate(self.activation, self.features(params, x))

    def features(self, params: Params, x: Array) -> Array:
        """Compute f(x), the code before its activation, f32[B, ...] -> f32[B, L].

        Args:
            params: Parameters of the pair.
            x: Examples, f32[B, ...].

        Returns:
            The features, f32[B, L].
        """
        return nets.apply(self.encoder, params["encoder"], x, (self.latent_dim,))

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z) for z f32[B, L], such as {`mean`: f32[B, ...]}."""
        params = variables.params
        if self.tied:
            # Transposed in each call, so that gradients of encoder and decoder both reach the one matrix.
            params = {**params, "decoder": nets.transposed(params["encoder"], params["decoder"])}
        return decode(self.reconstruction, self.decoder, params, z, self.data_shape)

    def image(self, parameters: dict[str, Array]) -> Array:
        """Return the mean of p(x|z), f32[B, ...] in the data's unit, from the result of `decode`."""
        return self.reconstruction.mean(parameters)

    def distortion(self, variables: Variables, z: Array, x: Array) -> Array:
        """Compute the reconstruction loss d(x, g(z)), f32[B], in the unit of `reconstruction`."""
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
    """Initialise a decoder, and the parameters that the reconstruction loss learns.

    Args:
        comparison: Reconstruction loss or likelihood; it determines the decoder's output shape.
        decoder: The net.
        key: Key of its initialisers.
        latent_dim: Size of the code, L.
        data_shape: Shape of one example.
        condition: Condition of one row, f32[1, K], or ().

    Returns:
        {`decoder`: ..., `likelihood`: ...}, the latter only if the reconstruction loss learns parameters.
    """
    z = jnp.zeros((1, latent_dim))
    params = nets.init(decoder, key, z, comparison.output_shape(data_shape), condition)
    return {"decoder": params, **learned(comparison)}


def learned(comparison: Reconstruction) -> Params:
    """Initialise the parameters of a reconstruction loss: {`likelihood`: ...}, or {} if it has none."""
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
    """Return the parameters of p(x|z), f32[B, ...] each, for codes z f32[B, L].

    Args:
        comparison: Reconstruction loss or likelihood, which reads the decoder's outputs.
        decoder: The net.
        params: Parameters of the model; `decoder` and `likelihood` are used.
        z: Codes, f32[B, L].
        data_shape: Shape of one example.
        condition: Condition f32[B, K], or ().

    Returns:
        The parameters by name, such as `logits`, or `mean` and `log_var`.
    """
    shape = comparison.output_shape(data_shape)
    outputs = nets.apply(decoder, params["decoder"], z, shape, condition)
    return comparison.parameters(outputs, params.get("likelihood", ()))


def activate(name: Activation, features: Array) -> Array:
    """Apply the nonlinearity s to each feature.

    Args:
        name: Name of the nonlinearity; "identity" for none.
        features: f32[...].

    Returns:
        f32[...].
    """
    # linen has no identity; all other names are its functions.
    return features if name == "identity" else getattr(nn, name)(features)
