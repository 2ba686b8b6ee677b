"""What is made from codes: draws from the prior and from a density fitted to codes, against real rows."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxae.errors import NotApplicable
from jaxae.estimators.codebook import grid_of, has_tokens
from jaxae.estimators.terms import example_of
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.subject import Row, Subject, labels, once, pixels, resampled_row, share_row
from jaxae.metrics.densities import CodeDensity, fit_density
from jaxae.metrics.features import Components, HiddenLayer, fit_features
from jaxae.metrics.neighbours import memorisation, nearest
from jaxae.metrics.two_sample import frechet_distance, kernel_distance
from jaxae.protocols.capabilities import Generative

NO_CLASSIFIER = "a classifier needs labels, and training rows of 2 classes or more"


class Drawn(NamedTuple):
    """Codes from one source, and what they are decoded to."""

    source: str
    how: str
    images: np.ndarray  # f32[N, ...]


def generation(subject: Subject) -> Iterator[Part]:
    """Two-sample distances of each source's draws from real rows, and how near they are to training rows."""
    features = functools.partial(features_of, subject)
    yield part("classifier_accuracy", _accuracy, subject)
    yield from distance_parts("train", subject, features, functools.partial(_floor, subject))
    for source, drawn in ((first_source(subject), _first), ("mixture", _mixture)):
        draws = functools.partial(drawn, subject)
        yield from distance_parts(source, subject, features, draws)
        yield nearest_part(source, subject, draws)


def _accuracy(subject: Subject) -> Row:
    features, y = features_of(subject), labels(subject.rows)
    if not isinstance(features, HiddenLayer) or y is None:
        raise NotApplicable(NO_CLASSIFIER)
    share = features.accuracy(pixels(subject.rows), y)
    return share_row("classifier_accuracy", share, len(y), features.name)


@once
def features_of(subject: Subject) -> HiddenLayer | Components:
    """Features of training rows: of a classifier of their labels, or principal components without classes."""
    x, y = pixels(subject.train), labels(subject.train)
    if len(x) < 2:
        raise NotApplicable("training rows: got 1, expected 2 or more")
    return fit_features(x, None if y is None or len(np.unique(y)) < 2 else y, subject.settings.seed)


def floor(train: np.ndarray, num: int) -> Drawn:
    """Training rows in the place of draws: what no draw should be nearer than."""
    return Drawn("train", "real training rows: the floor", train[:num])


@once
def _floor(subject: Subject) -> Drawn:
    return floor(pixels(subject.train), len(subject.rows.x))


@once
def _first(subject: Subject) -> Drawn:
    return from_first_source(subject, len(subject.rows.x))


@once
def _mixture(subject: Subject) -> Drawn:
    return from_mixture(subject, len(subject.rows.x))


def first_source(subject: Subject) -> str:
    """The prior, or without one tokens drawn uniformly, or N(0, I)."""
    if isinstance(subject.model, Generative):
        return "prior"
    return "uniform_tokens" if has_tokens(subject.model) else "standard_normal"


def from_first_source(subject: Subject, num: int) -> Drawn:
    """Draws from the prior, or without one from N(0, I), for codes of a table from uniform tokens."""
    seed, y, source = subject.settings.seed, _conditions(subject, num), first_source(subject)
    if source == "prior":
        return Drawn(source, "codes from the prior", subject.result.sample(num, seed, y))
    if source == "uniform_tokens":
        how = "codes of tokens drawn uniformly, each apart"
        return Drawn(source, how, subject.decode(_uniform(subject, num), y))
    z = np.random.RandomState(seed).randn(num, subject.codes.shape[1]).astype(np.float32)
    return Drawn(source, "codes from N(0, I), which this member was never told of", subject.decode(z, y))


def from_mixture(subject: Subject, num: int) -> Drawn:
    """Draws from a mixture of Gaussians over training codes; of codes of a table it gives others."""
    codes = density(subject).sample(num, subject.settings.seed)
    fitted = f"{num_components(subject)} Gaussians fitted to {len(subject.train_codes)} training codes"
    return Drawn("mixture", f"codes from {fitted}", subject.decode(codes, _conditions(subject, num)))


def _conditions(subject: Subject, num: int) -> np.ndarray | None:
    """Labels for `num` draws, in the shares of the rows that are measured; None without a condition."""
    y = labels(subject.rows)
    return np.resize(np.sort(y), num) if subject.is_conditional and y is not None else None


def _uniform(subject: Subject, num: int) -> np.ndarray:
    """Codes of tokens that are drawn uniformly, f32[num, L]."""
    autoencoder = subject.model
    assert has_tokens(autoencoder)  # its source is "uniform_tokens"
    shape = num, math.prod(grid_of(autoencoder, subject.variables, example_of(subject.train)))
    tokens = np.random.RandomState(subject.settings.seed).randint(autoencoder.num_codes, size=shape)
    return np.asarray(autoencoder.embed(subject.variables, jnp.asarray(tokens, jnp.int32)))


@once
def density(subject: Subject) -> CodeDensity:
    """The mixture over training codes."""
    if len(subject.train_codes) < 2:
        raise NotApplicable("training rows: got 1, expected 2 or more")
    return fit_density(subject.train_codes, num_components(subject), subject.settings.seed)


def num_components(subject: Subject) -> int:
    """Ten, as Ghosh et al. (2020) take, or as many as have ten codes for each of their dimensions.

    No more than there are different codes: of a dead encoder there is one.
    """
    rows, units = subject.train_codes.shape
    most = min(10, len(np.unique(subject.train_codes, axis=0)))
    return int(np.clip(rows // (10 * units), 1, most))


def distance_parts(
    source: str,
    images: Subject,
    features: Callable[[], HiddenLayer | Components],
    drawn: Callable[[], Drawn],
) -> Iterator[Part]:
    """The Frechet and the kernel distance of drawn images from the rows that are measured."""
    for name, distance in (("frechet", frechet_distance), ("kernel", kernel_distance)):
        yield part(f"{name}_{source}", _distance, name, distance, images, features, drawn)


def _distance(name: str, distance: Any, images: Subject, features: Any, drawn: Callable[[], Drawn]) -> Row:
    if len(images.rows.x) < 2:
        raise NotApplicable("measured rows: got 1, expected 2 or more")
    fitted, draws = features(), drawn()
    arrays = fitted(pixels(images.rows)), fitted(draws.images)
    how = f"{draws.how}; {name} distance on {fitted.name}"
    return resampled_row(f"{name}_{draws.source}", distance, arrays, "features squared", how)


def nearest_part(source: str, images: Subject, drawn: Callable[[], Drawn]) -> Part:
    """How far draws are from training rows, against real rows."""
    return part(f"nearest_{source}", _nearest, images, drawn)


def _nearest(images: Subject, drawn: Callable[[], Drawn]) -> Row:
    draws, train = drawn(), pixels(images.train)
    how = f"{draws.how}; distance to the nearest training row, that of real rows 1"
    arrays = distances_of(images), nearest(train, draws.images)[0][:, 0]
    return resampled_row(f"nearest_{draws.source}", memorisation, arrays, "ratio", how)


@once
def distances_of(images: Subject) -> np.ndarray:
    """From each measured row to its nearest training row, f64[N]."""
    return nearest(pixels(images.train), pixels(images.rows))[0][:, 0]
