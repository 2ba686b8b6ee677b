"""Disentanglement: how the dimensions of codes relate to known factors of variation.

Shapes: N examples, L latent dimensions, F factors; `codes` f32[N, L], `factors` i32[N, F]. The conventions
are those of Locatello et al., 2019 (arXiv 1811.12359), so the numbers can be compared with theirs: 20 bins of
equal width, importances by gradient boosting, linear support vector machines. The boosted trees are
histogram-based, with the reference's numbers of trees and levels. Everything is computed on the host in
float64.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import entropy

from jaxae.errors import JaxaeError


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness (Eastwood & Williams, 2018), each in [0, 1]."""

    disentanglement: float  # 1: each latent dimension is important for one factor only
    completeness: float  # 1: each factor is captured by one latent dimension only
    informativeness: float  # share of test labels that boosted trees on all dimensions predict correctly


def mutual_information(codes: Any, factors: Any, num_bins: int = 20) -> np.ndarray:
    """Compute I(z_l; v_f) of each latent dimension and factor; float64[L, F], nats.

    Each latent dimension is cut into bins of equal width. The estimate is biased: for independent variables
    it is about (bins - 1)(levels - 1) / 2N instead of 0.

    Args:
        codes: f32[N, L].
        factors: i32[N, F].
        num_bins: Number of bins of each latent dimension.

    Returns:
        float64[L, F], nats.

    Raises:
        JaxaeError: If shapes or types do not fit, codes are not finite, or a factor is constant.

    Example:
        The first dimension is the factor, whose entropy is log 2. The second one is independent of it.

        >>> import numpy as np
        >>> from jaxae.metrics.disentanglement import mutual_information
        >>> codes, factors = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [0], [1], [1]]
        >>> np.abs(mutual_information(codes, factors)).round(4).tolist()
        [[0.6931], [0.0]]
    """
    from sklearn.metrics import mutual_info_score

    codes, factors = _check_arrays(codes, factors)
    bins = np.stack([_find_bins(dimension, num_bins) for dimension in codes.T])
    return np.array([[mutual_info_score(factor, column) for factor in factors.T] for column in bins])


def mutual_information_gap(codes: Any, factors: Any, num_bins: int = 20) -> float:
    """Compute MIG, the mean over factors of (largest - second largest I(z_l; v_f)) / H(v_f), in [0, 1].

    Chen et al., 2018 (arXiv 1802.04942), section 4.1.

    Args:
        codes: f32[N, L] with L >= 2.
        factors: i32[N, F].
        num_bins: Number of bins of each latent dimension.

    Returns:
        The gap, in [0, 1].

    Raises:
        JaxaeError: If L < 2, or as in `mutual_information`.

    Example:
        >>> from jaxae.metrics.disentanglement import mutual_information_gap
        >>> both = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> round(mutual_information_gap(both, both), 4)  # each dimension is one factor
        1.0
    """
    information = np.sort(mutual_information(codes, factors, num_bins), axis=0)[::-1]
    if len(information) < 2:
        raise JaxaeError("mutual_information_gap: got codes of one dimension, expected two or more")
    return float(((information[0] - information[1]) / _entropies(np.asarray(factors))).mean())


def modularity(codes: Any, factors: Any, num_bins: int = 20) -> float:
    """Compute the mean over l of 1 - sum_{f != best} I(z_l; v_f)^2 / (I(z_l; v_best)^2 (F - 1)), in [0, 1].

    Ridgeway & Mozer, 2018 (arXiv 1802.05312), equation 2. A dimension without any information counts as 0.

    Args:
        codes: f32[N, L].
        factors: i32[N, F] with F >= 2.
        num_bins: Number of bins of each latent dimension.

    Returns:
        The mean over latent dimensions, in [0, 1].

    Raises:
        JaxaeError: If F < 2, or as in `mutual_information`.
    """
    squares = mutual_information(codes, factors, num_bins) ** 2
    if squares.shape[1] < 2:
        raise JaxaeError("modularity: got one factor, expected two or more")
    best = squares.max(axis=1)
    # The inner `where` avoids 0 / 0 for a dimension without information; the outer one sets it to 0.
    others = (squares.sum(axis=1) - best) / np.where(best > 0, best, 1.0) / (squares.shape[1] - 1)
    return float(np.where(best > 0, 1.0 - others, 0.0).mean())


