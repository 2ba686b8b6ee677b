"""Run a command by its name, and turn its outcome into a message and an exit code.

Exit codes: 0 success, 1 a run failed, 2 a mistake in the input, 130 SIGINT, 143 SIGTERM.
"""

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

from jaxae.cli import devices
from jaxae.cli.signals import Stopped, guard, ignore

COMMANDS = {
    "train": "train CONFIG                train: a file under configs/, its bare name, or a record.json",
    "sweep": "sweep CONFIG --over NAME=a,b --seeds N   many runs as one program, a table with intervals",
    "resume": "resume RUN                  go on with an interrupted run, bitwise",
    "evaluate": "evaluate RUN                score a run's best state again, and draw its figures",
    "sample": "sample RUN                  images from a run's prior, under a condition where it has one",
    "show": "show [CONFIG|RUN]           the resolved experiment, its parameters, FLOPs; alone: the configs",
    "data": "data list|prepare|show      which data is at hand; write a TFDS data set without TensorFlow",
}
USAGE = (
    "usage: jaxae COMMAND ...\n\n"
    + "\n".join(f"  {line}" for line in COMMANDS.values())
    + """

  jaxae COMMAND --help        every option with its type, default and unit
  jaxae --version
"""
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process (the console script `jaxae`).

    Args:
        arguments: The words after `jaxae`; None takes them from the shell.
    """
    guard()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The texts of a config may have letters that the locale lacks (LC_ALL=C): escape them.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(list(sys.argv[1:] if arguments is None else arguments))
    ignore()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; every expected error becomes one line on standard error."""
    # Imported here, after `guard`: a signal during a slow import must end the process with one line too.
    # OutOfMemory is a JaxaeError but no mistake of the input, so its handler comes first.
    from jaxae.errors import Diverged, JaxaeError, OutOfMemory

    try:
        code = _dispatch(arguments)
        # Flush inside the try block: a closed pipe is noticed only when the buffer is written.
        sys.stdout.flush()
        return code
    except OutOfMemory as error:
        return _say_once(str(error), 1)
    except JaxaeError as error:
        return _say_once(str(error), 2)
    except Diverged as error:
        return _say_once(str(error), 1)
    except FloatingPointError as error:
        # The user has set JAX_DEBUG_NANS or JAX_DEBUG_INFS, and jax found a nan or an infinity.
        return _say_once(str(error), 1)
    except BrokenPipeError:
        # Without this, Python flushes standard output once more at its end and prints a second error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _say("standard output was closed before the end", 1)
    except OSError as error:
        reason = error.strerror or str(error)
        # Only a name that the user typed can be too long, so this is a mistake in the input.
        mistaken = error.errno == errno.ENAMETOOLONG
        return _say(f"{error.filename}: {reason}" if error.filename else reason, 2 if mistaken else 1)
    except (RuntimeError, AssertionError) as error:
        if message := _platform_problem(error):
            return _say(message, 2)
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        # Evaluations choose their chunks and raise OutOfMemory. So this is a training step, or the rows.
        advice = "to train, lower batch_size or the widths; for rows that do not fit, set data.stream"
        return _say(f"the device's memory is full; {advice} ({error})", 1)
    except Stopped as stopped:
        return _say_once(str(stopped), stopped.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted", 130)


def _dispatch(arguments: list[str]) -> int:
    """Import the module of a command and run it; commands are imported one at a time to start faster."""
    from jaxae.errors import JaxaeError, nearest

    if not arguments:
        raise JaxaeError(f"a command is missing; valid: {', '.join(COMMANDS)}; jaxae --help tells more")
    if arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if arguments[0] == "--version":
        import jaxae

        print(f"jaxae {jaxae.__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise JaxaeError(f"{name}: no such command; {nearest(name, COMMANDS)}")
    # Both must happen before the command's module imports jax, which reads the environment once.
    _quiet_libraries()
    if name == "sweep":
        # Lanes are spread over all cores. They exchange nothing, so they need no extra threads.
        devices.prepare(rest, default=devices.num_cores(), exchanging=False)
        devices.leave_memory(rest)
    else:
        devices.prepare(rest)
    command = importlib.import_module(f"jaxae.cli.{name}_command")
    return command.main(rest)


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


def _say_once(message: str, code: int) -> int:
    """Print an error that all processes of a run have, in the first process only."""
    # Not imported: importing jax takes a second, and a mistake may have been found before it was needed.
    jax = sys.modules.get("jax")
    follows = jax is not None and jax.distributed.is_initialized() and jax.process_index() > 0
    return code if follows else _say(message, code)


def _say(message: str, code: int) -> int:
    """Print an error as one line on standard error, and return the exit code."""
    print(f"jaxae: {' '.join(message.split())}", file=sys.stderr)
    return code
