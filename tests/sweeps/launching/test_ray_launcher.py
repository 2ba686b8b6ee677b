"""What is done with Ray's answers, of a Ray that runs each task in this process and fails as it is told."""

import dataclasses
import logging
import os
import signal
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import jax
import pytest

import jaxae
from jaxae.cli import devices
from jaxae.errors import Interrupted
from jaxae.runs import directory, provenance
from jaxae.runs.config import load_config
from jaxae.specs.pytree import replace
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.groups import worker
from jaxae.sweeps.groups.group_schedule import schedule as make_schedule
from jaxae.sweeps.launching import launchers, ray_cluster
from jaxae.sweeps.launching.launch_job import Job
from jaxae.sweeps.launching.ray_launcher import RayLauncher
from jaxae.sweeps.plan import plan
from jaxae.sweeps.session import launch as launch_job
from jaxae.sweeps.store import Group, Options, Store
from tests import small
from tests.cli.calling import call
from tests.sweeps import making
from tests.sweeps.test_sweep import begin, go, table


class RayError(Exception):
    """What Ray's own errors are."""


ERRORS = {
    name: type(name, (RayError,), {})
    for name in (
        *("TaskCancelledError", "WorkerCrashedError", "NodeDiedError"),
        *("OutOfMemoryError", "ObjectLostError", "RayTaskError"),
    )
}
NODE: dict[str, Any] = {"Alive": True, "Resources": {"CPU": 2.0, "memory": 4e9}}


class Ray:
    """Runs the task that is waited for, in this process."""

    exceptions = types.SimpleNamespace(RayError=RayError, **ERRORS)

    def __init__(self, faults: dict[int, str] | None = None) -> None:
        """`faults`: number of a task, from 0 -> what happens to it."""
        self.faults, self.asked, self.put_there = faults or {}, [], []
        self.tasks: list[Any] = []
        self.cancelled: set[int] = set()

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [NODE, {"Alive": False, "Resources": {"CPU": 64.0}}]

    def put(self, value: Any) -> Any:
        self.put_there.append(value)
        return value

    def remote(self, function: Any) -> Any:
        def options(**asked: Any) -> Any:
            def submit(*arguments: Any) -> int:
                self.asked.append(asked)
                self.tasks.append((function, arguments))
                return len(self.tasks) - 1

            return types.SimpleNamespace(remote=submit)

        return types.SimpleNamespace(options=options)

    def wait(self, references: list[int], num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: int) -> Any:
        function, arguments = self.tasks[reference]
        if reference in self.cancelled:
            raise ERRORS["TaskCancelledError"]
        fault = self.faults.get(reference)
        if fault is None:
            return function(*arguments)
        if fault.endswith(" after a checkpoint"):
            assert stopped_early(function, arguments) == "stopped"
        if fault == "ctrl-c":
            raise KeyboardInterrupt
        error = ERRORS.get(fault.removesuffix(" after a checkpoint"), ERRORS["RayTaskError"])(fault)
        if type(error) is ERRORS["RayTaskError"]:
            error.cause = jaxae.JaxaeError(fault)
        raise error

    def cancel(self, reference: int) -> None:
        self.cancelled.add(reference)


