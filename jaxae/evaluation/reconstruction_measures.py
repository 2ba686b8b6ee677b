"""How well x comes back from its code, and from that of a corrupted x."""

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

# Those of Vincent et al., 2010, at one strength each, so that every member meets the same.
CORRUPTIONS: dict[str, Corruption] = {
    "masked": Masking(rate=0.25),
    "noisy": GaussianNoise(std=0.3),
    "salt_and_pepper": SaltAndPepper(rate=0.25),
}


def reconstruction(subject: Subject) -> Iterator[Part]:
    """Squared error beside PCA's with as many numbers, robustness; PSNR and SSIM of images."""
    yield part("squared_error", row_score, subject, SQUARED_ERROR.name)
    yield part("squared_error_pca", _pca, subject)
    for name, corruption in CORRUPTIONS.items():
        yield part(f"squared_error_{name}", _corrupted, subject, name, corruption)
    yield part("psnr", _psnr, subject)
    yield part("ssim", _ssim, subject)


def _corrupted(subject: Subject, name: str, corruption: Corruption) -> Row:
    arguments = subject.codes_model, subject.variables, subject.rows
    errors = corrupted_errors(*arguments, corruption, subject.key(f"corruption {name}"))
    return mean_row(f"squared_error_{name}", errors, SQUARED_ERROR.unit, f"clean x from {corruption}")


def _pca(subject: Subject) -> Row:
    """The same without learning: so many principal components of the training rows."""
    x, test = pixels(subject.train), pixels(subject.rows)
    num = subject.codes.shape[1]
    if num >= min(len(x), x[0].size):
        directions = f"{len(x)} training rows of {x[0].size} numbers"
        raise NotApplicable(f"{num} principal components of {directions} bring everything back")
    how = f"{num} principal components of {len(x)} training rows"
    return mean_row("squared_error_pca", formulas.pca_errors(x, test, num), SQUARED_ERROR.unit, how)


def _psnr(subject: Subject) -> Row:
    values = _of_images(subject, psnr)
    if not np.isfinite(values).all():
        exact = int(np.isinf(values).sum())
        raise NotApplicable(f"{exact} of {len(values)} images come back exactly, with an infinite ratio")
    return mean_row("psnr", values, "dB", "peak 1, mean over images")


def _ssim(subject: Subject) -> Row:
    values = _of_images(subject, ssim)
    return mean_row("ssim", values, "-1 to 1", ssim_convention(*subject.rows.x.shape[1:3]))


def _of_images(subject: Subject, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply `measure` to images f32[N, H, W, C] in [0, 1] and their reconstructions: f64[N]."""
    if not (subject.is_image and subject.is_in_unit_interval):
        raise NotApplicable("is for images [H, W, 1] or [H, W, 3] in [0, 1]")
    values = []
    for rows in blocks(subject.rows):  # in float64, eight times the bytes of stored pixels
        values.append(measure(pixels(rows), np.clip(subject.result.reconstruct(rows), 0, 1)))
    return np.concatenate(values)