def dci(codes: Any, factors: Any, test_codes: Any, test_factors: Any, seed: int = 0) -> DCI:
    """Compute disentanglement, completeness and informativeness from gradient boosted trees; see `DCI`.

    One classifier for each factor is fitted to all latent dimensions: 100 rounds of trees of three levels,
    learning rate 0.1, as in the reference. A dimension's importance is its share of the reduction of the loss
    by all splits. Importances give the first two numbers, in which dimensions and factors are weighted by
    their share of the total importance.

    Splits lie between at most 255 bins of equal counts, instead of between any two codes. In four planted
    cases both numbers were within 0.02 of those by the reference's trees, in a ninth of the time.

    Args:
        codes: Training codes, f32[N, L].
        factors: Training factors, i32[N, F].
        test_codes: Test codes, f32[M, L].
        test_factors: Test factors, i32[M, F].
        seed: Seed of the trees.

    Returns:
        The three numbers, each in [0, 1].

    Raises:
        JaxaeError: As in `mutual_information`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    codes, factors = _check_arrays(codes, factors)
    test_codes, test_factors = _check_arrays(test_codes, test_factors)
    importances, accuracies = [], []
    for factor, test_factor in zip(factors.T, test_factors.T, strict=True):
        # Depth, rounds and rate are those of scikit-learn's exact trees, which the reference uses. Their
        # gains are in squared residuals. Gains here are divided by the curvature of the loss, which vanishes
        # where the fit is good: without l2 the noise that late trees fit took 4 % of the importance.
        model = HistGradientBoostingClassifier(
            max_depth=3, min_samples_leaf=1, l2_regularization=10.0, early_stopping=False, random_state=seed
        ).fit(codes, factor)
        importances.append(_split_gains(model, codes.shape[1]))
        accuracies.append(float((model.predict(test_codes) == test_factor).mean()))
    return DCI(*concentrations(np.stack(importances, axis=1)), float(np.mean(accuracies)))


def _split_gains(model: Any, num_dims: int) -> np.ndarray:
    """Return the share of each dimension in the gains of all splits of boosted trees, float64[L]."""
    gains = np.zeros(num_dims)
    # Not public: scikit-learn 1.9 has no importances of these trees but by permutation, another measure.
    for tree in (tree for trees in model._predictors for tree in trees):
        splits = tree.nodes[tree.nodes["is_leaf"] == 0]
        np.add.at(gains, splits["feature_idx"], splits["gain"])
    return gains / gains.sum() if gains.any() else gains


def concentrations(importances: np.ndarray) -> tuple[float, float]:
    """Compute disentanglement and completeness of DCI from importances float64[L, F] >= 0."""
    total = importances.sum()
    if total == 0:
        return 0.0, 0.0
    dimension_shares, factor_shares = importances.sum(axis=1) / total, importances.sum(axis=0) / total
    return (
        float((dimension_shares * _concentration(importances)).sum()),
        float((factor_shares * _concentration(importances.T)).sum()),
    )


def separated_attributes(codes: Any, factors: Any, test_codes: Any, test_factors: Any) -> float:
    """Compute SAP, the mean over factors of the gap between the two best test accuracies, in [0, 1].

    Each latent dimension alone predicts each factor by a linear support vector machine with C = 0.01 and
    balanced classes (Kumar et al., 2018, arXiv 1711.00848, for discrete factors). The gap is between the best
    and the second best dimension.

    Args:
        codes: Training codes, f32[N, L] with L >= 2.
        factors: Training factors, i32[N, F].
        test_codes: Test codes, f32[M, L].
        test_factors: Test factors, i32[M, F].

    Returns:
        The mean gap, in [0, 1].

    Raises:
        JaxaeError: If L < 2, or as in `mutual_information`.
    """
    from sklearn.svm import LinearSVC

    codes, factors = _check_arrays(codes, factors)
    test_codes, test_factors = _check_arrays(test_codes, test_factors)
    if codes.shape[1] < 2:
        raise JaxaeError("separated_attributes: got codes of one dimension, expected two or more")
    accuracies = np.zeros((codes.shape[1], factors.shape[1]))
    for dimension in range(codes.shape[1]):
        for factor in range(factors.shape[1]):
            model = LinearSVC(C=0.01, class_weight="balanced", dual=False)
            model.fit(codes[:, [dimension]], factors[:, factor])
            accuracies[dimension, factor] = (
                model.predict(test_codes[:, [dimension]]) == test_factors[:, factor]
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
    """Compute the FactorVAE score: the accuracy of a majority vote for the fixed factor, in [0, 1].

    Each vote is a batch whose rows share the value of one factor, drawn with replacement. The vote maps the
    latent dimension with the smallest variance in the batch to the fixed factor. Variances are divided by
    those of all codes. Dimensions whose variance is below 0.05 of the largest are left out. Kim & Mnih, 2018
    (arXiv 1802.05983), appendix B.

    Args:
        codes: f32[N, L].
        factors: i32[N, F].
        seed: Seed of the batches.
        batch_size: Rows in a batch.
        num_train: Batches from which the majority of each dimension is counted.
        num_test: Batches on which the vote is tested.

    Returns:
        The accuracy, in [0, 1]; 0 if all codes are the same.

    Raises:
        JaxaeError: As in `mutual_information`.
    """
    codes, factors = _check_arrays(codes, factors)
    random = np.random.RandomState(seed)
    variances = codes.var(axis=0)
    # A collapsed dimension has almost no variance, so its relative variance is noise and could win each vote.
    is_alive = variances >= 0.05 * variances.max()
    if variances.max() == 0:
        return 0.0

    def count_votes(number: int) -> np.ndarray:
        counts = np.zeros((codes.shape[1], factors.shape[1]))
        for fixed_factor, rows in _draw_groups(factors, random, number, batch_size):
            relative = codes[rows].var(axis=0) / np.where(is_alive, variances, 1.0)
            counts[np.argmin(np.where(is_alive, relative, np.inf)), fixed_factor] += 1
        return counts

    # Python evaluates the training votes first; both use the same generator, so the order is part of the
    # seed.
    majority, test_votes = count_votes(num_train).argmax(axis=1), count_votes(num_test)
    return float(test_votes[np.arange(len(test_votes)), majority].sum() / test_votes.sum())


def beta_vae_score(
    codes: Any,
    factors: Any,
    seed: int = 0,
    batch_size: int = 64,
    num_train: int = 10_000,
    num_test: int = 5_000,
) -> float:
    """Compute the beta-VAE score: the accuracy of a linear classifier of the shared factor, in [0, 1].

    Logistic regression predicts the factor that pairs of rows share from the mean |z - z'| over `batch_size`
    pairs. Higgins et al., 2017, section 3.

    Args:
        codes: f32[N, L].
        factors: i32[N, F].
        seed: Seed of the pairs.
        batch_size: Pairs in a mean.
        num_train: Means to which the classifier is fitted.
        num_test: Means on which the classifier is tested.

    Returns:
        The accuracy, in [0, 1].

    Raises:
        JaxaeError: As in `mutual_information`.
    """
    from sklearn.linear_model import LogisticRegression

    codes, factors = _check_arrays(codes, factors)
    random = np.random.RandomState(seed)

    def draw_rows(number: int) -> tuple[np.ndarray, np.ndarray]:
        differences = np.zeros((number, codes.shape[1]))
        shared_factors = random.randint(factors.shape[1], size=number)
        for row, factor in enumerate(shared_factors):
            first = random.randint(len(codes), size=batch_size)
            partners = _draw_same_value(factors[:, factor], first, random)
            differences[row] = np.abs(codes[first] - codes[partners]).mean(axis=0)
        return differences, shared_factors

    model = LogisticRegression(max_iter=5000).fit(*draw_rows(num_train))
    return float(model.score(*draw_rows(num_test)))


def _check_arrays(codes: Any, factors: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and factors as arrays. Raises a JaxaeError if they do not fit the module's conventions."""
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not len(codes):
        raise JaxaeError(
            f"codes, factors: got shapes {codes.shape} and {factors.shape}, expected (N, L) and (N, F)"
        )
    if factors.dtype.kind not in "iu":
        raise JaxaeError(f"factors: got dtype {factors.dtype}, expected whole numbers")
    if not np.isfinite(codes).all():
        raise JaxaeError("codes: got values that are not finite")
    constant = np.flatnonzero((factors == factors[:1]).all(axis=0))
    if len(constant):
        raise JaxaeError(f"factors: got factor {constant[0]} with one value only, expected two or more")
    return codes, factors


