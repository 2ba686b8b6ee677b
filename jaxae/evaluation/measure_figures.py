"""Figures of each group of measures: each function computes arrays and passes them to `jaxae.plots.pictures`.

A function of `PICTURES` returns False if its figure does not apply to the model. It raises NotApplicable,
with a reason, if these rows do not allow the figure.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxae.errors import JaxaeError, NotApplicable
from jaxae.estimators.quadrature import HALF_WIDTH, posterior_on_grid
from jaxae.evaluation.attempts import Measured, noted
from jaxae.evaluation.code_measures import has_spectrum, retrieved, spectrum_of
from jaxae.evaluation.health_measures import rate_per_dimension
from jaxae.evaluation.likelihood_measures import can_integrate
from jaxae.evaluation.sample_measures import from_first_source, from_mixture
from jaxae.evaluation.subject import Subject, labels, pixels
from jaxae.maths import precision
from jaxae.metrics import paths
from jaxae.metrics.neighbours import nearest
from jaxae.metrics.projection import project
from jaxae.plots import pictures
from jaxae.plots.canvas import label_text
from jaxae.protocols.capabilities import Autoencoder, JointDensity, PriorModel
from jaxae.protocols.parts import DensityPosterior, is_standard
from jaxae.types import Batch

# Images in a row, steps along a path, latent units, codes in a projection, posteriors, labels.
NUM_SHOWN, NUM_STEPS, NUM_UNITS, NUM_PROJECTED, NUM_POSTERIORS, NUM_LABELS = 8, 9, 10, 2000, 6, 10


@precision.within(lambda subject: subject.result.experiment)
def draw(subject: Subject, names: list[str], folder: Path, measured: Measured) -> list[Path]:
    """Plot the figures of groups of measures.

    Args:
        subject: Run and rows.
        names: Names of the groups.
        folder: Folder for the PNG files.
        measured: Gets the reason for a figure that fails, or that these rows do not allow, under
            `figures.NAME`.

    Returns:
        The paths of the figures that were written.
    """
    # The decorator switches x64 on for a float64 run, as for its measures.
    written: list[Path] = []
    for name, plot in PICTURES.items():
        group, _, file = name.partition("/")
        if group in names and isinstance(subject.model, Autoencoder):
            with noted(measured, [f"figures.{file}"]):
                if plot(subject, folder / f"{file}.png"):
                    written.append(folder / f"{file}.png")
    return written


def _plot_posteriors(subject: Subject, path: Path) -> bool:
    """Plot the exact p(z|x) next to q(z|x), for a code of two dimensions."""
    if not can_integrate(subject) or subject.joint.latent_dim != 2:
        return False
    model = subject.joint
    if not isinstance(model, JointDensity) or not isinstance(model.posterior, DensityPosterior):
        return False
    # 401 points instead of the 801 of the measures: enough for a picture, a quarter of the cost.
    rows, variables, width, num = subject.rows, subject.variables, HALF_WIDTH, 401
    batch = Batch(jnp.asarray(pixels(rows)[:NUM_POSTERIORS]))
    axis = np.linspace(-width, width, num, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    exact = posterior_on_grid(model, variables, batch, width, num)
    outputs = model.infer(variables, batch)
    # Each grid point is a draw of all rows: [num^2, 1, 2] -> [num^2, rows, 2].
    z = np.broadcast_to(grid.reshape(-1, 1, 2), (num**2, len(batch.x), 2))
    log_prob = np.asarray(model.posterior.log_prob(outputs, jnp.asarray(z)))
    # Scaled to a maximum of 1, which keeps exp from overflow; [num^2, rows] -> the shape of the exact one.
    approximate = np.exp(log_prob - log_prob.max(axis=0)).T.reshape(exact.shape)
    pictures.posteriors(path, grid, exact, approximate)
    return True


def _plot_rates(subject: Subject, path: Path) -> bool:
    """Plot the mean KL divergence of each latent dimension."""
    rates = rate_per_dimension(subject)
    if rates is None:
        return False
    pictures.bars(path, rates, "KL of each dimension from N(0, 1)", "nats")
    return True


def _plot_spectrum(subject: Subject, path: Path) -> bool:
    """Plot the singular values of the encoder's Jacobian."""
    if not has_spectrum(subject):
        return False
    title = f"encoder's Jacobian, {subject.settings.split}"
    pictures.spectrum(path, {type(subject.model).__name__: spectrum_of(subject)}, title)
    return True


