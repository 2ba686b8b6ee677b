"""Disentanglement: how codes stand to known factors of variation. N examples, L units, F factors.

Conventions are those of Locatello et al., 2019 (arXiv 1811.12359), whose numbers these can be compared
with: 20 bins of equal width, importances by gradient boosting, linear support vector machines. `codes`
f32[N, L], `factors` i32[N, F]. All of it runs on the host, in float64.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import entropy

from jaxae.errors import JaxaeError


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness (Eastwood & Williams, 2018), each in [0, 1]."""

    disentanglement: float  # a unit is important for one factor only
    completeness: float  # a factor is captured by one unit only
    informativeness: float  # share of test labels that boosted trees on all units get right


def mutual_information(codes: Any, factors: Any, num_bins: int = 20) -> np.ndarray:
    """I(z_l; v_f) of each unit, cut into bins of equal width, and each factor; float64[L, F], nats.

    Of independent variables it is about (bins - 1)(levels - 1) / 2N above 0, not 0.
    """
    from sklearn.metrics import mutual_info_score

    codes, factors = _checked(codes, factors)
    bins = np.stack([_binned(unit, num_bins) for unit in codes.T])
    return np.array([[mutual_info_score(factor, unit) for factor in factors.T] for unit in bins])


def mutual_information_gap(codes: Any, factors: Any, num_bins: int = 20) -> float:
    """MIG: the mean over factors of (largest - second largest I(z_l; v_f)) / H(v_f), in [0, 1].

    Chen et al., 2018 (arXiv 1802.04942), section 4.1.
    """
    information = np.sort(mutual_information(codes, factors, num_bins), axis=0)[::-1]
    if len(information) < 2:
        raise JaxaeError("mutual_information_gap: got codes of one unit, expected two or more")
    return float(((information[0] - information[1]) / _entropies(np.asarray(factors))).mean())


def modularity(codes: Any, factors: Any, num_bins: int = 20) -> float:
    """The mean over units of 1 - sum_{f != best} I(z_l; v_f)^2 / (I(z_l; v_best)^2 (F - 1)), in [0, 1].

    Ridgeway & Mozer, 2018 (arXiv 1802.05312), equation 2. A unit without any information counts 0.
    """
    squares = mutual_information(codes, factors, num_bins) ** 2
    if squares.shape[1] < 2:
        raise JaxaeError("modularity: got one factor, expected two or more")
    best = squares.max(axis=1)
    others = (squares.sum(axis=1) - best) / np.where(best > 0, best, 1.0) / (squares.shape[1] - 1)
    return float(np.where(best > 0, 1.0 - others, 0.0).mean())


def dci(codes: Any, factors: Any, test_codes: Any, test_factors: Any, seed: int = 0) -> DCI:
    """Importances of units for factors by gradient boosted trees, and their test accuracy; see `DCI`.

    Units and factors weigh by their share of all importance.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    codes, factors = _checked(codes, factors)
    test_codes, test_factors = _checked(test_codes, test_factors)
    importances, accuracies = [], []
    for factor, test_factor in zip(factors.T, test_factors.T, strict=True):
        model = GradientBoostingClassifier(random_state=seed).fit(codes, factor)
        importances.append(np.abs(model.feature_importances_))
        accuracies.append(float((model.predict(test_codes) == test_factor).mean()))
    return DCI(*concentrations(np.stack(importances, axis=1)), float(np.mean(accuracies)))


def concentrations(importances: np.ndarray) -> tuple[float, float]:
    """DCI's disentanglement and completeness from importances float64[L, F] >= 0."""
    total = importances.sum()
    if total == 0:
        return 0.0, 0.0
    of_units, of_factors = importances.sum(axis=1) / total, importances.sum(axis=0) / total
    return (
        float((of_units * _concentration(importances)).sum()),
        float((of_factors * _concentration(importances.T)).sum()),
    )


def separated_attributes(codes: Any, factors: Any, test_codes: Any, test_factors: Any) -> float:
    """SAP: the mean over factors of the gap between the two best units' test accuracies, in [0, 1].

    Each unit alone, by a linear support vector machine with C = 0.01 and balanced classes (Kumar et al.,
    2018, arXiv 1711.00848, for discrete factors).
    """
    from sklearn.svm import LinearSVC

    codes, factors = _checked(codes, factors)
    test_codes, test_factors = _checked(test_codes, test_factors)
    if codes.shape[1] < 2:
        raise JaxaeError("separated_attributes: got codes of one unit, expected two or more")
    accuracies = np.zeros((codes.shape[1], factors.shape[1]))
    for unit in range(codes.shape[1]):
        for factor in range(factors.shape[1]):
            model = LinearSVC(C=0.01, class_weight="balanced", dual=False)
            model.fit(codes[:, [unit]], factors[:, factor])
            accuracies[unit, factor] = (
                model.predict(test_codes[:, [unit]]) == test_factors[:, factor]
            ).mean()
    best = np.sort(accuracies, axis=0)[::-1]
    return float((best[0] - best[1]).mean())


