"""Search: Optuna proposes settings, whole batches of them are trained as lanes, and it is told their scores.

Optuna's study lies in the sweep's directory as a journal; a search that is killed goes on with the trials it
had proposed. A proposal's random numbers come from (seed, trial number), so no sampler has a state to save.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError, nearest
from jaxae.estimators.score_facts import Score
from jaxae.estimators.scores import facts_of_scores, known_facts
from jaxae.protocols.capabilities import LatentVariableModel
from jaxae.runs.code import identity
from jaxae.runs.experiment import Experiment
from jaxae.specs.pytree import is_node
from jaxae.sweeps.define import Choice, Distribution, Integer, LogUniform, Setting, as_distribution
from jaxae.sweeps.plan import apply, runs_of
from jaxae.sweeps.session import Session, from_python
from jaxae.sweeps.store import Options
from jaxae.sweeps.sweep_results import Results
from jaxae.sweeps.tables.run_table import Row
from jaxae.sweeps.tables.summary import FAILED, higher_is_better

SAMPLERS = ("tpe", "random", "cmaes")
JOURNAL = "optuna.log"


def run_search(
    session: Session, over: dict[str, Distribution], sampler: str, trials: int, lanes: int, seed: int
) -> None:
    """Proposes `lanes` settings, trains each under every seed, tells their means, until there are `trials`.

    A setting of which a run has failed is told as failed: it counts, and is never the best.
    Raises: JaxaeError where optuna is not installed, an argument is invalid, or another process searches.
    """
    for name, number in (("trials", trials), ("lanes", lanes)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise JaxaeError(f"{name}: got {number!r}, expected a whole number > 0")
    optuna, base, seeds = _optuna(sampler), session.base, session.seeds
    score = session.options.score or _default_score(base, over)
    # Each batch is planned anew, from the same data.
    session = dataclasses.replace(session, load=functools.cache(session.load))
    width = min(lanes, trials) * len(seeds)  # the last batch as wide as the others: compiled once
    is_higher_better = higher_is_better(score, _facts(base, over))
    with session.stopping() as stop, session.store.searching() as folder:
        study = _study(optuna, folder, is_higher_better, _study_name(base, over))
        while (finished := _num_finished(study)) < trials:
            batch = _ask(optuna, study, over, min(lanes, trials - finished), sampler, seed)
            settings = [_setting(over, trial.params) for trial in batch]
            programs = session.plan(settings)
            session.train(programs, session.schedule(programs, list(over), num_lanes=width), stop)
            rows = {row["run"]: row for row in session.store.rows()}
            datasets = {program.example.data: program.dataset for program in programs}
            for trial, setting in zip(batch, settings, strict=True):
                experiment = apply(base, setting)
                of_trial = runs_of(experiment, seeds, datasets[experiment.data])
                _tell(optuna, study, trial, [rows[run.id] for run in of_trial], score)


def search(
    experiment: Experiment,
    over: dict[str, Any],
    *,
    trials: int = 64,
    lanes: int = 16,
    sampler: str = "tpe",
    seeds: int | Sequence[int] = 1,
    seed: int = 0,
    x: Any = None,
    y: Any = None,
    run_dir: str | Path | None = None,
    layout: str = "auto",
    keep: bool = True,
    score: str | None = None,
    show_progress: bool = True,
) -> Results:
    """Has Optuna propose `trials` settings, `lanes` at a time, each trained under every one of `seeds`.

    `over`: {dotted name: distribution, or a list of values to choose from}. `sampler`: tpe, random or cmaes;
    `seed` is its own. `score`: the column of which the mean over seeds is improved; the rest as for `sweep`.
    Raises: JaxaeError for a mistake in the input, and where optuna is not installed.
    """
    options = Options(layout, None, keep, score)
    distributions = {name: as_distribution(name, values) for name, values in over.items()}
    with from_python(experiment, seeds, options, (x, y), run_dir, show_progress=show_progress) as session:
        run_search(session, distributions, sampler, trials, lanes, seed)
        return Results(session.store.path, options, x, y, temporary=run_dir is None)


def _default_score(base: Experiment, over: dict[str, Distribution]) -> str:
    """As `default_score`, before there is a row: what every trial will have."""
    if base.data.num_validation == 0:
        return "train.loss"
    density = isinstance(base.model, LatentVariableModel) and "model" not in over
    return "validation.elbo" if density else "validation.loss"


def _facts(base: Experiment, over: dict[str, Distribution]) -> dict[str, Score]:
    """The facts of the scores that the trials will have, by name without the split."""
    choices = over.get("model")
    models = choices.values if isinstance(choices, Choice) else [base.model]
    facts = known_facts()
    for model in reversed(models):
        facts = facts | facts_of_scores(model)
    return facts


def _ask(
    optuna: Any, study: Any, over: dict[str, Distribution], num: int, sampler: str, seed: int
) -> list[Any]:
    """`num` trials: those that an earlier session has proposed and not finished, then new ones."""
    running = optuna.trial.TrialState.RUNNING
    batch = [trial for trial in study.get_trials(deepcopy=False) if trial.state == running][:num]
    distributions = {name: _distribution(optuna, values) for name, values in over.items()}
    while len(batch) < num:
        study.sampler = _sampler(optuna, sampler, seed + 1_000_003 * len(study.get_trials(deepcopy=False)))
        batch.append(study.ask(distributions))
    return batch


def _tell(optuna: Any, study: Any, trial: Any, rows: Sequence[Row], score: str) -> None:
    """The mean over seeds, or that the trial failed."""
    values = [math.nan if row.get(score) is None else float(row[score]) for row in rows]
    if any(row["status"] in FAILED for row in rows) or not all(map(math.isfinite, values)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial.number, sum(values) / len(values))


class _NoLock:
    """For a journal that has one writer: a lock file would outlive a process that is killed."""

    def acquire(self) -> bool:
        """Always ours."""
        return True

    def release(self) -> None:
        """Nothing to let go of."""


def _study_name(base: Experiment, over: dict[str, Distribution]) -> str:
    """One name for each code of a user's own classes: scores of other code say nothing about this one."""
    choices = [value for values in over.values() if isinstance(values, Choice) for value in values.values]
    nodes = [base, *filter(is_node, choices)]
    code = identity.describe_classes(
        dict.fromkeys(cls for node in nodes for cls in identity.classes_of(node))
    )
    return f"jaxae-{code.short}" if code and code.short else "jaxae"


