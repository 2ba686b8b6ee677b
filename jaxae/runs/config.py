"""A config: a Python file that defines `experiment`, by its path or bare name, or a record.json."""

import ast
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from jaxae.errors import JaxaeError, nearest, warn
from jaxae.runs import run_record
from jaxae.runs.code import identity, kept
from jaxae.runs.experiment import Experiment
from jaxae.specs import public
from jaxae.specs.pytree import fields
from jaxae.specs.records import CONFIGS
from jaxae.training import platforms

_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (Path("configs"), _PACKAGE.parent / "configs", _PACKAGE / "_configs")


def load_config(name: str) -> Experiment:
    """The experiment of a config file, a bare config name, a run's directory or a record.json.

    Raises: JaxaeError naming the file, or the nearest name.
    """
    path = find(name)
    if is_record(path):
        return _recorded(path)
    experiment = getattr(execute(path), "experiment", None)
    if not isinstance(experiment, Experiment):
        found = "nothing by that name" if experiment is None else type(experiment).__name__
        raise JaxaeError(f"{path}: must define `experiment`, a jaxae.Experiment; found {found}")
    return experiment


def _recorded(path: Path) -> Experiment:
    """The experiment of a record, with a warning where classes of the user's own are not those of the run."""
    experiment, record = run_record.read_record(path)
    code, recorded = identity.describe(experiment), kept.latest(record)
    if (message := kept.cannot_compare(recorded, code)) is not None:
        warn(f"{path}: {message}")
    if recorded is not None and kept.is_changed(recorded, code):
        warn(f"the code is not that of {path}: {kept.changes(recorded, code)}")
    return experiment


def load_sweep(name: str) -> Any:
    """What a config file defines as `sweep`: settings, or a function of them; None where there is nothing.

    Raises: JaxaeError naming the file.
    """
    path = find(name)
    return None if is_record(path) else getattr(execute(path), "sweep", None)


def find(name: str) -> Path:
    """Where a config is: the path itself, or configs/NAME.py here, in the project or in the package."""
    path = Path(name)
    if path.is_file() or (path.is_dir() and (path / "record.json").exists()):
        return path
    if name and path.name == name and path.suffix in ("", ".py"):
        for folder in FOLDERS:
            candidate = folder / path.with_suffix(".py").name
            if candidate.is_file():
                return candidate
    raise JaxaeError(
        f"{name}: no such config; {nearest(path.stem, names())}, or the path of a .py file or of a run"
    )


def is_record(path: Path) -> bool:
    """Whether what `find` found is a run or its record, and no Python file."""
    return path.is_dir() or path.suffix == ".json"


def headline(path: Path) -> str:
    """The first line of a config's docstring; the file is read, not executed. "" where there is none."""
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError, OSError):
        return ""
    return (text or "").partition("\n")[0]


def names() -> list[str]:
    """The bare names of the configs that can be found."""
    return sorted({file.stem for folder in FOLDERS for file in folder.glob("*.py")})


def execute(path: Path, source: bytes | None = None) -> ModuleType:
    """Runs a config file as a module of its own; its folder is importable while it runs.

    `source`: what is run instead of what the file holds, if it is still there at all.
    """
    if source is None and not path.is_file():
        raise JaxaeError(f"{path}: not found")
    if path.suffix != ".py":
        raise JaxaeError(f"{path}: is no config; expected a .py file, a run's directory or a record.json")
    # Known under this name from now on, so that records can name the classes it defines.
    name = f"{CONFIGS}.{path.stem}"
    loader = _Source(name, str(path), source)
    module_spec = importlib.util.spec_from_loader(name, loader)
    assert module_spec is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules.pop(name, None)  # so that the last one is the newest
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file is the user's: whatever it raises is told in one line
        platforms.check()  # a config may be what first computes, on a platform that cannot be used
        kind = "" if isinstance(error, JaxaeError) else f"{type(error).__name__}: "
        raise JaxaeError(f"{path}{_line(error, path)}: {kind}{_reason(error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


class _Source(importlib.machinery.SourceFileLoader):
    """Reads the source itself: Python's bytecode does not notice an edit of the same second and length."""

    def __init__(self, fullname: str, path: str, source: bytes | None) -> None:
        super().__init__(fullname, path)
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        """The file's code, compiled now."""
        if self.source is None:
            self.source = self.get_data(self.path)
        return self.source_to_code(self.source, self.path)


def is_config(module: str) -> bool:
    """Whether a module of that name is a config that was executed."""
    return module.startswith(f"{CONFIGS}.")


def sources(modules: Iterable[str]) -> list[tuple[Path, bytes]]:
    """The files of those modules that are configs, with what was executed, for `execute` elsewhere."""
    loaders: list[Any] = [sys.modules[name].__loader__ for name in dict.fromkeys(filter(is_config, modules))]
    return [(Path(loader.path).resolve(), loader.source) for loader in loaders]


def _line(error: BaseException, path: Path) -> str:
    """`:12`, the innermost line of the config itself that the error came through."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _same(frame.filename, path)
    ]
    if isinstance(error, SyntaxError) and _same(error.filename, path):
        lines.append(error.lineno)
    return f":{lines[-1]}" if lines and lines[-1] else ""


def _same(filename: str | None, path: Path) -> bool:
    return filename is not None and Path(filename).resolve() == path.resolve()


def _reason(error: BaseException) -> str:
    """What the error says, and the nearest field for one that a spec does not have."""
    text = (str(error).strip() or "no message").splitlines()[0]
    unknown = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    cls = public.find(f"jaxae.{unknown[1]}") if unknown else None
    if not (unknown and cls):
        return text
    text = re.sub(r"\. Did you mean '\w+'\?$", "", text)  # Python 3.13 suggests a name, but no valid ones
    return f"{text}; {nearest(unknown[2], fields(cls))}"
