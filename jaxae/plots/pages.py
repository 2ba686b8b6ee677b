"""Choice of the figures for a run: takes numbers from a result and passes them to `figures`."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.plots import figures
from jaxae.plots.canvas import label_text
from jaxae.protocols.capabilities import Autoencoder, Conditional, Generative

NUM_SHOWN, NUM_SAMPLES, NUM_CODES = 36, 60, 2000  # reconstructions, draws from the prior, codes in the plane
NUM_CONDITIONS, NUM_EACH = 10, 10
NUM_COLUMNS = 12  # images in a row without conditions
NUM_SEQUENCES, MOST_CHANNELS = 8, 4  # sequences in a figure, and their channels, each of which has a colour
SMALLEST_SIDE = 8  # of images whose pixels may be the columns of a table
MOST_EXACT = 500  # rows or dimensions; above both, scikit-learn's randomized method is faster


class Computed(NamedTuple):
    """Arrays of the figures that the model computes."""

    y: np.ndarray | None  # labels of the codes; None without labels
    codes: np.ndarray  # [N, L]
    x: np.ndarray  # rows to reconstruct
    reconstructions: np.ndarray
    samples: np.ndarray | None  # None for a model without a prior
    conditions: tuple[int, ...]  # the label of each row of samples; () without conditions


def draw(result: Any, folder: Path) -> list[Path]:
    """Write the figures of a run: curves, codes, reconstructions and samples.

    Rows that are no images are heat maps.

    Args:
        result: The result of a run.
        folder: The folder to write PNG files to; it is created.

    Returns:
        The paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "curves.png"]
    units, epoch = result.scores.get("units", {}), result.scores.get("epoch")
    figures.curves(paths[0], result.history, units, _title(result), epoch)
    if result.run.dataset.tokenizer:
        return [*paths, *_draw_token_samples(result, folder)]
    computed = compute(result)
    if computed is None:
        return paths
    dataset = result.run.dataset
    paths.append(folder / "codes.png")
    figures.codes(paths[-1], planes(computed.codes), single(computed.y), dataset.classes)
    paths.append(folder / "reconstructions.png")
    _draw_reconstructions(computed, dataset, paths[-1])
    if computed.samples is not None:
        paths.append(folder / "samples.png")
        _draw_samples(computed, dataset, paths[-1])
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
    shown_x, shown_y = x[:NUM_SHOWN], None if y is None else y[:NUM_SHOWN]
    codes, reconstructions = result.encode(x, y), result.reconstruct(shown_x, shown_y)
    samples, conditions = None, tuple[int, ...]()
    if isinstance(model, Generative):
        conditions = conditions_of(result)
        labels = np.repeat(conditions, NUM_EACH) if conditions else None
        samples = result.sample(len(labels) if labels is not None else NUM_SAMPLES, y=labels)
    return Computed(y, codes, shown_x, reconstructions, samples, conditions)


def conditions_of(result: Any) -> tuple[int, ...]:
    """Return the labels for which samples are shown.

    Args:
        result: The result of a run.

    Returns:
        The first labels of a conditional model; () for other models.
    """
    model = result.experiment.model
    num_classes = model.num_classes if isinstance(model, Conditional) else 0
    return tuple(range(min(num_classes, NUM_CONDITIONS)))


def _title(result: Any) -> str:
    """Return the title of a run's curves: its directory, or its summary if it has none."""
    run = result.run
    return f"{run.path.name}: {run.summary}" if run.path else run.summary


def single(y: np.ndarray | None) -> np.ndarray | None:
    """Return labels that are one number each; None for others, such as factors or captions.

    Args:
        y: Labels, or None.

    Returns:
        Labels i32[N], or None.
    """
    return y if y is not None and y.ndim == 1 else None


def _draw_reconstructions(computed: Computed, dataset: Any, path: Path) -> None:
    errors = figures.squared_errors(computed.x, computed.reconstructions)
    order = np.argsort(errors, kind="stable")
    if is_sequence(dataset.shape):
        # From the best to the worst, at equal distances.
        chosen = order[np.linspace(0, len(order) - 1, min(NUM_SEQUENCES, len(order))).astype(int)]
        inputs, outputs = (_as_sequences(rows[chosen]) for rows in (computed.x, computed.reconstructions))
        texts = [f"squared error {errors[row]:.3g}" for row in chosen]
        title = "test rows in grey and their reconstructions in colour, best to worst"
        figures.sequences(path, inputs, outputs, texts, title)
        return
    shown = as_images(computed.x, computed.reconstructions)
    if shown is not None:
        (inputs, outputs), remark = shown
        figures.reconstructions(path, inputs, outputs, span=dataset.display_range, remark=remark)
        return
    x, outputs = (_as_table(rows)[order] for rows in (computed.x, computed.reconstructions))
    panels = {"inputs": x, "reconstructions": outputs, "difference": outputs - x}
    low, high = errors[order[[0, -1]]]
    title = f"test rows, best to worst: squared error {low:.3g} to {high:.3g}{_hint(dataset.shape)}"
    figures.table_rows(path, panels, title, ["difference"])


