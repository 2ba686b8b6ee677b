"""Measures of the group tokens, for a prior over the tokens of another run.

They cover the likelihood of tokens, the bound on log p(x) that it implies, and the images of sampled tokens.
There are two subjects: that of the prior, whose rows are tokens, and that of the tokenizer's run, whose rows
are images. N rows, P positions.
"""

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np

from jaxae.errors import NotApplicable
from jaxae.estimators.codebook import DISTORTION
from jaxae.estimators.evidence import LOG_PROB
from jaxae.estimators.score_facts import NATS, Estimate
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.likelihood_measures import check_density, distortion_of_tokens, pixels_as
from jaxae.evaluation.sample_measures import (
    NO_CLASSIFIER,
    Drawn,
    distance_parts,
    features_of,
    floor,
    nearest_part,
)
from jaxae.evaluation.score_measures import (
    bits_row,
    estimate_row,
    row_columns_of,
    row_estimates_of,
    row_score,
)
from jaxae.evaluation.subject import Row, Subject, labels, once, pixels, share_row
from jaxae.metrics.features import Components, HiddenLayer, fit_features
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.protocols.capabilities import TokenModel


def tokens(subject: Subject) -> Iterator[Part]:
    """Yield log p(tokens), the bound on log p(x), and accuracy and distances of sampled images."""
    if not subject.is_of_tokens:
        raise NotApplicable("the model is not a prior over tokens")
    yield part("log_prob bits_per_token", _measure_likelihood, subject)
    yield part("distortion elbo elbo_bits_per_dim", _measure_bound, subject)
    yield from _yield_generation(subject)


def _measure_likelihood(subject: Subject) -> list[Row]:
    """Return log p(tokens) in nats, and in bits for each token."""
    log_prob = row_score(subject, LOG_PROB.name)
    # The shape of the data is the grid of tokens.
    positions = math.prod(subject.result.run.dataset.shape)
    bits = bits_row("bits_per_token", log_prob, positions, "bits")
    return [log_prob, bits._replace(how=f"{bits.how}; {positions} tokens")]


def _measure_bound(subject: Subject) -> list[Row]:
    """Return the ELBO of the pixels and its distortion, if the tokenizer has a density of x."""
    images = images_of(subject)
    # log p(x) >= log p(t) + log p(x | t) for the encoder's tokens t: one term of a sum over all t.
    check_density(images)
    values, distortion = distortion_of_tokens(images)
    likelihood_text, num = pixels_as(images), len(values)
    log_prob = row_columns_of(subject).rows[LOG_PROB.name]
    # Both parts are of the same rows, so the error is that of their differences, not the sum of two errors.
    error = mean_and_error(np.asarray(log_prob, np.float64) - values)[1]
    elbo = Estimate(row_estimates_of(subject)[LOG_PROB.name].value - distortion.value, error)
    how = f"log p(tokens) + log p(x | tokens) at the encoder's tokens; {likelihood_text}"
    bound = estimate_row("elbo", elbo, NATS, num, how)
    return [
        estimate_row("distortion", distortion, NATS, num, f"{DISTORTION.how}; {likelihood_text}"),
        bound,
        bits_row("elbo_bits_per_dim", bound, math.prod(images.result.run.dataset.shape)),
    ]


@once
def images_of(subject: Subject) -> Subject:
    """Return the subject of the tokenizer's run: the images that the tokens encode."""
    return Subject(subject.result.run.dataset.tokenizer.result, subject.settings)


def _yield_generation(subject: Subject) -> Iterator[Part]:
    """Yield measures that compare sampled and reconstructed images with real ones."""
    # Distances are between images, so they use the rows of the tokenizer's run.
    images = images_of(subject)
    features = functools.partial(_fit_features, subject)
    sources = {"train": _draw_floor, "real": _take_real, "reconstructed": _reconstruct, "sampled": _sample}
    draws = {name: functools.partial(source, subject) for name, source in sources.items()}
    for name in ("real", "reconstructed", "sampled"):
        yield part(f"accuracy_{name}", _measure_accuracy, subject, draws[name])
    for name in ("train", "reconstructed", "sampled"):
        yield from distance_parts(name, images, features, draws[name])
    yield nearest_part("sampled", images, draws["sampled"])


@once
def _fit_features(subject: Subject) -> HiddenLayer | Components:
    """Fit the features: a classifier's hidden layer for labels, principal components for captions."""
    images = images_of(subject)
    # Captions are not classes, so no classifier of them can be fitted.
    if subject.result.run.dataset.tokenizer.text is None:
        return features_of(images)
    return fit_features(pixels(images.train), None, subject.settings.seed)


def _draw_floor(subject: Subject) -> Drawn:
    """Return training images in place of samples, as the smallest distance that is possible."""
    images = images_of(subject)
    return floor(pixels(images.train), len(images.rows.x))


def _take_real(subject: Subject) -> Drawn:
    return Drawn("real", "the measured rows themselves", pixels(images_of(subject).rows))


@once
def _reconstruct(subject: Subject) -> Drawn:
    """Return the tokenizer's reconstructions, the reference for samples, which use the same decoder."""
    images = images_of(subject)
    return Drawn("reconstructed", "decoded from the encoder's tokens", images.decode(images.codes))


def _sample(subject: Subject) -> Drawn:
    how = f"tokens sampled from the prior with {subject.settings.sampling}"
    return Drawn("sampled", how, drawn_of(subject))


def _measure_accuracy(subject: Subject, drawn: Callable[[], Drawn]) -> Row:
    """Return the share of images whose condition the classifier recognises."""
    features, y = _fit_features(subject), labels(images_of(subject).rows)
    if not isinstance(features, HiddenLayer) or y is None:
        raise NotApplicable(NO_CLASSIFIER)
    source, how, images = drawn()
    # Without a condition a sample has no label that it should show.
    if source == "sampled" and not _is_conditional(subject):
        raise NotApplicable("images are sampled without a condition")
    share = features.accuracy(images, y)
    return share_row(f"accuracy_{source}", share, len(y), f"{how}; {features.name}")


def _is_conditional(subject: Subject) -> bool:
    """Return whether tokens are sampled under a condition."""
    return isinstance(subject.model, TokenModel) and subject.model.condition is not None


@once
def drawn_of(subject: Subject) -> np.ndarray:
    """Sample an image for each measured row, under the row's condition; f32[N, ...]."""
    settings, run = subject.settings, subject.result.run
    # The conditions of the measured rows, so that samples and rows have the same shares of labels.
    y = np.asarray(subject.rows.y) if _is_conditional(subject) else None
    num = len(subject.rows.x)
    tokens = subject.result.sample_tokens(num, settings.seed, y, **vars(settings.sampling))
    return run.dataset.tokenizer.images(tokens)