def factor_vae_score(
    codes: Any,
    factors: Any,
    seed: int = 0,
    batch_size: int = 64,
    num_train: int = 10_000,
    num_test: int = 5_000,
) -> float:
    """The accuracy of a majority vote from the unit that varies least to the factor that was held, in [0, 1].

    Each vote is a batch that shares one factor's value, drawn with replacement; variances are relative to
    those of all codes, and units with less than 0.05 of the largest are left out. Kim & Mnih, 2018 (arXiv
    1802.05983), appendix B.
    """
    codes, factors = _checked(codes, factors)
    random = np.random.RandomState(seed)
    variances = codes.var(axis=0)
    alive = variances >= 0.05 * variances.max()
    if variances.max() == 0:
        return 0.0

    def votes(number: int) -> np.ndarray:
        counts = np.zeros((codes.shape[1], factors.shape[1]))
        for held, rows in _groups(factors, random, number, batch_size):
            relative = codes[rows].var(axis=0) / np.where(alive, variances, 1.0)
            counts[np.argmin(np.where(alive, relative, np.inf)), held] += 1
        return counts

    chosen, tested = votes(num_train).argmax(axis=1), votes(num_test)
    return float(tested[np.arange(len(tested)), chosen].sum() / tested.sum())


def beta_vae_score(
    codes: Any,
    factors: Any,
    seed: int = 0,
    batch_size: int = 64,
    num_train: int = 10_000,
    num_test: int = 5_000,
) -> float:
    """The accuracy of logistic regression from mean |z - z'| of pairs to the factor they share, in [0, 1].

    Each row is the mean over `batch_size` pairs. Higgins et al., 2017, section 3.
    """
    from sklearn.linear_model import LogisticRegression

    codes, factors = _checked(codes, factors)
    random = np.random.RandomState(seed)

    def rows(number: int) -> tuple[np.ndarray, np.ndarray]:
        differences = np.zeros((number, codes.shape[1]))
        held = random.randint(factors.shape[1], size=number)
        for row, factor in enumerate(held):
            first = random.randint(len(codes), size=batch_size)
            second = _same_value(factors[:, factor], first, random)
            differences[row] = np.abs(codes[first] - codes[second]).mean(axis=0)
        return differences, held

    model = LogisticRegression(max_iter=5000).fit(*rows(num_train))
    return float(model.score(*rows(num_test)))


def _checked(codes: Any, factors: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays. Raises: JaxaeError for other shapes, codes that are not finite, constant factors."""
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not len(codes):
        raise JaxaeError(
            f"codes, factors: got shapes {codes.shape} and {factors.shape}, expected (N, L) and (N, F)"
        )
    if factors.dtype.kind not in "iu":
        raise JaxaeError(f"factors: got dtype {factors.dtype}, expected whole numbers")
    if not np.isfinite(codes).all():
        raise JaxaeError("codes: some are not finite")
    constant = np.flatnonzero((factors == factors[:1]).all(axis=0))
    if len(constant):
        raise JaxaeError(f"factors: factor {constant[0]} has one value only, so nothing can tell of it")
    return codes, factors


def _binned(unit: np.ndarray, num_bins: int) -> np.ndarray:
    """The number of each value's bin, of equal widths between the least and the largest value."""
    edges = np.linspace(unit.min(), unit.max(), num_bins + 1)
    return np.digitize(unit, edges[1:-1])


def _entropies(factors: np.ndarray) -> np.ndarray:
    """H(v_f) of each factor, float64[F], nats."""
    return np.array([entropy(np.unique(factor, return_counts=True)[1]) for factor in factors.T])


def _concentration(importances: np.ndarray) -> np.ndarray:
    """1 - H(row) / log(columns) of each row's shares, float64[rows]; 0 for a row of zeros."""
    rows, columns = importances.shape
    totals = importances.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, importances / np.where(totals > 0, totals, 1.0), 1.0 / columns)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return 1.0 + (shares * logs).sum(axis=1) / np.log(columns) if columns > 1 else np.ones(rows)


def _groups(
    factors: np.ndarray, random: np.random.RandomState, number: int, batch_size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """`number` times a factor and rows that share one of its values, with replacement."""
    of_value = [[np.flatnonzero(factor == value) for value in np.unique(factor)] for factor in factors.T]
    for held in random.randint(factors.shape[1], size=number):
        rows = of_value[held][random.randint(len(of_value[held]))]
        yield int(held), rows[random.randint(len(rows), size=batch_size)]


def _same_value(factor: np.ndarray, rows: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """For each row another, perhaps itself, with the same value of the factor."""
    order = np.argsort(factor, kind="stable")
    values = factor[rows]
    first, last = (
        np.searchsorted(factor[order], values, "left"),
        np.searchsorted(factor[order], values, "right"),
    )
    return order[first + (random.rand(len(rows)) * (last - first)).astype(np.int64)]
