"""A user's own classes from training to a sweep: interrupted, resumed, loaded by record, measured, swept."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.runs import seals
from jaxae.runs.result import Result
from jaxae.specs.pytree import get
from tests import small
from tests.cli.calling import call
from tests.conftest import forget_programs
from tests.outside import cases, members
from tests.outside.test_members import ROOT

GROUPS = "likelihood", "annealing", "exact", "gaps", "health"  # of a part; of an own model all
FAST = ("optimiser and phases",)
EACH = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in cases.CASES]


@pytest.fixture(autouse=True)
def without_programs_of_other_cases() -> Iterator[None]:
    """Each case compiles a few hundred programs: those of all cases at once are too many for one process."""
    yield
    forget_programs()
    gc.collect()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Rows and labels that the command line reads too."""
    np.savez(tmp_path / "rows.npz", x=small.images(), y=small.labels(90))
    return tmp_path / "rows.npz"


def of_file(name: str, file: Path) -> jaxae.Experiment:
    """Two epochs of a case, on the rows of a file."""
    data = jaxae.DataSpec(name=str(file), num_validation=20, num_test=20)
    return cases.experiment(name, data=data, epochs=2)


def stopped(experiment: jaxae.Experiment, folder: Path, **how: Any) -> Result:
    """A run that is stopped after its first epoch."""
    result = jaxae.fit(experiment, run_dir=folder, callbacks=lambda *seen: True, **how)
    assert len(result.history) == 1
    return result


def assert_same(left: Result, right: Result) -> None:
    assert small.same_bits(left.outcome.carry, right.outcome.carry)
    assert left.scores == right.scores and len(left.scores["test"])


@pytest.mark.parametrize("name", EACH)
def test_a_resumed_run_equals_one_that_was_never_interrupted(name: str, file: Path, tmp_path: Path) -> None:
    whole = jaxae.fit(of_file(name, file), run_dir=tmp_path / "whole")
    stopped(of_file(name, file), tmp_path / "part")
    assert_same(jaxae.resume(tmp_path / "part"), whole)
    loaded = jaxae.load(tmp_path / "part")
    assert loaded.experiment == whole.experiment and loaded.scores == whole.scores
    assert type(loaded.experiment.model) is type(cases.CASES[name].model)
    assert small.same_bits(loaded.variables, whole.variables)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.CASES)
def test_a_run_is_measured_and_swept(name: str, file: Path, tmp_path: Path) -> None:
    result = jaxae.fit(of_file(name, file), run_dir=tmp_path / "run")
    is_own = type(result.experiment.model).__module__ == members.__name__
    measured = jaxae.measure(result, "all" if is_own else GROUPS, **cases.QUICK)
    assert not measured.failed and not any("attribute" in reason for reason in measured.absent.values())
    called = call("evaluate", str(tmp_path / "run"), "--measures", "health")
    assert called.code == 0 and seals.read(tmp_path / "run/measures.json")["health"]
    over = cases.CASES[name].over
    results = jaxae.sweep(of_file(name, file), over, seeds=1, layout="map", progress=False)
    (swept, values), table = next(iter(over.items())), results.table
    assert list(table["status"]) == ["finished"] * len(values)
    (row,) = table[table[swept] == get(result.experiment, swept)].to_dict("records")
    for score, value in result.scores["validation"].items():
        assert row[f"validation.{score}"] == pytest.approx(value, rel=1e-5), score


