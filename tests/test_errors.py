"""How a mistake is shown in a notebook: in one line, by the hook that IPython calls."""

import traceback

import pytest

import jaxae
from jaxae.errors import Interrupted, JaxaeError, SavedInterrupt


@pytest.mark.parametrize("cls", [JaxaeError, jaxae.Diverged, Interrupted, SavedInterrupt])
def test_a_notebook_shows_one_line(cls: type[BaseException]) -> None:
    (line,) = cls("epochs: got -1,\nexpected > 0")._render_traceback_()  # type: ignore[attr-defined]
    assert line == f"\x1b[31m{cls.__name__}\x1b[0m: epochs: got -1, expected > 0"


def test_a_mistake_in_the_users_code_has_its_line() -> None:
    def decode(z: int) -> float:
        return z / 0

    try:
        try:
            decode(1)
        except ZeroDivisionError as error:
            raise JaxaeError("model: decode fails") from error
    except JaxaeError as error:
        lines = error._render_traceback_()
        assert "Traceback" in "".join(traceback.format_exception(error)), "scripts have the traceback"
    assert lines[1:] == ["  in decode: return z / 0  (ZeroDivisionError)"]


def test_saved_interrupts_are_keyboard_interrupts() -> None:
    """So `except Exception` of a user's loop does not swallow them."""
    assert issubclass(SavedInterrupt, KeyboardInterrupt)
