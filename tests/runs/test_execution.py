"""What a run leaves on the disk when it is stopped, fails or diverges, and that it goes on from there."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import jaxae
from jaxae.data.own.given_rows import GivenRows
from jaxae.errors import JaxaeError
from jaxae.runs import directory, opening
from jaxae.specs.pytree import replace
from jaxae.training import checkpoint
from tests import small

X = small.images()
RUN = Path("run")


class Usage(NamedTuple):
    free: int


class Failure(Exception):
    """An exception of a user's callback."""


def diverging(beta: float = 1.0, **changes: Any) -> jaxae.Experiment:
    """A run that diverges at step 2. A large weight makes the state after step 1 infinite, too."""
    vae = replace(small.member("VAE"), "beta", beta)
    return small.experiment(vae, optimizer=jaxae.SGD(learning_rate=1e36), **changes)


def saved_epochs() -> list[int]:
    return checkpoint.epochs(RUN / "checkpoints")


def test_the_history_of_each_checkpoint_is_on_the_disk_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, int]] = []
    fsync, save, history = os.fsync, checkpoint.save, RUN / directory.HISTORY

    def record_fsync(file: int) -> None:
        fsync(file)
        if history.exists() and os.path.samestat(os.fstat(file), history.stat()):
            events.append(("history", history.read_text().count("\n")))

    def record_save(folder: Path, epoch: int, *arguments: Any) -> None:
        save(folder, epoch, *arguments)
        events.append(("checkpoint", epoch))

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(checkpoint, "save", record_save)
    jaxae.fit(small.experiment(), X, run_dir=RUN)
    assert events == [(kind, epoch) for epoch in (1, 2, 3) for kind in ("history", "checkpoint")]


def test_a_diverged_state_that_is_not_finite_is_not_saved() -> None:
    with pytest.raises(jaxae.Diverged):
        jaxae.fit(diverging(1e6, checkpoint_every=9), X, run_dir=RUN)
    assert saved_epochs() == []


def test_the_last_good_state_of_a_diverged_run_is_saved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(jaxae.Diverged):
        jaxae.fit(diverging(), X, run_dir=RUN)
    assert saved_epochs() == [1]
    monkeypatch.setattr(checkpoint, "save", lambda *_: pytest.fail("saved again"))
    with pytest.raises(jaxae.Diverged, match="the run cannot be trained further"):
        jaxae.resume(RUN, X)


def test_an_epoch_that_diverged_has_no_checkpoint_though_it_is_due() -> None:
    seen: list[tuple[int, bool]] = []
    with pytest.raises(jaxae.Diverged):
        jaxae.fit(
            diverging(1e6, checkpoint_every=1),
            X,
            run_dir=RUN,
            callbacks=lambda epoch, saved: seen.append((epoch.epoch, saved)),
        )
    assert seen == [(1, False)] and saved_epochs() == []


def test_a_callback_that_stops_a_diverged_epoch_hides_no_divergence() -> None:
    with pytest.raises(jaxae.Diverged):
        jaxae.fit(diverging(), X, callbacks=lambda epoch, saved: True)


