"""Similarity of images and their reconstructions (PSNR and SSIM). N images [H, W, C] in [0, 1]."""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError

RADIUS, STD = 5, 1.5  # Wang et al., 2004: a Gaussian window of 11 x 11 pixels


def psnr(x: Any, y: Any) -> np.ndarray:
    """Compute the peak signal-to-noise ratio, 10 log10(1 / mean (x - y)^2), of each image; float64[N], dB.

    The peak is 1, and the mean is over pixels and channels. Equal images have infinity.

    Args:
        x: Images, [N, H, W, C] in [0, 1].
        y: Reconstructions, of the same shape. They may leave [0, 1] and are not clipped.

    Returns:
        float64[N], dB.

    Raises:
        JaxaeError: If `x` and `y` are not images of the same shape, or `x` leaves [0, 1].

    Example:
        >>> import numpy as np
        >>> from jaxae.metrics.image_quality import psnr
        >>> psnr(np.zeros((1, 8, 8, 1)), np.full((1, 8, 8, 1), 0.1)).round(4).tolist()  # 10 log10(1 / 0.01)
        [20.0]
    """
    x, y = _check_images(x, y)
    errors = ((x - y) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):  # equal images: log10(0) = -inf, which gives the documented infinity
        return -10.0 * np.log10(errors)


def ssim(x: Any, y: Any) -> np.ndarray:
    """Compute the structural similarity of each image, float64[N]; at most 1, the value of equal images.

    Wang, Bovik, Sheikh & Simoncelli, 2004, by scikit-image: K1 = 0.01, K2 = 0.03, range 1, covariances with
    weights that sum to 1. No window crosses the border. The mean is over windows and then over channels.
    `ssim_window` gives the size of the window.

    Args:
        x: Images, [N, H, W, C] in [0, 1].
        y: Reconstructions, of the same shape. They may leave [0, 1] and are not clipped.

    Returns:
        float64[N].

    Raises:
        JaxaeError: If `x` and `y` are not images of the same shape, `x` leaves [0, 1], or images have fewer
            than 3 x 3 pixels.
    """
    from skimage.metrics import structural_similarity

    x, y = _check_images(x, y)
    size, std = ssim_window(x.shape[1], x.shape[2])
    settings = {"win_size": size, "sigma": std, "gaussian_weights": True, "use_sample_covariance": False}
    pairs = zip(x, y, strict=True)
    return np.array(
        [structural_similarity(*pair, data_range=1.0, channel_axis=-1, **settings) for pair in pairs]
    )


def ssim_window(height: int, width: int) -> tuple[int, float]:
    """Return the width of the SSIM window and the standard deviation of its Gaussian, in pixels.

    They are 11 and 1.5 (Wang et al., 2004). Smaller images use the largest odd window that fits, and a
    Gaussian that is narrower by the same factor: 7 and 0.9 for digits of 8 x 8 pixels.

    Args:
        height: Height of the images, in pixels.
        width: Width of the images, in pixels.

    Returns:
        The width and the standard deviation, in pixels.

    Raises:
        JaxaeError: If the images have fewer than 3 x 3 pixels.

    Example:
        >>> from jaxae.metrics.image_quality import ssim_window
        >>> ssim_window(28, 28), ssim_window(8, 8)
        ((11, 1.5), (7, 0.9))
    """
    radius = min(RADIUS, (min(height, width) - 1) // 2)
    if radius < 1:
        raise JaxaeError(f"ssim: got images of {height} x {width} pixels, expected 3 x 3 or more")
    # scikit-image cuts its Gaussian at 3.5 standard deviations and ignores `win_size` there. So the radius
    # must be 3.5 standard deviations, rounded.
    return 2 * radius + 1, STD * radius / RADIUS


def ssim_convention(height: int, width: int) -> str:
    """Describe the window with which `ssim` was computed; reports show it next to the number.

    Args:
        height: Height of the images, in pixels.
        width: Width of the images, in pixels.

    Returns:
        One line of text.
    """
    size, std = ssim_window(height, width)
    smaller = "" if size == 2 * RADIUS + 1 else "; the images are smaller than the 11 x 11 of the paper"
    return f"SSIM of Wang et al. (2004), Gaussian window {size} x {size}, sigma {std:g}, range 1{smaller}"


def _check_images(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 4 or x.shape != y.shape or x.size == 0:
        raise JaxaeError(f"images: got shapes {x.shape} and {y.shape}, expected both (N, H, W, C)")
    if not (x.min() >= 0 and x.max() <= 1):  # not `x.min() < 0 or ...`, which is false for nan
        raise JaxaeError(f"images: got pixels from {x.min():g} to {x.max():g}, expected [0, 1]")
    return x, y
