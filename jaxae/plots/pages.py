"""Which figures a run gets: asks a result for numbers and hands them to `figures`."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from jaxae.plots import figures
from jaxae.protocols.capabilities import Autoencoder, Conditional, Generative

NUM_SHOWN, NUM_SAMPLES, NUM_CODES = 36, 60, 2000
NUM_CONDITIONS, NUM_EACH = 10, 10


def draw(result: Any, folder: Path) -> list[Path]:
    """Curves, codes, and for images reconstructions and samples, as PNG files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [folder / "curves.png"]
    figures.curves(drawn[0], result.history, result.scores.get("units", {}))
    dataset = result.run.dataset
    if dataset.tokenizer:
        return [*drawn, *_of_tokens(result, folder)]
    if not isinstance(result.experiment.model, Autoencoder):
        return drawn
    rows = dataset.test if len(dataset.test.x) else dataset.validation
    if len(rows.x) == 0:
        return drawn
    x = np.asarray(rows.x[:NUM_CODES], np.float32) / rows.scale
    y = None if isinstance(rows.y, tuple) else np.asarray(rows.y[:NUM_CODES])
    points, names = plane(result.encode(x, y))
    drawn.append(folder / "codes.png")
    figures.codes(drawn[-1], points, y, names)
    return drawn + _images(result, folder, x[:NUM_SHOWN], None if y is None else y[:NUM_SHOWN])


def _of_tokens(result: Any, folder: Path) -> list[Path]:
    """Draws from a prior over tokens: ten of each of the first ten conditions, or without one."""
    if len(result.run.dataset.tokenizer.dataset.shape) != 3:
        return []
    names = result.run.dataset.classes if result.experiment.model.condition else ()
    y = [name for name in names[:NUM_CONDITIONS] for _ in range(NUM_EACH)] or None
    images = result.sample(len(y) if y else NUM_SAMPLES, y=y)
    span = result.run.dataset.tokenizer.dataset.display_range
    figures.samples(folder / "samples.png", images, NUM_EACH if y else 12, span)
    return [folder / "samples.png"]


def plane(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Codes [N, L] in the plane [N, 2], and what the axes are: the code itself, or principal components."""
    if codes.shape[1] == 1:
        return np.column_stack([codes[:, 0], np.zeros(len(codes))]), ("z1", "")
    if codes.shape[1] == 2 or len(codes) < 2:
        return codes[:, :2], ("z1", "z2")
    with np.errstate(invalid="ignore"):  # the explained share of no variance, where all codes are the same
        return PCA(2).fit_transform(codes), ("first principal component", "second")


def _images(result: Any, folder: Path, x: np.ndarray, y: np.ndarray | None) -> list[Path]:
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        return []
    drawn, span = [folder / "reconstructions.png"], result.run.dataset.display_range
    figures.reconstructions(drawn[0], x, result.reconstruct(x, y), span=span)
    autoencoder = result.experiment.model
    if isinstance(autoencoder, Generative):
        num_classes = autoencoder.num_classes if isinstance(autoencoder, Conditional) else 0
        labels = (
            np.arange(NUM_SAMPLES) * num_classes // NUM_SAMPLES if num_classes else None
        )  # in their order
        drawn.append(folder / "samples.png")
        figures.samples(drawn[-1], result.sample(NUM_SAMPLES, y=labels), span=span)
    return drawn