def _study(optuna: Any, folder: Path, is_higher_better: bool, name: str) -> Any:
    """The study in the sweep's directory, new or gone on with."""
    journal = optuna.storages.journal
    backend = journal.JournalFileBackend(str(folder / JOURNAL), lock_obj=_NoLock())
    return optuna.create_study(
        study_name=name,
        storage=optuna.storages.JournalStorage(backend),
        direction="maximize" if is_higher_better else "minimize",
        load_if_exists=True,
    )


def _num_finished(study: Any) -> int:
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    seed %= 2**32
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed)
    # Of trials still running the liar assumes the worst, so that a batch does not crowd at one place.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=False)


def _distribution(optuna: Any, values: Distribution) -> Any:
    kinds = optuna.distributions
    if isinstance(values, Choice):
        return kinds.CategoricalDistribution([str(number) for number in range(len(values.values))])
    if isinstance(values, Integer):
        return kinds.IntDistribution(values.low, values.high)
    return kinds.FloatDistribution(values.low, values.high, log=isinstance(values, LogUniform))


def _setting(over: dict[str, Distribution], params: dict[str, Any]) -> Setting:
    """Optuna's parameters as a setting: it knows a choice by its place, whatever its values are."""
    return {
        name: values.values[int(params[name])] if isinstance(values, Choice) else params[name]
        for name, values in over.items()
    }


def _optuna(sampler: str) -> Any:
    """optuna, imported where it is needed. Raises: JaxaeError where it is not installed."""
    if sampler not in SAMPLERS:
        raise JaxaeError(f"search: got {sampler!r}; {nearest(sampler, SAMPLERS)}")
    try:
        import optuna

        if sampler == "cmaes":
            import cmaes  # noqa: F401 (of optuna's, imported there when it samples)
    except ImportError as error:
        raise JaxaeError(
            f"search: {error.name} is not installed; pip install 'jaxae[search]' brings it"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
