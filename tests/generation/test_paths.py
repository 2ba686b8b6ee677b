"""Paths end where they should, and keep what they promise."""

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.generation import paths

RANDOM = np.random.RandomState(0)
A, B, C = RANDOM.randn(3, 7)


@pytest.mark.parametrize("path", [paths.linear, paths.spherical])
def test_paths_begin_and_end_at_their_codes(path: object) -> None:
    codes = path(A, B, 9)  # type: ignore[operator]
    assert codes.shape == (9, 7) and codes.dtype == np.float32
    np.testing.assert_allclose(codes[[0, -1]], [A, B], rtol=1e-6)


def test_the_arc_keeps_the_length_and_turns_by_equal_angles() -> None:
    first, last = A / np.linalg.norm(A), B / np.linalg.norm(B)
    codes = paths.spherical(first, last, 11).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-6)
    cosines = (codes[1:] * codes[:-1]).sum(axis=1)
    whole = np.arccos(first @ last)
    np.testing.assert_allclose(np.arccos(cosines), whole / 10, rtol=1e-3)
    chord = np.linalg.norm(paths.linear(first, last, 11)[5])
    assert chord < 0.99, "the line cuts through the inside"
    longer = paths.spherical(first, 3 * last, 3)
    assert np.linalg.norm(longer[1]) == pytest.approx(2, rel=1e-6)


def test_degenerate_angles() -> None:
    np.testing.assert_allclose(paths.spherical(A, A, 5), np.tile(A, (5, 1)), rtol=1e-6)
    np.testing.assert_allclose(paths.spherical(A, 2 * A, 3)[1], 1.5 * A, rtol=1e-6)
    nearly = A + 1e-9 * B
    assert np.isfinite(paths.spherical(A, nearly, 5)).all()
    for end, reason in ((-A, "opposite"), (0 * A, "length 0")):
        with pytest.raises(JaxaeError, match=reason):
            paths.spherical(A, end, 5)


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


def test_the_manifold_has_equal_shares_of_the_gaussian_in_its_cells() -> None:
    grid = paths.manifold(10).reshape(10, 10, 2)
    draws = RANDOM.randn(100_000)
    edges = 0.5 * (grid[0, 1:, 0] + grid[0, :-1, 0])
    shares = np.bincount(np.digitize(draws, edges), minlength=10) / len(draws)
    assert np.abs(shares[1:-1] - 0.1).max() < 0.01
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


def test_the_fourth_corner_completes_the_analogy() -> None:
    square = paths.analogies(A, B, C, 4)
    assert square.shape == (4, 4, 7)
    np.testing.assert_allclose(
        [square[0, 0], square[0, -1], square[-1, 0], square[-1, -1]], [A, B, C, C + B - A], rtol=1e-5
    )


@pytest.mark.parametrize("num", [-1, 0, 1])
def test_a_path_has_both_its_ends(num: int) -> None:
    with pytest.raises(JaxaeError, match="both ends"):
        paths.linear(A, B, num)
