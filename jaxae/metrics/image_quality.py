"""How near images are to their reconstructions, as one sees them. N images [H, W, C] in [0, 1]."""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError

RADIUS, STD = 5, 1.5  # Wang et al., 2004: a Gaussian window of 11 x 11 pixels


def psnr(x: Any, y: Any) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, 10 log10(1 / mean (x - y)^2); float64[N], dB.

    The peak is 1; the mean is over pixels and channels. Equal images have inf. `y` may leave [0, 1] and is
    not clipped. Raises: JaxaeError for what are not images.
    """
    x, y = _images(x, y)
    errors = ((x - y) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return -10.0 * np.log10(errors)


def ssim(x: Any, y: Any) -> np.ndarray:
    """Structural similarity of each image, float64[N], at most 1, which equal images have.

    Wang, Bovik, Sheikh & Simoncelli, 2004: K1 = 0.01, K2 = 0.03, range 1, covariances with weights that sum
    to 1, no window over the border, the mean over windows and then over channels; by scikit-image.
    `ssim_window` says which window; `y` is not clipped. Raises: JaxaeError for what are not images, or for
    images of fewer than 3 x 3 pixels.
    """
    from skimage.metrics import structural_similarity

    x, y = _images(x, y)
    size, std = ssim_window(x.shape[1], x.shape[2])
    settings = {"win_size": size, "sigma": std, "gaussian_weights": True, "use_sample_covariance": False}
    pairs = zip(x, y, strict=True)
    return np.array(
        [structural_similarity(*pair, data_range=1.0, channel_axis=-1, **settings) for pair in pairs]
    )


def ssim_window(height: int, width: int) -> tuple[int, float]:
    """The window's width and its Gaussian's standard deviation, in pixels: 11 and 1.5 (Wang et al., 2004).

    In smaller images the largest odd window that fits, with the Gaussian as much narrower: 7 and 0.9 for
    digits of 8 x 8. scikit-image cuts its Gaussian at 3.5 standard deviations, whatever width it is told, so
    the radius must be 3.5 times them, rounded. Raises: JaxaeError where not even 3 x 3 pixels fit.
    """
    radius = min(RADIUS, (min(height, width) - 1) // 2)
    if radius < 1:
        raise JaxaeError(f"ssim: got images of {height} x {width} pixels, expected 3 x 3 or more")
    return 2 * radius + 1, STD * radius / RADIUS


def ssim_convention(height: int, width: int) -> str:
    """What stands beside a number of `ssim`: which window it was measured with."""
    size, std = ssim_window(height, width)
    smaller = "" if size == 2 * RADIUS + 1 else "; the images are smaller than the 11 x 11 of the paper"
    return f"SSIM of Wang et al. (2004), Gaussian window {size} x {size}, sigma {std:g}, range 1{smaller}"


def _images(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 4 or x.shape != y.shape or x.size == 0:
        raise JaxaeError(f"images: got shapes {x.shape} and {y.shape}, expected (N, H, W, C) twice")
    if not (x.min() >= 0 and x.max() <= 1):
        raise JaxaeError(f"images: got pixels from {x.min():g} to {x.max():g}, expected [0, 1]")
    return x, y
