"""A sweep's directory: gone on with after any end, added to, shared, and read back."""

import csv
import dataclasses
import hashlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.errors import Interrupted
from jaxae.runs import directory, seals
from jaxae.specs import old_records
from jaxae.specs.pytree import replace
from jaxae.specs.records import to_record
from jaxae.sweeps import origins
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups.group_schedule import schedule
from jaxae.sweeps.launching.launch_job import Job
from jaxae.sweeps.launching.launchers import LocalLauncher
from jaxae.sweeps.plan import Program, plan, run_id
from jaxae.sweeps.session import launch
from jaxae.sweeps.store import Options, Store
from jaxae.sweeps.tables import environments
from tests import small
from tests.sweeps import making

OWN = (
    "seconds",
    "finished_at",
    "commit",
    "jaxae_commit",
)  # what differs between a sweep and the same one at another time
OVER = {"model.beta": [0.5, 2.0], "model.latent_dim": [2, 3]}
X = small.images()


def begin(folder: Path, over: Any = None, seeds: int = 2, **options: Any) -> tuple[Store, list, list, Any]:
    base, settings = small.experiment(), jaxae.grid(over or OVER)
    programs = plan(base, settings, range(seeds), making.load)
    asked = Options(**{"layout": "map", "lanes": 2, **options})
    store = Store(folder)
    swept = list(dict.fromkeys(name for setting in settings for name in setting))
    return store, programs, schedule(store, base, programs, swept, asked, ["test"]), asked


def go(
    folder: Path, over: Any = None, seeds: int = 2, observe: Any = lambda told: False, **options: Any
) -> Store:
    store, programs, todo, asked = begin(folder, over, seeds, **options)
    launch(LocalLauncher(), Job(store, programs, todo, asked, observe))
    return store