@pytest.mark.parametrize("failed", [1, 3])
def test_a_run_that_failed_between_two_checkpoints_goes_on_to_the_same_bits(failed: int) -> None:
    """Epochs whose lines are in the history, but that no checkpoint holds, are trained again."""

    def fail(epoch: Any, saved: bool) -> None:
        if epoch.epoch == failed and not saved:
            raise Failure

    experiment = small.experiment(checkpoint_every=2, epochs=4)
    whole = jaxae.fit(experiment, X)
    with pytest.raises(Failure):
        jaxae.fit(experiment, X, run_dir=RUN, callbacks=fail)
    assert directory.last_epoch(RUN) == failed and saved_epochs() == [2][: failed // 2]
    resumed = jaxae.resume(RUN, X)
    assert small.same_bits(resumed.outcome.carry, whole.outcome.carry)
    assert [line["train"] for line in jaxae.load(RUN, X).history] == [line["train"] for line in whole.history]


def test_a_loaded_run_has_the_history_of_its_checkpoint() -> None:
    """And not the lines of later epochs, which no checkpoint holds."""
    jaxae.fit(small.experiment(), X, run_dir=RUN, callbacks=lambda epoch, saved: True)
    directory.append_history(RUN, {"epoch": 2})
    assert [line["epoch"] for line in jaxae.load(RUN, X).history] == [1]


def test_while_a_stopped_run_trains_again_it_has_no_scores() -> None:
    """The scores of the epoch where a callback stopped it are not those of the run."""
    jaxae.fit(small.experiment(), X, run_dir=RUN, callbacks=lambda epoch, saved: True)
    assert directory.has_scores(RUN)
    seen: list[bool] = []
    jaxae.resume(RUN, X, callbacks=lambda epoch, saved: seen.append(directory.has_scores(RUN)))
    assert seen == [False, False]


def test_a_run_that_does_not_fit_on_the_disk_is_refused_before_it_starts_or_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jaxae.fit(small.experiment(), X, run_dir=RUN, callbacks=lambda epoch, saved: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free=1000))
    with pytest.raises(JaxaeError, match="new: 0.0 MiB are free on this disk"):
        jaxae.fit(small.experiment(), X, run_dir="new")
    assert not Path("new").exists()
    with pytest.raises(JaxaeError, match="run: 0.0 MiB are free on this disk"):
        jaxae.resume(RUN, X)
    assert directory.last_epoch(RUN) == 1


def test_a_full_disk_while_a_run_saves_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise ValueError("RESOURCE_EXHAUSTED: Error writing local file")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(OSError, match="run: the disk is full; checkpoints saved before are kept"):
        jaxae.fit(small.experiment(), X, run_dir=RUN)


def test_a_full_disk_while_scores_are_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write_json = directory.write_json

    def full(path: Path, value: Any) -> None:
        if path.name == directory.SCORES:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_json(path, value)

    monkeypatch.setattr(directory, "write_json", full)
    with pytest.raises(OSError, match="run: the disk is full; checkpoints saved before are kept"):
        jaxae.fit(small.experiment(), X, run_dir=RUN)
    assert saved_epochs() == [2, 3] and not directory.has_scores(RUN)


def test_of_two_runs_that_start_at_once_in_one_directory_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both find the directory empty; before this one has the lock, the other one trains to its end."""
    create, other = directory.create, []

    def create_late(*arguments: Any) -> Path:
        path = create(*arguments)
        if not other:
            other.append(path)
            other.append(jaxae.fit(small.experiment(), X, seed=1, run_dir="run"))
        return path

    monkeypatch.setattr(directory, "create", create_late)
    with pytest.raises(JaxaeError, match="--run-dir run: holds a run already"):
        jaxae.fit(small.experiment(), X, seed=0, run_dir=RUN)
    loaded = jaxae.load(RUN, X)
    assert loaded.run.seed == 1 and small.same_bits(loaded.outcome.carry, other[1].outcome.carry)


def test_a_new_run_is_written_under_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the lock of the directory that this one has found empty."""
    prepared = opening.prepare(small.experiment(), 0, GivenRows(X))
    RUN.mkdir()
    monkeypatch.setattr(directory, "create", lambda path, name, seed: RUN)
    with directory.lock(RUN), pytest.raises(directory.Held, match="is writing to this run"):
        opening.start(prepared, RUN, "run", [])
    assert not (RUN / directory.RECORD).exists()


def test_fit_and_resume_train_under_the_lock_of_the_run() -> None:
    seen: list[bool] = []

    def observe(epoch: Any, saved: bool) -> bool:
        seen.append(directory.is_held(RUN))
        return epoch.epoch == 1

    jaxae.fit(small.experiment(), X, run_dir=RUN, callbacks=observe)
    jaxae.resume(RUN, X, callbacks=observe)
    assert seen == [True] * 3 and not directory.is_held(RUN)
