"""Bars in a notebook, with a display that records what it is given. Terminals: tests/cli/test_terminal.py."""

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from jaxae.display import bars
from jaxae.display.bars import Frame
from jaxae.display.places import Display


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """All contents of the one output of a cell."""
    shown: list[dict[str, str]] = []

    def display(data: Any, *, raw: bool, display_id: bool) -> Any:
        assert raw and display_id
        shown.append(data)
        return SimpleNamespace(update=lambda data, raw: shown.append(data))

    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))  # type: ignore
    monkeypatch.setattr(bars, "SECONDS", 0.01)
    return shown


def test_a_notebook_has_one_output_that_is_updated(outputs: list[dict[str, str]]) -> None:
    frame = Frame(None, "compiling")
    with bars.opened(Display(), lambda width: frame) as refresh:
        assert refresh is not None and outputs == [
            {"text/plain": "compiling", "text/html": outputs[0]["text/html"]}
        ]
        assert '<progress max="1" style' in outputs[0]["text/html"], "it moves by itself"
        frame = Frame(0.5, "half <b>")
        deadline = time.monotonic() + 10
        while len(outputs) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        frame = Frame(1.0, "done")
    assert [each["text/plain"] for each in outputs] == ["compiling", "half <b>", "done"]
    assert 'value="0.500"' in outputs[1]["text/html"] and "half &lt;b&gt;" in outputs[1]["text/html"]
    assert "<script" not in outputs[2]["text/html"]


def test_an_error_leaves_the_last_content_and_no_thread(outputs: list[dict[str, str]]) -> None:
    frame = Frame(0.1, "first")
    with pytest.raises(ZeroDivisionError), bars.opened(Display(), lambda width: frame):
        frame = Frame(0.2, "second")
        raise ZeroDivisionError
    number = len(outputs)
    assert outputs[-1]["text/plain"] == "second"
    time.sleep(0.05)
    assert len(outputs) == number


def test_lines_have_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with bars.opened(Display(), lambda width: Frame(0.5, "text")) as refresh:
        assert refresh is None
    assert capsys.readouterr() == ("", "")