@pytest.mark.slow
def test_the_command_line_takes_a_users_classes_in_a_new_process(tmp_path: Path) -> None:
    """Trained from a config, swept, then read by its record in processes that have seen no class yet."""
    name = "sampled likelihood, factorised posterior, schedule, optimiser"
    (tmp_path / "own.py").write_text(
        "import dataclasses\nfrom tests.outside import cases\nfrom tests.outside.parts import TiltedUniform\n"
        f"made = cases.experiment({name!r}, epochs=2)\n"
        'experiment = dataclasses.replace(made, data=dataclasses.replace(made.data, name="rows.npz"))\n'
    )
    np.savez(tmp_path / "rows.npz", x=small.images(), y=small.labels(90))
    field = "--model.likelihood.initial_scale"
    jaxae_command(tmp_path, "train", "own.py", "--run-dir", "run", field, "0.25")
    record = seals.read(tmp_path / "run/record.json")["experiment"]["model"]
    assert record["likelihood"] == {"class": "tests.outside.parts.Laplace", "initial_scale": 0.25}
    scores = (tmp_path / "run/scores.json").read_text()
    refused = jaxae_command(tmp_path, "evaluate", "run", code=2)
    assert (
        "unknown class tests.outside.parts.LaplacePosterior" in refused.stderr or "Laplace" in refused.stderr
    )
    assert refused.stderr.count("\n") == 1 and "--config" in refused.stderr
    jaxae_command(tmp_path, "evaluate", "run", "--config", "own.py")
    assert (tmp_path / "run/scores.json").read_text() == scores
    jaxae_command(tmp_path, "resume", "run", "--config", "own.py")
    jaxae_command(tmp_path, "train", "own.py", "--run-dir", "other", "--model.likelihood", "TiltedUniform")
    record = seals.read(tmp_path / "other/record.json")["experiment"]["model"]
    assert record["likelihood"] == {"class": "tests.outside.parts.TiltedUniform"}
    jaxae_command(tmp_path, "sweep", "own.py", "--over", "model.beta.rate=0.01,0.1", "--seeds", "1")


def jaxae_command(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
    """`jaxae` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])}
    command = [sys.executable, "-m", "jaxae", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


WORDS = np.array(["a red", "a tall", "the tall"])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `StepTokenizer` on images whose labels are two words."""
    folder = tmp_path_factory.mktemp("outside")
    np.savez(folder / "rows.npz", x=small.images(), y=WORDS[small.labels(90)])
    jaxae.fit(of_file("tokenizer", folder / "rows.npz"), run_dir=folder / "run")
    return folder / "run"


def of_tokens(name: str, tokenizer: Path) -> jaxae.Experiment:
    """Two epochs of a model of its tokens."""
    cls, fields = cases.TOKEN_MODELS[name]
    kind = "captions" if "captions" in name else "tokens"
    return jaxae.Experiment(
        data=jaxae.DataSpec(name=f"{kind}:{tokenizer}"), model=cls(**fields), epochs=2, batch_size=10
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.TOKEN_MODELS)
def test_a_model_of_tokens_is_trained_resumed_loaded_measured_and_swept(
    name: str, tokenizer: Path, tmp_path: Path
) -> None:
    experiment = of_tokens(name, tokenizer)
    whole = jaxae.fit(experiment, run_dir=tmp_path / "whole")
    stopped(experiment, tmp_path / "part")
    assert_same(jaxae.resume(tmp_path / "part"), whole)
    loaded = jaxae.load(tmp_path / "part")
    condition = loaded.experiment.model.condition
    y: Any = None if condition is None else "the tall" if condition.length == 2 else 2
    tokens = loaded.sample_tokens(20, seed=1, y=y)
    assert tokens.shape == (20, 2) and tokens.min() >= 0 and tokens.max() < 4
    assert loaded.sample(3, y=y).shape == (3, 4, 4, 1)
    measured = jaxae.measure(loaded, "tokens", **cases.QUICK)
    assert not measured.failed and {row.measure for row in measured["tokens"]} >= {"log_prob", "elbo"}
    sweep = jaxae.sweep(experiment, {"optimizer.learning_rate": [1e-3, 1e-2]}, seeds=1, progress=False)
    assert list(sweep.table["status"]) == ["finished", "finished"]
    if condition is not None:
        wrong: Any = np.full((20, 2), 9) if condition.length == 2 else np.full((20, 2), 0)
        with pytest.raises(jaxae.JaxaeError, match="^y: got"):
            loaded.sample_tokens(20, y=wrong)
