"""Similarities of images by sums over windows, by hand and in closed form."""

import numpy as np
import pytest

from jaxae.errors import JaxaeError
from jaxae.metrics.image_quality import psnr, ssim, ssim_convention

RANDOM = np.random.RandomState(0)


def ssim_by_sums(x: np.ndarray, y: np.ndarray, size: int, std: float) -> float:
    """The formula of Wang et al. (2004), equations 13 to 17, one window and channel after the other."""
    offsets = np.arange(size) - size // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * std**2))
    weights /= weights.sum()
    values = []
    for channel in range(x.shape[-1]):
        for top in range(x.shape[0] - size + 1):
            for left in range(x.shape[1] - size + 1):
                a = x[top : top + size, left : left + size, channel]
                b = y[top : top + size, left : left + size, channel]
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
                covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
                values.append(
                    (2 * mean_a * mean_b + 1e-4)
                    * (2 * covariance + 9e-4)
                    / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
                )
    return float(np.mean(values))


@pytest.mark.parametrize(
    "shape, size, std",
    [
        ((16, 13, 1), 11, 1.5),
        ((12, 14, 3), 11, 1.5),
        ((8, 8, 1), 7, 0.9),
        ((9, 10, 3), 9, 1.2),
        ((3, 9, 1), 3, 0.3),
    ],
)
def test_ssim_is_the_papers_formula_with_the_largest_window_that_fits(
    shape: tuple[int, ...], size: int, std: float
) -> None:
    x = RANDOM.rand(3, *shape)
    y = np.clip(x + 0.2 * RANDOM.randn(*x.shape), 0, 1)
    expected = [ssim_by_sums(*pair, size, std) for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(ssim(x, y), expected, rtol=1e-8)
    assert min(expected) > 0.1 and max(expected) < 0.99, "the test can tell"
    assert f"{size} x {size}, sigma {std}" in ssim_convention(*shape[:2])
    assert ("smaller than the 11 x 11" in ssim_convention(*shape[:2])) == (size < 11)


def test_equal_images_have_one_and_infinity() -> None:
    x = RANDOM.rand(2, 12, 12, 1)
    np.testing.assert_allclose(ssim(x, x), 1, rtol=1e-12)
    assert np.isposinf(psnr(x, x)).all()


def test_a_constant_shift_of_constant_images_leaves_the_luminance_alone() -> None:
    """SSIM = (2 a b + C1) / (a^2 + b^2 + C1), PSNR = -20 log10 |a - b|."""
    x, y = np.full((1, 12, 12, 1), 0.25), np.full((1, 12, 12, 1), 0.75)
    assert ssim(x, y)[0] == pytest.approx((2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4), rel=1e-9)
    assert psnr(x, y)[0] == pytest.approx(-20 * np.log10(0.5), rel=1e-12)


def test_psnr_by_hand() -> None:
    """One pixel of four is off by 0.2: 10 log10(1 / 0.01) = 20 dB; all by 1: 0 dB."""
    x = np.zeros((2, 2, 2, 1))
    y = x.copy()
    y[0, 0, 1, 0], y[1] = 0.2, 1.0
    np.testing.assert_allclose(psnr(x, y), [20, 0], atol=1e-12)


def test_reconstructions_beyond_the_range_are_measured_as_they_are() -> None:
    assert psnr(np.ones((1, 2, 2, 1)), np.full((1, 2, 2, 1), 1.1))[0] == pytest.approx(20)


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    "x, y, message",
    [
        (np.zeros((5, 64)), np.zeros((5, 64)), r"got shapes \(5, 64\) and \(5, 64\)"),
        (np.zeros((5, 12, 12, 1)), np.zeros((5, 12, 12, 3)), "expected"),
        (np.zeros((0, 12, 12, 1)), np.zeros((0, 12, 12, 1)), "expected"),
        (np.full((1, 12, 12, 1), 255), np.zeros((1, 12, 12, 1)), r"from 255 to 255, expected \[0, 1\]"),
        (np.full((1, 12, 12, 1), np.nan), np.zeros((1, 12, 12, 1)), "from nan"),
    ],
)
def test_what_are_not_images_is_refused(measure, x, y, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(JaxaeError, match=message):
        measure(x, y)


def test_images_without_room_for_a_window_are_refused() -> None:
    with pytest.raises(JaxaeError, match="2 x 9 pixels, expected 3 x 3"):
        ssim(np.zeros((1, 2, 9, 1)), np.zeros((1, 2, 9, 1)))