def table(folder: Path) -> list[dict[str, str]]:
    """results.csv without what differs between two times."""
    with open(folder / "results.csv") as file:
        return [{name: row[name] for name in row if name not in OWN} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    go(folder)
    return folder


def test_one_row_a_run_with_who_it_is_what_became_of_it_and_where(whole: Path) -> None:
    rows = table(whole)
    assert (
        len(rows) == 8
        and len({row["run"] for row in rows}) == 8
        and len({row["program"] for row in rows}) == 2
    )
    told = [(row["model.beta"], row["model.latent_dim"], row["seed"]) for row in rows]
    assert sorted(told) == sorted((b, d, s) for b in ("0.5", "2.0") for d in "23" for s in "01")
    for row in rows:
        assert row["status"] == "finished" and row["epochs_run"] == "3" and row["layout"] == "map"
        assert row["optimizer"] == "Adam" and row["optimizer.learning_rate"] == "0.003"
        assert row["version.jax"] and row["device"] == "cpu" and float(row["test.elbo"]) < 0
    lines = [json.loads(line) for line in (whole / "results.jsonl").read_text().splitlines()]
    assert [line["run"] for line in lines] == [row["run"] for row in rows]
    with open(whole / "summary.csv") as file:
        settings = list(csv.DictReader(file))
    assert len(settings) == 4 and all(setting["n"] == "2" for setting in settings)
    assert [s["best"] for s in settings].count("True") == 1


def test_the_record_says_of_each_score_its_unit_direction_and_how_it_is_made(
    whole: Path, tmp_path: Path
) -> None:
    """A sweep of before that, whose record lacks it, has the same summary."""
    columns = [name for name in table(whole)[0] if name.startswith("test.")]
    errors = [name for name in columns if name.endswith("_standard_error")]
    record = seals.read(whole / "sweep.json")
    assert {f"test.{name}" for name in record["scores"]} == set(columns) - set(errors)
    assert record["scores"]["elbo"]["higher_is_better"] and record["scores"]["elbo"]["unit"] == "nats"
    assert all(fact["how"] for fact in record["scores"].values())
    old = tmp_path / "old"
    shutil.copytree(whole, old)
    del record["scores"]
    directory.write_json(old / "sweep.json", record)
    before, after = jaxae.load_sweep(whole), jaxae.load_sweep(old)
    for score in (None, "test.iwelbo_64", "test.loss"):
        assert after.summarize(score).equals(before.summarize(score))


@pytest.mark.parametrize(
    ("stops", "save_seconds"),
    [
        (3, 0.0),
        (1, 1e9),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [(1, 0.0), (5, 0.0), (3, 1e9), (5, 1e9)]),
    ],
)
def test_a_sweep_that_is_stopped_goes_on_to_the_same_table(
    whole: Path, tmp_path: Path, stops: int, save_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that many chunks: inside a group or between two, whether it had saved by itself or not."""
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)  # one epoch at a time
    seen: list[Any] = []
    for _ in range(2):

        def observe(told: groups.Progress) -> bool:
            seen.append(told)
            return len(seen) % (stops + 1) == stops

        try:
            go(tmp_path / "sweep", observe=observe, save_seconds=save_seconds)
        except Interrupted:
            continue
    go(tmp_path / "sweep", observe=lambda told: seen.append(told) or False)  # type: ignore[func-returns-value]
    assert table(tmp_path / "sweep") == table(whole)
    ran = [(told.group.id, told.epoch) for told in seen]
    assert len(ran) == len(set(ran)) == 4 * 3, "no epoch is run twice where it was stopped by asking"


def test_a_checkpoint_is_gone_on_with_and_a_broken_one_is_not(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        go(tmp_path / "sweep", observe=lambda told: told.epoch == 2)
    (saved,) = (tmp_path / "sweep" / "groups").glob("*/checkpoints/2")
    for file in saved.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    seen: list[Any] = []
    go(tmp_path / "sweep", observe=lambda told: seen.append(told.first) or False)  # type: ignore[func-returns-value]
    assert seen[0] == 1 and "starting the group again" in capsys.readouterr().err
    assert table(tmp_path / "sweep") == table(whole)


def test_ctrl_c_from_python_saves_first_and_the_same_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, sigint: None
) -> None:
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)
    advance, ran = groups.advance, []

    def pressed(*arguments: Any) -> Any:
        ran.append(arguments[-1])
        if len(ran) == 2:
            signal.raise_signal(signal.SIGINT)
        return advance(*arguments)

    monkeypatch.setattr(groups, "advance", pressed)
    arguments = {"x": small.images(), "seeds": 1, "run_dir": tmp_path / "sweep", "progress": False}
    with pytest.raises(KeyboardInterrupt, match="everything is saved in .*; the same call resumes the sweep"):
        jaxae.sweep(small.experiment(small.member("AE")), **arguments)
    assert "Ctrl-C again stops now" in capsys.readouterr().err and ran == [1, 2]
    swept = jaxae.sweep(small.experiment(small.member("AE")), **arguments)
    assert ran == [1, 2, 3] and swept.rows[0]["epochs_run"] == 3


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_other_signals_from_python_save_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """SIGUSR1 lets the sweep go on; a process that then dies loses nothing before it."""
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)
    advance, ran = groups.advance, []

    def interrupted(*arguments: Any) -> Any:
        ran.append(arguments[-1])
        if len(ran) == 2:
            signal.raise_signal(getattr(signal, name))
        if len(ran) == 3:
            raise RuntimeError("died")
        return advance(*arguments)

    monkeypatch.setattr(groups, "advance", interrupted)
    arguments = {"x": small.images(), "seeds": 1, "run_dir": tmp_path / "sweep", "progress": False}
    with pytest.raises(SystemExit if name == "SIGTERM" else RuntimeError) as stop:
        jaxae.sweep(small.experiment(small.member("AE")), **arguments)
    told = capsys.readouterr().err
    if name == "SIGTERM":
        assert stop.value.code == 143 and "the same call resumes the sweep" in told and ran == [1, 2]
    else:
        assert told == "jaxae: SIGUSR1: saved epoch 2 of 1 run, and training goes on\n" and ran == [1, 2, 3]
    ran[:] = [0, 0, 0]
    swept = jaxae.sweep(small.experiment(small.member("AE")), **arguments)
    assert ran == [0, 0, 0, 3] and swept.rows[0]["epochs_run"] == 3


def test_only_what_is_new_is_trained_when_seeds_and_values_are_added(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    go(folder)
    before = {row["run"]: row for row in table(folder)}
    assert begin(folder)[2] == []
    more = {**OVER, "model.beta": [0.5, 1.0, 2.0]}
    trained: list[Any] = []
    go(folder, more, seeds=3, observe=lambda told: trained.extend(told.group.runs) or False)  # type: ignore[func-returns-value]
    after = {row["run"]: row for row in table(folder)}
    assert len(after) == 18 and set(trained) == set(after) - set(before)
    assert {name: after[name] for name in before} == before
    # A name that was not swept over before is a setting apart from those.
    go(folder, {"model.beta": [0.5], "optimizer.learning_rate": [0.01]}, seeds=1)
    assert len(table(folder)) == 19
    with open(folder / "summary.csv") as file:
        assert next(csv.reader(file))[:3] == [*OVER, "optimizer.learning_rate"]


def test_a_sweep_that_goes_on_elsewhere_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Rows of other versions stay; a mean over both counts its environments."""
    folder = tmp_path / "sweep"
    over = {"model.beta": [0.5]}
    store = go(folder, over, seeds=1)
    assert capsys.readouterr().err == ""
    (group,) = store.groups()
    rows = [{**row, "version.jax": "0.1", "commit": "a"} for row in store.group_rows(group)]
    store.finish(group, rows)
    go(folder, over, seeds=1)
    assert capsys.readouterr().err == "", "nothing was trained, and all rows are of one environment"
    go(folder, over, seeds=2)
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and f"{folder}: rows were made in different environments, and means mix them: jax 0.1 -> " in said
    )
    assert "different environments" in (folder / "log.txt").read_text()
    with open(folder / "summary.csv") as file:
        (setting,) = csv.DictReader(file)
    assert setting["environments"] == "2" and setting["n_used"] == "2"
    environments.forget()
    jaxae.load_sweep(folder)
    assert "jax 0.1 -> " in capsys.readouterr().err


