"""Paths end where they should, and keep what they promise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.metrics import paths

RANDOM = np.random.RandomState(0)
A, B, C = RANDOM.randn(3, 7)


CURVES = [paths.linear, paths.spherical, paths.polar]
TIMES = np.array([-0.5, 0.0, 0.1, 0.5, 0.75, 1.0, 1.3])


def white(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """White's formula, float64, by the angle's cosine."""
    angle = np.arccos(start @ end / np.linalg.norm(start) / np.linalg.norm(end))
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


@pytest.mark.parametrize("path", CURVES)
def test_paths_begin_and_end_at_their_codes(path: Any) -> None:
    codes = path(A, B, 9)
    assert codes.shape == (9, 7) and codes.dtype == np.float64
    np.testing.assert_allclose(codes[[0, -1]], [A, B], rtol=1e-14)


def test_the_arc_is_whites_and_the_other_one_is_polar() -> None:
    """Ends of two lengths: midway White's weights are sin 45 degrees, twice; polar has the mean length."""
    start, end = np.array([1.0, 0.0]), np.array([0.0, 3.0])
    np.testing.assert_allclose(paths.spherical(start, end, t=0.5), [0.5**0.5, 3 * 0.5**0.5], rtol=1e-12)
    np.testing.assert_allclose(paths.polar(start, end, t=0.5), [2 * 0.5**0.5, 2 * 0.5**0.5], rtol=1e-12)
    expected = [white(A, B, t) for t in TIMES]
    np.testing.assert_allclose(paths.spherical(A, B, t=TIMES), expected, rtol=1e-10)


@pytest.mark.parametrize("apart", [1e-1, 1e-2, 1e-4])
def test_arcs_between_near_codes_are_exact(apart: float) -> None:
    """The series of small angles against the angle's sines in extended precision, across its border."""
    start, end = np.longdouble([1, 0]), np.longdouble([1, apart])
    angle = np.arctan(np.longdouble(apart))
    for t in TIMES:
        expected = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
        found = paths.spherical(start.astype(float), end.astype(float), t=t)
        np.testing.assert_allclose(found, expected.astype(float), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("path", CURVES)
def test_a_batch_of_ends_has_a_path_each_and_t_any_shape(path: Any) -> None:
    start, end = RANDOM.randn(2, 3, 2, 7)
    codes = path(start, end, t=TIMES.reshape(7, 1))
    assert codes.shape == (3, 2, 7, 1, 7) and path(start, end, 4).shape == (3, 2, 4, 7)
    for row in np.ndindex(3, 2):
        alone = np.stack([path(start[row], end[row], t=t) for t in TIMES])
        np.testing.assert_allclose(codes[row][:, 0], alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, jnp.bfloat16])
def test_codes_keep_their_dtype_and_their_library(dtype: Any) -> None:
    pair = A.astype(dtype), B.astype(dtype)
    rounding = 2 * float(jnp.finfo(dtype).eps)
    with jax.enable_x64(True):
        of_jax = jax.jit(lambda a, b: [path(a, b, 5) for path in CURVES])(*pair)
    for path, found in zip(CURVES, of_jax, strict=True):
        of_numpy = path(*pair, 5)
        assert isinstance(of_numpy, np.ndarray) and isinstance(found, jax.Array)
        assert of_numpy.dtype == found.dtype == dtype
        np.testing.assert_allclose(
            *(np.asarray(x).astype(float) for x in (found, of_numpy)), rtol=rounding, atol=rounding
        )
        assert path([1, 0], [0, 1], 3).dtype == np.float64


def test_paths_are_traced_mapped_and_derived() -> None:
    """Under jit with t traced, under vmap over pairs; derivatives in ends and t against differences."""
    start, end = RANDOM.randn(2, 5, 7)

    def all_curves(a: Any, b: Any, t: Any) -> Any:
        return jnp.stack([path(a, b, t=t) for path in CURVES])

    with jax.enable_x64(True):
        mapped = jax.jit(jax.vmap(all_curves, in_axes=(0, 0, None)))(start, end, TIMES)
        np.testing.assert_allclose(
            mapped.swapaxes(0, 1), [path(start, end, t=TIMES) for path in CURVES], rtol=1e-12
        )
        found = jax.jit(jax.jacobian(all_curves, (0, 1, 2)))(A, B, 0.3)
        slopes = [of_end.swapaxes(1, 2) for of_end in found[:2]]  # [curve, entry of the end, L]
        for number, path in enumerate(CURVES):
            for slope, moved in zip(slopes, ([1, 0], [0, 1]), strict=True):
                a, b = (sign * 1e-6 * np.eye(7) for sign in moved)
                pairs = [(A + sign * a, B + sign * b) for sign in (1, -1)]
                above, below = (path(*pair, t=0.3) for pair in pairs)
                np.testing.assert_allclose(slope[number], (above - below) / 2e-6, atol=1e-7)
            difference = np.diff(path(A, B, t=np.array([0.3 - 1e-6, 0.3 + 1e-6])), axis=0)[0] / 2e-6
            np.testing.assert_allclose(found[2][number], difference, atol=1e-7)


