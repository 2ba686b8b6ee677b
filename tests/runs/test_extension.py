"""A run that is extended against a run that had its length from the start: equal to the bit."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.cli.main import run as command
from jaxae.errors import JaxaeError
from jaxae.runs import directory, run_record, seals
from jaxae.training import checkpoint
from tests import small
from tests.runs.test_result import assert_same

X = small.images()
AE = small.member("AE")


def experiment(**changes: Any) -> jaxae.Experiment:
    return small.experiment(AE, **changes)


@pytest.fixture(scope="module")
def whole() -> jaxae.Result:
    return jaxae.fit(experiment(epochs=5), X)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three epochs; copy it before it is written to."""
    path = tmp_path_factory.mktemp("finished") / "run"
    jaxae.fit(experiment(), X, run_dir=path)
    directory.write_json(path / directory.MEASURES, {"of": "three epochs"})
    return path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_finished_run_becomes_the_longer_one(run: Path, whole: jaxae.Result) -> None:
    scores = (run / "scores.json").read_text()
    extended = jaxae.resume(run, X, epochs=5)
    assert_same(extended, whole)
    assert_same(jaxae.load(run, X), whole)
    (change,) = seals.read(run / "record.json")["extended"]
    assert (change["epochs"], change["steps"], change["trained"], change["from_epoch"]) == (3, None, 3, 3)
    # The scores of three epochs are kept under a name that says so, and the measures too.
    assert (run / "scores-3-epochs.json").read_text() == scores
    assert not (run / "measures.json").exists() and (run / "measures-3-epochs.json").exists()
    assert directory.is_finished(run)
    # A run that has the length already is not changed.
    before = (run / "record.json").read_bytes()
    assert_same(jaxae.resume(run, X, epochs=5), whole)
    assert (run / "record.json").read_bytes() == before


@pytest.mark.slow
def test_a_run_is_extended_twice_and_to_steps(run: Path) -> None:
    jaxae.resume(run, X, epochs=4)
    # 50 rows in batches of 10: 23 steps are four epochs and three steps.
    extended = jaxae.resume(run, X, steps=23)
    assert_same(extended, jaxae.fit(experiment(steps=23), X))
    record = seals.read(run / "record.json")
    assert [change["epochs"] for change in record["extended"]] == [3, 4]


@pytest.mark.parametrize("border", [1, 2])
def test_an_interrupted_run_is_extended(border: int, tmp_path: Path, whole: jaxae.Result) -> None:
    path = tmp_path / "run"
    jaxae.fit(experiment(), X, run_dir=path, callbacks=lambda epoch, saved: epoch.epoch == border)
    assert_same(jaxae.resume(path, X, epochs=5), whole)