def _plot_retrieval(subject: Subject, path: Path) -> bool:
    """Plot images in the first row, and below each one the training images with the nearest codes."""
    if not subject.is_image:
        return False
    queries = pixels(subject.rows)[:NUM_SHOWN]
    neighbours = retrieved(subject, NUM_SHOWN)
    names = [subject.settings.split, *(f"nearest {rank + 1}" for rank in range(neighbours.shape[1]))]
    # `neighbours` is [rows, k, ...]; the plot wants the images of one rank in a row.
    pictures.beside(
        path, [queries, *np.moveaxis(neighbours, 1, 0)], names, "retrieved by code", subject.display_range
    )
    return True


def _plot_samples(subject: Subject, path: Path) -> bool:
    """Plot samples of each source, and below each one its nearest training image."""
    if not subject.is_image:
        return False
    # Next to its nearest training image a sample that is a copy is seen at once.
    train, rows, names = pixels(subject.train), [], []
    for samples in (from_first_source(subject, NUM_SHOWN), from_mixture(subject, NUM_SHOWN)):
        _, neighbours = nearest(train, samples.images)
        rows += [samples.images, train[neighbours[:, 0]]]
        names += [samples.source.replace("_", " "), "nearest training"]
    pictures.beside(
        path, rows, names, "samples, and the training images nearest to them", subject.display_range
    )
    return True


def _plot_interpolations(subject: Subject, path: Path) -> bool:
    """Plot decoded paths between three pairs of codes, along a line and along an arc."""
    if not subject.is_image or len(subject.codes) < 6:
        return False
    strips, names = [], []
    for pair in range(3):
        # A line between two codes of N(0, I) passes through untypically short ones; an arc keeps the length.
        start, end = subject.codes[2 * pair], subject.codes[2 * pair + 1]
        for name, interpolate in (("line", paths.linear), ("arc", paths.spherical)):
            try:
                strips.append(_decode(subject, interpolate(start, end, NUM_STEPS), 2 * pair))
                names.append(f"{name} {pair + 1}")
            except JaxaeError:  # a code of length 0, of which all units are off, has no direction for an arc
                continue
    title = f"between the codes of two {subject.settings.split} images"
    columns = [f"{share:.3g}" for share in np.linspace(0, 1, NUM_STEPS)]
    pictures.beside(path, strips, names, title, subject.display_range, columns)
    return True


def _plot_traversals(subject: Subject, path: Path) -> bool:
    """Plot the decoded code of the first row while one unit moves over the central 90 % of its values.

    The units are those of the highest rate; without rates those whose codes vary most.
    """
    if not subject.is_image:
        return False
    rates = rate_per_dimension(subject)
    order = subject.codes.var(axis=0) if rates is None else rates
    # A stable sort, so that equal units stay in order on every machine.
    units = np.argsort(-order, kind="stable")[:NUM_UNITS]
    ranges = [paths.spread(subject.codes, unit, NUM_STEPS) for unit in units]
    strips = [
        _decode(subject, paths.traversal(subject.codes[0], unit, values), 0)
        for unit, values in zip(units, ranges, strict=True)
    ]
    names = [
        f"z{unit + 1}: {values[0]:.2g} to {values[-1]:.2g}"
        + ("" if rates is None else f", {rates[unit]:.2g} nats")
        for unit, values in zip(units, ranges, strict=True)
    ]
    rate = "" if rates is None else "; nats: rate of the dimension"
    title = f"one unit moved through 90 % of the {subject.settings.split} codes{rate}"
    pictures.beside(path, strips, names, title, subject.display_range)
    return True


def _plot_manifold(subject: Subject, path: Path) -> bool:
    """Plot images over the plane of codes, at the quantiles of N(0, I)."""
    model = subject.model
    if not subject.is_image or subject.is_conditional or subject.codes.shape[1] != 2:
        return False
    # The quantiles are those of N(0, I), so for another prior they would not show where codes are.
    if not isinstance(model, PriorModel) or not is_standard(model.prior):
        return False
    images = _decode(subject, paths.manifold(20), 0)
    pictures.image_grid(
        path, images, 20, "means of p(x|z), z at the quantiles of N(0, I)", subject.display_range
    )
    return True


