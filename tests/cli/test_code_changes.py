"""Classes of one's own that change between two commands: found out, refused, accepted, recorded."""

import csv
import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.runs import directory, seals
from jaxae.runs.code import kept
from jaxae.runs.run_record import digest
from tests.cli.calling import Called, call, contents

LAYERS = """\
import jax.numpy as jnp


def block(x):
    return jnp.tanh(x)
"""
OWN = """\
import math

from flax import linen as nn

import jaxae
from layers import block

GAIN = 1.0


class Net(nn.Module):
    width: int = 4

    @nn.compact
    def __call__(self, x, shape):
        x = block(nn.Dense(self.width)(GAIN * x.reshape(len(x), -1)))
        return nn.Dense(math.prod(shape))(x).reshape(len(x), *shape)


experiment = jaxae.Experiment(
    data=jaxae.DataSpec(num_validation=100, num_test=100),
    model=jaxae.AE(encoder=Net(), decoder=Net(width=5), latent_dim=2),
    batch_size=100,
    epochs=2,
    checkpoint_every=1,
)
"""
EDITED = OWN.replace("GAIN = 1.0", "GAIN = 3.0")
TRAIN = ("train", "own.py", "--run-dir", "run")
SWEEP = ("sweep", "own.py", "--seeds", "1", "--run-dir", "s", "--over", "optimizer.learning_rate=0.001")


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`own.py` and `layers.py` in the working directory, imported by no earlier test."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "layers.py").write_text(LAYERS)
    forget()


def forget() -> None:
    """What another process would not know."""
    for name in [name for name in sys.modules if name == "layers" or name.startswith("jaxae_configs.")]:
        del sys.modules[name]


