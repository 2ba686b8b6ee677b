"""The figures of each group of measures: numbers of a run, handed to `report`."""

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
from jaxae.protocols.capabilities import Autoencoder, JointDensity, PriorModel
from jaxae.protocols.parts import DensityPosterior, is_standard
from jaxae.types import Batch

NUM_SHOWN, NUM_STEPS, NUM_UNITS, NUM_PROJECTED, NUM_POSTERIORS = 8, 9, 10, 2000, 6


@precision.within(lambda subject: subject.result.experiment)
def draw(subject: Subject, names: list[str], folder: Path, measured: Measured) -> list[Path]:
    """Draw the figures of groups of measures.

    Args:
        subject: the run.
        names: the groups.
        folder: the folder of the PNG files.
        measured: gets the reason for a figure that fails, or cannot be drawn of these rows.

    Returns:
        The paths of the figures that apply.
    """
    drawn: list[Path] = []
    for name, picture in PICTURES.items():
        group, _, file = name.partition("/")
        if group in names and isinstance(subject.model, Autoencoder):
            with noted(measured, [f"figures.{file}"]):
                if picture(subject, folder / f"{file}.png"):
                    drawn.append(folder / f"{file}.png")
    return drawn


def _posteriors(subject: Subject, path: Path) -> bool:
    """Exact p(z|x) beside q(z|x), for a code of two numbers."""
    if not can_integrate(subject) or subject.joint.latent_dim != 2:
        return False
    model = subject.joint
    if not isinstance(model, JointDensity) or not isinstance(model.posterior, DensityPosterior):
        return False
    rows, variables, width, num = subject.rows, subject.variables, HALF_WIDTH, 401
    batch = Batch(jnp.asarray(pixels(rows)[:NUM_POSTERIORS]))
    axis = np.linspace(-width, width, num, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    exact = posterior_on_grid(model, variables, batch, width, num)
    outputs = model.infer(variables, batch)
    z = np.broadcast_to(grid.reshape(-1, 1, 2), (num**2, len(batch.x), 2))
    log_prob = np.asarray(model.posterior.log_prob(outputs, jnp.asarray(z)))
    approximate = np.exp(log_prob - log_prob.max(axis=0)).T.reshape(exact.shape)
    pictures.posteriors(path, grid, exact, approximate)
    return True


def _rates(subject: Subject, path: Path) -> bool:
    rates = rate_per_dimension(subject)
    if rates is None:
        return False
    pictures.bars(path, rates, "KL of each dimension from N(0, 1)", "nats")
    return True


def _spectrum(subject: Subject, path: Path) -> bool:
    if not has_spectrum(subject):
        return False
    title = f"encoder's Jacobian, {subject.settings.split}"
    pictures.spectrum(path, {type(subject.model).__name__: spectrum_of(subject)}, title)
    return True


def _retrieval(subject: Subject, path: Path) -> bool:
    """Queries in the first row, below each its nearest training images by their codes."""
    if not subject.is_image:
        return False
    queries = pixels(subject.rows)[:NUM_SHOWN]
    found = retrieved(subject, NUM_SHOWN)
    names = [subject.settings.split, *(f"nearest {rank + 1}" for rank in range(found.shape[1]))]
    pictures.beside(
        path, [queries, *np.moveaxis(found, 1, 0)], names, "retrieved by code", subject.display_range
    )
    return True


def _samples(subject: Subject, path: Path) -> bool:
    """Draws of each source, below each its nearest training image."""
    if not subject.is_image:
        return False
    train, rows, names = pixels(subject.train), [], []
    for drawn in (from_first_source(subject, NUM_SHOWN), from_mixture(subject, NUM_SHOWN)):
        _, where = nearest(train, drawn.images)
        rows += [drawn.images, train[where[:, 0]]]
        names += [drawn.source.replace("_", " "), "nearest training"]
    pictures.beside(
        path, rows, names, "draws, and the training images nearest to them", subject.display_range
    )
    return True


def _interpolations(subject: Subject, path: Path) -> bool:
    """Three pairs of rows, joined by a line and by an arc."""
    if not subject.is_image or len(subject.codes) < 6:
        return False
    strips, names = [], []
    for pair in range(3):
        start, end = subject.codes[2 * pair], subject.codes[2 * pair + 1]
        for name, between in (("line", paths.linear), ("arc", paths.spherical)):
            try:
                strips.append(_decoded(subject, between(start, end, NUM_STEPS), 2 * pair))
                names.append(name)
            except JaxaeError:  # a code of length 0, as of a dead row, has no arc
                continue
    pictures.beside(
        path, strips, names, f"between two {subject.settings.split} images", subject.display_range
    )
    return True


def _traversals(subject: Subject, path: Path) -> bool:
    """The code of a row with one unit moved through 90 % of the codes; the units that vary most."""
    if not subject.is_image:
        return False
    units = np.argsort(-subject.codes.var(axis=0), kind="stable")[:NUM_UNITS]
    moved = [
        paths.traversal(subject.codes[0], unit, paths.spread(subject.codes, unit, NUM_STEPS))
        for unit in units
    ]
    strips = [_decoded(subject, codes, 0) for codes in moved]
    names = [f"z{unit + 1}" for unit in units]
    title = f"one unit moved through 90 % of the {subject.settings.split} codes"
    pictures.beside(path, strips, names, title, subject.display_range)
    return True


def _manifold(subject: Subject, path: Path) -> bool:
    """The plane of codes at the Gaussian's quantiles."""
    model = subject.model
    if not subject.is_image or subject.is_conditional or subject.codes.shape[1] != 2:
        return False
    if not isinstance(model, PriorModel) or not is_standard(model.prior):
        return False
    images = _decoded(subject, paths.manifold(20), 0)
    pictures.image_grid(
        path, images, 20, "means of p(x|z), z at the quantiles of N(0, I)", subject.display_range
    )
    return True


def _analogies(subject: Subject, path: Path) -> bool:
    """a to b along rows, the same step from c: a and b of one label, c of another, where there are any."""
    if not subject.is_image or len(subject.codes) < 3:
        return False
    y = labels(subject.rows)
    a, b, c = _three(y) if y is not None else (0, 1, 2)
    codes = subject.codes
    square = paths.analogies(codes[a], codes[b], codes[c], 7)
    images = _decoded(subject, square.reshape(49, -1), a)
    pictures.image_grid(path, images, 7, "a : b = c : d; a, b above, c, d below", subject.display_range)
    return True


def _attributes(subject: Subject, path: Path) -> bool:
    """Rows of the first label moved towards the second one by the difference of the labels' mean codes."""
    y = labels(subject.train)
    if not subject.is_image or subject.is_conditional or y is None or len(np.unique(y)) < 2:
        return False
    first, second = np.unique(y)[:2]
    of_both = np.isin(y, [first, second])
    step = paths.attribute_vector(subject.train_codes[of_both], y[of_both] == second)
    shares = np.linspace(-0.5, 1.5, NUM_STEPS)[:, None]
    starts = subject.train_codes[y == first][:NUM_SHOWN]
    strips = [_decoded(subject, z + shares * step, 0) for z in starts]
    title = f"label {first} towards label {second}: -0.5 to 1.5 of the difference of their means"
    pictures.beside(path, strips, [""] * len(strips), title, subject.display_range)
    return True


def _projections(subject: Subject, path: Path) -> bool:
    """Codes in the plane by PCA and t-SNE, and by UMAP where that is installed."""
    codes, y = subject.codes[:NUM_PROJECTED], labels(subject.rows)
    if codes.shape[1] < 2:
        raise NotApplicable("a code of one unit has no projection to the plane")
    planes = {"PCA": project(codes, "pca"), "t-SNE": project(codes, "tsne")}
    with contextlib.suppress(JaxaeError):  # where it is not installed
        planes["UMAP"] = project(codes, "umap")
    shown = None if y is None else y[:NUM_PROJECTED]
    pictures.projections(path, planes, shown, f"{subject.settings.split} codes")
    return True


def _decoded(subject: Subject, codes: np.ndarray, row: int) -> np.ndarray:
    """Images of codes [N, L]; under a condition with the label of `row`."""
    y = labels(subject.rows) if subject.is_conditional else None
    given = None if y is None else np.full(len(codes), y[row])
    return subject.decode(codes, given)


def _three(y: np.ndarray) -> tuple[int, int, int]:
    """Numbers of two rows of the first row's label, and of one with another, as far as there are any."""
    same, other = np.flatnonzero(y == y[0]), np.flatnonzero(y != y[0])
    return 0, int(same[1] if len(same) > 1 else 1), int(other[0] if len(other) else 2)


PICTURES: dict[str, Callable[[Subject, Path], bool]] = {
    "exact/posteriors": _posteriors,
    "health/rates": _rates,
    "codes/spectrum": _spectrum,
    "codes/retrieval": _retrieval,
    "generation/draws": _samples,
    "generation/interpolations": _interpolations,
    "generation/traversals": _traversals,
    "generation/manifold": _manifold,
    "generation/analogies": _analogies,
    "generation/attributes": _attributes,
    "projection/projections": _projections,
}
