"""Codes and their estimators against brute force, numpy's sums, rotations of scipy, numbers by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from jaxae.maths import quantisation

RANDOM = np.random.RandomState(0)


def brute_force(vectors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The nearest code by all differences, in float64."""
    return ((vectors[:, None].astype(np.float64) - codes[None]) ** 2).sum(axis=2).argmin(axis=1)


@pytest.mark.parametrize("num_codes", [2, 6, 7, 8, 14, 15, 40])
def test_the_nearest_code_is_that_of_brute_force_however_codes_are_chunked(
    num_codes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "CODES_AT_ONCE", 7)
    vectors, codes = (RANDOM.randn(num, 3).astype(np.float32) for num in (200, num_codes))
    found = quantisation.nearest_code(jnp.asarray(vectors), jnp.asarray(codes))
    np.testing.assert_array_equal(found, brute_force(vectors, codes))
    assert found.dtype == jnp.int32 and len(set(found.tolist())) > num_codes // 2


@pytest.mark.parametrize("num_dimensions", [1, 2, 5])
def test_a_compiled_nearest_code_is_that_of_brute_force(num_dimensions: int) -> None:
    """XLA may compute a distance twice and round it in two ways; the flags of the tests make it do so."""
    vectors, codes = (RANDOM.randn(num, num_dimensions).astype(np.float32) for num in (200, 12))
    found = jax.jit(quantisation.nearest_code)(jnp.asarray(vectors), jnp.asarray(codes))
    np.testing.assert_array_equal(found, brute_force(vectors, codes))