def _plot_analogies(subject: Subject, path: Path) -> bool:
    """Plot a square of images: from a to b along a row, and by the same step from c to d in the last row.

    If the data have labels, a and b have the same label, and c another one.
    """
    if not subject.is_image or len(subject.codes) < 3:
        return False
    y = labels(subject.rows)
    a, b, c = _choose_three(y) if y is not None else (0, 1, 2)
    codes = subject.codes
    square = paths.analogies(codes[a], codes[b], codes[c], 7)
    images = _decode(subject, square.reshape(49, -1), a)
    corners = {0: "a", 6: "b", 42: "c", 48: "d"}
    pictures.image_grid(path, images, 7, "a : b = c : d, d = c + b - a", subject.display_range, corners)
    return True


def _plot_attributes(subject: Subject, path: Path) -> bool:
    """Plot a row of the first label, moved towards each other label by the difference of the mean codes."""
    y = labels(subject.train)
    if not subject.is_image or subject.is_conditional or y is None or y.ndim != 1 or len(np.unique(y)) < 2:
        return False
    first, *others = np.unique(y)[: NUM_LABELS + 1]
    start = subject.train_codes[y == first][0]
    # Beyond 0 and 1, so that the direction is exaggerated at both ends. [steps, 1]
    shares = np.linspace(-0.5, 1.5, NUM_STEPS)[:, None]
    strips = []
    for other in others:
        is_either = np.isin(y, [first, other])
        # Rows of further labels would blur the difference of the two means.
        step = paths.attribute_vector(subject.train_codes[is_either], y[is_either] == other)
        strips.append(_decode(subject, start + shares * step, 0))
    classes = subject.result.run.dataset.classes
    names = [f"to {label_text(int(other), classes)}" for other in others]
    columns = [f"{share:.3g}" for share in shares[:, 0]]
    title = f"from label {label_text(int(first), classes)}, by a share of the difference of the mean codes"
    pictures.beside(path, strips, names, title, subject.display_range, columns)
    return True


def _plot_projections(subject: Subject, path: Path) -> bool:
    """Plot codes in the plane by PCA and t-SNE, and by UMAP if it is installed."""
    codes, y = subject.codes[:NUM_PROJECTED], labels(subject.rows)
    if codes.shape[1] < 2:
        raise NotApplicable("units of the code: got 1, expected 2 or more")
    planes = {"PCA": project(codes, "pca"), "t-SNE": project(codes, "tsne")}
    with contextlib.suppress(JaxaeError):  # umap-learn is an optional package
        planes["UMAP"] = project(codes, "umap")
    shown_labels = None if y is None else y[:NUM_PROJECTED]
    names = subject.result.run.dataset.classes
    pictures.projections(path, planes, shown_labels, f"{subject.settings.split} codes", names)
    return True


def _decode(subject: Subject, codes: np.ndarray, row: int) -> np.ndarray:
    """Decode codes f32[N, L] to images. A model with a condition gets the label of measured row `row`."""
    # One label for a whole strip, so that only the code changes along it.
    y = labels(subject.rows) if subject.is_conditional else None
    condition = None if y is None else np.full(len(codes), y[row])
    return subject.decode(codes, condition)


def _choose_three(y: np.ndarray) -> tuple[int, int, int]:
    """Return the numbers of two rows of one label and of a third row of another label, if there are such.

    The first number is always 0. The fallbacks are 1 and 2.
    """
    same, other = np.flatnonzero(y == y[0]), np.flatnonzero(y != y[0])
    return 0, int(same[1] if len(same) > 1 else 1), int(other[0] if len(other) else 2)


# By group and file name: the figure is written to FILE.png if its group is measured.
PICTURES: dict[str, Callable[[Subject, Path], bool]] = {
    "exact/posteriors": _plot_posteriors,
    "health/rates": _plot_rates,
    "codes/spectrum": _plot_spectrum,
    "codes/retrieval": _plot_retrieval,
    "generation/draws": _plot_samples,
    "generation/interpolations": _plot_interpolations,
    "generation/traversals": _plot_traversals,
    "generation/manifold": _plot_manifold,
    "generation/analogies": _plot_analogies,
    "generation/attributes": _plot_attributes,
    "projection/projections": _plot_projections,
}