def test_ids_of_runs_of_jaxaes_classes_are_those_of_before_code_was_kept() -> None:
    """Experiment, seed and data alone: so a sweep of an older version is gone on with."""
    (program, *_) = plan(small.experiment(), [{}], [3], making.load)
    record = json.dumps(old_records.identity(to_record(program.example)), sort_keys=True)
    parts = json.dumps([record, 3, program.dataset.hash], sort_keys=True)
    assert program.runs[0].id == hashlib.sha256(parts.encode()).hexdigest()[:12]
    assert program.code is None and program.runs[0].code is None


@jaxae.spec
class Steps(jaxae.SGD):
    """A class of a user's own."""


@pytest.mark.slow
def test_a_sweep_of_before_code_was_kept_is_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    base, settings = small.experiment(optimizer=Steps(learning_rate=0.01), epochs=1), [{}]
    options = Options(layout="map")
    store = Store(tmp_path / "sweep")
    (program,) = plan(base, settings, [0, 1], making.load)
    assert program.code is not None
    ids = [run_id(run.experiment, run.seed, program.dataset, None) for run in program.runs[:1]]
    old = Program("of before", program.dataset, [dataclasses.replace(program.runs[0], id=ids[0], code=None)])
    todo = schedule(store, base, [old], [], options, ["test"])
    launch(LocalLauncher(), Job(store, [old], todo, options, lambda told: False))
    capsys.readouterr()
    programs = origins.adopted(store, [program])
    assert "1 of its runs: the record does not hold the code of Steps" in capsys.readouterr().err
    todo = schedule(store, base, programs, [], options, ["test"])
    assert [group.runs for group in todo] == [[program.runs[1].id]], "the new seed alone"
    assert origins.adopted(Store(tmp_path / "other"), [program]) == [program]


