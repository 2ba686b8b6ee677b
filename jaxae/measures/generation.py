"""What is made from codes: draws from the prior and from a density fitted to codes, against real rows."""

from typing import NamedTuple

import numpy as np

from jaxae.evaluation.codebook import has_tokens
from jaxae.evaluation.features import Components, HiddenLayer, fit_features
from jaxae.evaluation.neighbours import memorisation, nearest
from jaxae.evaluation.two_sample import frechet_distance, kernel_distance
from jaxae.generation.densities import CodeDensity, fit_density
from jaxae.measures.subject import Row, Subject, labels, once, pixels, resampled_row, share_row


class Drawn(NamedTuple):
    """Codes from one source, and what they are decoded to."""

    source: str
    how: str
    images: np.ndarray  # f32[N, ...]


def generation(subject: Subject) -> list[Row]:
    """Two-sample distances of each source's draws from real rows, and how near they are to training rows."""
    train, real = pixels(subject.train), pixels(subject.rows)
    features = fit_features(train, labels(subject.train), subject.settings.seed)
    rows = []
    if isinstance(features, HiddenLayer) and (y := labels(subject.rows)) is not None:
        share = features.accuracy(real, y)
        rows.append(share_row("classifier_accuracy", share, len(real), features.name))
    rows += two_sample_rows(subject, features, floor(train, len(real)))
    apart = distances(train, real)
    for drawn in draws_of(subject, len(real)):
        rows += two_sample_rows(subject, features, drawn)
        rows.append(nearest_row(train, apart, drawn))
    return rows


def floor(train: np.ndarray, num: int) -> Drawn:
    """Training rows in the place of draws: what no draw should be nearer than."""
    return Drawn("train", "real training rows: the floor", train[:num])


def distances(train: np.ndarray, images: np.ndarray) -> np.ndarray:
    """From each image to its nearest training row, f64[N]."""
    return nearest(train, images)[0][:, 0]


def nearest_row(train: np.ndarray, apart: np.ndarray, drawn: Drawn) -> Row:
    """How far draws are from training rows, against real rows, which are `apart` f64[M] from them."""
    how = f"{drawn.how}; distance to the nearest training row, that of real rows 1"
    arrays = apart, distances(train, drawn.images)
    return resampled_row(f"nearest_{drawn.source}", memorisation, arrays, "ratio", how)


def draws_of(subject: Subject, num: int) -> list[Drawn]:
    """Of the prior, or without one of N(0, I), for codes of a table of uniform tokens; and of a mixture.

    The mixture is of Gaussians over training codes; what it gives is of no table. A conditional member is
    given labels in the shares of the rows that are measured.
    """
    seed, y = subject.settings.seed, labels(subject.rows)
    y = np.resize(np.sort(y), num) if subject.is_conditional and y is not None else None
    fitted = f"{num_components(subject)} Gaussians fitted to {len(subject.train_codes)} training codes"
    if hasattr(subject.autoencoder, "prior_sample"):
        first = Drawn("prior", "codes from the prior", subject.result.sample(num, seed, y))
    elif has_tokens(subject.autoencoder):
        how = "codes of tokens drawn uniformly, each apart"
        first = Drawn("uniform_tokens", how, subject.decode(_uniform(subject, num), y))
    else:
        z = np.random.RandomState(seed).randn(num, subject.codes.shape[1]).astype(np.float32)
        how = "codes from N(0, I), which this member was never told of"
        first = Drawn("standard_normal", how, subject.decode(z, y))
    return [
        first,
        Drawn("mixture", f"codes from {fitted}", subject.decode(density(subject).sample(num, seed), y)),
    ]


def _uniform(subject: Subject, num: int) -> np.ndarray:
    """Codes of tokens that are drawn uniformly, f32[num, L]."""
    autoencoder = subject.autoencoder
    shape = num, autoencoder.num_positions
    tokens = np.random.RandomState(subject.settings.seed).randint(autoencoder.num_codes, size=shape)
    return np.asarray(autoencoder.embed(subject.variables, tokens.astype(np.int32)))


@once
def density(subject: Subject) -> CodeDensity:
    """The mixture over training codes."""
    return fit_density(subject.train_codes, num_components(subject), subject.settings.seed)


def num_components(subject: Subject) -> int:
    """Ten, as Ghosh et al. (2020) take, or as many as have ten codes for each of their dimensions."""
    rows, units = subject.train_codes.shape
    return int(np.clip(rows // (10 * units), 1, 10))


def two_sample_rows(subject: Subject, features: HiddenLayer | Components, drawn: Drawn) -> list[Row]:
    """The Frechet and the kernel distance of drawn images from the rows that are measured."""
    real, made = features(pixels(subject.rows)), features(drawn.images)
    rows = []
    for name, distance in (("frechet", frechet_distance), ("kernel", kernel_distance)):
        how = f"{drawn.how}; {name} distance on {features.name}"
        rows.append(resampled_row(f"{name}_{drawn.source}", distance, (real, made), "features squared", how))
    return rows