@pytest.mark.parametrize("at_once", [2, 3, 100])
def test_of_equally_near_codes_the_first_is_chosen(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisation, "CODES_AT_ONCE", at_once)
    codes = jnp.asarray([[9.0, 9.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    vectors = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [-0.5, 0.5]])
    np.testing.assert_array_equal(quantisation.nearest_code(vectors, codes), [1, 2, 1, 2])


def test_a_vector_that_is_not_finite_has_a_token_of_the_table() -> None:
    vectors = jnp.asarray([[jnp.nan, 0.0], [jnp.inf, 0.0]])
    found = np.asarray(quantisation.nearest_code(vectors, jnp.ones((5, 2))))
    assert ((found >= 0) & (found < 5)).all()


def test_no_array_of_all_differences_is_made() -> None:
    """1000 vectors, 2048 codes of 64 units: the largest array has a number a pair, 64 times fewer."""
    vectors, codes = (RANDOM.randn(num, 64).astype(np.float32) for num in (1000, 2048))
    sizes = [
        variable.aval.size
        for equation in inner(jax.make_jaxpr(quantisation.nearest_code)(vectors, codes).jaxpr)
        for variable in equation.outvars
    ]
    assert max(sizes) == 1000 * 2048
    found = jax.jit(quantisation.nearest_code)(vectors, codes)
    distances = (codes.astype(np.float64) ** 2).sum(axis=1) - 2 * vectors.astype(np.float64) @ codes.T
    np.testing.assert_array_equal(found, distances.argmin(axis=1))


def inner(jaxpr: Any) -> list[Any]:
    """All equations, those inside of loops too."""
    found = list(jaxpr.eqns)
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            found += inner(value.jaxpr) if hasattr(value, "jaxpr") else []
    return found


@pytest.mark.parametrize("at_once", [3, 10, 11, 50])
def test_counts_and_sums_are_those_of_numpy(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisation, "CODES_AT_ONCE", at_once)
    vectors, tokens = RANDOM.randn(300, 4).astype(np.float32), RANDOM.randint(0, 9, 300)
    counts, sums = quantisation.counts_and_sums(jnp.asarray(vectors), jnp.asarray(tokens), 11)
    expected = np.zeros((11, 4))
    np.add.at(expected, tokens, vectors.astype(np.float64))
    np.testing.assert_array_equal(counts, np.bincount(tokens, minlength=11))
    np.testing.assert_allclose(sums, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["straight_through", "rotation"])
def test_what_is_passed_on_is_the_code(name: str) -> None:
    """To the bit, also where code and vector are of other sizes; so tokens decode to what was trained."""
    v, q = (jnp.asarray(RANDOM.randn(50, 6) * scale, jnp.float32) for scale in (1e3, 1e-3))
    np.testing.assert_array_equal(quantisation.ESTIMATORS[name](v, q), q)


def test_straight_through_copies_the_gradient() -> None:
    v, q, g = (jnp.asarray(RANDOM.randn(5, 3), jnp.float32) for _ in range(3))
    to_v, to_q = jax.grad(lambda v, q: (quantisation.straight_through(v, q) * g).sum(), (0, 1))(v, q)
    np.testing.assert_array_equal(to_v, g)
    np.testing.assert_array_equal(to_q, 0)


def rotation(v: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The rotation in the plane of v and q that turns v towards q, f64[D, D]: by cosine and sine."""
    first = v / np.linalg.norm(v)
    second = q - (q @ first) * first
    second /= np.linalg.norm(second)
    cosine, sine = (q @ axis / np.linalg.norm(q) for axis in (first, second))
    plane = np.stack([first, second])
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.eye(len(v)) + plane.T @ (turn - np.eye(2)) @ plane


@pytest.mark.parametrize("units", [2, 7])
def test_the_rotation_tricks_jacobian_is_the_scaled_rotation_from_vector_to_code(units: int) -> None:
    vectors, codes = RANDOM.randn(2, 5, units)
    to_v, to_q = jacobians(vectors, codes)
    np.testing.assert_array_equal(to_q, 0)
    for v, q, jacobian in zip(vectors, codes, to_v, strict=True):
        scale = np.linalg.norm(q) / np.linalg.norm(v)
        turned = rotation(v, q)
        np.testing.assert_allclose(turned @ v / np.linalg.norm(v), q / np.linalg.norm(q), atol=1e-12)
        np.testing.assert_allclose(jacobian, scale * turned, atol=2e-5 * scale)
        np.testing.assert_allclose(jacobian @ jacobian.T, scale**2 * np.eye(units), atol=1e-4 * scale**2)


@jax.jit
def jacobians(v: jax.Array, q: jax.Array) -> Any:
    """dq/dv and dq/de of the rotation trick for each row, f32[N, D, D]."""
    of_one = jax.jacobian(quantisation.rotated, (0, 1))
    return jax.vmap(of_one)(jnp.asarray(v, jnp.float32), jnp.asarray(q, jnp.float32))


def test_in_three_dimensions_it_is_scipys_rotation() -> None:
    v, q = np.array([1.0, 2.0, -0.5]), np.array([-0.3, 0.7, 2.0])
    axis = np.cross(v, q)
    angle = np.arctan2(np.linalg.norm(axis), v @ q)
    expected = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle).as_matrix()
    jacobian = jacobians(v[None], q[None])[0][0]
    np.testing.assert_allclose(jacobian, expected * np.linalg.norm(q) / np.linalg.norm(v), rtol=1e-4)


def test_the_angle_between_gradient_and_code_is_kept() -> None:
    v, q, g = (jnp.asarray(RANDOM.randn(20, 5), jnp.float32) for _ in range(3))
    to_v = jax.jit(jax.grad(lambda v: (quantisation.rotated(v, q) * g).sum()))(v)
    np.testing.assert_allclose(cosines(to_v, v), cosines(g, q), atol=1e-5)


def cosines(a: jax.Array, b: jax.Array) -> np.ndarray:
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)


def test_where_no_rotation_is_meant_the_gradient_is_copied() -> None:
    """For vectors or codes of length 0, and codes opposite to their vectors."""
    v, q = np.array([[0, 0], [1, 2], [1, 2], [0, 0]]), np.array([[1, 2], [0, 0], [-1, -2], [0, 0]])
    np.testing.assert_array_equal(jacobians(v, q)[0], np.broadcast_to(np.eye(2), (4, 2, 2)))


def test_the_gradient_through_unit_lengths_is_that_of_differences() -> None:
    v, g = RANDOM.randn(2, 4)

    def value(v: np.ndarray) -> float:
        return float(v @ g / np.sqrt(v @ v))

    differences = [(value(v + 1e-6 * unit) - value(v - 1e-6 * unit)) / 2e-6 for unit in np.eye(4)]
    found = jax.grad(lambda v: (quantisation.unit_length(v) * jnp.float32(g)).sum())(jnp.float32(v))
    np.testing.assert_allclose(found, differences, rtol=1e-4, atol=1e-5)
    still = jax.value_and_grad(lambda v: quantisation.unit_length(v).sum())(jnp.zeros(4))
    assert still[0] == 0 and bool(jnp.isfinite(still[1]).all())


@pytest.mark.parametrize(
    "counts, perplexity, usage",
    [((3, 3, 3, 3), 4.0, 1.0), ((0, 7, 0, 0), 1.0, 0.25), ((2, 0, 1, 1), 2**1.5, 0.75)],
)
def test_perplexity_and_usage_by_hand(counts: tuple[int, ...], perplexity: float, usage: float) -> None:
    assert float(quantisation.perplexity(jnp.asarray(counts))) == pytest.approx(perplexity, rel=1e-6)
    assert float(quantisation.usage(jnp.asarray(counts))) == usage
