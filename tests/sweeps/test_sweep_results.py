"""Runs of a sweep by SWEEP:ID and SWEEP:best, as runs with a directory, compared and measured."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.runs import directory, paired_rows, references, seals, status
from jaxae.runs.comparison import best_of, flat
from jaxae.runs.paired_rows import paired_interval
from jaxae.sweeps import sweep_results, sweep_status
from tests import small
from tests.cli.calling import CONFIG, call, contents

OVER = {"optimizer.learning_rate": [1e-3, 1e-2]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two settings and two seeds over the digits, not to be written to."""
    folder = tmp_path_factory.mktemp("sweep") / "s"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        Path("small.py").write_text(CONFIG)
        experiment = jaxae.Experiment(
            data=jaxae.DataSpec(num_validation=100, num_test=100),
            model=jaxae.AE(encoder=jaxae.MLP(widths=(8,)), decoder=jaxae.MLP(widths=(8,)), latent_dim=2),
            epochs=2,
        )
        jaxae.sweep(experiment, OVER, seeds=2, run_dir=folder, name="rates", tags="t", progress=False)
    return folder


@pytest.fixture
def sweep(made: Path, tmp_path: Path) -> Path:
    """The sweep in the working directory, by its relative name."""
    shutil.copytree(made, tmp_path / "s")
    return Path("s")


def best_row(sweep: Path) -> dict[str, Any]:
    """The best run by hand: the lower mean of its setting, then the lower loss."""
    table = jaxae.read_table(sweep)
    means = table.groupby("optimizer.learning_rate")["validation.loss"].mean()
    rows = table[table["optimizer.learning_rate"] == means.idxmin()]
    return rows.loc[rows["validation.loss"].idxmin()].to_dict()


def test_best_and_an_id_load_a_run_and_write_nothing(sweep: Path) -> None:
    row, before = best_row(sweep), contents(sweep)
    best, by_id = jaxae.load("s:best"), jaxae.load(f"s:{row['run'][:6]}")
    assert contents(sweep) == before
    assert best.run.seed == row["seed"] and best.scores["test"]["loss"] == row["test.loss"]
    assert small.same_bits(best.variables, by_id.variables)
    assert small.same_bits(best.variables, jaxae.load_sweep(sweep).best().variables)


def test_a_run_gets_a_directory_that_is_a_finished_run(sweep: Path) -> None:
    row = best_row(sweep)
    folder = references.resolve("s:best")
    assert folder == sweep / "runs" / row["run"] and references.is_extracted(folder)
    result = jaxae.load(folder)
    assert small.same_bits(result.variables, jaxae.load("s:best").variables)
    assert result.scores == jaxae.load("s:best").scores
    record = seals.read(folder / "record.json")
    assert record["sweep"] == {"run": row["run"], "optimizer.learning_rate": 0.01}
    assert record["versions"]["jax"] == row["version.jax"] and record["seed"] == row["seed"]
    before = contents(sweep)
    assert references.resolve(f"s:{row['run']}") == folder and contents(sweep) == before
    assert status.read(folder)["status"] == "finished"


def test_half_a_directory_of_a_killed_process_is_no_run(sweep: Path) -> None:
    left = sweep / "runs" / ".123" / best_row(sweep)["run"]
    left.mkdir(parents=True)
    assert (references.resolve("s:best") / "record.json").exists()


