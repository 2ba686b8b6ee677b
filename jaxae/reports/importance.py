"""Importance of hyperparameters: the share of a score's variance that each of them explains, by fANOVA."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.plots.series import is_number

FEWEST = 4  # runs; fewer say nothing about importance
SEED = 0


def importance(rows: Sequence[Mapping[str, Any]], names: Sequence[str], score: str) -> dict[str, float]:
    """Compute the functional analysis of variance of a score (Hutter et al., 2014), by Optuna.

    A random forest is fitted to the runs. The share of a hyperparameter is the variance of its main effect
    over the variance of the forest. Shares need not sum to 1: interactions have the rest.

    Args:
        rows: Rows of runs that have the score.
        names: Columns of the hyperparameters. Those with one value are left out.
        score: Column of the score.

    Returns:
        {name: share}, the largest first. Empty if there are too few runs, or all scores are equal.

    Raises:
        JaxaeError: If Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise JaxaeError(f"{error.name} is not installed; pip install 'jaxae[search]' brings it") from None

    varied = [name for name in names if len({str(row.get(name)) for row in rows}) > 1]
    if len(rows) < FEWEST or not varied or len({row[score] for row in rows}) < 2:
        return {}
    if len(varied) == 1:
        # The forest of a single hyperparameter has nothing to share.
        return {}
    distributions = {name: _distribution([row.get(name) for row in rows]) for name in varied}
    # Optuna warns of an experimental function and prints a line for each study: no news for a reader.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study()
            for row in rows:
                params = {name: _value(row.get(name), distributions[name]) for name in varied}
                study.add_trial(
                    optuna.trial.create_trial(
                        params=params, distributions=distributions, value=float(row[score])
                    )
                )
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=SEED)
            found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
        finally:
            optuna.logging.set_verbosity(level)
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def _distribution(values: Sequence[Any]) -> Any:
    """Return a range for numbers, and a choice of texts for other values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if all(is_number(value) for value in values):
        return FloatDistribution(min(values), max(values))
    return CategoricalDistribution(sorted(set(map(str, values))))


def _value(value: Any, distribution: Any) -> Any:
    return float(value) if type(distribution).__name__ == "FloatDistribution" else str(value)
