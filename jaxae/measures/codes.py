"""What codes are good for, always beside principal components and random projections of the same size."""

from typing import Literal

import numpy as np

from jaxae.evaluation import codes as formulas
from jaxae.evaluation.codebook import has_tokens
from jaxae.evaluation.neighbours import nearest
from jaxae.evaluation.sensitivity import jacobian_spectrum
from jaxae.evaluation.terms import ROWS_AT_ONCE
from jaxae.measures.subject import (
    Row,
    Subject,
    first,
    labels,
    mean_row,
    once,
    pixels,
    resampled_row,
    share_row,
)

NUM_NEIGHBOURS, PER_CLASS = 10, 10
NUM_NEAR, NUM_JACOBIANS = 1000, 200  # rows of what costs more than a pass over them


def codes(subject: Subject) -> list[Row]:
    """Neighbourhoods, compression and sensitivity; with labels probes, retrieval and clusters."""
    sides = sides_of(subject)
    rows = [row for name, side in sides.items() for row in _probes(subject, name, side)]
    rows += _clusters(subject)
    rows += [row for name, (_, side) in sides.items() for row in _neighbourhoods(subject, name, side)]
    return [*rows, *_compression(subject), *_sensitivity(subject)]


def sides_of(subject: Subject) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(training, measured) codes of the run and of what needs no learning, by the ends of their names."""
    x, test = pixels(subject.train), pixels(subject.rows)
    without = formulas.baselines(x, test, subject.codes.shape[1], subject.settings.seed)
    return {
        "": (subject.train_codes, subject.codes),
        "_pca": without.pca,
        "_random": without.random,
    }


def retrieved(subject: Subject, num: int) -> np.ndarray:
    """The nearest training images of the first `num` rows by their codes, nearest first; f32[num, k, ...]."""
    _, rows = nearest(subject.train_codes, subject.codes[:num], NUM_NEIGHBOURS)
    return pixels(subject.train)[rows]


def _probes(subject: Subject, name: str, side: tuple[np.ndarray, np.ndarray]) -> list[Row]:
    y, test_y = labels(subject.train), labels(subject.rows)
    if y is None or test_y is None:
        return []
    train, test = side
    kind, num = f"multinomial logistic regression, {len(train)} training codes", len(test)
    error = formulas.linear_probe(train, y, test, test_y)
    rows = [share_row(f"probe_error{name}", error, num, kind)]
    if min(np.bincount(y)[np.unique(y)]) >= PER_CLASS:
        few, spread = formulas.few_shot_probe(train, y, test, test_y, PER_CLASS, seed=subject.settings.seed)
        how = f"{PER_CLASS} training codes a class; error: 20 draws of them"
        rows.append(Row(f"few_shot_error{name}", few, spread, "share", num, how))
    hits = formulas.retrieval(train, y, test, test_y, NUM_NEIGHBOURS).precisions
    how = f"share of the {NUM_NEIGHBOURS} nearest of {len(train)} training codes with the row's label"
    return [*rows, mean_row(f"precision_at_{NUM_NEIGHBOURS}{name}", hits, "share", how)]


def _clusters(subject: Subject) -> list[Row]:
    y = labels(subject.rows)
    if y is None or len(np.unique(y[:NUM_NEAR])) < 2:
        return []
    y = y[:NUM_NEAR]
    rows = []
    methods: dict[str, Literal["k-means", "mixture"]] = {"k_means": "k-means", "mixture": "mixture"}
    for short, method in methods.items():
        found = [formulas.clusters(subject.codes[:NUM_NEAR], y, method, seed) for seed in range(5)]
        for measure in ("nmi", "ari"):
            values = np.array([getattr(each, measure) for each in found])
            how = f"{method} of {len(y)} codes against labels; mean and error of 5 starts"
            rows.append(mean_row(f"{measure}_{short}", values, "0 to 1", how)._replace(num=len(y)))
    return rows


def _neighbourhoods(subject: Subject, name: str, side: np.ndarray) -> list[Row]:
    x, z = pixels(subject.rows)[:NUM_NEAR], side[:NUM_NEAR]
    if len(x) < 3 * NUM_NEIGHBOURS:
        return []
    how = f"{NUM_NEIGHBOURS} neighbours among {len(x)} rows"
    return [
        resampled_row(f"trustworthiness{name}", formulas.trustworthiness, (x, z), "0 to 1", how),
        resampled_row(f"continuity{name}", formulas.continuity, (x, z), "0 to 1", how),
    ]


def _compression(subject: Subject) -> list[Row]:
    """What quantised codes cost and lose, at 2, 4 and 8 bits a unit at most."""
    rows = []
    for bits in (2, 4, 8):
        middle, cost = formulas.quantised(subject.codes, bits)
        error = _squared_errors(subject, middle)
        how = f"codes in {2**bits} equal steps of each unit's range"
        rows.append(
            Row(f"bits_{bits}", cost, None, "bits a row", len(middle), f"{how}, entropy of the levels")
        )
        rows.append(mean_row(f"squared_error_{bits}_bits", error, "summed over pixels", how))
    return rows


def _squared_errors(subject: Subject, codes: np.ndarray) -> np.ndarray:
    """Of the rows and what such codes of them are decoded to, summed over pixels, f32[N]; some at a time."""
    y = labels(subject.rows) if subject.is_conditional else None
    found = []
    for start in range(0, len(codes), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        again = subject.decode(codes[rows], None if y is None else y[rows])
        x = pixels(subject.rows._replace(x=subject.rows.x[rows]))
        found.append(((again - x) ** 2).reshape(len(x), -1).sum(axis=1))
    return np.concatenate(found)


def has_spectrum(subject: Subject) -> bool:
    """Whether codes move with x; those of a table jump."""
    return not has_tokens(subject.autoencoder)


def _sensitivity(subject: Subject) -> list[Row]:
    if not has_spectrum(subject):
        return []
    spectrum = spectrum_of(subject)
    squares = spectrum.astype(np.float64) ** 2
    how = "singular values of d code / d x"
    ratio = squares.sum(axis=1) ** 2 / np.maximum((squares**2).sum(axis=1), 1e-300)
    return [
        mean_row("jacobian_norm", np.sqrt(squares.sum(axis=1)), "code / data unit", f"Frobenius; {how}"),
        mean_row("jacobian_largest", spectrum[:, 0], "code / data unit", how),
        mean_row("jacobian_directions", ratio, "directions", f"(sum s^2)^2 / sum s^4; {how}"),
    ]


@once
def spectrum_of(subject: Subject) -> np.ndarray:
    """Singular values of the encoder's Jacobian at the first rows, descending; f32[N, min(L, D)]."""
    some = first(subject.rows, NUM_JACOBIANS)
    return np.asarray(jacobian_spectrum(subject.autoencoder, subject.variables, some))
