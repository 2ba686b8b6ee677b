"""An autoregressive prior over the tokens of a discrete autoencoder, with an optional condition.

B batch, P positions of the grid (row by row), K codes, T positions of the condition, S positions of both, W
width.
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
# Standard deviation of the initial embeddings and of the head (Radford et al., 2018).
STD = 0.02


@spec
class TokenPrior:
    """Autoregressive prior of tokens: loss = -sum_p log p(token_p | tokens before p, y), in nats.

    van den Oord et al., 2017 (arXiv 1711.00937) learn such a prior over the codes of a VQ-VAE; Esser et al.,
    2021 (arXiv 2012.09841) use a transformer over those of a VQ-GAN, with the condition as a prefix.

    The sequence is the T ids of y followed by tokens 0, ..., P - 2; position T - 1 + p gives the logits of
    token p. In training a share `drop_condition` of the rows gets the null condition in place of y, so that
    sampling can be guided (Ho & Salimans, 2022, arXiv 2207.12598). Without a condition every row starts with
    the null condition.
    """

    net: nn.Module = nets.Transformer()
    """Trunk of the prior, a net [B, S, W] -> [B, S, W] with a cache."""
    condition: Condition | None = None
    """Type of the condition y: `Labels` or `Text`; None for tokens without a condition."""
    drop_condition: Annotated[float, Ge(0), Le(1)] = 0.1
    """Share of training rows that get the null condition in place of y; has no effect without a condition."""
    num_codes: Annotated[int, Ge(0)] = 0
    """Number of codes of the codebook, K; taken from the tokenizer when a run starts."""
    data_shape: Shape = ()
    """Shape of the grid of tokens; taken from the tokenizer when a run starts."""

    @property
    def num_positions(self) -> int:
        """Number of tokens of an example, P."""
        return math.prod(self.data_shape)

    @property
    def num_prefix(self) -> int:
        """Number of positions before the first token, T."""
        return self.condition.length if self.condition else 1

    @property
    def null(self) -> int:
        """Id of the null condition, V: the first id after those of the condition."""
        return self.condition.size if self.condition else 0

    @property
    def num_classes(self) -> int:
        """Number of labels of the condition; 0 without labels."""
        return self.condition.num_classes if isinstance(self.condition, Labels) else 0

    def fitted(self, dataset: Any) -> "TokenPrior":
        """Return the prior with the number of codes and the condition of a `Dataset` of tokens.

        Raises: JaxaeError if the data are not tokens, or have other codes or another condition than those
        given.
        """
        tokenizer = dataset.tokenizer
        if tokenizer is None:
            raise JaxaeError(
                "data.name: got no tokens, which a TokenPrior needs; give --tokenizer RUN, or tokens:RUN here"
            )
        if self.num_codes not in (0, tokenizer.num_codes):
            expected = f"{tokenizer.num_codes}, as in the tokenizer"
            raise JaxaeError(f"model.num_codes: got {self.num_codes}, expected {expected}")
        # `replace`, because specs are frozen; the user's own spec stays unchanged.
        filled = replace(self, "num_codes", tokenizer.num_codes)
        if not isinstance(self.condition, DataDependent):
            return filled
        return replace(filled, "condition", self.condition.fitted(dataset))

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise embeddings, trunk and head.

        Raises: JaxaeError if the grid, the codes or the condition are still unknown.
        """
        self._check_fitted()
        embedding_key, net_key = jax.random.split(key)
        # The last token is never an input, so that T + P - 1 positions are enough.
        width, num = self.net.width, self.num_prefix + self.num_positions - 1
        sizes = {
            "condition": self.null + 1,
            "tokens": self.num_codes,
            "positions": num,
            "head": self.num_codes,
        }
        # Keys by name: another embedding table would not change the draws of these.
        params = {
            name: STD * keys.normal(keys.named(embedding_key, name), (size, width))
            for name, size in sizes.items()
        }
        params["bias"] = jnp.zeros(self.num_codes)
        x = jnp.zeros((1, 1, width))
        net = nets.fresh(self.net, net_key, x, self.net.cache(1, 1, x.dtype), 0)
        return Variables({**params, "net": net})

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute -log p(tokens | y), f32[B], in nats, with some conditions dropped.

        The term is `cross_entropy`, or `dropped_cross_entropy` for a prior with a condition. The latter gives
        the null condition to a share `drop_condition` of the rows, chosen by `key`. Training and validation
        share this objective. So it is not the cross entropy of p(tokens | y), which is -`log_prob`.
        """
        tokens, prefix = self.tokens(batch), self.prefix(batch)
        if self.condition is None:
            return {"cross_entropy": self._cross_entropy(variables, tokens, prefix)}, variables.extra
        dropped = jax.random.bernoulli(key, self.drop_condition, (tokens.shape[0], 1))
        prefix = jnp.where(dropped, self.null, prefix)
        return {"dropped_cross_entropy": self._cross_entropy(variables, tokens, prefix)}, variables.extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight 1 of the only term."""
        return {"dropped_cross_entropy" if self.condition else "cross_entropy": 1.0}

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term."""
        return dict.fromkeys(("cross_entropy", "dropped_cross_entropy"), "nats")

    def log_prob(self, variables: Variables, batch: Batch) -> Array:
        """Compute log p(tokens | y), summed over positions, f32[B], in nats; no condition is dropped."""
        return -self._cross_entropy(variables, self.tokens(batch), self.prefix(batch))

    def tokens(self, batch: Batch) -> Array:
        """Convert stored data x f32[B, *grid] to tokens i32[B, P], row by row."""
        return batch.x.reshape(batch.x.shape[0], self.num_positions).astype(jnp.int32)

    def prefix(self, batch: Batch) -> Array:
        """Return the ids of y, i32[B, T]. Raises: JaxaeError for a y that is missing or of another shape."""
        if self.condition is None:
            return self.null_prefix(batch.x.shape[0])
        if isinstance(batch.y, tuple):
            name = type(self.condition).__name__
            raise JaxaeError(f"y: got none, expected one for the condition {name}")
        return self.condition.ids(batch.y)

    def null_prefix(self, num: int) -> Array:
        """Return the null condition at every position before the first token, i32[num, T]."""
        return jnp.full((num, self.num_prefix), self.null, jnp.int32)

    def logits(self, variables: Variables, tokens: Array, prefix: Array) -> Array:
        """Compute logits f32[B, P, K] of tokens i32[B, P]; those of token p depend on earlier tokens only."""
        params = variables.params
        # The inputs are the prefix and all tokens except the last: shifted by one against the outputs.
        inputs = self.embed_prefix(params, prefix), self.embed_tokens(params, tokens[:, :-1])
        rows = jnp.concatenate(inputs, axis=1)
        outputs, _ = self.trunk(params, rows, self.cache(params, rows.shape[0]), 0)
        # [B, T + P - 1, W] -> [B, P, W]: the last position of the prefix predicts the first token.
        return self.head(params, outputs[:, self.num_prefix - 1 :])

    def embed_prefix(self, params: Params, prefix: Array) -> Array:
        """Return the embeddings of the ids before the tokens, i32[B, T] -> [B, T, W]."""
        return params["condition"][prefix]

    def embed_tokens(self, params: Params, tokens: Array) -> Array:
        """Return the embeddings of tokens, i32[B, P] -> [B, P, W]."""
        return params["tokens"][tokens]

    def cache(self, params: Params, num: int) -> Any:
        """Return an empty cache of the trunk for `num` sequences, in the precision of the parameters."""
        positions = params["positions"]
        return self.net.cache(num, len(positions), positions.dtype)

    def trunk(self, params: Params, rows: Array, cache: Any, start: int | Array) -> tuple[Array, Any]:
        """Apply the trunk to embeddings [B, S, W] of the positions from `start`; return outputs and cache."""
        # `start` is traced while sampling, which a Python slice does not allow.
        positions = jax.lax.dynamic_slice_in_dim(params["positions"], start, rows.shape[1])
        return nets.call(self.net, params["net"], rows + positions[None], cache, start)

    def head(self, params: Params, outputs: Array) -> Array:
        """Compute logits from outputs, [B, S, W] -> f32[B, S, K]."""
        # float32 at least: the softmax over thousands of codes is never in half precision.
        # As rows of one product: with three axes, XLA on CPU transposes the gradient of the logits.
        rows = outputs.reshape(math.prod(outputs.shape[:-1]), outputs.shape[-1])
        logits = jnp.einsum("nw,kw->nk", rows, params["head"]) + params["bias"][None]
        return widened(logits.reshape(*outputs.shape[:-1], self.num_codes))

    def _cross_entropy(self, variables: Variables, tokens: Array, prefix: Array) -> Array:
        """Compute -sum_p log p(token_p | tokens before p, prefix), f32[B], in nats."""
        log_probs = jax.nn.log_softmax(self.logits(variables, tokens, prefix), axis=-1)
        return -jnp.take_along_axis(log_probs, tokens[..., None], axis=-1).sum(axis=(1, 2))

    def _check_fitted(self) -> None:
        """Check that tokenizer and data have filled in the fields they must. Raises: JaxaeError otherwise."""
        if not (self.num_codes and self.data_shape):
            fields = f"num_codes {self.num_codes} and data_shape {self.data_shape}"
            raise JaxaeError(f"TokenPrior: got {fields}, expected those of a tokenizer")
        if self.condition and not (self.condition.size and self.condition.length):
            raise JaxaeError(f"condition: got {self.condition}, expected one with classes or words")