def _draw_samples(computed: Computed, dataset: Any, path: Path) -> None:
    assert computed.samples is not None
    names = [label_text(label, dataset.classes) for label in computed.conditions]
    if is_sequence(dataset.shape):
        # Of a conditional model, one sequence for each label.
        chosen = _as_sequences(computed.samples[:: NUM_EACH if names else 1][:NUM_SEQUENCES])
        figures.sequences(path, chosen, None, names[:NUM_SEQUENCES], "means of p(x|z) at z from the prior")
        return
    shown = as_images(computed.samples)
    if shown is not None:
        ((images,), remark), columns = shown, NUM_EACH if names else NUM_COLUMNS
        figures.samples(path, images, columns, dataset.display_range, names, remark)
        return
    panels = {"inputs": _as_table(computed.x), "samples": _as_table(computed.samples)}
    title = f"test rows, and means of p(x|z) at z from the prior{_hint(dataset.shape)}"
    figures.table_rows(path, panels, title)


def is_sequence(shape: tuple[int, ...]) -> bool:
    """Return whether an example is a sequence of few channels, which lines show best.

    Args:
        shape: Shape of an example: [T, C], or [T, C, 1] as rows from Python have it.

    Returns:
        True for at most four channels and more positions than channels.
    """
    # Rows [T, C] from Python become images of one channel, which are too narrow to be looked at.
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    return len(shape) == 2 and shape[0] > shape[1] and shape[1] <= MOST_CHANNELS


def _as_sequences(rows: np.ndarray) -> np.ndarray:
    """Return sequences as [N, T, C]."""
    return rows[..., 0] if rows.ndim == 4 else rows


def as_images(*arrays: np.ndarray) -> tuple[list[np.ndarray], str] | None:
    """Return rows as images of one or three channels, [N, H, W, C], and a remark for the title.

    Channels that come first are moved to the end. Of other numbers of channels the mean is shown.

    Args:
        arrays: Rows of one shape, [N, H, W, C] or [N, C, H, W].

    Returns:
        The images of each array, and the remark. None if the rows are no images.
    """
    _, *shape = arrays[0].shape
    if len(shape) != 3:
        return None
    if shape[-1] in (1, 3):
        return list(arrays), ""
    if shape[0] in (1, 3) and min(shape[1:]) > 3:
        return [np.moveaxis(rows, 1, -1) for rows in arrays], "; channels first"
    return [rows.mean(axis=-1, keepdims=True) for rows in arrays], f"; mean of {shape[-1]} channels"


def _as_table(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), -1)


def _hint(shape: tuple[int, ...]) -> str:
    """Return a hint if the number of columns of a table is that of the pixels of a square image."""
    side = math.isqrt(math.prod(shape))
    if side < SMALLEST_SIDE or side**2 != math.prod(shape):
        return ""
    return f"; if they are images, give rows of shape {side}x{side}"


def _draw_token_samples(result: Any, folder: Path) -> list[Path]:
    """Write samples of a prior over tokens: ten for each of ten conditions, or 60 without conditions."""
    dataset = result.run.dataset.tokenizer.dataset
    # Only images [H, W, C] can be shown.
    if len(dataset.shape) != 3:
        return []
    names = result.run.dataset.classes[:NUM_CONDITIONS] if result.experiment.model.condition else ()
    y = [name for name in names for _ in range(NUM_EACH)] or None
    images = result.sample(len(y) if y else NUM_SAMPLES, y=y)
    shown = as_images(images)
    assert shown is not None
    ((images,), remark), columns = shown, NUM_EACH if y else NUM_COLUMNS
    texts = [label_text(label, names) for label in range(len(names))]
    figures.samples(folder / "samples.png", images, columns, dataset.display_range, texts, remark)
    return [folder / "samples.png"]


def planes(codes: np.ndarray) -> list[figures.Plane]:
    """Return the planes in which the codes of a run are shown.

    Args:
        codes: Codes [N, L].

    Returns:
        The two dimensions of a code, or one dimension on a line. For longer codes the first two principal
        components, and the two dimensions of the highest variance. For the codes of a VAE these are the
        dimensions of the highest rate as a rule: a dimension without information has the same mean for all
        rows.
    """
    if codes.shape[1] == 1:
        # A code of one dimension is drawn on a line.
        return [figures.Plane(np.column_stack([codes[:, 0], np.zeros(len(codes))]), ("z1", ""))]
    if codes.shape[1] == 2 or len(codes) < 2:
        return [figures.Plane(codes[:, :2], ("z1", "z2"))]
    points = _principal_components(codes)
    variances = codes.var(axis=0, dtype=np.float64)
    # All codes equal: no share can be given.
    shares = points.var(axis=0, dtype=np.float64) / (variances.sum() or math.inf)
    names = [
        f"{which} principal component, {share:.0%} of the variance"
        for which, share in zip(("first", "second"), shares, strict=True)
    ]
    first, second = np.argsort(-variances, kind="stable")[:2]
    largest = [f"z{number + 1}, variance {variances[number]:.3g}" for number in (first, second)]
    return [
        figures.Plane(points, (names[0], names[1])),
        figures.Plane(codes[:, [first, second]], (largest[0], largest[1])),
    ]


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
