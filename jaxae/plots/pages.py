"""Choice of the figures for a run: takes numbers from a result and passes them to `figures`."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.plots import figures
from jaxae.protocols.capabilities import Autoencoder, Conditional, Generative

NUM_SHOWN, NUM_SAMPLES, NUM_CODES = 36, 60, 2000  # reconstructions, draws from the prior, codes in the plane
NUM_CONDITIONS, NUM_EACH = 10, 10
MOST_EXACT = 500  # rows or dimensions; above both, scikit-learn's randomized method is faster


class Computed(NamedTuple):
    """Arrays of the figures that the model computes."""

    y: np.ndarray | None  # labels of the codes; None without labels
    codes: np.ndarray  # [N, L]
    x: np.ndarray  # the images to reconstruct; no rows if they are no images
    reconstructions: np.ndarray | None  # None if the rows are no grey or RGB images
    samples: np.ndarray | None  # None for a model without a prior


def draw(result: Any, folder: Path) -> list[Path]:
    """Write the figures of a run: curves, codes, and for images reconstructions and samples.

    Args:
        result: The result of a run.
        folder: The folder to write PNG files to; it is created.

    Returns:
        The paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "curves.png"]
    figures.curves(paths[0], result.history, result.scores.get("units", {}))
    if result.run.dataset.tokenizer:
        return [*paths, *_draw_token_samples(result, folder)]
    computed = compute(result)
    if computed is None:
        return paths
    points, names = plane(computed.codes)
    paths.append(folder / "codes.png")
    figures.codes(paths[-1], points, computed.y, names)
    span = result.run.dataset.display_range
    if computed.reconstructions is not None:
        paths.append(folder / "reconstructions.png")
        figures.reconstructions(paths[-1], computed.x, computed.reconstructions, span=span)
    if computed.samples is not None:
        paths.append(folder / "samples.png")
        figures.samples(paths[-1], computed.samples, span=span)
    return paths


def compute(result: Any) -> Computed | None:
    """Compute codes, reconstructions and samples.

    Args:
        result: The result of a run.

    Returns:
        The arrays; None if the model has no codes or the data have no held-out rows.
    """
    dataset, model = result.run.dataset, result.experiment.model
    # Runs without a test split show validation rows.
    rows = dataset.test if len(dataset.test.x) else dataset.validation
    if dataset.tokenizer or not isinstance(model, Autoencoder) or len(rows.x) == 0:
        return None
    # Held-out rows are always in memory, so they can be sliced even if training rows are streamed.
    x = np.asarray(rows.x[:NUM_CODES], np.float32) / rows.scale
    y = None if isinstance(rows.y, tuple) else np.asarray(rows.y[:NUM_CODES])
    codes, reconstructions, samples = result.encode(x, y), None, None
    shown_x, shown_y = x[:NUM_SHOWN], None if y is None else y[:NUM_SHOWN]
    if x.ndim == 4 and x.shape[-1] in (1, 3):
        reconstructions = result.reconstruct(shown_x, shown_y)
        if isinstance(model, Generative):
            num_classes = model.num_classes if isinstance(model, Conditional) else 0
            # The classes in order, each with the same number of samples up to rounding; None without
            # conditions.
            labels = np.arange(NUM_SAMPLES) * num_classes // NUM_SAMPLES if num_classes else None
            samples = result.sample(NUM_SAMPLES, y=labels)
    return Computed(y, codes, shown_x, reconstructions, samples)


def _draw_token_samples(result: Any, folder: Path) -> list[Path]:
    """Write samples of a prior over tokens: ten for each of ten conditions, or 60 without conditions."""
    # Only images [H, W, C] can be shown.
    if len(result.run.dataset.tokenizer.dataset.shape) != 3:
        return []
    names = result.run.dataset.classes if result.experiment.model.condition else ()
    y = [name for name in names[:NUM_CONDITIONS] for _ in range(NUM_EACH)] or None
    images = result.sample(len(y) if y else NUM_SAMPLES, y=y)
    span = result.run.dataset.tokenizer.dataset.display_range
    figures.samples(folder / "samples.png", images, NUM_EACH if y else 12, span)
    return [folder / "samples.png"]


def plane(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Project codes [N, L] to the plane [N, 2], by principal components if L is above 2.

    Args:
        codes: Codes [N, L].

    Returns:
        The points [N, 2] and the names of the axes.
    """
    if codes.shape[1] == 1:
        # A code of one dimension is drawn on a line.
        return np.column_stack([codes[:, 0], np.zeros(len(codes))]), ("z1", "")
    if codes.shape[1] == 2 or len(codes) < 2:
        return codes[:, :2], ("z1", "z2")
    return _principal_components(codes), ("first principal component", "second")


def _principal_components(codes: np.ndarray) -> np.ndarray:
    """Return the first two principal components of codes [N, L]: [N, 2], with scikit-learn's signs."""
    if min(codes.shape) > MOST_EXACT:
        from sklearn.decomposition import PCA

        return PCA(2).fit_transform(codes)
    # Not scikit-learn's PCA: its import takes 1.4 CPU seconds, as long as all other work for the figures.
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2].T
    # The sign of a component is arbitrary: its largest entry is positive.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    return (centred @ (directions * signs)).astype(codes.dtype)