def _find_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
    """Return the bin of each value; bins have equal width between the smallest and the largest value."""
    # Without the outer edges, so that the smallest and the largest value fall into the first and last bin.
    edges = np.linspace(values.min(), values.max(), num_bins + 1)
    return np.digitize(values, edges[1:-1])


def _entropies(factors: np.ndarray) -> np.ndarray:
    """Compute H(v_f) of each factor, float64[F], nats."""
    return np.array([entropy(np.unique(factor, return_counts=True)[1]) for factor in factors.T])


def _concentration(importances: np.ndarray) -> np.ndarray:
    """Compute 1 - H(row) / log(columns) of each row's shares, float64[rows]; 0 for a row of zeros."""
    rows, columns = importances.shape
    totals = importances.sum(axis=1, keepdims=True)
    # A row of zeros gets uniform shares, whose concentration is 0.
    shares = np.where(totals > 0, importances / np.where(totals > 0, totals, 1.0), 1.0 / columns)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return 1.0 + (shares * logs).sum(axis=1) / np.log(columns) if columns > 1 else np.ones(rows)


def _draw_groups(
    factors: np.ndarray, random: np.random.RandomState, number: int, batch_size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield `number` times a factor and the rows of a batch that share one of its values."""
    rows_of_value = [[np.flatnonzero(factor == value) for value in np.unique(factor)] for factor in factors.T]
    for fixed_factor in random.randint(factors.shape[1], size=number):
        rows = rows_of_value[fixed_factor][random.randint(len(rows_of_value[fixed_factor]))]
        yield int(fixed_factor), rows[random.randint(len(rows), size=batch_size)]


def _draw_same_value(factor: np.ndarray, rows: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Draw for each row a row with the same value of the factor; it may be the row itself."""
    # In the sorted order the rows of one value are a range, so one uniform number for each row draws from it.
    # A list of rows for each value would need a Python loop.
    order = np.argsort(factor, kind="stable")
    values = factor[rows]
    first, last = (
        np.searchsorted(factor[order], values, "left"),
        np.searchsorted(factor[order], values, "right"),
    )
    return order[first + (random.rand(len(rows)) * (last - first)).astype(np.int64)]
