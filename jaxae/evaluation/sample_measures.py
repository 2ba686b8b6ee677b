"""Measures of the group generation: samples of the model against real rows.

N rows. Samples come from two sources. The first is the model's prior, or a substitute if it has none. The
second is a Gaussian mixture fitted to training codes, which any autoencoder allows (Ghosh et al., 2020).
"""

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

# The groups generation and tokens give the same reason.
NO_CLASSIFIER = "a classifier needs labels, and training rows of 2 classes or more"


class Drawn(NamedTuple):
    """Samples from one source."""

    source: str  # ends the names of its measures, as in `frechet_prior`
    how: str  # how the samples were made, for `how` of its measures
    images: np.ndarray  # f32[N, ...]


def generation(subject: Subject) -> Iterator[Part]:
    """Yield distances between samples and real rows, and between samples and training rows."""
    # Functions, not values: a part that fails to draw or to fit must not stop the other parts.
    features = functools.partial(features_of, subject)
    yield part("classifier_accuracy", _measure_accuracy, subject)
    yield from distance_parts("train", subject, features, functools.partial(_draw_floor, subject))
    for source, drawn in ((first_source(subject), _draw_first), ("mixture", _draw_mixture)):
        draws = functools.partial(drawn, subject)
        yield from distance_parts(source, subject, features, draws)
        yield nearest_part(source, subject, draws)


def _measure_accuracy(subject: Subject) -> Row:
    """Return the accuracy of the classifier whose features the distances use: how far to trust them."""
    features, y = features_of(subject), labels(subject.rows)
    if not isinstance(features, HiddenLayer) or y is None:
        raise NotApplicable(NO_CLASSIFIER)
    share = features.accuracy(pixels(subject.rows), y)
    return share_row("classifier_accuracy", share, len(y), features.name)


@once
def features_of(subject: Subject) -> HiddenLayer | Components:
    """Fit the features in which samples are compared, to training rows.

    They are the hidden layer of a classifier of the labels, or principal components if there are no two
    classes. No downloaded network is needed, but values can be compared on one data set only.
    """
    x, y = pixels(subject.train), labels(subject.train)
    if len(x) < 2:
        raise NotApplicable("training rows: got 1, expected 2 or more")
    return fit_features(x, None if y is None or len(np.unique(y)) < 2 else y, subject.settings.seed)


def floor(train: np.ndarray, num: int) -> Drawn:
    """Return training rows in place of samples: a perfect model would reach their distance.

    Args:
        train: Training rows, f32[M, ...].
        num: Number of rows to take.

    Returns:
        The rows, with the source "train".
    """
    return Drawn("train", "real training rows, the reference", train[:num])


@once
def _draw_floor(subject: Subject) -> Drawn:
    return floor(pixels(subject.train), len(subject.rows.x))


# `once`, since two distances and the nearest rows share the samples.
@once
def _draw_first(subject: Subject) -> Drawn:
    return from_first_source(subject, len(subject.rows.x))


@once
def _draw_mixture(subject: Subject) -> Drawn:
    return from_mixture(subject, len(subject.rows.x))


def first_source(subject: Subject) -> str:
    """Return the name of the first source: the prior, or a substitute for it.

    The substitute is uniform tokens for a tokenizer, and N(0, I) for any other autoencoder.
    """
    if isinstance(subject.model, Generative):
        return "prior"
    return "uniform_tokens" if has_tokens(subject.model) else "standard_normal"


def from_first_source(subject: Subject, num: int) -> Drawn:
    """Draw samples from the first source.

    Args:
        subject: Run and rows.
        num: Number of samples.

    Returns:
        Samples, f32[num, ...].
    """
    seed, y, source = subject.settings.seed, _choose_labels(subject, num), first_source(subject)
    if source == "prior":
        return Drawn(source, "codes from the prior", subject.result.sample(num, seed, y))
    if source == "uniform_tokens":
        how = "codes of independent, uniformly drawn tokens"
        return Drawn(source, how, subject.decode(_draw_uniform_codes(subject, num), y))
    # RandomState, whose stream NumPy has frozen: a seed gives the same draws with any version.
    z = np.random.RandomState(seed).randn(num, subject.codes.shape[1]).astype(np.float32)
    return Drawn(source, "codes from N(0, I), which the model was not trained to match", subject.decode(z, y))


