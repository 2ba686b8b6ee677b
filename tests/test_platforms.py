"""Windows and macOS: no module needs what only Linux has, and files have the same bytes on each."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "jaxae"
FILES = sorted(PACKAGE.rglob("*.py"))
# Modules of the standard library that Windows lacks, and functions of `os` that macOS or Windows lacks.
POSIX_MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "posix"}
POSIX_FUNCTIONS = ("fork", "getuid", "sched_getaffinity", "sysconf", "killpg", "setsid", "getpgid", "nice")
TEXT_METHODS = {"read_text", "write_text"}


def test_every_module_imports_without_posix_modules() -> None:
    """The dependencies are imported first: what is simulated is jaxae on a platform, not their ports."""
    code = f"""
import importlib, os, pkgutil, sys
import jax, flax.linen, optax, pydantic, rich.live, portalocker, numpy, subprocess, tempfile
sys.modules.update(dict.fromkeys({sorted(POSIX_MODULES)}))
[delattr(os, name) for name in {POSIX_FUNCTIONS} if hasattr(os, name)]
import jaxae
light = [m.name for m in pkgutil.walk_packages(jaxae.__path__, "jaxae.") if ".plots" not in m.name]
[importlib.import_module(name) for name in light if name != "jaxae.__main__"]
from jaxae.cli.devices import num_cores
from jaxae.sweeps.groups.layouts import memory_budget
print(len(light) > 150, num_cores() > 0, memory_budget() > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True True True\n", done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_texts_are_utf8_on_every_platform(file: Path) -> None:
    """Windows reads and writes texts in the encoding of its locale unless another one is given."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if _opens_text(call) and not _names_encoding(call)] == []


def _opens_text(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        # `directory.write_text` is a function of jaxae, which names the encoding itself.
        receiver = call.func.value
        is_own = isinstance(receiver, ast.Name) and receiver.id == "directory"
        return call.func.attr in TEXT_METHODS and not is_own
    if not (isinstance(call.func, ast.Name) and call.func.id == "open"):
        return False
    modes = [arg.value for arg in call.args[1:2] if isinstance(arg, ast.Constant)]
    return not any("b" in str(mode) for mode in modes)


def _names_encoding(call: ast.Call) -> bool:
    return any(keyword.arg == "encoding" for keyword in call.keywords)
