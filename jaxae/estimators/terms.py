"""Per-example values over a split: terms in batches as in training, all else of each example alone.

Terms may couple the examples of a batch (a mean activation, an MMD), so their batch is part of what they
mean: it has the size of the training batch, whatever memory there is. All other values are of one example,
whose noise depends on a key and the example, or on a key and its number. They are computed for as many
examples and draws at once as memory allows (`jaxae.memory`), which changes no number.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, memory
from jaxae.maths import precision
from jaxae.protocols.capabilities import Model, evaluation_terms
from jaxae.types import Batch, Examples, Key, Terms, Variables

BATCH_SIZE = 100  # of terms, without an experiment that says otherwise: that of `Experiment`
ROWS_AT_ONCE = 500  # more of them run no faster


class Stream(NamedTuple):
    """The noise of one example."""

    key: Key  # the example's own, or that of the split
    number: Array  # i32[], the place of the example in the split; 0 if the key is the example's own

    def draws(self, num: int) -> Key:
        """Return the keys of the draws 0, 1, ..., [num]; the first ones are the same for any `num`."""
        return jax.vmap(functools.partial(keys.of_draw, self.key, self.number))(jnp.arange(num))


def mean_terms(
    autoencoder: Model, variables: Variables, examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Terms:
    """The mean of each term over a split, f32[]; the same noise at every call with the same key."""
    values = all_terms(autoencoder, variables, examples, key, batch_size)
    return {name: value.mean() for name, value in values.items()}


def all_terms(
    autoencoder: Model, variables: Variables, examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Terms:
    """Each term of every example of a split as the model is evaluated, f32[N], in batches of `batch_size`."""
    measure = functools.partial(evaluation_terms, autoencoder, variables)
    return map_examples(measure, examples, key, batch_size)


def map_examples(
    measure: Callable[[Batch, Key], Any], examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Any:
    """`measure(batch, key)`, a pytree of [B, ...], over a whole split: a pytree of [N, ...].

    Batches are mapped one after another, so memory does not grow with N. They have `batch_size` examples, or
    all N of a smaller split. The last batch is filled with rows from the start, whose values are dropped.
    """
    num_rows = len(examples.x)
    size = min(batch_size, num_rows)

    def one(number: Array) -> Any:
        rows = (number * size + jnp.arange(size)) % num_rows
        return measure(_batch(examples, rows), jax.random.fold_in(key, number))

    values = jax.lax.map(one, jnp.arange(-(-num_rows // size)))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_rows], values)


def map_rows(
    measure: Callable[[Batch, Key], Any], examples: Examples, key: Key, rows_at_once: int = ROWS_AT_ONCE
) -> Any:
    """`measure(batch, key)` of each example, a batch of one with a key of its own: a pytree of [N, ...].

    An example's noise depends on nothing but the example: not on the order of the split, its size, or
    `rows_at_once`.
    """

    def one(batch: Batch, stream: Stream) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], measure(batch, stream.key))

    return map_alone(one, examples, key, rows_at_once, by_content=True)


def map_alone(
    measure: Callable[[Batch, Stream], Any],
    examples: Examples,
    key: Key,
    rows_at_once: int,
    *,
    by_content: bool,
) -> Any:
    """Map `measure` over a split, some rows at once.

    Args:
        measure: From a batch of one and its noise to a pytree of arrays [...], without the batch.
        examples: The split, of N rows.
        key: What noise is derived from.
        rows_at_once: Rows whose values are computed side by side.
        by_content: Whether a row's noise depends on what it holds, so that it is the same wherever the row
            stands; else on its number, so that equal rows have independent noise.

    Returns:
        A pytree of [N, ...].
    """

    def one(number: Array) -> Any:
        batch = _batch(examples, number[None])
        # Of the row as it is stored: programs of other shapes may divide by the scale with another rounding.
        own = keys.of_row(key, examples.x[number]) if by_content else key
        return measure(batch, Stream(own, jnp.zeros_like(number) if by_content else number))

    return in_chunks(jax.vmap(one), jnp.arange(len(examples.x)), rows_at_once)


def in_chunks(function: Callable[[Any], Any], values: Any, size: int) -> Any:
    """`function`, of [B, ...] to [B, ...], over values [N, ...] in chunks of at most `size`; [N, ...].

    The last chunk is filled from the start. Few values are one chunk, without a loop.
    """
    num = len(values)
    if num <= size:
        return function(values)
    num_chunks = -(-num // size)
    size = -(-num // num_chunks)  # chunks of about one size: few values are computed twice
    rows = jnp.arange(num_chunks * size).reshape(num_chunks, size) % num
    found = jax.lax.map(function, values[rows])
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num], found)


def map_draws(measure: Callable[[Key], Any], draw_keys: Key, draws_at_once: int) -> Any:
    """`measure(key)` for each of the keys [S], `draws_at_once` side by side: a pytree of [S, ...]."""
    kind = jax.random.key_impl(draw_keys)

    def of_draw(data: Array) -> Any:
        return measure(jax.random.wrap_key_data(data, impl=kind))

    # As numbers: jax's check of reused keys takes a key that is passed to a loop for one that is used up.
    return in_chunks(jax.vmap(of_draw), jax.random.key_data(draw_keys), draws_at_once)


def over_rows(
    measure: Callable[..., Any],
    arguments: tuple[Any, ...],
    examples: Examples,
    key: Key,
    *static: Any,
    num_draws: int = 1,
    by_content: bool = True,
) -> Any:
    """Map a measure over a split in as large chunks as memory allows.

    Args:
        measure: A function of a module, `measure(*arguments, batch, stream, draws_at_once, *static)`, from a
            batch of one and its noise to a pytree of arrays [...].
        arguments: Pytrees that are compiled as arguments: the autoencoder, its variables.
        examples: The split, of N rows.
        key: What noise is derived from.
        static: Numbers that are structure.
        num_draws: Codes decoded for each row.
        by_content: As in `map_alone`.

    Returns:
        A pytree of [N, ...].
    """
    return memory.run(
        _over_rows,
        arguments,
        examples,
        key,
        at_once=memory.first_guess(examples.x.shape[1:], len(examples.x) * num_draws),
        measure=measure,
        static=static,
        num_draws=num_draws,
        by_content=by_content,
    )


def example_of(examples: Examples) -> Batch:
    """The shapes and types of a batch of one."""
    return jax.eval_shape(lambda examples: _batch(examples, jnp.zeros((1,), jnp.int32)), examples)


def divided(at_once: int, num_rows: int, num_draws: int) -> tuple[int, int]:
    """Return (rows, draws of each) at once, of which there are at most `at_once` in all."""
    rows = max(1, min(at_once // num_draws, num_rows, ROWS_AT_ONCE))
    return rows, max(1, at_once // rows)


@functools.partial(jax.jit, static_argnames=("at_once", "measure", "static", "num_draws", "by_content"))
def _over_rows(
    arguments: tuple[Any, ...],
    examples: Examples,
    key: Key,
    *,
    at_once: int,
    measure: Callable[..., Any],
    static: tuple[Any, ...],
    num_draws: int,
    by_content: bool,
) -> Any:
    rows, draws = divided(at_once, len(examples.x), num_draws)

    def one(batch: Batch, stream: Stream) -> Any:
        return measure(*arguments, batch, stream, draws, *static)

    return map_alone(one, examples, key, rows, by_content=by_content)


def _batch(examples: Examples, rows: Array) -> Batch:
    """The batch of these rows, as the autoencoder sees it."""
    x, y = jax.tree.map(lambda leaf: leaf[rows], (examples.x, examples.y))
    return Batch(x.astype(precision.real()) / examples.scale, y)