def test_a_kill_while_a_run_is_extracted_leaves_no_run(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kill(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Kill

    folder = sweep / "runs" / best_row(sweep)["run"]
    with monkeypatch.context() as patch:
        patch.setattr(sweep_results, "record_of", kill)
        with pytest.raises(Kill):
            references.resolve("s:best")
    assert not folder.exists()
    assert "sweep" in json.loads((references.resolve("s:best") / "record.json").read_text())


@pytest.mark.parametrize(
    "text, message",
    [
        ("s:zzz", "run 'zzz': "),
        ("s:", "s:: names no run; name one of its runs: s:best, or s:ID (`jaxae ls s` lists the ids)"),
        ("s", "s: is a sweep; name one of its runs: s:best, or s:ID (`jaxae ls s` lists the ids)"),
        ("s/groups:best", "s/groups:best: s/groups holds no sweep; expected SWEEP:ID or SWEEP:best"),
    ],
)
def test_a_text_that_names_no_run_is_one_line(text: str, message: str, sweep: Path) -> None:
    for read in (references.resolve, jaxae.load, jaxae.load_config):
        with pytest.raises(jaxae.JaxaeError) as caught:
            read(text)
        assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_paths_with_a_colon_are_paths(tmp_path: Path) -> None:
    Path("a:best").mkdir()
    assert references.parse("a:best") is None and references.parse("nowhere:best") is None
    Path("C").mkdir()  # a drive on Windows is no sweep
    assert references.parse("C:runs") is None


def test_a_sweep_whose_states_were_not_kept_has_no_runs_to_load(sweep: Path) -> None:
    shutil.rmtree(next((sweep / "groups").iterdir()) / "kept")
    with pytest.raises(jaxae.JaxaeError, match="missing"):
        references.resolve("s:best")
    assert not any((sweep / "runs").glob("*"))


def test_the_status_of_a_sweep_counts_its_runs(sweep: Path, tmp_path: Path) -> None:
    state = sweep_status.read(sweep)
    assert (state["status"], state["num_runs"], state["counts"]) == ("finished", 4, {"finished": 4})
    row = jaxae.list_runs(".").iloc[0]
    assert (row["path"], row["kind"], row["name"], row["tags"]) == ("s", "sweep", "rates", ["t"])
    assert row["score"] == "validation.loss" and not row["higher_is_better"]
    summary = jaxae.load_sweep(sweep).summary
    assert row["value"] == summary[summary["best"]]["validation.loss"].iloc[0]
    # The counts are read from the rows if the file lacks them, as for an older sweep.
    (sweep / "status.json").unlink()
    assert sweep_status.read(sweep)["counts"] == {"finished": 4}
    runs = jaxae.list_runs(sweep, sort="score")
    assert runs["path"].iloc[0] == f"s:{best_row(sweep)['run']}" and len(runs) == 4


def test_runs_that_train_have_their_losses_in_the_status(sweep: Path) -> None:
    group = next((sweep / "groups").iterdir())
    (group / "rows.jsonl").unlink()
    runs = seals.read(group / "runs.json")["runs"]
    lane = {"train": {"loss": 3.0}, "validation": {"loss": 4.0}, "best_epoch": 1, "best_loss": 4.0}
    lanes = [
        {**lane, "run": run, "seed": seed, "epoch": 1, "first_bad_step": None, "is_live": True}
        for run, seed, _ in runs[:2]
    ]
    lanes[1] |= {"first_bad_step": 6, "is_live": False}
    writer = status.process()
    directory.write_json(group / "progress.json", {"epochs": 2, "lanes": lanes, "writer": writer})
    with directory.lock(group):
        state = sweep_status.read(sweep)
        assert state["status"] == "running"
        assert state["counts"] == {"running": 1, "diverged": 1, "waiting": 2}
        called = call("watch", str(sweep))
        assert f"{runs[0][0]}  0.001" in called.out and "running" in called.out and called.code == 0
    state = sweep_status.read(sweep)
    assert state["status"] != "running" and state["counts"]["interrupted"] == 1
    # Statistics are made of finished runs alone.
    assert len(jaxae.load_sweep(sweep).rows) == 0


def test_a_comparison_has_what_differs_and_the_differences_of_rows(sweep: Path) -> None:
    first, second = (f"s:{run}" for run in jaxae.read_table(sweep).query("seed == 0")["run"])
    comparison = jaxae.compare(first, second)
    assert comparison.differences == {"optimizer.learning_rate": [0.001, 0.01]}
    rows = {f"{row['split']}.{row['score']}": row for row in comparison.score_rows}
    assert rows["test.loss"]["best"] == 1 and rows["test.squared_error"]["unit"].startswith("data unit")
    # By another route: the rows of both, and the difference of the two means.
    a, b = jaxae.load(first), jaxae.load(second)
    errors = [((each.test.x - each.reconstruct(each.test)) ** 2).sum((1, 2, 3)) for each in (a, b)]
    pair = next(row for row in comparison.pairs if row["score"] == "squared_error")
    difference = errors[1] - errors[0]
    assert pair["num"] == 100 and pair["difference"] == pytest.approx(difference.mean(), rel=1e-4)
    half = 1.96 * difference.std(ddof=1) / 10
    assert pair["high"] - pair["difference"] == pytest.approx(half, rel=1e-3)
    means = rows["test.squared_error"]["values"]
    assert pair["difference"] == pytest.approx(means[1] - means[0], rel=1e-4)
    assert pair["verdict"] == "better"
    assert "squared_error" in str(comparison) and "optimizer.learning_rate" in str(comparison)
    assert list(comparison.scores.columns)[4:] == [first, second, "best"] and len(comparison.settings) == 1


@pytest.mark.parametrize(
    "change, is_same",
    [
        ({}, True),
        ({"num_test": 19}, False),
        ({"split_seed": 1}, False),
        ({"num_validation": 0}, True),
        ({"binarize": "none"}, False),
    ],
)
def test_only_runs_with_the_same_test_rows_are_paired(change: dict[str, Any], is_same: bool) -> None:
    def result(**changes: Any) -> Any:
        asked = small.experiment(data=dataclasses.replace(small.experiment().data, **changes))
        return SimpleNamespace(experiment=asked, run=SimpleNamespace(dataset=small.dataset(asked)))

    reason = paired_rows._difference_of_rows(result(), result(**change))
    assert reason is None if is_same else "has other test rows than the first run" in str(reason)


@pytest.mark.parametrize("runs", [(), ("s:best",), ("s:best", "s:best"), ("s:best", "nowhere")])
def test_a_comparison_needs_two_runs(runs: tuple[str, ...], sweep: Path) -> None:
    with pytest.raises(jaxae.JaxaeError, match="expected two or more|no such run"):
        jaxae.compare(*runs)


def test_the_best_value_is_that_of_its_direction_and_ties_have_none() -> None:
    assert best_of([1.0, 2.0, None], True) == 1 and best_of([1.0, 2.0], False) == 0
    assert best_of([1.0, 1.0], True) is None and best_of([1.0, None], True) is None
    assert best_of([float("nan"), 1.0, 2.0], False) == 1


def test_a_paired_interval_is_that_of_the_differences() -> None:
    random = np.random.default_rng(0)
    hard = random.normal(size=400)
    pair = paired_interval(hard, hard + 0.1 + 0.05 * random.normal(size=400), higher_is_better=True)
    assert pair["low"] < 0.1 < pair["high"] and pair["high"] - pair["low"] < 0.02
    assert pair["verdict"] == "better"
    assert paired_interval(hard, hard, False)["verdict"] == "no difference seen"


def test_settings_are_flat_with_parts_by_their_classes() -> None:
    model = {"class": "jaxae.Stacked", "stages": [{"class": "jaxae.AE", "beta": 1.0}, {"class": "jaxae.VAE"}]}
    assert flat({"class": "jaxae.Experiment", "model": model, "epochs": 3}) == {
        "model": "Stacked",
        "model.stages.0": "AE",
        "model.stages.0.beta": 1.0,
        "model.stages.1": "VAE",
        "epochs": 3,
    }


@pytest.mark.slow
def test_evaluate_measures_all_seeds_of_the_best_setting(sweep: Path) -> None:
    called = call("evaluate", "s", "--measures", "reconstruction", "--num-rows", "20")
    assert called.code == 0 and called.err == "", called
    assert "s: the best setting is optimizer.learning_rate=0.01; seeds 0 1" in called.out
    assert "s, mean of 2 seeds with its 95 % interval" in called.out
    folders = [
        sweep / "runs" / run for run in jaxae.read_table(sweep)["run"] if (sweep / "runs" / run).exists()
    ]
    assert len(folders) == 2
    values = []
    for folder in folders:
        rows = seals.read(folder / "measures.json")["reconstruction"]
        values.append(next(row["value"] for row in rows if row["measure"] == "squared_error"))
    mean, half = np.mean(values), 12.7062 * np.std(values, ddof=1) / np.sqrt(2)  # t of 1 degree of freedom
    expected = f"squared_error  {mean:.5g} [{mean - half:.5g}, {mean + half:.5g}]"
    assert expected in called.out, (expected, called.out)


@pytest.mark.slow
def test_all_commands_take_a_run_of_a_sweep(sweep: Path) -> None:
    run = best_row(sweep)["run"]
    for words in (
        ("show", "s:best"),
        ("evaluate", "s:best"),
        ("evaluate", "s"),
        ("export", "s:best", "--format", "safetensors"),
        ("train", f"s:{run[:5]}", "--epochs", "1", "--run-dir", "again"),
    ):
        called = call(*words)
        assert called.code == 0 and called.err == "", called
    called = call("resume", "s:best")
    assert called.code == 2 and "the same `jaxae sweep` command resumes a sweep" in called.err
    called = call("sample", "s")
    assert called.code == 2 and "s: is a sweep; name one of its runs" in called.err


@pytest.mark.slow
def test_tokens_of_a_run_of_a_sweep_name_its_directory(tmp_path: Path) -> None:
    images = jaxae.Experiment(
        data=jaxae.DataSpec(num_validation=100, num_test=100),
        model=jaxae.VQVAE(
            encoder=jaxae.MLP(widths=(8,)),
            decoder=jaxae.MLP(widths=(8,)),
            grid=(2,),
            code_dim=2,
            quantiser=jaxae.EMACodebook(num_codes=4),
        ),
        epochs=1,
    )
    jaxae.sweep(images, {"optimizer.learning_rate": [1e-3, 1e-2]}, seeds=1, run_dir="s", progress=False)
    prior = jaxae.Experiment(
        data=jaxae.DataSpec(name="tokens:s:best"),
        model=jaxae.TokenPrior(net=jaxae.Transformer(width=8, num_layers=1, num_heads=1)),
        epochs=1,
    )
    result = jaxae.fit(prior, run_dir="prior")
    assert result.experiment.data.name.startswith("tokens:s/runs/")
    assert jaxae.load("prior").sample(2).shape == (2, 8, 8, 1)