def test_derivatives_at_equal_ends_are_those_of_the_line() -> None:
    near = np.float32(A * (1 + 1e-6))
    slopes = jax.jit(jax.jacobian(lambda a, b: jnp.stack([path(a, b, t=0.3) for path in CURVES]), (0, 1)))
    for end in (np.float32(A), near):
        for slope, share in zip(slopes(np.float32(A), end), (0.7, 0.3), strict=True):
            np.testing.assert_allclose(slope, np.tile(share * np.eye(7), (3, 1, 1)), atol=1e-5)


def test_the_second_derivative_at_equal_ends_is_whites() -> None:
    """Between (1, 0) and (1, e) the weight of the start is (1 - t) (1 + e^2 (1 - (1 - t)^2) / 6) + O(e^3)."""
    with jax.enable_x64(True):
        first_unit = jax.jit(
            jax.grad(
                jax.grad(lambda e: paths.spherical(jnp.array([1.0, 0.0]), jnp.stack([1.0, e]), t=0.3)[0])
            )
        )
        expected = sum(t * (1 - t**2) / 3 for t in (0.7, 0.3))
        np.testing.assert_allclose(first_unit(0.0), expected, rtol=1e-12)


ENDS = np.float32([-A, -3 * A.astype(np.float32), 0 * A])


def test_under_jit_ends_without_an_arc_are_joined_by_a_line() -> None:
    """And do not disturb a pair that has one; derivatives are finite."""
    starts, ends = np.float32([A, A, A, A]), np.float32([*ENDS, B])

    def both(a: Any, b: Any) -> Any:
        return jnp.stack([path(a, b, 4) for path in CURVES[1:]])

    codes = jax.jit(both)(starts, ends)
    slopes = jax.jit(jax.grad(lambda pair: both(*pair).sum()))((starts, ends))
    assert all(np.isfinite(slope).all() for slope in slopes)
    for path, found in zip(CURVES[1:], codes, strict=True):
        np.testing.assert_allclose(found[:3], paths.linear(starts[:3], ENDS, 4), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[3], path(A, B, 4), rtol=1e-4, atol=1e-5)
        for end in ENDS:
            with pytest.raises(JaxaeError, match=f"{path.__name__}: "):
                path(starts, np.stack([end, *ends[1:]]), 4)
    with pytest.raises(JaxaeError, match="polar: the codes are opposite"):
        paths.polar(jnp.asarray(A), jnp.asarray(-A), 4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "num, t: got neither"),
        ({"num": 3, "t": 0.5}, "num, t: got both"),
        ({"num": 2.5}, "num: got 2.5, expected a whole number of 2 or more"),
    ],
)
def test_a_path_is_asked_for_in_one_way(arguments: Any, message: str) -> None:
    with pytest.raises(JaxaeError, match=message):
        paths.spherical(A, B, **arguments)
    with pytest.raises(JaxaeError, match=r"codes: got shapes \(7,\) and \(6,\)"):
        paths.linear(A, B[1:], 3)
    with pytest.raises(JaxaeError, match="codes: got dtype <U1, expected real numbers"):
        paths.linear(["a"], ["b"], 3)


def test_the_arc_keeps_the_length_and_turns_by_equal_angles() -> None:
    first, last = A / np.linalg.norm(A), B / np.linalg.norm(B)
    codes = paths.spherical(first, last, 11)
    np.testing.assert_allclose(codes, paths.polar(first, last, 11), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-6)
    cosines = (codes[1:] * codes[:-1]).sum(axis=1)
    whole = np.arccos(first @ last)
    np.testing.assert_allclose(np.arccos(cosines), whole / 10, rtol=1e-3)
    chord = np.linalg.norm(paths.linear(first, last, 11)[5])
    assert chord < 0.99, "the line cuts through the inside"
    longer = paths.polar(first, 3 * last, 3)
    assert np.linalg.norm(longer[1]) == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("path", [paths.spherical, paths.polar])
def test_degenerate_angles(path: Any) -> None:
    np.testing.assert_allclose(path(A, A, 5), np.tile(A, (5, 1)), rtol=1e-14)
    np.testing.assert_allclose(path(A, 2 * A, 3)[1], 1.5 * A, rtol=1e-14)
    nearly = A + 1e-9 * B
    np.testing.assert_allclose(path(A, nearly, 5), paths.linear(A, nearly, 5), rtol=1e-14)
    for end, reason in ((-A, "opposite"), (0 * A, "length 0")):
        with pytest.raises(JaxaeError, match=reason):
            path(A, end, 5)


def test_a_traversal_moves_one_unit_over_its_own_range() -> None:
    codes = RANDOM.randn(10_000, 3) * [1.0, 5.0, 0.1]
    for unit, scale in enumerate([1.0, 5.0, 0.1]):
        values = paths.spread(codes, unit, 5)
        assert values[-1] == pytest.approx(1.645 * scale, rel=0.05)  # 90 % of a Gaussian
        moved = paths.traversal(codes[0], unit, values)
        np.testing.assert_allclose(moved[:, unit], values, rtol=1e-6)
        others = np.delete(moved, unit, axis=1)
        np.testing.assert_allclose(others, np.tile(np.delete(codes[0], unit), (5, 1)), rtol=1e-6)
    with pytest.raises(JaxaeError, match="expected 0 to 2"):
        paths.traversal(codes[0], 3, [0.0])


