"""Run a command by its name, and turn its outcome into a message and an exit code.

Exit codes: 0 success, 1 a run failed, 2 a mistake in the input, 128 + number after a signal (130 Ctrl-C).
"""

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from jaxae.cli import devices, streams
from jaxae.cli.signals import Stopped, guard, ignore

COMMANDS = {
    "train": "train CONFIG         train an experiment: a Python file, its bare name, or a record.json",
    "sweep": "sweep CONFIG         train many settings and seeds; write a table with intervals",
    "resume": "resume RUN           continue an interrupted run; the result has the same bits",
    "evaluate": "evaluate RUN...      score a run again and draw its figures, or measure several runs",
    "sample": "sample RUN           draw samples from the prior of a run",
    "export": "export RUN           write the encoder, decoder and sampler to files that need no jaxae",
    "ls": "ls [DIR]             list the runs and sweeps of a folder",
    "compare": "compare RUN RUN...   show what differs between runs, and their scores side by side",
    "report": "report RUN...        write one HTML file that shows a run, a sweep, or runs side by side",
    "explore": "explore RUN          move through the codes of a run, with a live decoder in the browser",
    "watch": "watch DIR            show the losses of a run, a sweep or a folder of them while they train",
    "tag": "tag RUN...           change the name, the tags and the note of runs",
    "accept": "accept RUN...        accept files of runs or sweeps that you edited by hand",
    "show": "show [CONFIG|RUN]    print an experiment, its parameters and FLOPs, or list the configs",
    "data": "data COMMAND         list, show, download or prepare data sets (list, show, download, prepare)",
    "completion": "completion SHELL     print a script that completes words in bash, zsh or fish",
}
USAGE = (
    "usage: jaxae COMMAND ...\n\n"
    + "\n".join(f"  {line}" for line in COMMANDS.values())
    + """

  jaxae COMMAND --help    show every option with its type, range and default
  jaxae --version         show the version
"""
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process (the console script `jaxae`).

    Args:
        arguments: The words after `jaxae`; None takes them from the shell.
    """
    guard()
    words = list(sys.argv[1:] if arguments is None else arguments)
    streams.install(words[0] if words else "")
    code = run(words, quick=True)
    ignore()
    _leave_threads(code)
    sys.exit(code)


def _leave_threads(code: int) -> None:
    """End the process now if a thread still compiles: after Ctrl-C, Python would wait for it."""
    compiling = [sys.modules.get(name) for name in ("jaxae.training.ahead", "jaxae.sweeps.groups.programs")]
    if not any(module is not None and module.is_busy() for module in compiling):
        return
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run(arguments: list[str], *, quick: bool = False) -> int:
    """Run one command; every expected error becomes one line on standard error.

    Args:
        arguments: The words after `jaxae`.
        quick: Whether help and mistakes are answered from the user's cache, without jax, if possible.

    Returns:
        The exit code.
    """
    # Imported here, after `guard`: a signal during a slow import must end the process with one line too.
    # OutOfMemory is a JaxaeError but no mistake of the input, so its handler comes first.
    from jaxae.cli import output
    from jaxae.errors import Diverged, JaxaeError, OutOfMemory

    try:
        with output.directed(arguments):
            code = _dispatch(arguments, quick)
        # Flush inside the try block: a closed pipe is noticed only when the buffer is written.
        sys.stdout.flush()
        return code
    except OutOfMemory as error:
        return _report_once(str(error), 1)
    except JaxaeError as error:
        return _report_once(str(error), 2)
    except Diverged as error:
        return _report_once(str(error), 1)
    except FloatingPointError as error:
        # The user has set JAX_DEBUG_NANS or JAX_DEBUG_INFS, and jax found a nan or an infinity.
        return _report_once(str(error), 1)
    except BrokenPipeError:
        return _report("standard output was closed before the end", 1)
    except OSError as error:
        reason = error.strerror or str(error)
        # Only a name that the user typed can be too long, so this is a mistake in the input.
        is_mistake = error.errno == errno.ENAMETOOLONG
        return _report(f"{error.filename}: {reason}" if error.filename else reason, 2 if is_mistake else 1)
    except (RuntimeError, AssertionError) as error:
        if message := _platform_problem(error):
            return _report(message, 2)
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        # Evaluations choose their chunks and raise OutOfMemory. So this is a training step, or the rows.
        advice = "for training, lower batch_size or the widths; for rows that do not fit, set data.stream"
        return _report(f"the device's memory is full; {advice} ({error})", 1)
    except Stopped as stopped:
        return _report_once(str(stopped), stopped.exit_code)
    except KeyboardInterrupt:
        return _report("interrupted", 130)


def _dispatch(arguments: list[str], is_quick: bool) -> int:
    """Import the module of a command and run it; commands are imported one at a time to start faster."""
    from jaxae.errors import JaxaeError

    for number, word in enumerate(arguments, start=1):
        # Python holds bytes that are not UTF-8 as surrogates, which no text file can hold.
        if not word.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise JaxaeError(f"argument {number}: got {os.fsencode(word)!r}, expected UTF-8; rename the file")
    if not arguments:
        raise JaxaeError(f"a command is missing; valid: {', '.join(COMMANDS)}; see jaxae --help")
    if arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if arguments[0] == "--version":
        import jaxae

        print(f"jaxae {jaxae.__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise JaxaeError(f"{name}: no such command; {_meant(name)}")
    if is_quick and (code := _answer(name, rest)) is not None:
        return code
    # Both must happen before the command's module imports jax, which reads the environment once.
    _quiet_libraries()
    if name == "sweep":
        # Lanes are spread over all cores. They exchange nothing, so they need no extra threads.
        devices.prepare(rest, default=devices.num_cores(), exchanging=False)
        devices.leave_memory(rest)
    else:
        devices.prepare(rest)
    command = importlib.import_module(f"jaxae.cli.{name}_command")
    try:
        return command.main(rest)
    except (JaxaeError, SystemExit):
        if is_quick and "jax" in sys.modules:
            # From now on help and mistakes are answered without jax. Runs do not pay for that. Whatever fails
            # here must not hide the mistake that is reported.
            with contextlib.suppress(Exception):
                importlib.import_module("jaxae.cli.describe").keep()
        raise


def _meant(name: str) -> str:
    """Return a hint for a word that is no command, such as the name of a config."""
    from jaxae.errors import nearest
    from jaxae.runs import config_files

    if name in config_files.names() or name.endswith(".py"):
        return f"to train a config: jaxae train {name}"
    return nearest(name, COMMANDS)


def _answer(name: str, arguments: list[str]) -> int | None:
    """Answer help and mistakes without jax, if possible; None if the command must run."""
    from jaxae.cli import quick

    return quick.answer(name, arguments, call_of(name))


def call_of(name: str) -> str:
    """Return a command with its argument, as the help shows it: `train CONFIG`."""
    return COMMANDS[name].partition("  ")[0].replace("[", "").replace("]", "")


def _quiet_libraries() -> None:
    """Silence the C++ libraries of jax, which would write between the lines of a command."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def _platform_problem(error: Exception) -> str | None:
    """Return in one line why jax cannot start; None if it can or if it was never imported."""
    if "jax" not in sys.modules:
        return None
    from jaxae.training import platforms

    return platforms.problem(error)


def _report_once(message: str, code: int) -> int:
    """Print an error that all processes of a run have, in the first process only."""
    # Not imported: importing jax takes a second, and a mistake may have been found before it was needed.
    jax = sys.modules.get("jax")
    is_follower = jax is not None and jax.distributed.is_initialized() and jax.process_index() > 0
    return code if is_follower else _report(message, code)


def _report(message: str, code: int) -> int:
    """Print an error as one line on standard error, and return the exit code."""
    from jaxae.errors import visible

    print(f"jaxae: {visible(' '.join(message.split()))}", file=sys.stderr)
    return code