@pytest.mark.slow
def test_a_sweep_narrowed_before_it_was_done_trains_what_is_still_wanted(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    with pytest.raises(Interrupted):
        go(folder, lanes=4, observe=lambda told: told.epoch < 3)
    go(folder, {"model.beta": [2.0], "model.latent_dim": [2, 3]}, lanes=4)
    rows = table(folder)
    assert len(rows) == 4 and {row["model.beta"] for row in rows} == {"2.0"}
    go(folder)
    assert len(table(folder)) == 8


@pytest.mark.slow
def test_groups_are_made_anew_where_memory_did_not_suffice(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    assert [len(group.runs) for group in begin(folder, lanes=4)[2]] == [4, 4]

    def stop(told: groups.Progress) -> bool:
        return told.epoch < 3

    with pytest.raises(Interrupted):
        go(folder, lanes=4, observe=stop)
    store, _, todo, _ = begin(folder, lanes=2)
    assert [len(group.runs) for group in todo] == [4, 2, 2], "the one that has begun goes on as it was"
    go(folder, lanes=2)
    assert len(table(folder)) == 8 and all(map(store.is_done, store.groups()))


def test_another_experiment_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "sweep", {"model.beta": [1.0]}, seeds=1)
    base = replace(small.experiment(), "batch_size", 7)
    programs = plan(base, [{}], [0], making.load)
    with pytest.raises(jaxae.JaxaeError, match=r"sweep of another experiment \(batch_size was 10, now 7\)"):
        schedule(Store(tmp_path / "sweep"), base, programs, [], Options(), [])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(jaxae.JaxaeError, match="not empty and holds no sweep"):
        go(tmp_path / "full")


def test_a_group_that_another_process_trains_is_left_to_it(tmp_path: Path) -> None:
    store, programs, todo, asked = begin(tmp_path / "sweep")
    with store.held(todo[1]) as mine:
        assert mine
        left = launch(LocalLauncher(), Job(store, programs, todo, asked, lambda told: False))
    assert left == [todo[1]] and len(table(tmp_path / "sweep")) == 6
    assert launch(LocalLauncher(), Job(store, programs, todo, asked, lambda told: False)) == []
    assert len(table(tmp_path / "sweep")) == 8


@pytest.mark.parametrize(
    "options, message",
    [
        ({"score": "validation.elbow"}, "did you mean 'validation.elbo'"),
        ({"baseline": {"model.beta": 3.0}}, "model.beta=3.0 matches no setting"),
        ({"baseline": {"batch_size": 3}}, "'batch_size' is not swept over"),
        ({"layout": "vmpa"}, "did you mean 'vmap'"),
        ({"interval": "studet"}, "did you mean 'student'"),
    ],
)
def test_a_mistake_in_the_options_is_told_before_anything_is_trained(
    options: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message):
        begin(tmp_path / "sweep", **{"score": "validation.loss", **options})
    assert not (tmp_path / "sweep" / "sweep.json").exists()


def test_from_python_in_memory_or_on_disk(tmp_path: Path) -> None:
    results = jaxae.sweep(small.experiment(), OVER, 2, x=X, layout="map", progress=False)
    frame = results.table
    assert len(frame) == 8 and frame["test.elbo"].dtype == float and len(results.summary) == 4
    place = results.path
    assert place.exists() and "8 runs, 0 failed" in repr(results)
    html = results._repr_html_()
    assert html.count("<tr>") == 5 and "validation.elbo" in html and "baseline" in html
    again = jaxae.sweep(
        small.experiment(), OVER, 2, x=X, layout="map", run_dir=tmp_path / "kept", progress=False
    )
    read = jaxae.read_table(tmp_path / "kept").drop(columns=[*OWN, "group", "width"])
    assert read.equals(frame.drop(columns=[*OWN, "group", "width"])), "layout map: the width changes nothing"
    best = again.best()
    summary = again.summary.set_index(list(OVER))
    setting = best.experiment.model.beta, best.experiment.model.latent_dim
    assert (
        summary.loc[setting, "best"]
        and summary["validation.elbo"].max() == summary.loc[setting, "validation.elbo"]
    )
    del results
    assert not place.exists()


@pytest.mark.slow
@pytest.mark.optimised
def test_a_run_of_a_sweep_is_a_result_again(tmp_path: Path) -> None:
    results = jaxae.sweep(small.experiment(), OVER, 2, x=X, layout="map", progress=False)
    for row in list(results)[::3]:
        result = results.load(row["run"][:6])
        alone = jaxae.fit(result.experiment, X, seed=row["seed"])
        assert small.same_bits(result.variables, alone.variables)
        assert result.scores["test"]["elbo"] == pytest.approx(alone.scores["test"]["elbo"], rel=1e-6)
        left, right = ([{**line, "seconds": 0} for line in one.history] for one in (result, alone))
        assert left == right
        np.testing.assert_array_equal(result.reconstruct(X[:5]), alone.reconstruct(X[:5]))
        assert list(results.history(row["run"])["validation.loss"]) == [
            line["validation"]["loss"] for line in right
        ]
    saved = result.save(tmp_path / "run")
    assert small.same_bits(jaxae.load(saved, X).variables, result.variables)
    with pytest.raises(jaxae.JaxaeError, match="run 'nobody'"):
        results.load("nobody")
    bare = jaxae.sweep(small.experiment(), None, 1, x=X, keep=False, progress=False)
    with pytest.raises(jaxae.JaxaeError, match="its state was not saved"):
        bare.load(next(iter(bare))["run"])
    assert len(bare.history(next(iter(bare))["run"])) == 3


def test_callbacks_receive_the_numbers_of_each_run_and_stop_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "CHUNK_SECONDS", 0.0)
    seen: dict[str, list[groups.LaneProgress]] = {}

    def watch(progress: groups.Progress) -> bool:
        for lane in progress.lanes:
            seen.setdefault(lane.run, []).append(lane)
        return progress.epoch == 2 and len(seen[progress.lanes[0].run]) == 2

    over, how = {"model.beta": [0.5, 2.0]}, {"x": X, "layout": "map", "run_dir": tmp_path / "sweep"}
    stopped = jaxae.sweep(small.experiment(), over, seeds=1, callbacks=watch, **how)
    assert len(list(stopped)) == 0 and all(len(lanes) == 2 for lanes in seen.values())
    results = jaxae.sweep(small.experiment(), over, seeds=1, callbacks=watch, **how)
    for name, lanes in seen.items():
        history = results.load(name).history
        assert [lane.epoch for lane in lanes] == [line["epoch"] for line in history] == [1, 2, 3]
        assert [lane.train for lane in lanes] == [line["train"] for line in history]
        assert [lane.validation for lane in lanes] == [line["validation"] for line in history]
        assert [lane.best_epoch for lane in lanes] == [line["best_epoch"] for line in history]
        losses = [line["validation"]["loss"] for line in history]
        assert lanes[-1].best_loss == pytest.approx(min(losses), rel=1e-6)
        assert all(lane.is_live and lane.first_bad_step is None for lane in lanes)


