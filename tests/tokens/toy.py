"""Small priors with parameters that are all far from 0, and every sequence of tokens there is."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import keys, nets
from jaxae.tokens.conditions import Labels, Text
from jaxae.tokens.token_prior import TokenPrior
from jaxae.types import Batch, Variables

NET = nets.Transformer(width=8, num_layers=1, num_heads=2, mlp_factor=2)
CONDITIONS: dict[str, Labels | Text | None] = {
    "none": None,
    "labels": Labels(num_classes=2),
    "text": Text(vocabulary=("a", "b", "c"), length=3),
}


def prior(condition: str = "labels", codes: int = 3, grid: tuple[int, ...] = (1, 2)) -> TokenPrior:
    return TokenPrior(net=NET, condition=CONDITIONS[condition], num_codes=codes, data_shape=grid)


def conditions(condition: str, num: int) -> Any:
    """A y for each of `num`."""
    random = np.random.RandomState(3)
    kinds = {"none": (), "labels": random.randint(2, size=num), "text": random.randint(4, size=(num, 3))}
    return jax.tree.map(jnp.asarray, kinds[condition])


@functools.cache
def variables(model: TokenPrior) -> Variables:
    """Of the shapes that `init` gives, but far from 0."""
    batch = Batch(jnp.zeros((1, *model.data_shape)))
    shapes = jax.eval_shape(model.init, keys.root(0), batch)
    random = np.random.RandomState(1)
    return jax.tree.map(lambda leaf: jnp.asarray(0.6 * random.randn(*leaf.shape), leaf.dtype), shapes)


@jax.jit
def _logits(model: TokenPrior, variables: Variables, tokens: Any, prefix: Any) -> jax.Array:
    return model.logits(variables, tokens, prefix)


def logits(model: TokenPrior, tokens: Any, prefix: Any) -> np.ndarray:
    """Those of the shaken variables, f32[B, P, K]."""
    return np.asarray(_logits(model, variables(model), jnp.asarray(tokens), jnp.asarray(prefix)))


def sequences(model: TokenPrior) -> np.ndarray:
    """Every one of the K^P sequences, i32[K^P, P]."""
    each = itertools.product(range(model.num_codes), repeat=model.num_positions)
    return np.array(list(each), np.int32)


def batch_of(model: TokenPrior, tokens: np.ndarray, y: Any = ()) -> Batch:
    """Tokens as a data set has them."""
    return Batch(jnp.asarray(tokens, jnp.float32).reshape(-1, *model.data_shape), y)
