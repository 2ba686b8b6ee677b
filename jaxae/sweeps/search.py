"""Search: Optuna proposes settings, a batch of them is trained as lanes, and Optuna receives their scores.

Optuna's study is stored as a journal in the sweep's directory. A search that is killed continues with the
trials that were proposed before. The random numbers of a proposal depend only on (seed, number of trials), so
the state of the sampler need not be saved.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from jaxae.data.own.given_rows import collect
from jaxae.display.places import for_python
from jaxae.errors import JaxaeError, nearest
from jaxae.estimators.score_facts import Score
from jaxae.estimators.scores import facts_of_scores, known_facts
from jaxae.protocols.capabilities import LatentVariableModel
from jaxae.runs import notes
from jaxae.runs.callbacks import combine
from jaxae.runs.code import identity
from jaxae.runs.experiment import Experiment
from jaxae.specs.pytree import is_node
from jaxae.sweeps.choice_names import name_choices
from jaxae.sweeps.define import Choice, Distribution, Integer, LogUniform, Setting, as_distribution
from jaxae.sweeps.plan import apply, runs_of
from jaxae.sweeps.pruning import Pruning, check_score, make_pruner
from jaxae.sweeps.session import Session, from_python
from jaxae.sweeps.store import Options
from jaxae.sweeps.sweep_results import Results
from jaxae.sweeps.tables.run_table import Row
from jaxae.sweeps.tables.summary import FAILED, PRUNED, higher_is_better
from jaxae.trackers import find_trackers

SAMPLERS = ("tpe", "random", "cmaes")
# A journal instead of SQLite: 48 trials took 0.5 s instead of 6.5 s.
JOURNAL = "optuna.log"


def run_search(
    session: Session,
    over: dict[str, Distribution],
    sampler: str,
    trials: int,
    lanes: int,
    seed: int,
    pruner: Any = None,
) -> None:
    """Propose `lanes` settings, train each under every seed, report their mean scores; repeat up to `trials`.

    A setting with a failed run is reported to Optuna as failed: it counts as a trial, and is never the best.

    Args:
        session: Directory, experiment and options of the search.
        over: {dotted name: distribution}.
        sampler: Optuna's sampler: tpe, random or cmaes.
        trials: Number of settings in all, with those of earlier sessions.
        lanes: Number of settings that are proposed and trained at the same time.
        seed: Seed of the sampler.
        pruner: "median", "halving", "hyperband" or a pruner of Optuna; None prunes nothing.

    Raises:
        JaxaeError: If optuna is not installed, an argument is invalid, or another process searches in the
            directory.
        Interrupted: If the search was stopped; everything is saved.
    """
    for name, number in (("trials", trials), ("lanes", lanes)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise JaxaeError(f"{name}: got {number!r}, expected a whole number > 0")
    optuna, base, seeds = _optuna(sampler), session.base, session.seeds
    score = session.options.score or _default_score(base, over)
    prunes = make_pruner(optuna, pruner, base.epochs)
    if pruner is not None:
        check_score(base.model, score, base.model.weights(jnp.zeros((), jnp.int32)))
    # Every batch is planned again; the cache reads the data only once.
    session = dataclasses.replace(session, load=functools.cache(session.load))
    # The last, smaller batch gets the same width: another width would compile another program.
    width = min(lanes, trials) * len(seeds)
    is_higher_better = higher_is_better(score, _facts(base, over))
    with session.stopping() as pending, session.store.searching() as folder:
        study = _study(optuna, folder, is_higher_better, _study_name(base, over), prunes)
        while (finished := _num_finished(study)) < trials:
            batch = _ask(optuna, study, over, min(lanes, trials - finished), sampler, seed)
            settings = [_setting(over, trial.params) for trial in batch]
            programs = session.plan(settings)
            experiments = [apply(base, setting) for setting in settings]
            runs = [[run.id for run in runs_of(each, seeds, session.load(each.data))] for each in experiments]
            # Two trials may have the same setting, and therefore the same runs.
            trials_of: dict[str, list[Any]] = {}
            for trial, ids in zip(batch, runs, strict=True):
                for name in ids:
                    trials_of.setdefault(name, []).append(trial)
            pruning = Pruning(trials_of, score, base.model, pruner is not None)
            todo = session.schedule(programs, list(over), num_lanes=width)
            session.train(programs, todo, pending, pruning)
            rows = {row["run"]: row for row in session.store.rows()}
            for trial, ids in zip(batch, runs, strict=True):
                _tell(optuna, study, trial, [rows[name] for name in ids], score)


def search(
    experiment: Experiment,
    over: dict[str, Any],
    *,
    trials: int = 64,
    lanes: int = 16,
    sampler: str = "tpe",
    pruner: Any = None,
    seeds: int | Sequence[int] = 1,
    seed: int = 0,
    x: Any = None,
    y: Any = None,
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    run_dir: str | Path | None = None,
    name: str | None = None,
    tags: str | Sequence[str] = (),
    note: str | None = None,
    layout: str = "auto",
    keep: bool = True,
    score: str | None = None,
    callbacks: Any = (),
    trackers: Any = (),
    progress: bool = True,
) -> Results:
    """Let Optuna propose `trials` settings, `lanes` at a time, and train each under every seed.

    A killed search with `run_dir` is resumed by the same call.

    Args:
        experiment: Experiment that the settings override.
        over: {dotted name: distribution, or a list of values to choose from}.
        trials: Number of settings.
        lanes: Number of settings that are proposed and trained at the same time.
        sampler: Optuna's sampler: "tpe", "random" or "cmaes".
        pruner: Ends trials early whose score during training is bad: "median", "halving", "hyperband", or a
            pruner of Optuna. Their runs have the status "pruned". None lets all trials go on.
        seeds: Number of seeds that each setting is trained under, or the seeds.
        seed: Seed of the sampler.
        x: Rows of your own, f32[N, ...], as for `fit`; None: the data that the experiment names.
        y: Labels of these rows; None for no labels.
        x_validation: Validation rows of your own, as for `fit`; None draws them from `x`.
        y_validation: Labels of `x_validation`.
        x_test: Test rows of your own; None draws them from `x`.
        y_test: Labels of `x_test`.
        run_dir: Directory of the search; None: a temporary directory, deleted together with the results.
        name: Name for lists of runs, as for `sweep`.
        tags: Words by which lists of runs are filtered.
        note: A text for yourself.
        layout: How lanes are laid out; see `Options`.
        keep: Whether the best state of each run is kept, for `Results.load`.
        score: Column whose mean over seeds is optimized. None: validation.elbo for latent variable models,
            else validation.loss, or train.loss without validation rows.
        callbacks: Functions that receive the progress, as for `sweep`.
        trackers: Trackers that receive the numbers of each run, as for `sweep`.
        progress: Whether progress is displayed, as for `fit`.

    Returns:
        The results: tables as pandas DataFrames, and every run as a `Result`.

    Raises:
        JaxaeError: If an argument is invalid, or optuna is not installed.

    Example:
        >>> import jaxae
        >>> experiment = jaxae.Experiment(model=jaxae.VAE(likelihood=jaxae.Gaussian(std=0.2)), epochs=5)
        >>> over = {"optimizer.learning_rate": jaxae.LogUniform(1e-4, 1e-2), "model.latent_dim": [5, 10, 20]}
        >>> results = jaxae.search(experiment, over, trials=32, lanes=8)  # doctest: +SKIP
    """
    options = Options(layout, None, keep, score)
    distributions = {name: as_distribution(name, values) for name, values in over.items()}
    listeners = {"callback": combine(callbacks), "trackers": find_trackers.find(trackers)}
    labels = notes.check(name, tags, note, run_dir)
    how = {"display": for_python(progress), "labels": labels, **listeners}
    given = collect(x, y, x_validation, y_validation, x_test, y_test)
    with from_python(experiment, seeds, options, given, run_dir, **how) as session:
        run_search(session, distributions, sampler, trials, lanes, seed, pruner)
        return Results(session.store.path, options, given, temporary=run_dir is None)


def _default_score(base: Experiment, over: dict[str, Distribution]) -> str:
    """Return the score that every trial will have, as `default_score` does for existing rows."""
    if base.data.num_validation == 0:
        return "train.loss"
    # If the model itself is searched over, some trials may have no ELBO.
    density = isinstance(base.model, LatentVariableModel) and "model" not in over
    return "validation.elbo" if density else "validation.loss"


def _facts(base: Experiment, over: dict[str, Distribution]) -> dict[str, Score]:
    """Return the facts of the scores that the trials will have, {name without the split: facts}."""
    choices = over.get("model")
    models = choices.values if isinstance(choices, Choice) else [base.model]
    facts = known_facts()
    for model in reversed(models):  # reversed: the facts of the first model win
        facts = facts | facts_of_scores(model)
    return facts


def _ask(
    optuna: Any, study: Any, over: dict[str, Distribution], num: int, sampler: str, seed: int
) -> list[Any]:
    """Return `num` trials: first those that an earlier session proposed and did not finish, then new ones."""
    running = optuna.trial.TrialState.RUNNING
    known = study.get_trials(deepcopy=False)
    distributions = {name: _distribution(optuna, name, values, known) for name, values in over.items()}

    def seed_sampler(number: int) -> None:
        # A new sampler for each proposal, seeded by the number of trials: a resumed search then proposes the
        # same settings as an uninterrupted one. The prime keeps the streams of nearby seeds apart.
        study.sampler = _sampler(optuna, sampler, seed + 1_000_003 * number)

    batch = []
    for begun in [trial for trial in known if trial.state == running][:num]:
        seed_sampler(begun.number)
        # A trial that is read from the storage cannot report values; an open one with its id can.
        batch.append(optuna.trial.Trial(study, begun._trial_id))
        # A kill may come between two values of a proposal: those that are missing are drawn now.
        for name, distribution in distributions.items():
            batch[-1]._suggest(name, distribution)
    while len(batch) < num:
        seed_sampler(len(study.get_trials(deepcopy=False)))
        batch.append(study.ask(distributions))
    return batch


def _tell(optuna: Any, study: Any, trial: Any, rows: Sequence[Row], score: str) -> None:
    """Report the mean score over seeds to the study, or that the trial failed or was pruned."""
    values = [math.nan if row.get(score) is None else float(row[score]) for row in rows]
    # A mean over the seeds that survived would reward settings that often diverge.
    if any(row["status"] in PRUNED for row in rows):
        study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
    elif any(row["status"] in FAILED for row in rows) or not all(map(math.isfinite, values)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial.number, sum(values) / len(values))


def _study_name(base: Experiment, over: dict[str, Distribution]) -> str:
    """Return the study's name, with a digest of the user's own classes.

    Scores that other code produced say nothing about the present code, so changed code starts a new study.
    """
    choices = [value for values in over.values() if isinstance(values, Choice) for value in values.values]
    nodes = [base, *filter(is_node, choices)]
    code = identity.describe_classes(
        dict.fromkeys(cls for node in nodes for cls in identity.classes_of(node))
    )
    return f"jaxae-{code.short}" if code and code.short else "jaxae"


def _study(optuna: Any, folder: Path, is_higher_better: bool, name: str, pruner: Any) -> Any:
    """Open the study in the sweep's directory, or create it."""
    from jaxae.sweeps.journal import Journal  # imports optuna

    return optuna.create_study(
        study_name=name,
        storage=optuna.storages.JournalStorage(Journal(folder / JOURNAL, folder.parent)),
        direction="maximize" if is_higher_better else "minimize",
        load_if_exists=True,
        pruner=pruner,
    )


