"""Measures of the group codes: probes, retrieval, clusters, neighbourhoods, compression and sensitivity.

Most of them are also computed for two baselines of the same size without learning, principal components
(names end in `_pca`) and random projections (`_random`). Without a baseline a good number says little, since
PCA may reach it too.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from jaxae.errors import NotApplicable
from jaxae.estimators.code_health import jacobian_spectrum
from jaxae.estimators.codebook import has_tokens
from jaxae.estimators.reconstruction import SQUARED_ERROR
from jaxae.estimators.row_values import ERROR_RATE, has_head
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.score_measures import row_score
from jaxae.evaluation.subject import (
    Row,
    Subject,
    blocks,
    first,
    labels,
    mean_row,
    once,
    pixels,
    resampled_row,
    share_row,
)
from jaxae.metrics import probes as formulas
from jaxae.metrics.neighbours import nearest
from jaxae.protocols.capabilities import Autoencoder

NUM_NEIGHBOURS, PER_CLASS = 10, 10
# Rows of the measures that cost much more than one pass over the rows: neighbours and clusters, Jacobians.
NUM_NEAR, NUM_JACOBIANS = 1000, 200
SIDES = "", "_pca", "_random"  # suffixes of names: the run's codes, and the two baselines
METHODS: dict[str, Literal["k-means", "mixture"]] = {"k_means": "k-means", "mixture": "mixture"}
BITS = 2, 4, 8  # per latent dimension


def codes(subject: Subject) -> Iterator[Part]:
    """Yield the parts of the group codes: some need labels, the others any data."""
    # With labels.
    yield part(ERROR_RATE.name, _measure_head_error, subject)
    for name in SIDES:
        yield part(f"probe_error{name}", _measure_probe, subject, name)
        yield part(f"few_shot_error{name}", _measure_few_shot, subject, name)
        yield part(f"precision_at_{NUM_NEIGHBOURS}{name}", _measure_retrieval, subject, name)
    for method in METHODS:
        yield part(f"nmi_{method} ari_{method}", _measure_clusters, subject, method)
    # For any data.
    for name in SIDES:
        yield part(f"trustworthiness{name} continuity{name}", _measure_neighbourhoods, subject, name)
    for bits in BITS:
        yield part(f"bits_{bits} squared_error_{bits}_bits", _measure_compression, subject, bits)
    yield part("jacobian_norm jacobian_largest jacobian_directions", _measure_sensitivity, subject)


def side_of(subject: Subject, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of the run or of a baseline.

    Args:
        subject: Run and rows.
        name: One of `SIDES`: "" for the run, "_pca" or "_random" for a baseline.

    Returns:
        Codes of the training rows f32[M, L] and of the measured rows f32[N, L].
    """
    if not name:
        return subject.train_codes, subject.codes
    baselines = _fit_baselines(subject)
    # Both baselines are fitted to training pixels, with the size of the code.
    return baselines.pca if name == "_pca" else baselines.random


@once
def _fit_baselines(subject: Subject) -> formulas.Baselines:
    """Fit PCA and random projections to the training rows, once for all measures."""
    x, test = pixels(subject.train), pixels(subject.rows)
    if len(x) < 2:
        raise NotApplicable("training rows: got 1, expected 2 or more")
    return formulas.baselines(x, test, subject.codes.shape[1], subject.settings.seed)


def retrieved(subject: Subject, num: int) -> np.ndarray:
    """Return the training images whose codes are nearest to those of the first measured rows.

    Args:
        subject: Run and rows.
        num: Number of measured rows.

    Returns:
        Images f32[num, k, ...] with k = `NUM_NEIGHBOURS`, nearest first.
    """
    _check_neighbours(subject.train_codes)
    _, rows = nearest(subject.train_codes, subject.codes[:num], NUM_NEIGHBOURS)
    return pixels(subject.train)[rows]


def _measure_head_error(subject: Subject) -> Row:
    if not has_head(subject.model):
        raise NotApplicable("the model has no head for labels")
    return row_score(subject, ERROR_RATE.name)


