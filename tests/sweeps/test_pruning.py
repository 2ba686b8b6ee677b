"""Pruning of a search: which values Optuna gets, who is pruned and when, also after a kill."""

from pathlib import Path
from typing import Any

import optuna
import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.sweeps import pruning
from jaxae.sweeps import search as searching
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.store import Group
from tests import small

X = small.images()
EPOCHS = 40
GROUP = Group("group", "program", [], "map", 1, 1, True)


def lane(run: str, epoch: int, loss: float, is_live: bool = True) -> groups.LaneProgress:
    return groups.LaneProgress(run, 0, epoch, {"loss": loss}, {"loss": loss}, 0, None, None, is_live)


class Search:
    """A study whose trials get their losses from lists, without training."""

    def __init__(self, folder: Path, pruner: Any = "median") -> None:
        made = pruning.make_pruner(optuna, pruner, EPOCHS)
        self.study = searching._study(optuna, folder, False, "jaxae", made)

    def batch(self, losses: list[float]) -> tuple[list[Any], pruning.Pruning]:
        trials = [self.study.ask() for _ in losses]
        runs = {f"run{trial.number}": [trial] for trial in trials}
        return trials, pruning.Pruning(runs, "validation.loss", jaxae.VAE(), True)

    def train(self, losses: list[float]) -> list[int]:
        """Train one batch to its end; return the epoch at which each trial was pruned, 0 for never."""
        trials, decide = self.batch(losses)
        ends, epoch = [0] * len(losses), 0
        while epoch < EPOCHS:
            epoch = decide.border(epoch, EPOCHS)
            chosen = decide.choose(progress(trials, losses, epoch, ends))
            ends = [
                epoch if f"run{trial.number}" in chosen else end
                for trial, end in zip(trials, ends, strict=True)
            ]
        for trial, loss, end in zip(trials, losses, ends, strict=True):
            self.study.tell(
                trial.number, **({"state": optuna.trial.TrialState.PRUNED} if end else {"values": loss})
            )
        return ends


def progress(trials: list[Any], losses: list[float], epoch: int, ends: list[int]) -> groups.Progress:
    lanes = tuple(
        lane(f"run{trial.number}", epoch, loss, not end)
        for trial, loss, end in zip(trials, losses, ends, strict=True)
    )
    return groups.Progress(GROUP, epoch, EPOCHS, len(lanes), 1, 0.0, False, lanes)


def test_the_median_pruner_ends_what_is_worse_than_the_median_of_finished_trials(tmp_path: Path) -> None:
    search = Search(tmp_path)
    assert search.train([1.0, 2.0, 3.0, 4.0, 5.0]) == [0] * 5  # nothing to compare with yet
    assert search.train([2.5, 3.5, 9.0]) == [0, 2, 2]
    first = search.study.get_trials()[0].intermediate_values
    assert list(first) == list(range(2, EPOCHS + 1, 2)) and set(first.values()) == {1.0}


def test_borders_are_at_most_twenty_and_end_with_the_last_epoch() -> None:
    decide = pruning.Pruning({}, "validation.loss", jaxae.VAE(), True)
    for epochs in (1, 3, 20, 21, 500):
        borders, epoch = [], 0
        while epoch < epochs:
            epoch = decide.border(epoch, epochs)
            borders.append(epoch)
        assert len(borders) <= 20 and borders[-1] == epochs and borders == sorted(set(borders))


