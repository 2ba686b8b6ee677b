"""The transformer against NumPy, its causality by gradients, and its cache against no cache."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from jaxae import keys
from jaxae.errors import JaxaeError
from jaxae.nets import Transformer
from jaxae.nets.transformer import narrowing
from jaxae.specs.records import validate
from tests import small

NET = Transformer(width=8, num_layers=2, num_heads=2, mlp_factor=3)
B, S = 3, 6
X = jnp.asarray(np.random.RandomState(0).randn(B, S, 8), jnp.float32)


def shaken() -> Any:
    """Parameters that are all far from 0, so that each matters."""
    params = NET.init(keys.root(0), X, NET.cache(B, S, X.dtype), 0)["params"]
    random = np.random.RandomState(1)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(0.3 * random.randn(*leaf.shape), leaf.dtype), params)


PARAMS = shaken()


@jax.jit
def apply(params: Any, x: jax.Array, cache: Any, start: Any) -> Any:
    return NET.apply({"params": params}, x, cache, start)


def whole(x: jax.Array, params: Any = PARAMS) -> jax.Array:
    dtype = jax.tree.leaves(params)[0].dtype
    return apply(params, x.astype(dtype), NET.cache(len(x), x.shape[1], dtype), 0)[0]


def norm(x: np.ndarray, p: Any) -> np.ndarray:
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return scaled * np.asarray(p["scale"]) + np.asarray(p["bias"])


def dense(x: np.ndarray, p: Any) -> np.ndarray:
    return x @ np.asarray(p["kernel"], np.float64) + np.asarray(p["bias"])


def attention(x: np.ndarray, p: Any, num_heads: int) -> np.ndarray:
    """One position and head after another; x [S, W]."""
    length, width = x.shape
    parts = dense(x, p["Dense_0"]).reshape(length, 3, num_heads, width // num_heads)
    out = np.zeros((length, num_heads, width // num_heads))
    for head in range(num_heads):
        for own in range(length):
            scores = [
                parts[own, 0, head] @ parts[other, 1, head] / math.sqrt(width / num_heads)
                for other in range(own + 1)
            ]
            weights = np.exp(scores) / np.exp(scores).sum()
            out[own, head] = sum(weights[other] * parts[other, 2, head] for other in range(own + 1))
    return dense(out.reshape(length, width), p["Dense_1"])


def reference(x: np.ndarray) -> np.ndarray:
    """The whole net in float64; x [S, W]."""
    for layer in range(NET.num_layers):
        x = x + attention(norm(x, PARAMS[f"LayerNorm_{2 * layer}"]), PARAMS[f"Attention_{layer}"], 2)
        a = dense(norm(x, PARAMS[f"LayerNorm_{2 * layer + 1}"]), PARAMS[f"Dense_{2 * layer}"])
        gelu = 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))
        x = x + dense(gelu, PARAMS[f"Dense_{2 * layer + 1}"])
    return norm(x, PARAMS[f"LayerNorm_{2 * NET.num_layers}"])


def test_it_is_its_formula_position_by_position() -> None:
    expected = [reference(np.asarray(row, np.float64)) for row in X]
    np.testing.assert_allclose(whole(X), expected, rtol=1e-4, atol=1e-5)


def test_a_position_depends_on_itself_and_those_before_it_and_exactly_on_no_other() -> None:
    jacobian = jax.jit(jax.jacobian(lambda x: whole(x[None])[0].sum(axis=-1)))(X[0] * 3.0)
    size = np.abs(jacobian).max(axis=-1)  # [of position, by position]
    np.testing.assert_array_equal(size != 0, np.tri(S, dtype=bool))


@pytest.mark.parametrize("parts", [(1,) * S, (4, 1, 1), (2, 3, 1), (0, 5, 1)], ids=str)
def test_positions_in_parts_with_the_cache_are_positions_all_at_once(parts: tuple[int, ...]) -> None:
    cache, start, outputs = NET.cache(B, S + 2, X.dtype), 0, []
    for num in parts:
        given = jnp.asarray(start, jnp.int32)  # traced, as in sampling
        output, cache = apply(PARAMS, X[:, start : start + num], cache, given)
        outputs.append(output)
        start += num
    np.testing.assert_allclose(jnp.concatenate(outputs, axis=1), whole(X), rtol=1e-5, atol=1e-5)
    assert all((keys[:, S:] == 0).all() and (keys[:, :S] != 0).all() for keys in cache.keys)


def sizes(jaxpr: Any) -> Iterator[int]:
    """Elements of whatever a program computes on its way."""
    for equation in jaxpr.eqns:
        yield from (math.prod(variable.aval.shape) for variable in equation.outvars)
        for inner in core.jaxprs_in_params(equation.params):
            yield from sizes(inner)


def test_a_step_of_one_position_makes_nothing_as_large_as_all_pairs_of_positions() -> None:
    length = 256

    def program(num: int) -> Any:
        x, cache = jnp.zeros((1, num, 8)), NET.cache(1, length, jnp.float32)
        return jax.make_jaxpr(lambda start: NET.apply({"params": PARAMS}, x, cache, start)[0])(0).jaxpr

    assert max(sizes(program(length))) >= 2 * length**2, "all positions at once do"
    room = sum(keys.size for keys in NET.cache(1, length, jnp.float32).keys)
    assert max(sizes(program(1))) <= room < length**2


def test_products_are_bfloat16_with_such_parameters_and_the_softmax_is_not() -> None:
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    low = whole(X, half)
    assert low.dtype == jnp.bfloat16
    np.testing.assert_allclose(low.astype(jnp.float32), whole(X), atol=0.15)
    program = str(jax.make_jaxpr(lambda p: whole(X, p))(half))
    products = [line for line in program.splitlines() if " dot_general[" in line]
    softmaxes = [line for line in program.splitlines() if " = exp " in line]
    assert len(products) == 2 * 6 and all("bf16" in line for line in products)
    assert softmaxes and all("f32" in line and "bf16" not in line for line in softmaxes)


def test_each_row_is_alone() -> None:
    other = X.at[1].set(-X[1])
    first, second = whole(X), whole(other)
    assert small.same_bits(first[::2], second[::2]) and not np.allclose(first[1], second[1])


def test_all_positions_at_once_read_nothing_from_the_cache() -> None:
    cache = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), NET.cache(B, S, X.dtype))
    given = jax.jit(NET.apply, static_argnums=3)({"params": PARAMS}, X, cache, 0)[0]
    np.testing.assert_allclose(given, whole(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num", [3, 40], ids=["fewer rows than inputs", "more rows than inputs"])
def test_a_narrowing_product_and_its_gradients_are_those_of_the_plain_one(num: int) -> None:
    random = np.random.RandomState(2)
    x, kernel = (jnp.asarray(random.randn(*shape), jnp.float32) for shape in ((num, 16), (16, 5)))
    both = narrowing, jax.lax.dot_general
    found, expected = (
        jax.value_and_grad(lambda *a, f=f: jnp.sin(f(*a, (((1,), (0,)), ((), ())))).sum(), (0, 1))(x, kernel)
        for f in both
    )
    for first, second in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused_in_one_line() -> None:
    net = Transformer(width=10, num_heads=4)
    with pytest.raises(JaxaeError, match=r"^net: num_heads: got 4, which does not divide the width 10$"):
        validate(net, Transformer, "net")
    with pytest.raises(ValueError, match="num_heads: got 4"):
        net.cache(1, 3, jnp.float32)
