"""Means of per-example values over a split, in batches of one size, remainders included."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, precision
from jaxae.types import Autoencoder, Batch, Examples, Key, Model, Terms, Variables, evaluation_terms

BATCH_SIZE = 500
NUMBERS_AT_ONCE = BATCH_SIZE * 4096  # of the examples of a batch: 500 of 64x64, ten of 256x256x3


def mean_terms(autoencoder: Model, variables: Variables, examples: Examples, key: Key) -> Terms:
    """The mean of each term over a split, f32[]; the same noise at every call with the same key."""
    values = all_terms(autoencoder, variables, examples, key)
    return {name: value.mean() for name, value in values.items()}


def all_terms(autoencoder: Model, variables: Variables, examples: Examples, key: Key) -> Terms:
    """Each term of every example of a split as the model is evaluated, f32[N]."""
    return map_examples(functools.partial(evaluation_terms, autoencoder, variables), examples, key)


def all_codes(autoencoder: Autoencoder, variables: Variables, examples: Examples) -> Array:
    """The code of every example of a split, f32[N, L]."""
    return map_examples(lambda batch, _: autoencoder.encode(variables, batch), examples, keys.root(0))


def map_examples(
    measure: Callable[[Batch, Key], Any], examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Any:
    """`measure(batch, key)`, a pytree of [B, ...], over a whole split: a pytree of [N, ...].

    Batches are mapped one after another, so memory does not grow with N; examples of more than 4096 numbers
    in smaller ones, so that it does not grow with them either. The last batch is filled with rows from the
    start, whose values are dropped.
    """
    num_rows = len(examples.x)
    # Two even of the largest examples: statistics of a batch have no value for one.
    fitting = max(2, NUMBERS_AT_ONCE // math.prod(examples.x.shape[1:]))
    size = max(1, min(batch_size, num_rows, fitting))
    num_batches = -(-num_rows // size)
    rows = jnp.arange(num_batches * size).reshape(num_batches, size) % num_rows

    def one(args: tuple[Array, Array]) -> Any:
        number, indices = args
        x, y = jax.tree.map(lambda leaf: leaf[indices], (examples.x, examples.y))
        return measure(Batch(x.astype(precision.real()) / examples.scale, y), jax.random.fold_in(key, number))

    values = jax.lax.map(one, (jnp.arange(num_batches), rows))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_rows], values)


def map_rows(
    measure: Callable[[Batch, Key], Any], examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Any:
    """`measure(batch, key)` of each example, a batch of one with a key of its own: a pytree of [N, ...].

    As `map_examples`, but an example's noise depends on nothing but the example: not on the order of the
    split, its size, or `batch_size`.
    """

    def one(x: Array, y: Any, key: Key) -> Any:
        batch = Batch(x[None], jax.tree.map(lambda leaf: leaf[None], y))
        return jax.tree.map(lambda leaf: leaf[0], measure(batch, keys.of_row(key, x)))

    def rows(batch: Batch, _: Key) -> Any:
        return jax.vmap(one, in_axes=(0, 0, None))(batch.x, batch.y, key)

    return map_examples(rows, examples, key, batch_size)
