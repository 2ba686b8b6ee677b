"""Evaluations within a bound on memory: how many rows and draws a compiled program takes at once.

The size of an evaluation's chunks, `at_once`, is a static argument of its program. It starts at a guess from
the size of an example, and shrinks until XLA's own analysis of the compiled program stays within `BOUND`.
How much memory a net needs for one example is not known before it is compiled: the activations of
convolutions take a hundred times the memory of their input. Programs are written so that `at_once` changes
results only by the rounding of products of other shapes.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae.errors import OutOfMemory

# Bytes that a program may take in addition to its arguments: a quarter of the 512 MiB that an evaluation may
# use, since compiling convolutions takes another 200 MiB (measured: experiments/speed/memory.md).
BOUND = 128 * 2**20
# Codes of 28 x 28 pixels at once. On a CPU larger chunks run no faster (784-400-20, 200 to 8,000 tried), and
# default convolutions, which are matrix products there, need 600 bytes a pixel. A GPU or TPU would be mostly
# idle with chunks of 200.
MOST_AT_ONCE = {"cpu": 200}
MOST_ELSEWHERE = 4000

_thread = threading.local()  # `rehearses`: whether this thread only compiles programs
_chosen: dict[Any, int] = {}  # (program, shapes, static arguments) -> chunk size; a few bytes each


def first_guess(shape: tuple[int, ...], num: int | None = None) -> int:
    """Return the number of codes of examples of this shape for which a program is compiled first.

    Args:
        shape: Shape of one example.
        num: Number of codes in all; None if unknown. Without it, a chunk that is larger than all of them
            would seem not to matter when it shrinks.

    Returns:
        The number of codes at once, 1 or more.
    """
    most = MOST_AT_ONCE.get(jax.default_backend(), MOST_ELSEWHERE)
    fitting = most * 28 * 28 // max(1, math.prod(shape))
    return max(1, min(most, fitting, num or most))


def run(program: Any, *arguments: Any, at_once: int, **static: Any) -> Any:
    """Return `program(*arguments, at_once=n, **static)` for the largest n that fits in memory.

    Args:
        program: A function under `jax.jit`, whose keyword arguments are static.
        *arguments: Pytrees of arrays.
        at_once: The largest n; it is halved for as long as the device runs out of memory.
        **static: Further static arguments.

    Returns:
        The value of the program.

    Raises:
        OutOfMemory: If not even n = 1 fits.
    """
    # Under a jit of the caller the whole of that program is compiled, and sized, there.
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
        return program(*arguments, at_once=at_once, **static)
    key = program, _signature(arguments), at_once, tuple(sorted(static.items()))
    if key not in _chosen:
        _chosen[key], _ = fitting(program, *arguments, at_once=at_once, **static)
    if is_rehearsal():
        return _zeros(program.eval_shape(*arguments, at_once=_chosen[key], **static))
    call = lambda size: program(*arguments, at_once=size, **static)  # noqa: E731
    # XLA's analysis is an estimate: the device may still run out of memory. The size that worked is kept.
    values, _chosen[key] = halving(call, _chosen[key])
    return values


def by_rows(program: Any, fixed: tuple[Any, ...], rows: Any, at_once: int) -> np.ndarray:
    """Return `program(*fixed, *rows)`, computed in blocks of rows that are joined on the host.

    The device holds one block and its values at a time, whatever the number of rows.

    Args:
        program: A function under `jax.jit` of rows [B, ...]: values [B, ...], each of which depends on its
            own row only.
        fixed: Its first arguments, the same for every block.
        rows: A tuple of pytrees of arrays [N, ...], its further arguments; N > 0.
        at_once: The largest B; it is halved for as long as the device runs out of memory.

    Returns:
        The values, [N, ...].

    Raises:
        OutOfMemory: If not even one row fits.
    """
    rows = jax.tree.map(np.asarray, rows)
    num = len(jax.tree.leaves(rows)[0])
    most = min(num, at_once)
    key = program, _signature((fixed, jax.tree.map(lambda leaf: leaf[:1], rows))), most

    def block(first: int, size: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[first : first + size], rows)

    if key not in _chosen:
        _chosen[key] = _shrink_to_bound(lambda size: program.lower(*fixed, *block(0, size)).compile(), most)[
            0
        ]
    if is_rehearsal():
        values = program.eval_shape(*fixed, *block(0, _chosen[key]))
        return np.zeros((num, *values.shape[1:]), values.dtype)
    parts: list[np.ndarray] = []
    done = 0

    def call(size: int) -> Any:
        # The last block overlaps the one before it, so all blocks have one shape and share one program.
        return program(*fixed, *block(min(done, num - size), size))

    while done < num:
        values, size = halving(call, _chosen[key])
        _chosen[key] = size
        parts.append(np.asarray(values)[done - min(done, num - size) :])
        done += len(parts[-1])
    return np.concatenate(parts)


@contextlib.contextmanager
def rehearsal() -> Iterator[None]:
    """Compile programs in this thread without running them: `run` and `by_rows` return zeros.

    Later calls for values of the same shapes, in any thread, find their programs compiled.
    """
    _thread.rehearses = True
    try:
        yield
    finally:
        _thread.rehearses = False


def is_rehearsal() -> bool:
    """Return whether this thread compiles programs without running them, so that values do not matter."""
    return getattr(_thread, "rehearses", False)


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def fitting(program: Any, *arguments: Any, at_once: int, **static: Any) -> tuple[int, Any]:
    """Return the largest size up to `at_once` whose program stays within `BOUND`, and that program compiled.

    A program that fits at the first size is compiled only once.

    Args:
        program: A function under `jax.jit`, whose keyword arguments are static.
        *arguments: Pytrees of arrays, or of shapes and types.
        at_once: The largest size.
        **static: Further static arguments.

    Returns:
        (size, compiled program).
    """
    compiled = lambda size: program.lower(*arguments, at_once=size, **static).compile()  # noqa: E731
    return _shrink_to_bound(compiled, at_once)


def halving(call: Callable[[int], Any], at_once: int) -> tuple[Any, int]:
    """Call `call(size)` with `at_once`, halved for as long as memory runs out.

    Args:
        call: A function of the size.
        at_once: The first size.

    Returns:
        (the value of `call(size)`, the size that worked).

    Raises:
        OutOfMemory: If memory runs out at a size of 1.
    """
    while True:
        try:
            # jax dispatches asynchronously: a full device is reported only when the values are waited for.
            return jax.block_until_ready(call(at_once)), at_once
        except (RuntimeError, MemoryError) as error:
            if not is_full(error):
                raise
            reason = " ".join(str(error).split())[:200]
        if at_once == 1:  # outside of `except`, whose traceback would keep the failed call's arrays
            raise OutOfMemory(
                "out of memory, even in the smallest parts of this evaluation (one example and one draw; for "
                "terms, one training batch); evaluate where more memory is free (JAX_PLATFORMS=cpu uses the "
                f"host's), or train narrower nets ({reason})"
            )
        at_once //= 2


def is_full(error: BaseException) -> bool:
    """Return whether an error means that the device or the host is out of memory."""
    signs = "RESOURCE_EXHAUSTED", "bad_alloc", "Out of memory"
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)


def bytes_taken(compiled: Any) -> float:
    """Return the bytes that a compiled program needs in addition to its arguments; 0 if XLA reports none."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0.0
    return float(analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes)


def _shrink_to_bound(compile_for: Callable[[int], Any], at_once: int) -> tuple[int, Any]:
    """Return the size that fits, starting at `at_once`, and the program compiled for it."""
    # Compiling itself can run out of memory: on a GPU, XLA tries its kernels out.
    compiled, at_once = halving(compile_for, at_once)
    taken = bytes_taken(compiled)
    while taken > BOUND and at_once > 1:
        smaller = max(1, min(at_once // 2, int(at_once * BOUND / taken)))
        compiled = compile_for(smaller)
        growth = (taken - bytes_taken(compiled)) / (at_once - smaller)
        at_once, taken = smaller, bytes_taken(compiled)
        # Memory that does not shrink with the chunk, such as a copy of the parameters, is no reason to go on.
        if growth * at_once <= BOUND / 2:
            break
    return at_once, compiled


def _signature(arguments: Any) -> Any:
    """Return the key by which jit chooses a program: structure, shapes and types of its arguments."""
    leaves, structure = jax.tree.flatten(arguments)
    return structure, tuple((np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
