"""The vector-quantised autoencoder (van den Oord, Vinyals & Kavukcuoglu, 2017, arXiv 1711.00937)."""

import math
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae import nets
from jaxae.autoencoders.base import pairs
from jaxae.autoencoders.base.pairs import Shape
from jaxae.autoencoders.base.quantisers import EMACodebook
from jaxae.distributions import SquaredError
from jaxae.protocols.parts import FixedCodeDim, Quantised, Quantiser, Reconstruction, unit_of
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Params, Terms, Variables


@spec
class VQVAE:
    """Vector-quantised autoencoder: loss = D(x, g(e)) + commitment |v - sg(e)|^2, e the code nearest to v.

    - D is the distortion, f32[B], in the unit of `reconstruction`; sg is stop_gradient.
    - v = f(x) and e are vectors at each of P positions of a grid, f32[B, P, D]; the decoder's gradient passes
      from e to v.
    - |v - sg(e)|^2 is summed over D and averaged over positions, f32[B], in the code's unit squared.
    - A codebook that learns by gradients adds |sg(v) - e|^2 (equation 3); the default learns by moving
      averages.

    van den Oord et al., 2017. The code of an example is the grid of its e, L = P D numbers, or its P
    `tokens`, each one of K.
    """

    encoder: nn.Module = nets.GridEncoder()
    """Network f: x -> a vector v at each position."""
    decoder: nn.Module = nets.GridDecoder()
    """Network g: a code e at each position -> the parameters of p(x|z)."""
    grid: Shape = (2, 2)
    """Shape of the grid of tokens, (height, width) for images; P is its product."""
    code_dim: Annotated[int, Gt(0)] = 16
    """Dimension of the code at one position, D."""
    quantiser: Quantiser = EMACodebook()
    """Quantiser, which maps vectors to codes and trains the codes."""
    reconstruction: Reconstruction = SquaredError()
    """Reconstruction loss d(x, g(e)): a likelihood (nats) or `SquaredError`."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run starts."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # a part of the ELBO, if it is of a density

    def check(self) -> None:
        """Check the grid, and that `code_dim` suits the quantiser. Raises: ValueError otherwise."""
        if not self.grid:
            raise ValueError("grid: is empty, expected at least one position")
        if isinstance(self.quantiser, FixedCodeDim) and self.quantiser.code_dim != self.code_dim:
            expected = f"{self.quantiser.code_dim}, that of {self.quantiser}"
            raise ValueError(f"code_dim: got {self.code_dim}, expected {expected}")

    @property
    def num_positions(self) -> int:
        """Number of tokens of an example, P."""
        return math.prod(self.grid)

    @property
    def num_codes(self) -> int:
        """Number of codes, K; a token is one of 0, ..., K - 1."""
        return self.quantiser.num_codes

    @property
    def latent_dim(self) -> int:
        """Number of numbers in a code, L = P D."""
        return self.num_positions * self.code_dim

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise the nets and the quantiser; `extra` is that of the quantiser."""
        encoder_key, decoder_key, quantiser_key = jax.random.split(key, 3)
        shape = self.reconstruction.output_shape(self.data_shape)
        quantiser_variables = self.quantiser.init(quantiser_key, self.code_dim)
        params = {
            "encoder": nets.init(self.encoder, encoder_key, batch.x, self._code_shape),
            "decoder": nets.init(self.decoder, decoder_key, jnp.zeros((1, *self._code_shape)), shape),
            **pairs.learned(self.reconstruction),
            **quantiser_variables.params,
        }
        return Variables(params, quantiser_variables.extra)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `distortion`, and the terms of the quantiser; f32[B] each."""
        quantised, parameters = self.passed(variables, batch, key)
        distortion = self.reconstruction.distortion(parameters, batch.x, len(self.data_shape))
        return {"distortion": distortion, **quantised.terms}, quantised.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: 1 for the distortion, and those of the quantiser."""
        return {"distortion": 1.0, **self.quantiser.weights(step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        quantiser = dict.fromkeys(("commitment", "codebook"), "code unit squared")
        return {"distortion": unit_of(self.reconstruction), **quantiser}

    def passed(self, variables: Variables, batch: Batch, key: Key) -> tuple[Quantised, dict[str, Array]]:
        """Quantise and decode a batch, with the gradients of training.

        Args:
            variables: Variables of the model.
            batch: Examples, f32[B, ...].
            key: Key of the quantiser.

        Returns:
            The quantised vectors, and the parameters of p(x|z), f32[B, ...] each.
        """
        quantised = self.quantiser.quantise(variables, self.vectors(variables.params, batch.x), key)
        return quantised, self.decoded(variables.params, quantised.values)

    def vectors(self, params: Params, x: Array) -> Array:
        """Compute v = f(x), f32[B, ...] -> f32[B, P, D].

        Args:
            params: Parameters of the model.
            x: Examples, f32[B, ...].

        Returns:
            f32[B, P, D].
        """
        vectors = nets.apply(self.encoder, params["encoder"], x, self._code_shape)
        # [B, *grid, D] -> [B, P, D]: quantisers do not know the shape of the grid.
        return vectors.reshape(x.shape[0], self.num_positions, self.code_dim)

    def decoded(self, params: Params, values: Array) -> dict[str, Array]:
        """Return the parameters of p(x|z) for codes at all positions.

        Args:
            params: Parameters of the model.
            values: Codes, f32[B, P, D].

        Returns:
            The parameters by name, f32[B, ...] each.
        """
        z = values.reshape(values.shape[0], *self._code_shape)
        return pairs.decode(self.reconstruction, self.decoder, params, z, self.data_shape)

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the codes of all positions, f32[B, ...] -> f32[B, L]."""
        # By way of the tokens, so that a code equals the code of its tokens bit by bit.
        return self.embed(variables, self.tokens(variables, batch))

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z) for z f32[B, L], such as {`mean`: f32[B, ...]}."""
        return self.decoded(variables.params, z.reshape(z.shape[0], self.num_positions, self.code_dim))

    def image(self, parameters: dict[str, Array]) -> Array:
        """Return the mean of p(x|z), f32[B, ...] in the data's unit, from the result of `decode`."""
        return self.reconstruction.mean(parameters)

    def tokens(self, variables: Variables, batch: Batch) -> Array:
        """Return the tokens of each example, f32[B, ...] -> i32[B, P], position by position."""
        return self.quantiser.tokens(variables, self.vectors(variables.params, batch.x))

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Return the codes of tokens, i32[B, P] -> f32[B, L]."""
        return self.quantiser.embed(variables, tokens).reshape(tokens.shape[0], self.latent_dim)

    @property
    def _code_shape(self) -> tuple[int, ...]:
        """Shape of one code as the nets see it, (*grid, D)."""
        return (*self.grid, self.code_dim)
