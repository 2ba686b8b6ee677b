"""Where progress is displayed."""

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from jaxae.display.places import Display, for_command, for_python, in_notebook


class Stream(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    "is_terminal, term, place",
    [(True, "xterm", "terminal"), (True, "dumb", "lines"), (False, "xterm", "lines")],
)
def test_a_bar_needs_a_terminal_that_redraws(
    is_terminal: bool, term: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert Display(stream=lambda: Stream(is_terminal)).place == place
    assert Display(is_shown=False, stream=lambda: Stream(is_terminal)).place == "nothing"


@pytest.mark.parametrize(
    "shell, expected", [(None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=1), True)]
)
def test_a_notebook_is_a_shell_of_ipython_with_a_kernel(
    shell: Any, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore
    assert in_notebook() is expected
    assert (Display().place == "notebook") is expected


def test_python_uses_standard_error_and_the_variable_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXAE_PROGRESS", "1")
    assert for_python(True).is_shown and not for_python(False).is_shown
    assert for_python(True).stream() is sys.stderr and for_command().stream() is sys.stdout
    monkeypatch.setenv("JAXAE_PROGRESS", "0")
    assert not for_python(True).is_shown and for_command().is_shown
