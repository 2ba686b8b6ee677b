"""The end of a run: figures before scores, which say that the run is finished."""

import errno
from pathlib import Path
from typing import Any

import pytest

from jaxae.cli import run_to_end
from jaxae.plots import pages
from tests.cli.calling import call


def test_a_number_that_jaxs_debug_flags_forbid_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*_: Any, **__: Any) -> None:
        raise FloatingPointError("epoch 1: the validation loss is nan")

    monkeypatch.setattr(run_to_end, "finish", find)
    called = call("train", "small.py", "--run-dir", "new")
    assert (called.code, called.err) == (1, "jaxae: epoch 1: the validation loss is nan\n"), called


def test_a_full_disk_while_figures_are_drawn_leaves_the_run_unfinished(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike another failure of a figure: `resume` draws the figures when the disk has room again."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "run/figures/curves.png")

    (run / "scores.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(pages, "draw", full)
        called = call("resume", "run")
    assert called.code == 1 and not (run / "scores.json").exists(), called
    assert called.err == "jaxae: run/figures/curves.png: No space left on device\n"
    assert call("resume", "run").code == 0 and (run / "scores.json").exists()