def test_failures_are_counted_and_never_dropped(tmp_path: Path) -> None:
    rates = [1e-3, 1e30]
    results = jaxae.sweep(small.experiment(), {"optimizer.learning_rate": rates}, 3, x=X, progress=False)
    assert len(results) == 6 and "3 failed" in repr(results)
    summary = results.summary.set_index("optimizer.learning_rate")
    assert list(summary["n"]) == [3, 3] and list(summary["n_failed"]) == [0, 3]
    assert summary.loc[1e-3, "best"] and np.isnan(summary.loc[1e30, "validation.elbo"])
    assert results.best().experiment.optimizer.learning_rate == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "over, seeds, message",
    [
        ({"model.betta": [1]}, 2, "model.betta: no such field; did you mean 'beta'"),
        ({"model.beta": []}, 2, "got no values"),
        ({"model.beta": 3.0}, 2, "expected a list of values"),
        ({"model.beta": ["4"]}, 2, "model.beta: got '4'"),
        ({"model.beta": [-1.0]}, 2, "model.beta: got -1.0"),
        ({"model.latent_dim": [2.5]}, 2, "model.latent_dim: got 2.5"),
        ({"seed": [1, 2]}, 2, "set the seeds of the sweep"),
        ({"batch_size": [10, 1000]}, 2, "batch_size: got 1000"),
        ({"model.beta": [1.0]}, 0, "seeds: got 0"),
        ({"model.beta": [1.0]}, [1, -1], "seed: got -1"),
        ({"model.beta": [1.0]}, "many", "seeds: got 'many'"),
        ([3], 2, "got the setting 3"),
        ([], 2, "got no settings"),
        ({"data.stream": [True]}, 1, "data.stream: got True, but a sweep holds all rows on the device"),
        ({"model.beta": jaxae.Uniform(0, 1)}, 2, "use sampled"),
    ],
)
def test_mistakes_of_a_definition_are_told_by_name(over: Any, seeds: Any, message: str) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message):
        jaxae.sweep(small.experiment(), over, seeds, x=X, progress=False)


def test_equal_settings_are_run_once_and_1_is_1_point_0() -> None:
    settings = [{"model.beta": 1}, {"model.beta": 1.0}, {}, {"model.beta": np.float32(1)}]
    (program,) = plan(small.experiment(), settings, [0, 1, 0], making.load)
    assert len(program.runs) == 2