def stopped_early(function: Any, arguments: Any) -> str:
    """The task, cancelled as Ray does it when it first tells how far it is."""
    write = directory.replace_quickly

    def tell(path: Path, text: str) -> None:
        write(path, text)
        if path.name == worker.PROGRESS:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "CHUNK_SECONDS", 0.0)
        patch.setattr(directory, "replace_quickly", tell)
        return function(*arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of the local launcher."""
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    go(folder)
    return table(folder)


def launch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, faults: dict[int, str] | None = None, **arguments: Any
) -> tuple[Ray, list[Group], list[groups.Progress]]:
    """A sweep of 4 groups over a Ray with faults; and what was told."""
    ray, told = Ray(faults), []
    monkeypatch.setattr(ray_cluster, "ray", lambda: ray)
    store, programs, todo, options = begin(folder)
    observe = arguments.pop("observe", lambda progress: False)
    job = Job(
        *(store, programs, todo, options),
        lambda progress: told.append(progress) or observe(progress),
        **arguments,
    )
    held = launch_job(RayLauncher(), job)
    return ray, held, told


def test_the_table_is_that_of_the_local_launcher(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray, held, told = launch(tmp_path / "sweep", monkeypatch)
    assert table(tmp_path / "sweep") == whole and held == []
    assert [progress.epoch for progress in told] == [3] * 4, "each group's end is told once"
    assert len(ray.put_there) == 1, "two programs of one data set put it there once"
    assert not list((tmp_path / "sweep" / "groups").glob(f"*/{worker.PROGRESS}"))
    _, _, told = launch(tmp_path / "sweep", monkeypatch)
    assert told == [] and table(tmp_path / "sweep") == whole


@pytest.mark.parametrize(
    "error", ["WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError"]
)
def test_a_lost_group_goes_on_from_its_checkpoint(
    error: str, tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    faults = {1: f"{error} after a checkpoint", 4: error}  # 4 is the second try of 1
    ray, _, told = launch(tmp_path / "sweep", monkeypatch, faults)
    assert table(tmp_path / "sweep") == whole and len(ray.tasks) == 6
    # Only the tries after a loss wait: the lost worker's lock may stay for a while.
    assert [arguments[0].patience > 0 for _, arguments in ray.tasks] == [False] * 4 + [True] * 2
    first, second, summary = capsys.readouterr().err.splitlines()
    assert (
        f"its worker was lost ({error}); another worker continues from epoch 2" in first and first == second
    )
    assert summary == "jaxae: warning: 2 tasks were retried, because workers were lost"
    assert [progress.epoch for progress in told] == [3, 1, 3, 3, 3], "what the lost worker told is shown"


def test_a_group_that_only_loses_workers_is_given_up_after_the_others(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    lost = dict.fromkeys((0, 4, 5, 6), "OutOfMemoryError")
    with pytest.raises(ChildProcessError, match="4 workers were lost one after another"):
        launch(tmp_path / "sweep", monkeypatch, lost)
    assert len(table(tmp_path / "sweep")) == 6
    # What was saved in between is a new beginning.
    launch(
        tmp_path / "sweep",
        monkeypatch,
        {**dict.fromkeys(range(5), "NodeDiedError"), 2: "NodeDiedError after a checkpoint"},
    )
    assert table(tmp_path / "sweep") == whole


def test_an_error_in_a_worker_is_raised_after_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(jaxae.JaxaeError, match="no such thing") as raised:
        launch(tmp_path / "sweep", monkeypatch, {1: "no such thing"})
    assert type(raised.value.__cause__) is ERRORS["RayTaskError"], "it holds the worker's traceback"
    assert len(table(tmp_path / "sweep")) == 6
    assert "failed: no such thing" in (tmp_path / "sweep" / "log.txt").read_text()


@pytest.mark.parametrize("how", ["observer", "signal", "ctrl-c", "lost", "in a task"])
def test_a_stopped_sweep_goes_on_to_the_same_table(
    how: str, tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    after_one = lambda: len(list(folder.glob("groups/*/rows.jsonl"))) == 1  # noqa: E731
    stops: dict[str, Any] = {
        "observer": {"observe": lambda told: True},
        "signal": {"stop": after_one},
        "ctrl-c": {"faults": {1: "ctrl-c"}},
        "lost": {"stop": after_one, "faults": {}},
        "in a task": {"stop": after_one},
    }
    if how in ("lost", "in a task"):  # a task that was under way ends in its own way when it is cancelled

        def cancel(self: Ray, reference: int) -> None:
            self.faults[reference] = "WorkerCrashedError"
            if how == "in a task":
                function, arguments = self.tasks[reference]
                self.tasks[reference] = (lambda *_: stopped_early(function, arguments)), ()
                del self.faults[reference]

        monkeypatch.setattr(Ray, "cancel", cancel)
    with pytest.raises(KeyboardInterrupt if how == "ctrl-c" else Interrupted):
        launch(folder, monkeypatch, **stops[how])
    assert len(table(folder)) == 2, "the table of what is done"
    launch(folder, monkeypatch)
    assert table(folder) == whole


def test_groups_that_others_hold_are_left_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _, todo, _ = begin(tmp_path / "sweep")
    with store.held(todo[2]) as mine:
        assert mine
        _, held, _ = launch(tmp_path / "sweep", monkeypatch)
    assert [group.id for group in held] == [todo[2].id] and len(table(tmp_path / "sweep")) == 6


def test_a_lost_workers_lock_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network's disk keeps it for a while."""
    store, programs, todo, _ = begin(tmp_path / "sweep")
    program = next(program for program in programs if program.id == todo[0].program)
    waited: list[float] = []
    with store.held(todo[0]) as mine:
        assert mine
        patient = worker.describe(store, program, todo[0], 20.0, 0.3)
        monkeypatch.setattr(worker.time, "sleep", waited.append)
        assert worker.train(patient, program.dataset) == "held" and len(waited) > 1
    assert worker.train(patient, program.dataset) == "done"


def needs(group: Group, lane_bytes: int = 10**6) -> dict[str, Any]:
    return ray_cluster.needs(Ray(), group, lane_bytes)


def test_what_a_group_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", f"--one {ray_cluster.FORCED}=8 --two")
    monkeypatch.setenv("JAX_SOMETHING", "yes")
    group = Group("g", "p", ["r"], "map", 1, 8, True)
    asked = needs(group)
    told = asked.pop("runtime_env")["env_vars"]
    assert asked == {"num_cpus": 1, "memory": 8 * 10**6}
    assert (
        told["XLA_FLAGS"] == "--one --two"
        and told["JAX_SOMETHING"] == "yes"
        and told["JAX_PLATFORMS"] == "cpu"
    )
    assert "HOME" not in told
    asked = needs(group._replace(devices=4), 10**12)
    assert asked["num_cpus"] == 2 and asked["memory"] == 4 * 10**9, "no more than the largest node has"
    assert asked["runtime_env"]["env_vars"]["XLA_FLAGS"] == f"--one --two {ray_cluster.FORCED}=4"
    monkeypatch.setattr(ray_cluster.jax, "default_backend", lambda: "gpu")
    asked = needs(group._replace(devices=4))
    told = asked.pop("runtime_env")["env_vars"]
    assert asked == {"num_cpus": 1, "num_gpus": 4} and told["XLA_FLAGS"] == "--one --two"
    monkeypatch.setattr(ray_cluster.jax, "default_backend", lambda: "tpu")
    assert needs(group)["resources"] == {"TPU": 1}


def test_waiting_for_a_node_with_enough_gpus_is_told(
    tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(ray_cluster.jax, "default_backend", lambda: "gpu")
    launch(tmp_path / "sweep", monkeypatch)
    assert "no node of the cluster has 1 GPUs; groups wait for one" in capsys.readouterr().err
    monkeypatch.setitem(NODE["Resources"], "GPU", 1.0)
    assert ray_cluster.lacking(Ray(), 1) is None and ray_cluster.lacking(Ray(), 2)
    assert ray_cluster.slots(Ray(), 1) == 1
    assert table(tmp_path / "sweep") == whole


@pytest.mark.slow
def test_new_groups_are_small_enough_for_every_worker_to_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "ray", Ray)
    base, over = small.experiment(), [{"model.beta": 0.5}, {"model.latent_dim": 2}]
    programs, store, options = (
        plan(base, over, range(3), making.load),
        Store(tmp_path / "s"),
        Options(),
    )

    def lanes(launcher: str = "ray", **changes: Any) -> int | None:
        changed = dataclasses.replace(options, **changes)
        with launchers.find(launcher).connected(store, programs, changed) as found:
            return found

    def schedule() -> list[Group]:
        return make_schedule(store, base, programs, list(over[0] | over[1]), options, [], most_lanes=lanes())

    assert lanes() == 3, "6 runs over 2 cores"
    assert lanes("local") is lanes(lanes=8) is None
    monkeypatch.setitem(NODE["Resources"], "CPU", 3.0)
    todo = schedule()
    assert [len(group.runs) for group in todo] == [2, 1, 2, 1] and lanes() is None, "none are new"
    assert schedule() == todo
    launch_job(RayLauncher(), Job(store, programs, todo, options, lambda told: False))
    monkeypatch.setattr(ray_cluster, "opened", None)  # nothing is left to train: no Ray
    assert lanes() is None


class Net(jaxae.MLP):
    """A class of a module that workers import."""


OWN = """
import jaxae
from jaxae.specs.pytree import spec

@spec
class Sharp(jaxae.VAE):
    sharpness: float = 1.0

    def weights(self, step):
        return {name: self.sharpness * weight for name, weight in super().weights(step).items()}

nets = {"encoder": jaxae.MLP(widths=(12,)), "decoder": jaxae.MLP(widths=(12,))}
data = jaxae.DataSpec(num_validation=20, num_test=20)
experiment = jaxae.Experiment(data=data, model=Sharp(latent_dim=2, **nets), batch_size=10, epochs=2)
"""


@pytest.mark.slow
def test_classes_of_a_users_own_are_known_to_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a config by its text, as it was executed; those of a module by its name, and where it lies."""
    monkeypatch.setattr(ray_cluster, "ray", Ray)
    (tmp_path / "own.py").write_text(OWN)
    base = replace(load_config("own.py"), "model.encoder", Net(widths=(8,)))
    (tmp_path / "own.py").write_text("another text, of a later edit")
    over = {"model.sharpness": [0.5, 1.0]}
    common = {"x": small.images(), "layout": "map", "lanes": 1, "progress": False}
    tables = [jaxae.sweep(base, over, 1, launcher=name, **common).table for name in launchers.LAUNCHERS]
    own = ["seconds", "finished_at"]
    assert tables[0].drop(columns=own).equals(tables[1].drop(columns=own))
    assert set(tables[1]["model"]) == {"Sharp"} and set(tables[1]["model.encoder"]) == {"Net"}


def test_what_is_told_of_the_classes_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker could import them: they travel themselves."""
    main = types.ModuleType("__main__")
    exec(OWN, main.__dict__)
    experiment = main.experiment
    monkeypatch.setitem(sys.modules, "__main__", main)
    store, (program, *_) = Store(tmp_path), plan(experiment, [{}], [0], making.load)
    group = Group("g", program.id, [program.runs[0].id], "map", 1, 1, True)
    task = worker.describe(store, program, group, 20.0, 0.0)
    assert task.code.classes == (main.Sharp,) and not task.code.configs and not task.code.modules
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    assert worker.train(task, program.dataset) == "done"
    assert sys.modules["__main__"].Sharp is main.Sharp


def test_a_class_without_a_place_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Here(jaxae.MLP):
        pass

    monkeypatch.setattr(ray_cluster, "ray", Ray)
    base = replace(small.experiment(), "model.encoder", Here(widths=(8,)))
    with pytest.raises(jaxae.JaxaeError, match="unknown class .*Here"):
        jaxae.sweep(base, None, 1, x=small.images(), launcher="ray", progress=False)


def test_compiled_programs_are_kept_where_the_worker_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = jax.config.values["jax_compilation_cache_dir"]
    try:
        jax.config.update("jax_compilation_cache_dir", str(provenance.cache_folder()))
        told = worker.flags()
        monkeypatch.setattr(provenance, "cache_folder", lambda: Path("elsewhere"))
        worker.tell_jax(told)
        assert jax.config.values["jax_compilation_cache_dir"] == "elsewhere"
        assert worker.flags()["jax_compilation_cache_dir"] == worker.HERE
        jax.config.update("jax_compilation_cache_dir", "mine")
        assert worker.flags()["jax_compilation_cache_dir"] == "mine"
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


class Unconnected(Ray):
    """One that is to be connected, which takes the signals and may fail."""

    error: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def is_initialized(self) -> bool:
        return False

    def init(self, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        warnings.warn("os.fork() was called.", RuntimeWarning, stacklevel=1)
        self.calls.append("init")
        if self.error:
            raise self.error

    def shutdown(self) -> None:
        self.calls.append("shutdown")


@pytest.fixture
def unconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unconnected:
    """What `opened` finds, in a process of a user without a cluster or a token."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # so that it is put back as it was
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    ray = Unconnected()
    monkeypatch.setattr(ray_cluster, "ray", lambda: ray)
    return ray


def test_a_cluster_that_is_begun_is_ended_and_leaves_the_process_as_it_was(unconnected: Unconnected) -> None:
    before = signal.getsignal(signal.SIGTERM), logging.getLogger("ray").level
    with ray_cluster.opened() as ray:
        assert ray.calls == ["init"] and signal.getsignal(signal.SIGTERM) == before[0]
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64, "or Ray would write one to the home folder"
    assert unconnected.calls == ["init", "shutdown"] and logging.getLogger("ray").level == before[1]


def test_a_users_own_token_is_used(tmp_path: Path, unconnected: Unconnected) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("mine")
    with ray_cluster.opened():
        assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize(
    "error", [ConnectionError("no\nlines"), RuntimeError("no"), RayError("no"), ValueError()]
)
def test_a_cluster_that_cannot_be_had_is_one_line(error: Exception, unconnected: Unconnected) -> None:
    unconnected.error = error
    told = str(error).partition("\n")[0] or "ValueError"
    with (
        pytest.raises(jaxae.JaxaeError, match=rf"cannot be reached or started \({told}\)$"),
        ray_cluster.opened(),
    ):
        pass
    assert unconnected.calls == ["init", "shutdown"]


def test_an_address_where_nobody_answers_is_one_line(
    unconnected: Unconnected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(jaxae.JaxaeError, match="at RAY_ADDRESS 127.0.0.1:1 "), ray_cluster.opened():
        pass
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with ray_cluster.opened():
        pass


def test_this_process_leaves_a_gpus_memory_to_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name)
    for arguments, told in ((["--launcher", "local"], None), (["--launcher=ray"], "false")):
        devices.leave_memory(["mine.py", *arguments])
        assert os.environ.get(name) == told


@pytest.mark.slow
def test_from_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "ray", Ray)
    over = {"model.beta": [0.5, 1.0]}
    common = {"x": small.images(), "layout": "map", "lanes": 1, "progress": False}
    sweep = lambda launcher: jaxae.sweep(small.experiment(), over, 1, launcher=launcher, **common)  # noqa: E731
    own = ["seconds", "finished_at"]
    assert sweep("ray").table.drop(columns=own).equals(sweep("local").table.drop(columns=own))
    with pytest.raises(jaxae.JaxaeError, match="did you mean 'ray'"):
        sweep("rays")


def test_without_ray_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "mine.py").write_text("import jaxae\nexperiment = jaxae.Experiment()\n")
    called = call("sweep", "mine.py", "--seeds", "1", "--launcher", "ray")
    assert called.err == "jaxae: launcher: ray is not installed; pip install 'jaxae[ray]' brings it\n"
    assert called.code == 2 and os.listdir(tmp_path) == ["mine.py"]


def test_a_search_is_not_for_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "ray", Ray)
    (tmp_path / "mine.py").write_text("import jaxae\nexperiment = jaxae.Experiment()\n")
    called = call("sweep", "mine.py", "--search", "tpe", "--over", "batch_size=10,20", "--launcher", "ray")
    assert called.code == 2 and "so --launcher cannot be used" in called.err
