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
    """loss = D(x, g(e)) + commitment |v - sg(e)|^2 [+ |sg(v) - e|^2], e the codes nearest to v = f(x).

    v and e are vectors at each of P positions of a grid; the decoder's gradient passes from e to v. The last
    term is there for codes that learn by gradients. An example's code is the grid of its e, L = P D numbers,
    or its P `tokens`, each one of K.
    """

    encoder: nn.Module = nets.GridEncoder()
    """The net x -> v at each position."""
    decoder: nn.Module = nets.GridDecoder()
    """The net e at each position -> the parameters of p(x|z)."""
    grid: Shape = (2, 2)
    """Positions; for images height and width of the grid of tokens."""
    code_dim: Annotated[int, Gt(0)] = 16
    """D, units of a code at one position."""
    quantiser: Quantiser = EMACodebook()
    """How vectors become codes, and how codes learn."""
    reconstruction: Reconstruction = SquaredError()
    """How x and its reconstruction are compared."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run begins."""

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # a part of the ELBO, if it is of a density

    def check(self) -> None:
        """Raises ValueError for a grid of nothing, and for codes of another length than the levels."""
        if not self.grid:
            raise ValueError("grid: is empty, expected one position or more")
        if isinstance(self.quantiser, FixedCodeDim) and self.quantiser.code_dim != self.code_dim:
            expected = f"{self.quantiser.code_dim}, that of {self.quantiser}"
            raise ValueError(f"code_dim: got {self.code_dim}, expected {expected}")

    @property
    def num_positions(self) -> int:
        """P, tokens of an example."""
        return math.prod(self.grid)

    @property
    def num_codes(self) -> int:
        """K, what a token is one of."""
        return self.quantiser.num_codes

    @property
    def latent_dim(self) -> int:
        """L, numbers of a code: P D."""
        return self.num_positions * self.code_dim

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh parameters of the nets and the quantiser; `extra` is the quantiser's."""
        encoder_key, decoder_key, quantiser_key = jax.random.split(key, 3)
        shape = self.reconstruction.output_shape(self.data_shape)
        own = self.quantiser.init(quantiser_key, self.code_dim)
        params = {
            "encoder": nets.init(self.encoder, encoder_key, batch.x, self._shape),
            "decoder": nets.init(self.decoder, decoder_key, jnp.zeros((1, *self._shape)), shape),
            **pairs.learned(self.reconstruction),
            **own.params,
        }
        return Variables(params, own.extra)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """`distortion`, and the quantiser's own; f32[B]."""
        found, parameters = self.passed(variables, batch, key)
        distortion = self.reconstruction.distortion(parameters, batch.x, len(self.data_shape))
        return {"distortion": distortion, **found.terms}, found.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """1 for the distortion, the quantiser's for its own."""
        return {"distortion": 1.0, **self.quantiser.weights(step)}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        quantiser = dict.fromkeys(("commitment", "codebook"), "code unit squared")
        return {"distortion": unit_of(self.reconstruction), **quantiser}

    def passed(self, variables: Variables, batch: Batch, key: Key) -> tuple[Quantised, dict[str, Array]]:
        """What became of a batch's vectors, and what is decoded from it, gradients included."""
        found = self.quantiser.quantise(variables, self.vectors(variables.params, batch.x), key)
        return found, self.decoded(variables.params, found.values)

    def vectors(self, params: Params, x: Array) -> Array:
        """v = f(x), f32[B, ...] -> f32[B, P, D]."""
        vectors = nets.apply(self.encoder, params["encoder"], x, self._shape)
        return vectors.reshape(x.shape[0], self.num_positions, self.code_dim)

    def decoded(self, params: Params, values: Array) -> dict[str, Array]:
        """f32[B, P, D] -> the parameters of p(x|z), f32[B, ...] each."""
        z = values.reshape(values.shape[0], *self._shape)
        return pairs.decode(self.reconstruction, self.decoder, params, z, self.data_shape)

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """The codes of all positions, f32[B, ...] -> f32[B, L]."""
        return self.embed(variables, self.tokens(variables, batch))

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """f32[B, L] -> the parameters of p(x|z): {`mean` or `logits`: f32[B, ...], ...}."""
        return self.decoded(variables.params, z.reshape(z.shape[0], self.num_positions, self.code_dim))

    def image(self, parameters: dict[str, Array]) -> Array:
        """The mean of p(x|z): what `decode` gave -> f32[B, ...], in the data's unit."""
        return self.reconstruction.mean(parameters)

    def tokens(self, variables: Variables, batch: Batch) -> Array:
        """f32[B, ...] -> i32[B, P], position by position."""
        return self.quantiser.tokens(variables, self.vectors(variables.params, batch.x))

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """i32[B, P] -> the codes of all positions, f32[B, L]."""
        return self.quantiser.embed(variables, tokens).reshape(tokens.shape[0], self.latent_dim)

    @property
    def _shape(self) -> tuple[int, ...]:
        """(*grid, D), as nets see a code."""
        return (*self.grid, self.code_dim)
