"""Intermediate values of a search: Optuna receives the score during training and may prune a trial.

Values are reported, and trials are pruned, at fixed epochs. The result therefore does not depend on the speed
of the machine. A pruned run leaves its lane: without `vmap` its epochs then cost nothing.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.protocols.capabilities import ElboTerms
from jaxae.sweeps.groups.group_training import LaneProgress, Progress

REPORTS = 20  # number of times that a trial reports its score during training, at most
PRUNERS: dict[str, Callable[[Any, int], Any]] = {
    "median": lambda optuna, epochs: optuna.pruners.MedianPruner(),
    "halving": lambda optuna, epochs: optuna.pruners.SuccessiveHalvingPruner(),
    "hyperband": lambda optuna, epochs: optuna.pruners.HyperbandPruner(max_resource=epochs),
}


class Pruning:
    """The decisions during a batch of trials; it fulfils `Halting`.

    Attributes:
        trials: {id of a run: the trials of Optuna that it belongs to}; each trial has a run for each seed.
        score: Score of the search.
        elbo_terms: Loss terms whose sum is -elbo, if `score` is an ELBO; else ().
        prunes: Whether trials are pruned, not only reported.
    """

    def __init__(self, trials: Mapping[str, Sequence[Any]], score: str, model: Any, prunes: bool) -> None:
        self.trials, self.score, self.prunes = trials, score, prunes
        self.elbo_terms = elbo_terms(model)

    def border(self, epoch: int, epochs: int) -> int:
        """Return the next epoch at which values are reported.

        Args:
            epoch: Number of epochs that are trained.
            epochs: Number of epochs of a whole run.

        Returns:
            The epoch, at most `epochs`.
        """
        every = math.ceil(epochs / REPORTS)
        return min(epochs, epoch - epoch % every + every)

    def choose(self, progress: Progress) -> Collection[str]:
        """Report the mean score over seeds of each trial, and return the ids of the runs to prune.

        Args:
            progress: Progress of a group at a border.
        """
        lanes: dict[int, list[tuple[LaneProgress, Any]]] = {}
        for lane in progress.lanes:
            for trial in self.trials.get(lane.run, ()):
                lanes.setdefault(trial.number, []).append((lane, trial))
        # All trials report before the first decision: a pruner compares trials with each other.
        current = [pairs for pairs in lanes.values() if self._report(progress.epoch, pairs)]
        # At the last epoch there is nothing left to save.
        if not self.prunes or progress.epoch == progress.epochs:
            return set()
        return {lane.run for pairs in current if pairs[0][1].should_prune() for lane, _ in pairs}

    def _report(self, epoch: int, pairs: Sequence[tuple[LaneProgress, Any]]) -> bool:
        """Report the score of one trial; return whether it may be pruned at this epoch."""
        trial, known = pairs[0][1], pairs[0][1].storage.get_trial(pairs[0][1]._trial_id).intermediate_values
        if not all(lane.is_live for lane, _ in pairs) or (known and max(known) > epoch):
            # A search that was killed trains some epochs again. Their decisions were made before the kill.
            return False
        values = [value_of(lane, self.score, self.elbo_terms) for lane, _ in pairs]
        if any(value is None or not math.isfinite(value) for value in values):
            return False
        if epoch not in known:
            trial.report(sum(value for value in values if value is not None) / len(values), epoch)
        return True


def elbo_terms(model: Any) -> tuple[str, ...]:
    """Return the loss terms whose sum is -elbo; () if the model has no such terms.

    Args:
        model: The model.
    """
    terms = model.elbo_terms if isinstance(model, ElboTerms) else ()
    return tuple(terms) if set(terms) == {"distortion", "rate"} else ()


def value_of(lane: LaneProgress, score: str, elbo_terms: Sequence[str]) -> float | None:
    """Return the score of a run after its last epoch; None if it is not known during training.

    Args:
        lane: Progress of the run.
        score: Name such as "validation.loss", "train.rate" or "validation.elbo".
        elbo_terms: Loss terms whose sum is -elbo; () if there are none.

    Returns:
        The value. An ELBO is -(distortion + rate) of the epoch.
    """
    split, _, name = score.partition(".")
    numbers = {"train": lane.train, "validation": lane.validation}.get(split) or {}
    if name == "elbo" and elbo_terms and set(elbo_terms) <= set(numbers):
        return -sum(numbers[term] for term in elbo_terms)
    return numbers.get(name)


def make_pruner(optuna: Any, pruner: Any, epochs: int) -> Any:
    """Return a pruner of Optuna.

    Args:
        optuna: The module.
        pruner: "median", "halving", "hyperband", a pruner of Optuna, or None to prune nothing.
        epochs: Number of epochs of a run.

    Returns:
        The pruner.

    Raises:
        JaxaeError: If it is none of these.
    """
    if pruner is None:
        return optuna.pruners.NopPruner()
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    if not isinstance(pruner, str) or pruner not in PRUNERS:
        raise JaxaeError(f"pruner: got {pruner!r}; {nearest(str(pruner), PRUNERS)}, or a pruner of Optuna")
    return PRUNERS[pruner](optuna, epochs)


def check_score(model: Any, score: str, terms: Collection[str]) -> None:
    """Raise JaxaeError if a score is not known during training, so that no trial can be pruned by it.

    Args:
        model: The model.
        score: Score of the search.
        terms: Names of the loss terms.
    """
    names = {"loss", *terms, *(("elbo",) if elbo_terms(model) else ())}
    valid = [f"{split}.{name}" for split in ("validation", "train") for name in sorted(names)]
    if score not in valid:
        hint = nearest(score, valid)
        raise JaxaeError(f"pruner: needs a score that is known after each epoch, got {score}; {hint}")
