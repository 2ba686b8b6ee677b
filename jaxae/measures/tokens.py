"""What a prior over tokens knows, and how its images look; for a run on tokens of another. P positions."""

import math

import numpy as np

from jaxae import bounds
from jaxae.evaluation.features import Components, HiddenLayer, fit_features
from jaxae.evaluation.likelihood import log_probs
from jaxae.measures.generation import Drawn, distances, floor, nearest_row, two_sample_rows
from jaxae.measures.likelihood import distortion_of_tokens, pixels_as
from jaxae.measures.subject import Row, Subject, labels, mean_row, once, pixels, share_row


def tokens(subject: Subject) -> list[Row]:
    """log p(tokens), the bound on log p(x) that it makes; accuracy and distances of drawn images."""
    if not subject.is_of_tokens:
        return []
    return [*_likelihood(subject), *_generation(subject)]


def _likelihood(subject: Subject) -> list[Row]:
    """Nats and bits of the tokens; with a density of pixels behind them of the pixels too."""
    log_prob = np.asarray(log_probs(subject.autoencoder, subject.variables, subject.rows))
    positions = math.prod(subject.result.run.dataset.shape)
    how = "log p(tokens), under the condition where there is one"
    bits = -log_prob / (positions * math.log(2.0))
    rows = [
        mean_row("log_prob", log_prob, "nats", how),
        mean_row("bits_per_token", bits, "bits", f"{how}; {positions} tokens"),
    ]
    images = images_of(subject)
    if not images.autoencoder.reconstruction.is_density:
        return rows
    distortion, what = distortion_of_tokens(images), pixels_as(images)
    elbo, size = log_prob - distortion, math.prod(images.result.run.dataset.shape)
    bound = f"log p(tokens) + log p(x | tokens), of the encoder's tokens; {what}"
    return [
        *rows,
        mean_row("distortion", distortion, "nats", f"-log p(x | tokens); {what}"),
        mean_row("elbo", elbo, "nats", bound),
        mean_row("bits_per_dim", np.asarray(bounds.bits_per_dim(-elbo, size)), "bits/dim", f"-elbo; {what}"),
    ]


@once
def images_of(subject: Subject) -> Subject:
    """The images whose tokens these are, as their own run's measures see them."""
    return Subject(subject.result.run.dataset.tokenizer.result, subject.settings)


def _generation(subject: Subject) -> list[Row]:
    """Drawn and reconstructed images beside real ones, to a classifier of the labels and in its features."""
    images = images_of(subject)
    y = None if subject.result.run.dataset.tokenizer.text else labels(images.rows)
    train, real = pixels(images.train), pixels(images.rows)
    features = fit_features(train, None if y is None else labels(images.train), subject.settings.seed)
    sampled = Drawn("sampled", f"tokens from the prior, {subject.settings.sampling}", drawn_of(subject))
    again = Drawn("reconstructed", "decoded from the encoder's tokens", images.decode(images.codes))
    rows = _accuracies(features, [Drawn("real", "the rows themselves", real), again, sampled], y, subject)
    for drawn in (floor(train, len(real)), again, sampled):
        rows += two_sample_rows(images, features, drawn)
    return [*rows, nearest_row(train, distances(train, real), sampled)]


def _accuracies(
    features: HiddenLayer | Components, drawn: list[Drawn], y: np.ndarray | None, subject: Subject
) -> list[Row]:
    """The share of each source's images that the classifier names as their condition."""
    if not isinstance(features, HiddenLayer) or y is None:
        return []
    has_condition = subject.autoencoder.condition is not None
    sources = [each for each in drawn if each.source != "sampled" or has_condition]
    return [
        share_row(f"accuracy_{source}", features.accuracy(images, y), len(y), f"{how}; {features.name}")
        for source, how, images in sources
    ]


@once
def drawn_of(subject: Subject) -> np.ndarray:
    """An image for each row that is measured, under the row's condition; f32[N, ...]."""
    settings, run = subject.settings, subject.result.run
    y = None if subject.autoencoder.condition is None else np.asarray(subject.rows.y)
    found = subject.result.sample_tokens(len(subject.rows.x), settings.seed, y, **vars(settings.sampling))
    return run.dataset.tokenizer.images(found)
