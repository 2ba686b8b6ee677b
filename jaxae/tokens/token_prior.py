"""An autoregressive prior over the tokens of a discrete autoencoder, and of a condition.

B batch, P positions of the grid (row by row), K codes, T positions of the condition, S of both, W width.
"""

import math
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt, Le
from flax import linen as nn
from jax import Array

from jaxae import keys, nets
from jaxae.errors import JaxaeError
from jaxae.maths.precision import widened
from jaxae.protocols.capabilities import DataDependent
from jaxae.protocols.parts import Condition
from jaxae.specs.pytree import replace, spec
from jaxae.tokens.conditions import Labels
from jaxae.types import Batch, Key, Params, Terms, Variables

Shape = tuple[Annotated[int, Gt(0)], ...]
STD = 0.02  # of fresh embeddings and of the head (Radford et al., 2018)


@spec
class TokenPrior:
    """p(tokens | y) = prod_p p(token_p | tokens before p, y), by a causal transformer; nats.

    van den Oord et al., 2017 (arXiv 1711.00937) learn such a prior over the codes of a VQ-VAE, Esser et al.,
    2021 (arXiv 2012.09841) as a transformer over those of a VQ-GAN, with the condition as a prefix. The
    sequence is the T ids of y, then tokens 0, ..., P - 2; position T - 1 + p gives the logits of token p. In
    training a share of the rows is told the null condition in place of y, so that sampling can be guided
    (Ho & Salimans, 2022, arXiv 2207.12598). Without a condition the null one is the one row all begin with.
    """

    net: nn.Module = nets.Transformer()
    """The trunk [B, S, W] -> [B, S, W]."""
    condition: Condition | None = None
    """What y is; None for tokens without a condition."""
    drop_condition: Annotated[float, Ge(0), Le(1)] = 0.1
    """Share of training rows that are told the null condition; of no use without a condition."""
    num_codes: Annotated[int, Ge(0)] = 0
    """K, the codes of the codebook; taken from the tokenizer when a run begins."""
    data_shape: Shape = ()
    """The grid of tokens; taken from the tokenizer when a run begins."""

    @property
    def num_positions(self) -> int:
        """P, tokens of an example."""
        return math.prod(self.data_shape)

    @property
    def num_prefix(self) -> int:
        """T, positions before the first token."""
        return self.condition.length if self.condition else 1

    @property
    def null(self) -> int:
        """The id of the null condition: V, behind those of the condition."""
        return self.condition.size if self.condition else 0

    @property
    def num_classes(self) -> int:
        """Labels that y may be, 0 for none."""
        return self.condition.num_classes if isinstance(self.condition, Labels) else 0

    def fitted(self, dataset: Any) -> "TokenPrior":
        """The prior with codes and condition as a `Dataset` of tokens has them.

        Raises: JaxaeError for other data, and for codes or a condition that the data do not have.
        """
        tokenizer = dataset.tokenizer
        if tokenizer is None:
            raise JaxaeError(
                "data.name: a TokenPrior learns tokens; give --tokenizer RUN, or tokens:RUN here"
            )
        if self.num_codes not in (0, tokenizer.num_codes):
            codes = f"the tokenizer has {tokenizer.num_codes}"
            raise JaxaeError(f"model.num_codes: got {self.num_codes}, but {codes}")
        filled = replace(self, "num_codes", tokenizer.num_codes)
        if not isinstance(self.condition, DataDependent):
            return filled
        return replace(filled, "condition", self.condition.fitted(dataset))

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh embeddings, trunk and head. Raises: JaxaeError while grid, codes or condition are unknown."""
        self._known()
        embedding_key, net_key = jax.random.split(key)
        width, num = self.net.width, self.num_prefix + self.num_positions - 1
        sizes = {
            "condition": self.null + 1,
            "tokens": self.num_codes,
            "positions": num,
            "head": self.num_codes,
        }
        params = {
            name: STD * keys.normal(keys.named(embedding_key, name), (size, width))
            for name, size in sizes.items()
        }
        params["bias"] = jnp.zeros(self.num_codes)
        x = jnp.zeros((1, 1, width))
        net = nets.fresh(self.net, net_key, x, self.net.cache(1, 1, x.dtype), 0)
        return Variables({**params, "net": net})

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """The objective, f32[B], nats: -log p(tokens | y) as `cross_entropy` where there is no condition.

        With one it is `dropped_cross_entropy`: rows that `key` chooses, a share of `drop_condition`, are told
        the null condition, in training and in validation alike, since one objective serves both. So it is
        not the cross entropy of p(tokens | y), which is -`log_prob`.
        """
        tokens, prefix = self.tokens(batch), self.prefix(batch)
        if self.condition is None:
            return {"cross_entropy": self._cross_entropy(variables, tokens, prefix)}, variables.extra
        dropped = jax.random.bernoulli(key, self.drop_condition, (tokens.shape[0], 1))
        prefix = jnp.where(dropped, self.null, prefix)
        return {"dropped_cross_entropy": self._cross_entropy(variables, tokens, prefix)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """The one term is the whole loss."""
        return {"dropped_cross_entropy" if self.condition else "cross_entropy": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return dict.fromkeys(("cross_entropy", "dropped_cross_entropy"), "nats")

    def log_prob(self, variables: Variables, batch: Batch) -> Array:
        """log p(tokens | y), never dropped; f32[B], nats summed over positions."""
        return -self._cross_entropy(variables, self.tokens(batch), self.prefix(batch))

    def tokens(self, batch: Batch) -> Array:
        """x f32[B, *grid], as data are stored -> i32[B, P], row by row."""
        return batch.x.reshape(batch.x.shape[0], self.num_positions).astype(jnp.int32)

    def prefix(self, batch: Batch) -> Array:
        """The ids of y, i32[B, T]. Raises: JaxaeError for a y that is missing or of another shape."""
        if self.condition is None:
            return self.null_prefix(batch.x.shape[0])
        if isinstance(batch.y, tuple):
            name = type(self.condition).__name__
            raise JaxaeError(f"y: there is none, but the prior has the condition {name}")
        return self.condition.ids(batch.y)

    def null_prefix(self, num: int) -> Array:
        """The null condition at every position before the first token, i32[num, T]."""
        return jnp.full((num, self.num_prefix), self.null, jnp.int32)

    def logits(self, variables: Variables, tokens: Array, prefix: Array) -> Array:
        """tokens i32[B, P], prefix i32[B, T] -> f32[B, P, K]; those of token p see none from p on."""
        params = variables.params
        inputs = self.embed_prefix(params, prefix), self.embed_tokens(params, tokens[:, :-1])
        rows = jnp.concatenate(inputs, axis=1)
        outputs, _ = self.trunk(params, rows, self.cache(params, rows.shape[0]), 0)
        return self.head(params, outputs[:, self.num_prefix - 1 :])

    def embed_prefix(self, params: Params, prefix: Array) -> Array:
        """The vectors of the ids before the tokens, i32[B, T] -> [B, T, W]."""
        return params["condition"][prefix]

    def embed_tokens(self, params: Params, tokens: Array) -> Array:
        """The vectors of tokens, i32[B, P] -> [B, P, W]."""
        return params["tokens"][tokens]

    def cache(self, params: Params, num: int) -> Any:
        """The trunk's cache for `num` sequences, of the parameters' own precision."""
        positions = params["positions"]
        return self.net.cache(num, len(positions), positions.dtype)

    def trunk(self, params: Params, rows: Array, cache: Any, start: int | Array) -> tuple[Array, Any]:
        """Embeddings [B, S, W] of the positions from `start` -> [B, S, W], and the cache with them in it."""
        places = jax.lax.dynamic_slice_in_dim(params["positions"], start, rows.shape[1])
        return nets.call(self.net, params["net"], rows + places[None], cache, start)

    def head(self, params: Params, outputs: Array) -> Array:
        """[B, S, W] -> logits f32[B, S, K]."""
        return widened(jnp.einsum("bsw,kw->bsk", outputs, params["head"]) + params["bias"][None, None])

    def _cross_entropy(self, variables: Variables, tokens: Array, prefix: Array) -> Array:
        """-sum_p log p(token_p | tokens before p, prefix), f32[B], nats."""
        log_probs = jax.nn.log_softmax(self.logits(variables, tokens, prefix), axis=-1)
        return -jnp.take_along_axis(log_probs, tokens[..., None], axis=-1).sum(axis=(1, 2))

    def _known(self) -> None:
        """That the tokenizer and the data have filled in what they must."""
        if not (self.num_codes and self.data_shape):
            given = f"num_codes {self.num_codes} and data_shape {self.data_shape}"
            raise JaxaeError(f"TokenPrior: got {given}, expected those of a tokenizer")
        if self.condition and not (self.condition.size and self.condition.length):
            raise JaxaeError(f"condition: got {self.condition}, expected its classes or its words")
