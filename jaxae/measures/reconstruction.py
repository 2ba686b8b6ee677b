"""How well x comes back from its code, and from that of a corrupted x."""

import numpy as np

from jaxae.autoencoders.corruptions import Corruption, GaussianNoise, Masking, SaltAndPepper
from jaxae.evaluation import codes as formulas
from jaxae.evaluation.images import psnr, ssim, ssim_convention
from jaxae.evaluation.reconstruction import squared_errors
from jaxae.evaluation.robustness import corrupted_errors
from jaxae.evaluation.terms import ROWS_AT_ONCE
from jaxae.measures.subject import Row, Subject, labels, mean_row, pixels

SUM = "summed over pixels, the data's unit squared"
# Those of Vincent et al., 2010, at one strength each, so that every member meets the same.
CORRUPTIONS: dict[str, Corruption] = {
    "masked": Masking(rate=0.25),
    "noisy": GaussianNoise(std=0.3),
    "salt_and_pepper": SaltAndPepper(rate=0.25),
}


def reconstruction(subject: Subject) -> list[Row]:
    """Squared error beside PCA's with as many numbers, robustness; PSNR and SSIM of images."""
    key = subject.key("reconstruction")
    arguments = subject.autoencoder, subject.variables, subject.rows
    rows = [mean_row("squared_error", squared_errors(*arguments, key), SUM, "from its code")]
    rows += _pca(subject)
    for name, corruption in CORRUPTIONS.items():
        errors = corrupted_errors(*arguments, corruption, subject.key(f"corruption {name}"))
        rows.append(mean_row(f"squared_error_{name}", errors, SUM, f"clean x from {corruption}"))
    return [*rows, *_of_images(subject)]


def _pca(subject: Subject) -> list[Row]:
    """The same without learning: so many principal components of the training rows."""
    x, test = pixels(subject.train), pixels(subject.rows)
    num = subject.codes.shape[1]
    if num >= min(len(x), x[0].size):
        return []  # as many components as there are directions bring everything back
    how = f"{num} principal components of {len(x)} training rows"
    return [mean_row("squared_error_pca", formulas.pca_errors(x, test, num), SUM, how)]


def _of_images(subject: Subject) -> list[Row]:
    if not subject.is_image or min(subject.result.run.dataset.shape[:2]) < 3:
        return []
    x, y = subject.rows.x, labels(subject.rows)
    ratios, similarities = [], []
    for start in range(0, len(x), ROWS_AT_ONCE):  # in float64, eight times the bytes of stored pixels
        rows = slice(start, start + ROWS_AT_ONCE)
        some = pixels(subject.rows._replace(x=x[rows]))
        again = np.clip(subject.result.reconstruct(some, None if y is None else y[rows]), 0, 1)
        ratios.append(psnr(some, again))
        similarities.append(ssim(some, again))
    convention = ssim_convention(*x.shape[1:3])
    return [
        mean_row("psnr", np.concatenate(ratios), "dB", "peak 1, mean over images"),
        mean_row("ssim", np.concatenate(similarities), "-1 to 1", convention),
    ]
