"""Values of each example over a split: terms in batches as in training, all other values of single examples.

Terms may depend on the other examples of a batch (a mean activation, an MMD). So the size of their batch is
part of their definition: it is the size of the training batch, whatever memory is available.

All other values depend on one example each. Their noise depends on a key and the example, or on a key and the
number of the example. They are computed for several examples and draws at once, as far as memory allows
(`jaxae.memory`). The size of these chunks does not change the noise.
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

BATCH_SIZE = 100  # examples in a batch of terms if no experiment sets it; the default of `Experiment`
ROWS_AT_ONCE = 500  # larger chunks are not faster


class Stream(NamedTuple):
    """Noise of one example."""

    key: Key  # the key of the example, or of the split
    number: Array  # i32[], the place of the example in the split; 0 if `key` is the key of the example

    def draws(self, num: int) -> Key:
        """Return the keys of the draws 0, ..., num - 1: [num].

        The first keys are the same for every `num`.
        """
        return jax.vmap(functools.partial(keys.of_draw, self.key, self.number))(jnp.arange(num))


def mean_terms(
    autoencoder: Model, variables: Variables, examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Terms:
    """Compute the mean of each term over a split, f32[].

    Calls with the same key use the same noise.

    Args:
        autoencoder: A model.
        variables: Its variables.
        examples: The split.
        key: Key of the noise.
        batch_size: Examples in a batch, as in training.

    Returns:
        The mean of each term by name, f32[].
    """
    values = all_terms(autoencoder, variables, examples, key, batch_size)
    return {name: value.mean() for name, value in values.items()}


def all_terms(
    autoencoder: Model, variables: Variables, examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Terms:
    """Compute each term of every example of a split, f32[N], with the model's evaluation terms.

    Args:
        autoencoder: A model.
        variables: Its variables.
        examples: The split, of N rows.
        key: Key of the noise.
        batch_size: Examples in a batch, as in training.

    Returns:
        The terms by name, f32[N].
    """
    measure = functools.partial(evaluation_terms, autoencoder, variables)
    return map_examples(measure, examples, key, batch_size)


def map_examples(
    measure: Callable[[Batch, Key], Any], examples: Examples, key: Key, batch_size: int = BATCH_SIZE
) -> Any:
    """Map `measure` over a split in batches, one after another.

    Memory does not grow with N. Batches have `batch_size` examples, or all N if the split is smaller. The
    last batch is filled with rows from the start, whose values are dropped.

    Args:
        measure: A function from a batch and a key to a pytree of arrays [B, ...].
        examples: The split, of N rows.
        key: Key of the noise; each batch has a separate key.
        batch_size: B, examples in a batch.

    Returns:
        A pytree of [N, ...].
    """
    num_rows = len(examples.x)
    size = min(batch_size, num_rows)

    def measure_batch(number: Array) -> Any:
        rows = (number * size + jnp.arange(size)) % num_rows
        return measure(_make_batch(examples, rows), jax.random.fold_in(key, number))

    values = jax.lax.map(measure_batch, jnp.arange(-(-num_rows // size)))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_rows], values)


def map_rows(
    measure: Callable[[Batch, Key], Any], examples: Examples, key: Key, rows_at_once: int = ROWS_AT_ONCE
) -> Any:
    """Map `measure` over a split, with each example as a batch of one with a separate key.

    The noise of an example depends on the key and the example only: not on the order of the split, its size
    or `rows_at_once`.

    Args:
        measure: A function from a batch of one and a key to a pytree of arrays [1, ...].
        examples: The split, of N rows.
        key: Key from which the noise is derived.
        rows_at_once: Rows that are computed at the same time.

    Returns:
        A pytree of [N, ...].
    """

    def measure_row(batch: Batch, stream: Stream) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], measure(batch, stream.key))

    return map_alone(measure_row, examples, key, rows_at_once, by_content=True)


def map_alone(
    measure: Callable[[Batch, Stream], Any],
    examples: Examples,
    key: Key,
    rows_at_once: int,
    *,
    by_content: bool,
    num: Array | None = None,
) -> Any:
    """Map `measure` over a split, some rows at the same time.

    Args:
        measure: A function from a batch of one and its noise to a pytree of arrays [...], without the batch
            axis.
        examples: The split, of N rows.
        key: Key from which the noise is derived.
        rows_at_once: Rows that are computed at the same time.
        by_content: True: the noise of a row depends on its values, so it is the same at any place in a split.
            False: the noise depends on the number of the row, so equal rows have independent noise.
        num: As in `in_chunks`.

    Returns:
        A pytree of [N, ...].
    """

    def measure_row(number: Array) -> Any:
        batch = _make_batch(examples, number[None])
        # The key is made from the stored row, before it is divided by the scale: programs of other shapes may
        # round that division in another way, and one different bit would change all noise.
        row_key = keys.of_row(key, examples.x[number]) if by_content else key
        return measure(batch, Stream(row_key, jnp.zeros_like(number) if by_content else number))

    return in_chunks(jax.vmap(measure_row), jnp.arange(len(examples.x)), rows_at_once, num)


def in_chunks(function: Callable[[Any], Any], values: Any, size: int, num: Array | None = None) -> Any:
    """Apply a function of [B, ...] to values [N, ...] in chunks of at most `size`.

    Up to `size` values are one chunk, without a loop.

    Args:
        function: From values [B, ...] to a pytree of [B, ...]; each entry depends only on its value.
        values: [N, ...].
        size: The most values in a chunk.
        num: i32[], the number of values that count; results after them are 0 or any number, and take no time
            except in the last chunk. None for all.

    Returns:
        A pytree of [N, ...].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.estimators.terms import in_chunks
        >>> in_chunks(lambda x: 10 * x, jnp.arange(5), size=2).tolist()
        [0, 10, 20, 30, 40]
    """
    length = len(values)
    if length <= size:
        return function(values)
    num_chunks = -(-length // size)
    # Chunks of about the same size, so that few values are computed twice. The last chunk is filled with
    # values from the start, because all chunks of a loop have one shape.
    size = -(-length // num_chunks)
    rows = jnp.arange(num_chunks * size).reshape(num_chunks, size) % length
    if num is None:
        results = jax.lax.map(function, values[rows])
    else:
        results = map_first(function, values[rows], -(-num // size))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:length], results)


def map_first(function: Callable[[Any], Any], values: Any, num: Array) -> Any:
    """Apply a function to the first `num` of the values, one after another.

    Args:
        function: From a value to a pytree of arrays.
        values: A pytree of [N, ...].
        num: i32[], the number of values to compute. It is traced: one program serves all numbers.

    Returns:
        A pytree of [N, ...], 0 after the first `num`.
    """

    def value_at(number: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[number], values)

    def compute(number: Array, results: Any) -> Any:
        new = function(value_at(number))
        return jax.tree.map(lambda leaf, value: leaf.at[number].set(value), results, new)

    length = len(jax.tree.leaves(values)[0])
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), jax.eval_shape(function, value_at(0))
    )
    return jax.lax.fori_loop(0, num, compute, zeros)


def map_draws(measure: Callable[[Key], Any], draw_keys: Key, draws_at_once: int) -> Any:
    """Map `measure` over keys, `draws_at_once` at the same time.

    Args:
        measure: A function from a key to a pytree of arrays [...].
        draw_keys: The key of each draw, [S].
        draws_at_once: Draws that are computed at the same time.

    Returns:
        A pytree of [S, ...].
    """
    key_type = jax.random.key_impl(draw_keys)

    def measure_draw(data: Array) -> Any:
        return measure(jax.random.wrap_key_data(data, impl=key_type))

    # The keys are passed as numbers: JAX's check for reused keys counts a key as used once a loop gets it.
    return in_chunks(jax.vmap(measure_draw), jax.random.key_data(draw_keys), draws_at_once)


def over_rows(
    measure: Callable[..., Any],
    arguments: tuple[Any, ...],
    examples: Examples,
    key: Key,
    *static: Any,
    num_draws: int = 1,
    by_content: bool = True,
) -> Any:
    """Map a measure over a split in chunks as large as memory allows.

    Args:
        measure: A function of a module, `measure(*arguments, batch, stream, draws_at_once, *static)`, from a
            batch of one and its noise to a pytree of arrays [...].
        arguments: Pytrees that are compiled as arguments: the autoencoder, its variables.
        examples: The split, of N rows.
        key: Key from which the noise is derived.
        *static: Numbers that are part of the program, so that another value compiles another one.
        num_draws: Codes decoded for each row.
        by_content: As in `map_alone`.

    Returns:
        A pytree of [N, ...].

    Raises:
        OutOfMemory: If not even one row and one draw fit in memory.
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
    """Return the shapes and types of a batch of one, without values."""
    return jax.eval_shape(lambda examples: _make_batch(examples, jnp.zeros((1,), jnp.int32)), examples)


