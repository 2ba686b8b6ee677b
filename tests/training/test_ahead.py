"""Programs are compiled in threads: found by later calls, and harmless when they fail or are not needed."""

import dataclasses
import threading
from concurrent.futures import Future
from typing import Any

import jax
import numpy as np
import pytest

from jaxae.cli.main import _leave_threads
from jaxae.data.own import given_rows
from jaxae.runs import execution, opening
from jaxae.runs.run_types import Run
from jaxae.sweeps.groups import programs
from jaxae.training import ahead
from tests import small

TINY = {"stage", "_threefry_seed", "convert_element_type", "_threefry_fold_in", "_draw_bernoulli"}


IS_USEFUL = ahead.is_useful  # before the session's fixture replaces it


@pytest.fixture(autouse=True)
def _ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "is_useful", IS_USEFUL)


@pytest.fixture
def compiled() -> list[str]:
    """The names of the programs that any thread compiles from now on."""
    execution._compiled.clear()
    names: list[str] = []

    def note(event: str, duration: float, **facts: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(facts["fun_name"].removeprefix("jit(").removesuffix(")"))

    jax.monitoring.register_event_duration_secs_listener(note)
    return names


def finish() -> None:
    """Wait for the threads."""
    ahead.wait()
    assert not ahead.is_busy()


def run_of(**changes: Any) -> Run:
    given = given_rows.collect(small.images(), small.labels(90), None, None, None, None)
    return opening.prepare(small.experiment(small.member("VAE"), **changes), 0, given)


def test_a_run_compiles_few_programs_and_each_of_them_once(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A size of its own: programs that another test has compiled would be found.
    run = run_of(model=dataclasses.replace(small.member("VAE"), latent_dim=5), epochs=2)
    outcome = execution.train(run)
    finish()
    # The tiny ones make keys, and binarise the rows of this test.
    large = sorted(name for name in compiled if name not in TINY)
    assert large == ["_terms_of_batches", "begin", "draw_columns", "row_columns", "run_epoch"]
    assert len(compiled) - len(large) <= 8
    before = list(compiled)
    scores = execution.scores(run, outcome)
    assert compiled == before
    # The same bits without threads.
    monkeypatch.setattr(ahead, "is_useful", lambda mesh: False)
    execution._compiled.clear()
    alone = execution.train(run)
    assert execution.scores(run, alone) == scores
    jax.tree.map(np.testing.assert_array_equal, alone.carry, outcome.carry)


def test_a_second_run_of_a_structure_starts_no_thread() -> None:
    execution._compiled.clear()
    run = run_of(epochs=2)
    execution.train(run)
    finish()
    ahead._threads.clear()
    execution.train(run)
    assert not ahead._threads


def test_a_failure_in_a_thread_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("of a thread")

    with ahead.compiled(fail, [fail, lambda: np.zeros(1) / 0, lambda: done.append("last")]):
        pass
    finish()
    assert done == ["last"] and capfd.readouterr() == ("", "")


def test_after_an_exception_no_task_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_num_cores", lambda: 1)
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), ahead.compiled(None, [lambda: done.append("task")]):
        raise KeyboardInterrupt
    finish()
    assert not done


def test_on_one_core_other_programs_wait_for_the_first_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_num_cores", lambda: 1)
    has_started = threading.Event()
    with ahead.compiled(None, [has_started.set]) as note_epoch:
        assert not has_started.wait(0.1)
        note_epoch()
        assert has_started.wait(10)


def test_the_command_does_not_wait_for_a_thread_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    _leave_threads(0)
    assert not codes
    goes_on = threading.Event()
    with ahead.compiled(None, [goes_on.wait]):
        pass
    _leave_threads(130)
    goes_on.set()
    finish()
    assert codes == [130]


def test_the_command_does_not_wait_for_the_programs_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    future: Future[None] = Future()
    monkeypatch.setattr(programs, "_training", {})
    monkeypatch.setattr(programs, "_scoring", {"key": {("test", "rows"): future}})
    _leave_threads(130)
    future.set_result(None)
    _leave_threads(0)
    assert codes == [130]