def test_traversals_are_traced_and_take_batches() -> None:
    codes, values = RANDOM.randn(2, 4, 3).astype(np.float32), np.array([-1.0, 0.5])
    moved = paths.traversal(codes, 1, values)
    assert moved.shape == (2, 4, 2, 3) and moved.dtype == np.float32
    assert (moved[..., 1] == values.astype(np.float32)).all() and (
        moved[..., 0, ::2] == codes[..., ::2]
    ).all()
    traced = jax.jit(paths.traversal)(codes, 1, values)
    np.testing.assert_array_equal(traced, moved)
    slope = jax.grad(lambda value: paths.traversal(jnp.asarray(codes[0, 0]), 1, value)[..., 1].sum())
    assert slope(0.5) == 1.0
    steps = jax.jit(paths.spread, static_argnums=2)(codes[0], 1, 5, 0.8)
    assert isinstance(paths.spread(codes[0], 1, 5), np.ndarray) and steps.dtype == np.float32
    np.testing.assert_allclose(steps, paths.spread(codes[0], 1, 5, 0.8), rtol=1e-5)


def test_the_manifold_has_equal_shares_of_the_gaussian_in_its_cells() -> None:
    grid = paths.manifold(10).reshape(10, 10, 2)
    draws = RANDOM.randn(100_000)
    edges = 0.5 * (grid[0, 1:, 0] + grid[0, :-1, 0])
    shares = np.bincount(np.digitize(draws, edges), minlength=10) / len(draws)
    assert np.abs(shares[1:-1] - 0.1).max() < 0.01
    assert grid.dtype == np.float32 and paths.manifold(3, np.float64).dtype == np.float64
    assert (np.diff(grid[0, :, 0]) > 0).all() and (np.diff(grid[:, 0, 1]) < 0).all()
    np.testing.assert_allclose(grid[:, :, 0].sum(), 0, atol=1e-4)


def test_a_balanced_attribute_vector_does_not_leak_what_goes_with_it() -> None:
    """Smiling moves unit 0, age unit 1, and in these data the old smile more often."""
    old = RANDOM.rand(20_000) < 0.5
    smiles = RANDOM.rand(20_000) < np.where(old, 0.9, 0.1)
    codes = np.stack([2.0 * smiles, 3.0 * old, 0 * old], axis=1) + 0.1 * RANDOM.randn(20_000, 3)
    leaky, balanced = paths.attribute_vector(codes, smiles), paths.attribute_vector(codes, smiles, old)
    np.testing.assert_allclose(balanced, [2, 0, 0], atol=0.02)
    assert leaky[1] > 2
    with pytest.raises(JaxaeError, match="with and without"):
        paths.attribute_vector(codes, old, old)


def test_attribute_vectors_are_traced() -> None:
    """With the other attributes traced, and known; several columns, groups that have one side only."""
    codes = RANDOM.randn(60, 4).astype(np.float32)
    attribute, others = RANDOM.rand(60) < 0.4, RANDOM.randint(0, 4, (60, 2))
    expected = paths.attribute_vector(codes, attribute, others)
    assert expected.dtype == np.float32 and isinstance(expected, np.ndarray)
    traced = jax.jit(paths.attribute_vector)
    np.testing.assert_allclose(traced(codes, attribute, others), expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(traced(codes, attribute, np.stack([attribute, attribute], axis=1))).all()
    of_codes = jax.jit(
        jax.value_and_grad(lambda codes: paths.attribute_vector(codes, attribute, others).sum())
    )
    total, slopes = of_codes(codes)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-4)
    np.testing.assert_allclose(slopes.sum(axis=0), np.zeros(4), atol=1e-6)
    assert (np.abs(slopes) > 0).any()
    plain = codes[attribute].mean(axis=0) - codes[~attribute].mean(axis=0)
    np.testing.assert_allclose(paths.attribute_vector(codes, attribute), plain, rtol=1e-5)


def test_the_fourth_corner_completes_the_analogy() -> None:
    square = paths.analogies(A, B, C, 4)
    assert square.shape == (4, 4, 7)
    batch = jax.jit(jax.vmap(lambda a, b, c: paths.analogies(a, b, c, 4)))(*np.float32([[A], [B], [C]]))
    np.testing.assert_allclose(batch[0], square, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(paths.analogies(A, B, C, t=np.linspace(0, 1, 4)), square, rtol=1e-12)
    assert paths.analogies(*np.stack([[A, B], [B, C], [C, A]]), 3).shape == (2, 3, 3, 7)
    np.testing.assert_allclose(
        [square[0, 0], square[0, -1], square[-1, 0], square[-1, -1]], [A, B, C, C + B - A], rtol=1e-5
    )


@pytest.mark.parametrize("num", [-1, 0, 1])
def test_a_path_has_both_its_ends(num: int) -> None:
    with pytest.raises(JaxaeError, match="both ends"):
        paths.linear(A, B, num)