def _num_finished(study: Any) -> int:
    """Return the number of trials that completed or failed."""
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    """Return a new sampler of Optuna with this seed."""
    seed %= 2**32  # NumPy's RandomState, which Optuna uses, accepts 32 bits
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed)
    # The constant liar assumes the worst score for running trials, so that the proposals of one batch do not
    # crowd at one place.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=False)


def _distribution(optuna: Any, name: str, values: Distribution, known: Sequence[Any]) -> Any:
    """Return a distribution of jaxae as one of Optuna's; `known` are the trials of earlier sessions."""
    kinds = optuna.distributions
    if isinstance(values, Choice):
        # Searches of version 0.1 stored the positions of the values. Optuna refuses other categories.
        positions = tuple(str(number) for number in range(len(values.values)))
        earlier = [getattr(trial.distributions.get(name), "choices", ()) for trial in known]
        names = positions if positions in earlier else name_choices(values.values)
        return kinds.CategoricalDistribution(names)
    if isinstance(values, Integer):
        return kinds.IntDistribution(values.low, values.high)
    return kinds.FloatDistribution(values.low, values.high, log=isinstance(values, LogUniform))


def _setting(over: dict[str, Distribution], params: dict[str, Any]) -> Setting:
    """Return Optuna's parameters as a setting; Optuna knows the value of a choice only by its name."""
    return {
        name: _chosen(values, params[name]) if isinstance(values, Choice) else params[name]
        for name, values in over.items()
    }


def _chosen(values: Choice, name: Any) -> Any:
    """Return the value of a choice with a name, or in searches of version 0.1 with a position."""
    names = name_choices(values.values)
    return values.values[names.index(name) if name in names else int(name)]


def _optuna(sampler: str) -> Any:
    """Import optuna. Raises: JaxaeError if it is not installed, or the sampler is unknown."""
    if sampler not in SAMPLERS:
        raise JaxaeError(f"search: got {sampler!r}; {nearest(sampler, SAMPLERS)}")
    try:
        import optuna

        if sampler == "cmaes":
            import cmaes  # noqa: F401 (optuna imports it only when it samples, after training has started)
    except ImportError as error:
        raise JaxaeError(
            f"search: {error.name} is not installed; pip install 'jaxae[search]' brings it"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
