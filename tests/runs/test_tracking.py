"""Trackers of single runs: which numbers they get, and that a tracker that fails changes nothing."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.errors import Diverged, JaxaeError
from tests import small

X = small.images()
METHODS = ("start", "epoch", "figures", "scores", "end")


@dataclasses.dataclass
class Recording:
    """Keeps all calls; raises in the method `failing`."""

    failing: str = ""
    calls: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)

    def receive(self, method: str, *arguments: Any) -> None:
        self.calls.append((method, *arguments))
        if method == self.failing:
            raise ValueError("no\nnetwork")

    def start(self, run: Any) -> None:
        self.receive("start", run)

    def epoch(self, run: Any, epoch: int, numbers: Any) -> None:
        self.receive("epoch", run, epoch, numbers)

    def figures(self, run: Any, files: Any) -> None:
        self.receive("figures", run, files)

    def scores(self, run: Any, scores: Any) -> None:
        self.receive("scores", run, scores)

    def end(self, run: Any, status: str) -> None:
        self.receive("end", run, status)

    @property
    def methods(self) -> list[str]:
        return [call[0] for call in self.calls]


@pytest.fixture(scope="module")
def plain() -> jaxae.Result:
    return jaxae.fit(small.experiment(), X)


def test_a_tracker_gets_the_numbers_of_the_history_and_of_the_scores(plain: jaxae.Result) -> None:
    tracker = Recording()
    result = jaxae.fit(small.experiment(), X, seed=0, trackers=tracker)
    assert small.same_bits(result.variables, plain.variables) and result.scores == plain.scores
    assert tracker.methods == ["start", "epoch", "epoch", "epoch", "scores", "end"]
    run = tracker.calls[0][1]
    assert run.settings["model"] == "VAE" and run.settings["seed"] == 0 and run.settings["model.beta"] == 1.0
    assert (run.name, run.group, run.folder) == ("VAE", None, None)
    for (_, _, epoch, numbers), line in zip(tracker.calls[1:4], result.history, strict=True):
        expected = {
            f"{split}/{name}": value
            for split in ("train", "validation")
            for name, value in line[split].items()
        }
        assert epoch == line["epoch"] and numbers == {**expected, "seconds": line["seconds"]}
    scores = tracker.calls[4][2]
    assert scores["test/elbo"] == result.scores["test"]["elbo"] and not any(
        "train" in name for name in scores
    )
    assert tracker.calls[5][2] == "finished"


@pytest.mark.parametrize("method", METHODS)
def test_a_tracker_that_fails_is_reported_once_and_changes_nothing(
    method: str, plain: jaxae.Result, capsys: pytest.CaptureFixture
) -> None:
    broken, whole = Recording(method), Recording()
    result = jaxae.fit(small.experiment(), X, trackers=[broken, whole])
    assert small.same_bits(result.variables, plain.variables) and result.scores == plain.scores
    assert whole.methods == ["start", "epoch", "epoch", "epoch", "scores", "end"]
    error = capsys.readouterr().err
    if method == "figures":  # only the command line draws figures
        assert error == ""
        return
    assert error == (
        f"jaxae: warning: tracker Recording: {method} failed with ValueError: no network; the run goes on"
        " without it\n"
    )
    assert broken.methods == whole.methods[: whole.methods.index(method) + 1]


def test_a_run_that_stops_and_is_resumed_keeps_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracker, stop = Recording(), lambda epoch, saved: epoch.epoch == 2
    jaxae.fit(small.experiment(), X, run_dir="run", trackers=tracker, callbacks=stop)
    assert tracker.calls[-1][2] == "stopped" and tracker.calls[0][1].name == "run"
    again = Recording()
    jaxae.resume("run", X, trackers=again)
    assert again.methods == ["start", "epoch", "scores", "end"] and again.calls[1][2] == 3
    assert again.calls[0][1].id == tracker.calls[0][1].id
    other = Recording()
    jaxae.fit(small.experiment(), X, run_dir="other", trackers=other)
    assert other.calls[0][1].id != tracker.calls[0][1].id


def test_a_run_that_diverges_or_is_interrupted_says_so() -> None:
    tracker = Recording()
    diverging = small.experiment(optimizer=jaxae.SGD(learning_rate=1e30))
    with pytest.raises(Diverged):
        jaxae.fit(diverging, X, trackers=tracker)
    assert tracker.calls[-1][::2] == ("end", "diverged")

    def press(epoch: Any, saved: bool) -> None:
        raise KeyboardInterrupt

    tracker = Recording()
    with pytest.raises(KeyboardInterrupt):
        jaxae.fit(small.experiment(), X, trackers=tracker, callbacks=press)
    assert tracker.calls[-1][::2] == ("end", "interrupted")


@pytest.mark.parametrize(
    ("trackers", "message"),
    [
        ("wandbb", "trackers: got 'wandbb'; did you mean 'wandb'"),
        (Recording, "trackers: got .*expected one of"),
        ([3], "trackers: got 3, expected one of"),
    ],
)
def test_a_wrong_tracker_is_a_mistake_before_anything_is_written(
    trackers: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(JaxaeError, match=message):
        jaxae.fit(small.experiment(), X, run_dir=tmp_path / "run", trackers=trackers)
    assert not (tmp_path / "run").exists()