def from_mixture(subject: Subject, num: int) -> Drawn:
    """Draw samples from a Gaussian mixture over training codes.

    The mixture is continuous: for a tokenizer it gives codes that are not in the codebook.

    Args:
        subject: Run and rows.
        num: Number of samples.

    Returns:
        Samples, f32[num, ...].
    """
    codes = density(subject).sample(num, subject.settings.seed)
    size = f"{num_components(subject)} Gaussians"
    how = f"codes from a mixture of {size} fitted to {len(subject.train_codes)} training codes"
    return Drawn("mixture", how, subject.decode(codes, _choose_labels(subject, num)))


def _choose_labels(subject: Subject, num: int) -> np.ndarray | None:
    """Return labels i32[num] as frequent as those of the measured rows, sorted; None without a condition."""
    y = labels(subject.rows)
    if not subject.is_conditional or y is None:
        return None
    # Positions at equal distances: the first `num` of the sorted labels would all be the smallest one.
    positions = np.linspace(0, len(y), num, endpoint=False).astype(int)
    return np.sort(y)[positions]


def _draw_uniform_codes(subject: Subject, num: int) -> np.ndarray:
    """Return codes of uniformly drawn tokens, f32[num, L]."""
    autoencoder = subject.model
    assert has_tokens(autoencoder)  # its source is "uniform_tokens"
    shape = num, math.prod(grid_of(autoencoder, subject.variables, example_of(subject.train)))
    tokens = np.random.RandomState(subject.settings.seed).randint(autoencoder.num_codes, size=shape)
    return np.asarray(autoencoder.embed(subject.variables, jnp.asarray(tokens, jnp.int32)))


@once
def density(subject: Subject) -> CodeDensity:
    """Fit the Gaussian mixture to the training codes, once for measures and figures."""
    if len(subject.train_codes) < 2:
        raise NotApplicable("training rows: got 1, expected 2 or more")
    return fit_density(subject.train_codes, num_components(subject), subject.settings.seed)


def num_components(subject: Subject) -> int:
    """Return the number of mixture components: ten (Ghosh et al., 2020), or fewer for few training codes.

    There are at least ten codes for each component and dimension, and no more components than distinct codes.
    """
    rows, units = subject.train_codes.shape
    # A collapsed encoder maps all rows to one code, to which only one component can be fitted.
    largest = min(10, len(np.unique(subject.train_codes, axis=0)))
    return int(np.clip(rows // (10 * units), 1, largest))


def distance_parts(
    source: str,
    images: Subject,
    features: Callable[[], HiddenLayer | Components],
    drawn: Callable[[], Drawn],
) -> Iterator[Part]:
    """Yield the Frechet and the kernel distance between samples and measured rows.

    Args:
        source: Name of the source.
        images: Subject with the real rows.
        features: Function that returns the fitted features.
        drawn: Function that returns the samples.

    Yields:
        A part for each distance; features and samples are computed when the part is.
    """
    for name, distance in (("frechet", frechet_distance), ("kernel", kernel_distance)):
        yield part(f"{name}_{source}", _measure_distance, name, distance, images, features, drawn)


def _measure_distance(
    name: str, distance: Any, images: Subject, features: Any, drawn: Callable[[], Drawn]
) -> Row:
    """Return a distance between samples and measured rows in feature space."""
    if len(images.rows.x) < 2:
        raise NotApplicable("measured rows: got 1, expected 2 or more")
    fitted, draws = features(), drawn()
    arrays = fitted(pixels(images.rows)), fitted(draws.images)
    how = f"{draws.how}; {name} distance from the measured rows, in features: {fitted.name}"
    return resampled_row(f"{name}_{draws.source}", distance, arrays, "features squared", how)


def nearest_part(source: str, images: Subject, drawn: Callable[[], Drawn]) -> Part:
    """Return the part that compares distances to training rows: those of samples over those of real rows.

    Args:
        source: Name of the source.
        images: Subject with the real rows.
        drawn: Function that returns the samples.

    Returns:
        The part, with the measure `nearest_SOURCE`.
    """
    return part(f"nearest_{source}", _measure_nearest, images, drawn)


def _measure_nearest(images: Subject, drawn: Callable[[], Drawn]) -> Row:
    """Return a ratio that is about 1 for new samples and about 0 for copies of training rows."""
    draws, train = drawn(), pixels(images.train)
    how = f"{draws.how}; mean distance to the nearest training row, over that of the measured rows"
    arrays = distances_of(images), nearest(train, draws.images)[0][:, 0]
    return resampled_row(f"nearest_{draws.source}", memorisation, arrays, "ratio", how)


@once
def distances_of(images: Subject) -> np.ndarray:
    """Return the distance of each measured row to its nearest training row, f64[N]."""
    return nearest(pixels(images.train), pixels(images.rows))[0][:, 0]