def divided(at_once: int, num_rows: int, num_draws: int) -> tuple[int, int]:
    """Divide a number of codes into rows and draws of each row that are computed at the same time.

    Args:
        at_once: The most codes, rows times draws.
        num_rows: N, the rows of the split.
        num_draws: Draws of each row.

    Returns:
        The number of rows, and the number of draws of each.

    Example:
        >>> from jaxae.estimators.terms import divided
        >>> divided(200, num_rows=1000, num_draws=64)  # 3 rows times 66 draws
        (3, 66)
    """
    # Draws first: all draws of a row at once if they fit, then then the rows that fit with them.
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

    def measure_row(batch: Batch, stream: Stream) -> Any:
        return measure(*arguments, batch, stream, draws, *static)

    return map_alone(measure_row, examples, key, rows, by_content=by_content)


def _make_batch(examples: Examples, rows: Array) -> Batch:
    """Return the batch of these rows, cast and scaled as the autoencoder expects it."""
    x, y = jax.tree.map(lambda leaf: leaf[rows], (examples.x, examples.y))
    return as_batch(examples._replace(x=x, y=y))


def as_batch(examples: Examples) -> Batch:
    """Return stored rows as a batch, cast and scaled as the autoencoder expects it."""
    # Images stay uint8 on the device, a quarter of the memory; only a batch of them is cast.
    return Batch(examples.x.astype(precision.real()) / examples.scale, examples.y)
