"""A quick key draws the numbers of its key, to the bit, by every function of `jax.random`."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae.maths import threefry

SHAPES = [(), (3,), (64,), (65,), (7, 11), (2, 3, 40)]


def assert_same(draw: Callable[[jax.Array], Any], seed: int = 5) -> None:
    key = jax.random.key(seed)
    quick = threefry.quick(key)
    assert quick.dtype != key.dtype
    np.testing.assert_array_equal(jax.jit(draw)(quick), draw(key))


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_are_those_of_jax(shape: tuple[int, ...]) -> None:
    assert_same(lambda key: jax.random.bits(key, shape, jnp.uint32))


def test_numbers_of_other_widths_and_distributions_are_those_of_jax() -> None:
    assert_same(lambda key: jax.random.bits(key, (5, 30), jnp.uint8))
    assert_same(lambda key: jax.random.normal(key, (5, 30)))
    assert_same(lambda key: jax.random.bernoulli(key, 0.3, (5, 30)))
    assert_same(lambda key: jax.random.permutation(key, 90))
    with jax.enable_x64(True):
        assert_same(lambda key: jax.random.normal(key, (5, 30)))


def test_derived_keys_are_those_of_jax() -> None:
    def derived(key: jax.Array) -> jax.Array:
        first, second = jax.random.split(jax.random.fold_in(key, 2**31 + 9))
        many = jax.random.split(second, (2, 3))
        data = jax.random.key_data(jax.vmap(lambda part: jax.random.fold_in(part, 4))(many.reshape(-1)))
        return jnp.concatenate([jax.random.key_data(first)[None], data])

    assert_same(derived)
    assert_same(lambda key: jax.random.key_data(jax.random.fold_in(key, jnp.asarray(-1))))
    quick = threefry.quick(jax.random.key(9))
    assert quick == jax.random.key(9, impl=jax.random.key_impl(quick))


def test_keys_of_runs_side_by_side_are_those_of_single_ones() -> None:
    draw = lambda key: jax.random.normal(threefry.quick(key), (70,))  # noqa: E731
    seeds = jnp.arange(3)
    together = jax.vmap(lambda seed: draw(jax.random.key(seed)))(seeds)
    for seed in range(3):
        np.testing.assert_array_equal(together[seed], jax.random.normal(jax.random.key(seed), (70,)))


def test_other_generators_and_accelerators_keep_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    other = jax.random.key(0, impl="rbg")
    assert threefry.quick(other) is other
    key = threefry.quick(jax.random.key(0))
    assert threefry.quick(key) is key
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    key = jax.random.key(0)
    assert threefry.quick(key) is key


FOLDED = """
import jax
import jax.numpy as jnp
from jaxae.maths import threefry

def draw(key):
    def body(step, total):
        folded = jax.random.fold_in(threefry.quick(key), step)
        for number in range(8):
            folded = jax.random.fold_in(folded, number)
        return total + jax.random.normal(folded, (5, 10))

    return jax.lax.fori_loop(0, 3, body, jnp.zeros((5, 10)))

print(float(jax.jit(draw)(jax.random.key(0)).sum()))
"""


def test_a_key_that_was_folded_often_is_compiled_in_seconds() -> None:
    # Another process compiles, so that the test can stop it. It compiles as on a user's machine.
    environment = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "XLA_FLAGS": ""}
    command = [sys.executable, "-c", FOLDED]
    done = subprocess.run(command, env=environment, timeout=60, check=True, capture_output=True)
    total = 0.0
    for step in range(3):
        folded = jax.random.fold_in(jax.random.key(0), step)
        for number in range(8):
            folded = jax.random.fold_in(folded, number)
        total += float(jax.random.normal(folded, (5, 10)).sum())
    np.testing.assert_allclose(float(done.stdout), total, rtol=1e-4)