def _require_labels(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the training rows and of the measured rows, or raise NotApplicable."""
    y, test_y = labels(subject.train), labels(subject.rows)
    if y is None or test_y is None:
        raise NotApplicable("the data have no labels")
    return y, test_y


def _measure_probe(subject: Subject, name: str) -> Row:
    """Return the test error of a linear probe on all training codes."""
    (train, test), (y, test_y) = side_of(subject, name), _require_labels(subject)
    _check_classes(y)
    error = formulas.linear_probe(train, y, test, test_y)
    how = f"error of multinomial logistic regression on {len(train)} training codes"
    return share_row(f"probe_error{name}", error, len(test), how)


def _measure_few_shot(subject: Subject, name: str) -> Row:
    """Return the test error of a linear probe on `PER_CLASS` codes of each class."""
    (train, test), (y, test_y) = side_of(subject, name), _require_labels(subject)
    _check_classes(y)
    smallest_class = min(np.unique(y, return_counts=True)[1])
    if smallest_class < PER_CLASS:
        raise NotApplicable(f"training rows of a class: got {smallest_class}, expected {PER_CLASS} or more")
    seed = subject.settings.seed
    mean, standard_error = formulas.few_shot_probe(train, y, test, test_y, PER_CLASS, seed=seed)
    # The standard error covers the choice of training codes, not that of the measured rows.
    how = (
        f"error of multinomial logistic regression on {PER_CLASS} training codes of each class, mean over 20"
        " draws of these codes; error: the draws"
    )
    return Row(f"few_shot_error{name}", mean, standard_error, "share", len(test), how)


def _check_classes(y: np.ndarray) -> None:
    # scikit-learn's logistic regression raises a ValueError for a single class.
    if len(np.unique(y)) < 2:
        raise NotApplicable("classes of the training rows: got 1, expected 2 or more")


def _measure_retrieval(subject: Subject, name: str) -> Row:
    """Return the share of nearest training codes that have the label of the measured row."""
    (train, test), (y, test_y) = side_of(subject, name), _require_labels(subject)
    _check_neighbours(train)
    precisions = formulas.retrieval(train, y, test, test_y, NUM_NEIGHBOURS).precisions
    how = f"share of the {NUM_NEIGHBOURS} nearest among {len(train)} training codes that have the row's label"
    return mean_row(f"precision_at_{NUM_NEIGHBOURS}{name}", precisions, "share", how)


def _check_neighbours(train: np.ndarray) -> None:
    if len(train) < NUM_NEIGHBOURS:
        raise NotApplicable(f"training rows: got {len(train)}, expected {NUM_NEIGHBOURS} or more")


def _measure_clusters(subject: Subject, method: str) -> list[Row]:
    """Return the agreement of clusters with labels: normalised mutual information and adjusted Rand index."""
    algorithm, y, codes = METHODS[method], _require_labels(subject)[1][:NUM_NEAR], subject.codes[:NUM_NEAR]
    num_labels, num_codes = len(np.unique(y)), len(np.unique(codes, axis=0))
    if num_labels < 2:
        raise NotApplicable("classes of the measured rows: got 1, expected 2 or more")
    # Of a collapsed encoder all codes may be equal; neither method finds more clusters than distinct codes.
    if num_codes < num_labels:
        raise NotApplicable(
            f"distinct codes: got {num_codes}, expected {num_labels} or more, one for each label"
        )
    agreements = [formulas.clusters(codes, y, algorithm, seed) for seed in range(5)]
    how = (
        f"{algorithm} clusters of {len(y)} codes compared with labels, mean over 5 starts; error: the starts"
    )
    return [
        mean_row(
            f"{measure}_{method}",
            np.array([getattr(agreement, measure) for agreement in agreements]),
            "0 to 1",
            how,
        )._replace(num=len(y))  # `mean_row` counted the starts, not the codes
        for measure in ("nmi", "ari")
    ]


def _measure_neighbourhoods(subject: Subject, name: str) -> list[Row]:
    """Return trustworthiness and continuity: how far neighbours of codes and of pixels agree."""
    x, z = pixels(subject.rows)[:NUM_NEAR], side_of(subject, name)[1][:NUM_NEAR]
    # scikit-learn needs more rows than twice the neighbours, also after a jackknife group is left out.
    if len(x) < 3 * NUM_NEIGHBOURS:
        raise NotApplicable(f"measured rows: got {len(x)}, expected {3 * NUM_NEIGHBOURS} or more")
    how = f"{NUM_NEIGHBOURS} nearest neighbours by pixels and by codes, among {len(x)} rows"
    return [
        resampled_row(f"trustworthiness{name}", formulas.trustworthiness, (x, z), "0 to 1", how),
        resampled_row(f"continuity{name}", formulas.continuity, (x, z), "0 to 1", how),
    ]


def _measure_compression(subject: Subject, bits: int) -> list[Row]:
    """Return the entropy of quantised codes and the squared error after decoding them.

    Each latent dimension has 2^`bits` equal steps over its range.
    """
    midpoints, cost = formulas.quantised(subject.codes, bits)
    errors = _compute_squared_errors(subject, midpoints)
    how = f"codes quantised to {2**bits} equal steps over the range of each unit"
    return [
        Row(f"bits_{bits}", cost, None, "bits a row", len(midpoints), f"entropy of the steps; {how}"),
        mean_row(f"squared_error_{bits}_bits", errors, SQUARED_ERROR.unit, f"decoded from {how}"),
    ]


def _compute_squared_errors(subject: Subject, codes: np.ndarray) -> np.ndarray:
    """Return the squared error between each row and its decoded code, summed over pixels, f32[N]."""
    errors = []
    # Codes travel in y, so that `blocks` splits rows, labels and codes alike.
    for rows in blocks(subject.rows._replace(y=(subject.rows.y, codes))):
        y, z = rows.y
        x = pixels(rows)
        reconstruction = subject.decode(z, y if subject.is_conditional else None)
        errors.append(((reconstruction - x) ** 2).reshape(len(x), -1).sum(axis=1))
    return np.concatenate(errors)


def has_spectrum(subject: Subject) -> bool:
    """Return whether codes have a derivative in x. Codes of a codebook jump, so theirs is 0."""
    return isinstance(subject.model, Autoencoder) and not has_tokens(subject.model)


def _measure_sensitivity(subject: Subject) -> list[Row]:
    """Return the Frobenius norm, the largest singular value and the number of directions of d code / d x."""
    if not has_spectrum(subject):
        raise NotApplicable("codes of a codebook are discrete, so they have no derivative in x")
    spectrum, jacobian, unit = spectrum_of(subject), "d code / d x", "code / data unit"
    squares = spectrum.astype(np.float64) ** 2  # float64, since s^4 of a small s underflows in float32
    # The participation ratio: k for k equal singular values. The floor makes it 0 for a constant code.
    num_directions = squares.sum(axis=1) ** 2 / np.maximum((squares**2).sum(axis=1), 1e-300)
    return [
        mean_row("jacobian_norm", np.sqrt(squares.sum(axis=1)), unit, f"Frobenius norm of {jacobian}"),
        mean_row("jacobian_largest", spectrum[:, 0], unit, f"largest singular value of {jacobian}"),
        mean_row(
            "jacobian_directions",
            num_directions,
            "directions",
            f"(sum s^2)^2 / sum s^4 of the singular values s of {jacobian}",
        ),
    ]


@once
def spectrum_of(subject: Subject) -> np.ndarray:
    """Return the singular values of the encoder's Jacobian at the first rows, descending.

    f32[min(N, NUM_JACOBIANS), min(L, D)] for D pixels, in code / data unit. Measures and a figure share them.
    """
    examples = first(subject.rows, NUM_JACOBIANS)
    return np.asarray(jacobian_spectrum(subject.codes_model, subject.variables, examples))
