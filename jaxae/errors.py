"""Exceptions and warnings; each message is one line.

It names the value given, the value expected and the valid names, as in
`model.beta: got -1.0; input should be greater than or equal to 0`.
"""

import contextlib
import difflib
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

_CONTROLS = [code for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"]
# Marks that change the direction of text, and two line breaks that are no "\n".
_MARKS = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROLS} | {code: f"\\u{code:04x}" for code in _MARKS}
RED, PLAIN = "\x1b[31m", "\x1b[0m"  # ANSI codes, which notebooks and IPython's terminal understand


def _render_in_one_line(error: BaseException) -> list[str]:
    """Return the lines that IPython shows instead of a traceback, by its hook `_render_traceback_`.

    Scripts and debuggers (`%debug`) still have the traceback.
    """
    lines = [f"{RED}{type(error).__name__}{PLAIN}: {' '.join(str(error).split())}"]
    if (place := _place_in_users_code(error.__cause__)) is not None:
        lines.append(f"  {place}")
    return lines


def _place_in_users_code(cause: BaseException | None) -> str | None:
    """Return the innermost line of the user's code that raised an exception, or None if there is none."""
    # A mistake in a method of the user's model is found by its line, not by the message alone.
    libraries = Path(__file__).parent, *map(Path, sysconfig.get_paths().values())
    frames = [] if cause is None else traceback.extract_tb(cause.__traceback__)
    own = [frame for frame in frames if not any(map(Path(frame.filename).is_relative_to, libraries))]
    return f"in {own[-1].name}: {own[-1].line}  ({type(cause).__name__})" if own else None


class JaxaeError(Exception):
    """Error in the user's input, with a message of one line.

    The command line prints the message without a traceback and exits with code 2; a notebook shows it without
    a traceback too.
    """

    _render_traceback_ = _render_in_one_line


class NotApplicable(JaxaeError):
    """Error of a measure that has no value for this model or these rows; the message is the reason."""


class Interrupted(Exception):
    """Signal that a sweep's observer stopped the sweep after everything was saved.

    The command line raises it when a signal has stopped training.
    """

    _render_traceback_ = _render_in_one_line


class SavedInterrupt(KeyboardInterrupt):
    """KeyboardInterrupt of a run or sweep that was saved first.

    The message gives the call that continues it.
    """

    _render_traceback_ = _render_in_one_line


class SavedExit(SystemExit):
    """SystemExit of a run or sweep that SIGTERM or SIGHUP stopped after it was saved.

    The exit code is 128 + the number of the signal, as a shell reports it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code)
        self.message = message

    def __str__(self) -> str:
        return self.message


class OutOfMemory(JaxaeError):
    """Error of an evaluation that does not fit in memory even in its smallest parts.

    The command line prints the message and exits with code 1.
    """


class Diverged(Exception):
    """Error of a training run whose loss, gradient or parameters are not finite.

    The message names the step and the term.
    """

    _render_traceback_ = _render_in_one_line


def say(message: str) -> None:
    """Print `jaxae: message` as one line on standard error; nothing happens if it is closed."""
    # Nothing may depend on a line for people: neither a run, nor the thread that hears signals.
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(f"jaxae: {visible(message)}", file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print `jaxae: warning: message` as one line on standard error; nothing happens if it is closed."""
    say(f"warning: {message}")


def visible(text: str) -> str:
    r"""Return a text from a file as a terminal may show it.

    Control characters would let the text of a note clear the screen or change its colours, and marks of
    direction would let a name show its letters in another order.

    Args:
        text: Any text.

    Returns:
        The text, with escapes such as `\x1b` in place of these characters. Line breaks and tabs stay.

    Example:
        >>> visible("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    return text.translate(_ESCAPES)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint with the closest valid name and all valid names, to append to an error message.

    Args:
        name: The unknown name.
        valid: The valid names.

    Returns:
        `did you mean 'beta'? valid: alpha, beta`, or only the valid names if none is close.

    Example:
        >>> nearest("betta", ["model.alpha", "model.beta"])
        "did you mean 'model.beta'? valid: model.alpha, model.beta"
    """
    names = sorted(valid)
    # difflib's default threshold of 0.6: with 0.5, `nope` would be `mine`. A wrong hint is worse than none.
    close = difflib.get_close_matches(name, names, n=1)
    # A dotted name is also compared by its last part: `betta` alone is too short to be close to `model.beta`.
    if not close:
        tails = {candidate.rpartition(".")[2]: candidate for candidate in names}
        close = [tails[tail] for tail in difflib.get_close_matches(name.rpartition(".")[2], list(tails), n=1)]
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}valid: {', '.join(names)}"
