"""Chunks of evaluations: as large as memory allows, the same numbers for all of them."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import memory

ROWS, WIDTH = 37, 5000
FULL = RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")


@functools.partial(jax.jit, static_argnames=("at_once", "kept"))
def sums(x: jax.Array, *, at_once: int, kept: int = 1) -> jax.Array:
    """A number for each row [N], of `WIDTH` numbers for each that is sorted at once, and of `kept` more."""

    def some(rows: jax.Array) -> jax.Array:
        wide = jnp.sort(jnp.outer(rows, jnp.cos(jnp.arange(WIDTH))), axis=1)
        return jnp.cumsum(wide, axis=1)[:, ::7].sum(axis=1)

    fixed = jnp.sort(jnp.cos(jnp.arange(kept) * x[0]))
    num = -(-ROWS // at_once)
    rows = jnp.arange(num * at_once).reshape(num, at_once) % ROWS
    return jax.lax.map(lambda chunk: some(x[chunk]), rows).reshape(-1)[:ROWS] + 0 * fixed[kept // 2]


X = jnp.asarray(np.random.RandomState(0).rand(ROWS), jnp.float32)


class Failing:
    """A program that runs out of memory on calls of more than `most` at once, or of all."""

    def __init__(self, program: Any, most: int, error: Exception = FULL) -> None:
        self.program, self.most, self.error, self.sizes = program, most, error, []

    def lower(self, *arguments: Any, **static: Any) -> Any:
        return self.program.lower(*arguments, **static)

    def __call__(self, *arguments: Any, **static: Any) -> Any:
        size = static.get("at_once") or len(arguments[-1])
        self.sizes.append(size)
        if size > self.most:
            raise self.error
        return self.program(*arguments, **static)


def taken(size: int, **static: Any) -> float:
    return memory.bytes_taken(sums.lower(X, at_once=size, **static).compile())


def test_a_program_that_fits_is_compiled_once_for_the_size_that_is_asked_for() -> None:
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
    number = lambda: compiled.count("/jax/core/compile/backend_compile_duration")  # noqa: E731
    program = jax.jit(lambda x, *, at_once: x[:at_once] * 2, static_argnames="at_once")
    before = number()
    for _ in range(3):
        assert len(memory.run(program, X, at_once=9)) == 9
    assert number() == before + 1


@pytest.mark.parametrize("kept", [1, 10 * WIDTH])
def test_a_chunk_shrinks_until_the_program_stays_within_the_bound(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By XLA's own analysis; what does not shrink with it, `kept`, does not drive it down to one row."""
    bound = taken(ROWS) / 3
    monkeypatch.setattr(memory, "BOUND", bound)
    size, compiled = memory.fitting(sums, X, at_once=ROWS, kept=kept)
    assert ROWS // 8 <= size < ROWS
    assert memory.bytes_taken(compiled) <= bound + 4 * kept * 4
    np.testing.assert_allclose(compiled(X), sums(X, at_once=ROWS), rtol=1e-6)


def test_out_of_memory_halves_the_chunk_and_the_next_call_begins_there() -> None:
    program = Failing(sums, most=5)
    np.testing.assert_allclose(memory.run(program, X, at_once=ROWS), sums(X, at_once=ROWS), rtol=1e-6)
    assert program.sizes == [37, 18, 9, 4]
    memory.run(program, X, at_once=ROWS)
    assert program.sizes[4:] == [4]


@pytest.mark.parametrize("error", [FULL, MemoryError(), MemoryError("std::bad_alloc")])
def test_what_does_not_fit_at_all_is_one_line(error: Exception) -> None:
    program = Failing(sums, most=0, error=error)
    with pytest.raises(jaxae.OutOfMemory, match="one example and one draw") as caught:
        memory.run(program, X, at_once=4)
    assert program.sizes == [4, 2, 1] and "\n" not in str(caught.value)
    assert "batch_size" not in str(caught.value) and isinstance(caught.value, jaxae.JaxaeError)


def test_other_errors_stay_what_they_are() -> None:
    program = Failing(sums, most=0, error=RuntimeError("INTERNAL: broken"))
    with pytest.raises(RuntimeError, match="INTERNAL: broken"):
        memory.run(program, X, at_once=4)
    assert program.sizes == [4]


@jax.jit
def scaled(factor: jax.Array, x: jax.Array, numbers: jax.Array) -> jax.Array:
    return jax.vmap(lambda x, number: factor * x + number)(x, numbers)


@pytest.mark.parametrize("at_once", [1, 7, ROWS, 100])
def test_blocks_of_rows_are_joined_in_their_order(at_once: int) -> None:
    found = memory.by_rows(scaled, (3.0,), (X, np.arange(ROWS)), at_once)
    np.testing.assert_allclose(found, 3.0 * np.asarray(X) + np.arange(ROWS), rtol=1e-6)


def test_blocks_go_on_from_the_last_good_one_when_memory_runs_out() -> None:
    program = Failing(scaled, most=ROWS)

    def later(*arguments: Any) -> jax.Array:
        program.most = ROWS if not program.sizes else 5  # as if others had taken the memory meanwhile
        return program(*arguments)

    later.lower = scaled.lower  # type: ignore[attr-defined]
    found = memory.by_rows(later, (3.0,), (X, np.arange(ROWS)), 16)
    np.testing.assert_allclose(found, 3.0 * np.asarray(X) + np.arange(ROWS), rtol=1e-6)
    assert program.sizes == [16, 16, 8, 4, *[4] * 5]


def test_blocks_shrink_until_the_program_stays_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "BOUND", 64)
    sizes = []

    def traced(x: jax.Array) -> jax.Array:
        sizes.append(len(x))
        return 2.0 * x

    np.testing.assert_allclose(memory.by_rows(jax.jit(traced), (), (X,), ROWS), 2.0 * X)
    assert sizes[0] == ROWS and sizes[-1] <= 16


def test_larger_examples_are_taken_fewer_at_once() -> None:
    shapes = (8, 8, 1), (28, 28, 1), (128, 128, 3), (9000, 9000, 3)
    small, mnist, large, huge = (memory.first_guess(shape) for shape in shapes)
    assert memory.first_guess((8, 8, 1), 5) == 5
    assert small == mnist and mnist // 70 < large <= mnist // 60 and huge == 1


def test_a_rehearsal_compiles_what_is_called_later_and_returns_zeros() -> None:
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
    number = lambda: compiled.count("/jax/core/compile/backend_compile_duration")  # noqa: E731
    whole = jax.jit(lambda x, *, at_once: x[:at_once] + 2, static_argnames="at_once")
    by_row = jax.jit(lambda factor, x: factor * x.sum(axis=1))
    rows = np.ones((10, 3), np.float32)

    def call() -> tuple[np.ndarray, np.ndarray]:
        values = memory.run(whole, rows, at_once=4)
        return np.asarray(values), memory.by_rows(by_row, (np.float32(2),), (rows,), 4)

    with memory.rehearsal():
        first, second = call()
    assert first.shape == (4, 3) and second.shape == (10,) and not first.any() and not second.any()
    before = number()
    first, second = call()
    assert number() == before and (first == 3).all() and (second == 6).all()