def again(*arguments: str) -> Called:
    """A command in a process of its own, as far as one's own classes go."""
    forget()
    return call(*arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `own.py`, not to be written to."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("own.py").write_text(OWN)
        Path("layers.py").write_text(LAYERS)
        called = again(*TRAIN)
    assert called.code == 0 and called.err == "", called
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return Path("run")


@pytest.fixture
def unfinished(run: Path) -> Path:
    (run / "scores.json").unlink()
    shutil.rmtree(run / "checkpoints" / "2")
    return run


def record(run: Path) -> dict[str, Any]:
    return seals.read(run / "record.json")


def losses(run: Path) -> list[float]:
    return [json.loads(line)["train"]["loss"] for line in (run / "history.jsonl").read_text().splitlines()]


def test_the_code_is_kept_and_named_in_the_record(run: Path) -> None:
    assert (run / "code" / "own.py").read_text() == OWN and (run / "code" / "layers.py").read_text() == LAYERS
    told = record(run)["code"]
    assert told["classes"] == {"jaxae_configs.own.Net": "own.py"} and told["entry"] == "own.py"
    assert told["definitions"].keys() == {"own.py", "layers.py"} and len(told["digest"]) == 64
    plain = {name: value for name, value in record(run).items() if name != "code"}
    assert digest(record(run)) != digest(plain), "another identity than the same record without code"


@pytest.mark.parametrize("command", ["evaluate", "sample", "resume"])
def test_a_changed_class_is_refused_in_one_line_and_nothing_is_written(command: str, run: Path) -> None:
    before = contents(run)
    Path("own.py").write_text(EDITED)
    called = again(command, "run", "--config", "own.py")
    assert called.code == 2 and called.err.count("\n") == 1 and contents(run) == before, called
    assert "run: the code of its classes has changed: own.py (GAIN)" in called.err
    assert "give --config run/code/own.py, the copy that was kept" in called.err
    assert "--accept-code-changes" in called.err


def test_a_changed_helper_is_refused_by_its_name(run: Path) -> None:
    Path("layers.py").write_text(LAYERS.replace("tanh", "sin"))
    called = again("evaluate", "run", "--config", "own.py")
    assert called.code == 2 and "has changed: layers.py (block)" in called.err, called


def test_comments_and_the_experiment_may_change(run: Path) -> None:
    told = (run / "scores.json").read_text()
    Path("own.py").write_text(
        OWN.replace("GAIN = 1.0", "GAIN = 1.0  # of the input").replace("epochs=2", "epochs=9")
    )
    called = again("evaluate", "run", "--config", "own.py")
    assert called.code == 0 and called.err == "" and (run / "scores.json").read_text() == told, called


def test_the_copy_that_was_kept_scores_the_run_as_before(run: Path) -> None:
    """Wherever the run was moved to, and whatever became of the files."""
    told = (run / "scores.json").read_text()
    for name in ("own.py", "layers.py"):
        Path(name).unlink()
    moved = run.rename("moved")
    refused = again("evaluate", "moved")
    assert refused.code == 2 and "give --config moved/code/own.py, the copy that was kept" in refused.err
    assert again("evaluate", "moved", "--config", "moved/code/own.py").code == 0
    assert (moved / "scores.json").read_text() == told


def test_changed_code_that_is_accepted_is_used_and_recorded(unfinished: Path, trained: Path) -> None:
    Path("own.py").write_text(EDITED)
    called = again("evaluate", "run", "--config", "own.py", "--accept-code-changes")
    assert called.code == 0 and "own.py (GAIN); continuing with the changed code" in called.err, called
    refused = again("resume", "run", "--config", "own.py")
    assert refused.code == 2, "accepted for reading, not for training on"
    called = again("resume", "run", "--config", "own.py", "--accept-code-changes")
    assert called.code == 0, called
    reading, training = record(unfinished)["code_changes"]
    assert (reading["trains"], training["trains"]) == (False, True)
    assert training["after_epoch"] == 2, "of the history, whose last epoch has no checkpoint"
    assert (unfinished / training["code"]["folder"] / "own.py").read_text() == EDITED
    assert (unfinished / "code" / "own.py").read_text() == OWN and record(unfinished)["code"] == record(
        trained
    )["code"]
    assert losses(unfinished)[0] == losses(trained)[0] and losses(unfinished)[1] != losses(trained)[1]
    quiet = again("evaluate", "run", "--config", "own.py")
    assert quiet.code == 0 and quiet.err == "", "what was accepted is not asked for again"


def test_from_python_as_well(run: Path) -> None:
    Path("own.py").write_text(EDITED)
    forget()
    jaxae.load_config("own.py")
    with pytest.raises(jaxae.JaxaeError, match=r"own.py \(GAIN\).*accept_code_changes=True"):
        jaxae.load("run")
    assert "code_changes" not in record(run)
    jaxae.load("run", accept_code_changes=True)
    assert len(record(run)["code_changes"]) == 1


def test_a_run_of_before_code_was_kept_is_read_with_one_warning(run: Path) -> None:
    told = record(run)
    del told["code"]
    directory.write_json(run / "record.json", told)
    called = again("show", "run", "--config", "own.py")
    assert called.code == 0 and called.err.count("\n") == 1, called
    assert "does not hold the code of Net, so later changes of it cannot be detected" in called.err


@pytest.mark.parametrize("value", [3, {"definitions": 3}, {"definitions": {"own.py": 3}}])
def test_a_record_whose_code_was_edited_is_one_line(value: Any, run: Path) -> None:
    directory.write_json(run / "record.json", {**record(run), "code": value})
    called = again("evaluate", "run", "--config", "own.py")
    reason = "got an invalid entry, expected an object as jaxae writes it"
    assert called.code == 2 and called.err == f"jaxae: run/record.json: code: {reason}\n", called


def test_a_record_with_own_classes_runs_again_to_the_same_bits(run: Path) -> None:
    """README promises it; the file that defines the classes is named by the user."""
    refused = again("train", "run/record.json", "--run-dir", "new")
    assert refused.code == 2 and "give --config run/code/own.py" in refused.err and not Path("new").exists()
    called = again("train", "run/record.json", "--config", "own.py", "--run-dir", "new")
    assert called.code == 0 and called.err == "" and losses(Path("new")) == losses(run), called
    assert record(Path("new"))["code"] == record(run)["code"]
    Path("own.py").write_text(EDITED)
    called = again("show", "run/record.json", "--config=own.py")
    assert called.code == 0 and "the code is not that of run/record.json: own.py (GAIN)" in called.err, called


def test_a_class_that_moved_to_another_file_is_found_there(run: Path) -> None:
    Path("own.py").rename("nets.py")
    told = (run / "scores.json").read_text()
    called = again("evaluate", "run", "--config", "nets.py")
    assert called.code == 0 and called.err == "" and (run / "scores.json").read_text() == told, called


def rows(folder: str) -> list[dict[str, str]]:
    with open(f"{folder}/results.csv") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_sweep_trains_what_has_changed_next_to_its_old_rows() -> None:
    assert again(*SWEEP).code == 0
    (before,) = rows("s")
    called = again(*SWEEP)
    assert "0 runs to train" in called.out and rows("s") == [before]
    Path("own.py").write_text(OWN.replace("GAIN = 1.0", "GAIN = 1.0  # a comment"))
    assert "0 runs to train" in again(*SWEEP).out
    Path("own.py").write_text(EDITED)
    called = again(*SWEEP, "--baseline", "optimizer.learning_rate=0.001")
    assert called.code == 0 and "1 run to train" in called.out, called
    assert "own.py (GAIN)" in called.err and called.err.count("\n") == 1
    old, new = rows("s")
    assert old == before and new["run"] != old["run"] and new["program"] != old["program"]
    assert new["code"] != old["code"] and new["train.loss"] != old["train.loss"]
    assert again("train", "own.py", "--run-dir", "single", "--optimizer.learning_rate", "0.001").code == 0
    single = seals.read(Path("single/scores.json"))["test"]
    assert np.isclose(float(new["test.squared_error"]), single["squared_error"], rtol=1e-5), (
        "the edited net's"
    )
    with open("s/summary.csv") as file:
        settings = list(csv.DictReader(file))
    assert [(each["code"], each["n"]) for each in settings] == [(old["code"], "1"), (new["code"], "1")]
    assert [each["baseline"] for each in settings] == ["False", "True"], "the present code's"
    assert Path(f"s/code/{old['code']}/own.py").read_text().endswith(OWN[-50:])
    assert Path(f"s/code/{new['code']}/own.py").read_text() == EDITED
    results = jaxae.load_sweep("s")
    assert results.load(new["run"]).scores["test"]["squared_error"] == float(new["test.squared_error"])
    with pytest.raises(jaxae.JaxaeError, match=rf"own.py \(GAIN\); .*s/code/{old['code']}/own.py"):
        results.load(old["run"])
    forget()
    jaxae.load_config(f"s/code/{old['code']}/own.py")
    assert jaxae.load_sweep("s").load(old["run"]).scores["test"]["squared_error"] == float(
        old["test.squared_error"]
    )


def test_a_run_of_a_notebook_is_evaluated_by_a_file_and_by_a_later_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def notebook(text: str) -> Any:
        main = types.ModuleType("__main__")
        vars(main).update({"In": ["", *text.split("\n\n\n")], "get_ipython": lambda: None})
        monkeypatch.setitem(sys.modules, "__main__", main)
        monkeypatch.syspath_prepend(str(Path.cwd()))
        exec(text, vars(main))
        return main

    main = notebook(OWN)
    scores = jaxae.fit(main.experiment, run_dir="run").scores
    assert record(Path("run"))["experiment"]["model"]["encoder"]["class"] == "__main__.Net"
    assert notebook(OWN) is not main and jaxae.load("run").scores == scores
    notebook(EDITED)
    with pytest.raises(jaxae.JaxaeError, match="this notebook or session.*GAIN"):
        jaxae.load("run")
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    copy = Path("run", "code", "main_classes.py")
    assert "jaxae.Experiment(" not in copy.read_text(), "definitions, and nothing that trains"
    refused = again("evaluate", "run")
    assert refused.code == 2 and f"give --config {copy}" in refused.err, refused
    told = Path("run", "scores.json").read_text()
    for file in (str(copy), "own.py"):
        called = again("evaluate", "run", "--config", file)
        assert called.code == 0 and called.err == "" and Path("run", "scores.json").read_text() == told, (
            called
        )
    Path("own.py").write_text(EDITED)
    called = again("evaluate", "run", "--config", "own.py")
    assert called.code == 2 and "own.py (GAIN)" in called.err, called


def test_kept_code_has_no_say_where_there_is_none() -> None:
    assert kept.latest({}) is None and kept.digest({"code": 3}) is None