def test_epochs_that_are_trained_again_after_a_kill_report_and_decide_nothing_new(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.train([1.0, 2.0, 3.0, 4.0, 5.0])
    trials, decide = search.batch([2.0])
    for epoch in (2, 4, 6):
        assert not decide.choose(progress(trials, [2.0], epoch, [0]))
    # The killed search starts again before epoch 2, and this time the numbers would be bad.
    assert not decide.choose(progress(trials, [9.0], 2, [0]))
    assert search.study.get_trials()[-1].intermediate_values == {2: 2.0, 4: 2.0, 6: 2.0}
    decide.choose(progress(trials, [9.0], 8, [0]))
    assert search.study.get_trials()[-1].intermediate_values[8] == 9.0


def test_the_mean_over_seeds_is_reported_and_all_seeds_are_pruned(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.train([1.0, 2.0, 3.0, 4.0, 5.0])
    trial = search.study.ask()
    decide = pruning.Pruning({"a": [trial], "b": [trial]}, "validation.loss", jaxae.VAE(), True)
    seen = groups.Progress(GROUP, 2, EPOCHS, 2, 1, 0.0, False, (lane("a", 2, 3.0), lane("b", 2, 6.0)))
    assert decide.choose(seen) == {"a", "b"}
    assert search.study.get_trials()[-1].intermediate_values == {2: 4.5}


def test_the_value_of_an_elbo_is_minus_distortion_and_rate() -> None:
    numbers = {"loss": 9.0, "distortion": 5.0, "rate": 2.0}
    seen = lane("a", 1, 0.0)._replace(train=numbers, validation={**numbers, "rate": 3.0})
    terms = pruning.elbo_terms(jaxae.VAE())
    assert pruning.value_of(seen, "validation.elbo", terms) == -8.0
    assert pruning.value_of(seen, "train.elbo", terms) == -7.0
    assert pruning.value_of(seen, "train.loss", terms) == 9.0
    assert pruning.value_of(seen, "test.loss", terms) is None
    assert pruning.elbo_terms(jaxae.AE()) == ()


def test_a_pruned_search_trains_less_and_its_table_says_so(tmp_path: Path) -> None:
    how = {"trials": 8, "lanes": 4, "x": X, "layout": "map", "sampler": "random", "score": "validation.elbo"}
    results = jaxae.search(
        small.experiment(epochs=6),
        {"optimizer.learning_rate": jaxae.LogUniform(1e-6, 1e-1)},
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
        run_dir=tmp_path / "search",
        **how,
    )
    rows = list(results)
    pruned = [row for row in rows if row["status"] == "pruned"]
    assert pruned and all(row["epochs_run"] < 6 for row in pruned)
    assert all(row["epochs_run"] == 6 for row in rows if row["status"] == "finished")
    assert results.summary["n_pruned"].sum() == len(pruned)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "search" / "search" / "optuna.log"))
    (summary,) = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
    study = optuna.load_study(study_name=summary.study_name, storage=optuna.storages.JournalStorage(backend))
    states = [trial.state.name for trial in study.trials]
    assert states.count("PRUNED") == len(pruned) and states.count("COMPLETE") == len(rows) - len(pruned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pruner": "medain"}, "pruner: got 'medain'; did you mean 'median'"),
        ({"pruner": "median", "score": "test.elbo"}, "pruner: needs a score that is known after each epoch"),
    ],
)
def test_mistakes_are_reported(options: dict[str, Any], message: str) -> None:
    over = {"optimizer.learning_rate": jaxae.LogUniform(1e-5, 1e-1)}
    with pytest.raises(JaxaeError, match=message):
        jaxae.search(small.experiment(), over, trials=2, x=X, **options)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["map", "vmap"])
def test_a_pruned_search_that_is_stopped_goes_on_to_the_same_rows(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"optimizer.learning_rate": jaxae.LogUniform(1e-6, 1e-1)}
    how = {"trials": 8, "lanes": 4, "x": X, "layout": layout, "sampler": "random"}

    def search(name: str, **more: Any) -> dict[str, tuple[str, int, float]]:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
        results = jaxae.search(
            small.experiment(epochs=6), over, pruner=pruner, run_dir=tmp_path / name, **how, **more
        )
        return {row["run"]: (row["status"], row["epochs_run"], row["train.loss"]) for row in results}

    whole = search("whole")
    assert {status for status, _, _ in whole.values()} == {"finished", "pruned"}
    # Chunks of another length, and a stop in every second chunk.
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)
    seen: list[Any] = []
    for _ in range(12):
        stopped = search("part", callbacks=lambda progress: seen.append(progress) or len(seen) % 2 == 0)
    assert stopped == whole