@pytest.mark.slow
def test_the_last_epoch_is_trained_again_if_the_longer_run_has_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Epoch 3 is validated as the last one only; a run of five epochs validates 2, 4 and 5."""
    changes: dict[str, Any] = {"validate_every": 2}
    jaxae.fit(experiment(**changes), X, run_dir=tmp_path / "run")
    extended = jaxae.resume(tmp_path / "run", X, epochs=5)
    assert_same(extended, jaxae.fit(experiment(**changes, epochs=5), X))
    warning = capsys.readouterr().err
    # Epoch 3 of the shorter run is no damaged checkpoint: it is deleted.
    assert "has 3 epochs and goes on from epoch 2" in warning and warning.count("\n") == 1
    assert not list((tmp_path / "run" / "checkpoints").glob("*.bad-*"))
    # The same for an epoch that `steps` cut short.
    jaxae.fit(experiment(steps=12), X, run_dir=tmp_path / "cut")
    assert_same(jaxae.resume(tmp_path / "cut", X, epochs=5), jaxae.fit(experiment(epochs=5), X))
    assert "has 3 epochs and goes on from epoch 2" in capsys.readouterr().err


@pytest.mark.slow
def test_schedules_of_the_optimiser_go_on_and_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = jaxae.Adam(learning_rate=jaxae.schedules.Cosine(start=0.01, end=0.001, steps=15.0))
    jaxae.fit(experiment(optimizer=rate), X, run_dir=tmp_path / "run")
    extended = jaxae.resume(tmp_path / "run", X, epochs=5)
    assert_same(extended, jaxae.fit(experiment(optimizer=rate, epochs=5), X))
    line = "optimizer.learning_rate: Cosine is not stretched to the new length: 0.001 at step 15"
    assert line in capsys.readouterr().err


def beta(**schedule: Any) -> Any:
    return jaxae.VAE(**small.NETS, latent_dim=3, beta=jaxae.schedules.Linear(**schedule))


@pytest.mark.parametrize(
    ("changes", "length", "message"),
    [
        pytest.param(
            {"model": beta(steps=100.0)},
            {"epochs": 5},
            "model.beta: depends on the length: 0.15 at step 15",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"early_stopping": jaxae.EarlyStopping(patience=1)},
            {"epochs": 5},
            "early_stopping: .*stopped",
            marks=pytest.mark.slow,
        ),
        ({}, {"epochs": 2}, "epochs: got 2, but .* has trained 3 already"),
        ({}, {"steps": 14}, "steps: got 14, but .* has trained 15 already"),
        ({}, {"epochs": 5, "steps": 14}, "epochs and steps: both are given"),
        ({}, {"epochs": 0}, "epochs: got 0"),
    ],
)
def test_what_cannot_be_extended_says_why_and_changes_nothing(
    changes: dict[str, Any], length: dict[str, int], message: str, run: Path, tmp_path: Path
) -> None:
    if changes:
        run = tmp_path / "another"
        # A learning rate of 0: no validation improves after the first, so that early stopping comes.
        still = jaxae.SGD(learning_rate=0.0) if "early_stopping" in changes else jaxae.Adam()
        model = changes.pop("model", AE)
        jaxae.fit(small.experiment(model, optimizer=still, **changes), X, run_dir=run)
    before = {path.name: path.read_bytes() for path in run.glob("*.json*")}
    with pytest.raises(JaxaeError, match=message):
        jaxae.resume(run, X, **length)
    assert {path.name: path.read_bytes() for path in run.glob("*.json*")} == before
    assert directory.is_finished(run)


@pytest.mark.slow
def test_a_schedule_that_has_ended_does_not_depend_on_the_length(tmp_path: Path) -> None:
    ended = beta(steps=10.0)
    jaxae.fit(small.experiment(ended), X, run_dir=tmp_path / "run")
    assert_same(jaxae.resume(tmp_path / "run", X, epochs=4), jaxae.fit(small.experiment(ended, epochs=4), X))


@pytest.mark.slow
def test_a_run_that_diverged_is_not_extended(tmp_path: Path) -> None:
    wild = experiment(optimizer=jaxae.SGD(learning_rate=1e30))
    with pytest.raises(jaxae.Diverged):
        jaxae.fit(wild, X, run_dir=tmp_path / "run")
    before = (tmp_path / "run/record.json").read_bytes()
    with pytest.raises(JaxaeError, match="diverged at step"):
        jaxae.resume(tmp_path / "run", X, epochs=5)
    assert (tmp_path / "run/record.json").read_bytes() == before


def test_a_run_of_a_sweep_is_not_extended(run: Path) -> None:
    """Its last state is that of its best epoch, so that later epochs would start from there."""
    record = seals.read(run / "record.json")
    directory.write_json(run / "record.json", {**record, "sweep": {"run": "1a2b"}})
    before = (run / "record.json").read_bytes()
    with pytest.raises(JaxaeError, match="run: is a run of a sweep, of which only the best epoch is kept"):
        jaxae.resume(run, X, epochs=5)
    assert (run / "record.json").read_bytes() == before


def test_a_run_that_was_saved_from_a_sweep_is_not_extended(run: Path) -> None:
    """`Result.save` keeps no note of the sweep, but the state has taken fewer steps than the epochs have."""
    carry = jaxae.load(run, X).outcome.carry
    best = carry._replace(state=carry.state._replace(step=np.int32(10)))
    checkpoint.save(run / "checkpoints", 3, best, run_record.fingerprint(run))
    with pytest.raises(JaxaeError, match="run: was saved from a sweep with its best epoch only"):
        jaxae.resume(run, X, epochs=5)


class Kill(BaseException):
    """The end of the process, as far as a test can have it inside one."""


@pytest.mark.parametrize("moment", ["before the record", "after the record", "after the first name"])
def test_a_kill_leaves_the_old_run_or_the_extended_one(
    moment: str, run: Path, whole: jaxae.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = jaxae.load(run, X)

    def kill(*arguments: Any) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        if moment == "before the record":
            patch.setattr(directory, "write_json", kill)
        elif moment == "after the record":
            patch.setattr(directory, "rename_old_scores", kill)
        else:
            replace = Path.replace

            def replace_once(self: Path, target: Any) -> Path:
                if self.name == directory.SCORES:
                    raise Kill
                return replace(self, target)

            patch.setattr(Path, "replace", replace_once)
        with pytest.raises(Kill):
            jaxae.resume(run, X, epochs=5)
    if moment == "before the record":
        assert directory.is_finished(run) and jaxae.load(run, X).scores == before.scores
        assert_same(jaxae.resume(run, X), before)
        return
    # The scores of three epochs are not those of the longer run.
    assert not directory.is_finished(run) and jaxae.load(run, X).scores == {}
    assert_same(jaxae.resume(run, X), whole)
    assert (run / "scores-3-epochs.json").exists() and not (run / "measures.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [4, 5])
def test_an_extended_run_survives_a_real_kill(epoch: int, tmp_path: Path, whole: jaxae.Result) -> None:
    np.save(tmp_path / "x.npy", X)
    code = (
        "import os, signal, sys, numpy as np, jaxae\n"
        "def kill(result, saved):\n"
        f"    if result.epoch == {epoch}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "jaxae.resume('run', np.load('x.npy'), epochs=5, callbacks=kill)\n"
    )
    jaxae.fit(experiment(), X, run_dir=tmp_path / "run")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not directory.is_finished(tmp_path / "run") and jaxae.load(tmp_path / "run", X).scores == {}
    assert_same(jaxae.resume(tmp_path / "run", X), whole)


@pytest.mark.slow
def test_the_command_line_extends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(
        "import jaxae\n"
        "experiment = jaxae.Experiment(model=jaxae.AE(latent_dim=2, encoder=jaxae.MLP(widths=(8,)), "
        "decoder=jaxae.MLP(widths=(8,))), epochs=1)\n"
    )
    assert command(["train", "mine.py", "--run-dir", "run"]) == 0
    assert command(["resume", "run", "--epochs", "2"]) == 0
    assert command(["resume", "run", "--epochs", "2"]) == 0
    output = capsys.readouterr().out
    assert "epoch 2/2" in output and "already finished" in output
    assert command(["resume", "run", "--epochs", "1"]) == 2
    assert "epochs: got 1, but run has trained 2 already" in capsys.readouterr().err
    assert jaxae.load("run").scores["epochs_run"] == 2
