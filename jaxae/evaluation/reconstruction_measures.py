"""Measures of the group reconstruction: errors of x decoded from its code, and from a corrupted x's code."""

from collections.abc import Callable, Iterator

import numpy as np

from jaxae.distributions.corruptions import GaussianNoise, Masking, SaltAndPepper
from jaxae.errors import NotApplicable
from jaxae.estimators.reconstruction import SQUARED_ERROR, corrupted_errors
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.score_measures import row_score
from jaxae.evaluation.subject import Row, Subject, blocks, mean_row, pixels
from jaxae.metrics import probes as formulas
from jaxae.metrics.image_quality import psnr, ssim, ssim_convention
from jaxae.protocols.parts import Corruption

# The corruptions of Vincent et al., 2010, at one strength each, so that errors of models can be compared.
CORRUPTIONS: dict[str, Corruption] = {
    "masked": Masking(rate=0.25),
    "noisy": GaussianNoise(std=0.3),
    "salt_and_pepper": SaltAndPepper(rate=0.25),
}


def reconstruction(subject: Subject) -> Iterator[Part]:
    """Yield the squared error, that of PCA with codes of the same size, robustness, and PSNR and SSIM."""
    yield part("squared_error", row_score, subject, SQUARED_ERROR.name)
    yield part("squared_error_pca", _measure_pca, subject)
    for name, corruption in CORRUPTIONS.items():
        yield part(f"squared_error_{name}", _measure_corrupted, subject, name, corruption)
    yield part("psnr", _measure_psnr, subject)
    yield part("ssim", _measure_ssim, subject)


def _measure_corrupted(subject: Subject, name: str, corruption: Corruption) -> Row:
    """Return the squared error between the clean x and the reconstruction from a corrupted one."""
    arguments = subject.codes_model, subject.variables, subject.rows
    errors = corrupted_errors(*arguments, corruption, subject.key(f"corruption {name}"))
    how = f"(x - reconstruction)^2 summed over an example, decoded from x corrupted by {corruption}"
    return mean_row(f"squared_error_{name}", errors, SQUARED_ERROR.unit, how)


def _measure_pca(subject: Subject) -> Row:
    """Return the squared error of PCA with as few components as the code has dimensions, as a baseline."""
    x, test = pixels(subject.train), pixels(subject.rows)
    num = subject.codes.shape[1]
    # An overcomplete code has no baseline: so wide a PCA spans all training rows, and its error would be 0.
    if num >= min(len(x), x[0].size):
        rows = f"{len(x)} training rows of {x[0].size} numbers"
        raise NotApplicable(f"{num} principal components reconstruct {rows} exactly")
    how = f"decoded from {num} principal components of {len(x)} training rows"
    return mean_row("squared_error_pca", formulas.pca_errors(x, test, num), SQUARED_ERROR.unit, how)


def _measure_psnr(subject: Subject) -> Row:
    """Return the mean peak signal-to-noise ratio in dB."""
    values = _compare_images(subject, psnr)
    # The mean would be infinite, and a mean without the exact images would favour the worse model.
    if not np.isfinite(values).all():
        num_exact = int(np.isinf(values).sum())
        raise NotApplicable(f"{num_exact} of {len(values)} reconstructions are exact, with an infinite ratio")
    return mean_row("psnr", values, "dB", "peak signal-to-noise ratio with peak 1, mean over images")


def _measure_ssim(subject: Subject) -> Row:
    """Return the mean structural similarity of images and reconstructions."""
    values = _compare_images(subject, ssim)
    return mean_row("ssim", values, "-1 to 1", ssim_convention(*subject.rows.x.shape[1:3]))


def _compare_images(subject: Subject, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Compare images f32[N, H, W, C] in [0, 1] with their reconstructions by `measure`: f64[N]."""
    if not (subject.is_image and subject.is_in_unit_interval):
        raise NotApplicable("expected images [H, W, 1] or [H, W, 3] with values in [0, 1]")
    values = []
    # Clipped, since a mean of p(x|z) may leave [0, 1], and both measures assume that range.
    for rows in blocks(subject.rows):  # in float64, eight times the bytes of stored pixels
        values.append(measure(pixels(rows), np.clip(subject.result.reconstruct(rows), 0, 1)))
    return np.concatenate(values)
