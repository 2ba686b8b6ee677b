"""Configs: Python files that define `experiment`, given by path or bare name, and records of runs."""

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
from jaxae.runs.config_files import find as find
from jaxae.runs.config_files import headline as headline
from jaxae.runs.config_files import is_record as is_record
from jaxae.runs.config_files import is_yaml as is_yaml
from jaxae.runs.config_files import names as names
from jaxae.runs.experiment import Experiment
from jaxae.specs import public
from jaxae.specs.pytree import fields
from jaxae.specs.records import CONFIGS, from_record
from jaxae.training import platforms


def load_config(name: str) -> Experiment:
    """Load the experiment of a config (a .py or .yaml file, a bare name), a run's directory or a record.json.

    Raises:
        JaxaeError: If there is no such config, or it fails. The message names the file or the nearest name.

    Example:
        >>> import jaxae
        >>> jaxae.load_config("ae_digits").model.latent_dim
        10
    """
    path = find(name)
    if is_record(path):
        return _load_recorded(path)
    if is_yaml(path):
        return _load_yaml(path)
    experiment = getattr(execute(path), "experiment", None)
    if not isinstance(experiment, Experiment):
        kind = "nothing by that name" if experiment is None else type(experiment).__name__
        raise JaxaeError(f"{path}: must define `experiment`, a jaxae.Experiment; found {kind}")
    return experiment


def _load_recorded(path: Path) -> Experiment:
    """Return the experiment of a record; warn if the code of the user's classes is not that of the run."""
    experiment, record = run_record.read_record(path)
    code, recorded = identity.describe(experiment), kept.latest(record)
    if (message := kept.cannot_compare(recorded, code)) is not None:
        warn(f"{path}: {message}")
    if recorded is not None and kept.is_changed(recorded, code):
        warn(f"the code is not that of {path}: {kept.changes(recorded, code)}")
    return experiment


def _load_yaml(path: Path) -> Experiment:
    """Return the experiment of a YAML file. Raises: JaxaeError that names the file and the field."""
    import yaml  # here, because few users need it

    try:
        return from_record(yaml.safe_load(path.read_bytes()), Experiment)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise JaxaeError(f"{path}: is not valid YAML ({reason})") from None
    except JaxaeError as error:
        raise JaxaeError(f"{path}: {error}") from None


def load_sweep(name: str) -> Any:
    """Return the `sweep` of a config file: settings, a function that returns them, or None if it has none.

    Raises:
        JaxaeError: If there is no such config, or it fails. The message names the file.
    """
    path = find(name)
    return None if is_record(path) or is_yaml(path) else getattr(execute(path), "sweep", None)


def execute(path: Path, source: bytes | None = None) -> ModuleType:
    """Execute a config file as a separate module, with its folder on the import path.

    Args:
        path: The file.
        source: Source to execute instead of the file's content; the file need not exist then.

    Returns:
        The module.

    Raises:
        JaxaeError: If the file is missing, is no .py file or raises an exception. The message gives the line.
    """
    if source is None and not path.is_file():
        raise JaxaeError(f"{path}: not found")
    if path.suffix != ".py":
        raise JaxaeError(
            f"{path}: is not a config; expected a .py or .yaml file, a run's directory or a record.json"
        )
    # The module stays in sys.modules under this name, so that records can name the classes it defines.
    name = f"{CONFIGS}.{path.stem}"
    loader = _Source(name, str(path), source)
    module_spec = importlib.util.spec_from_loader(name, loader)
    assert module_spec is not None  # never None with a loader
    module = importlib.util.module_from_spec(module_spec)
    sys.modules.pop(name, None)  # moves it to the end: the newest config comes last
    sys.modules[name] = module
    # As for `python FILE`: a config may import the modules next to it.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file is a user's: any exception becomes one line
        platforms.check()  # a config may be the first to compute, on a platform that does not work
        kind = "" if isinstance(error, JaxaeError) else f"{type(error).__name__}: "
        raise JaxaeError(f"{path}{_error_line(error, path)}: {kind}{_error_reason(error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


class _Source(importlib.machinery.SourceFileLoader):
    """Loader that always reads the source: bytecode misses an edit of the same second and length."""

    def __init__(self, fullname: str, path: str, source: bytes | None) -> None:
        super().__init__(fullname, path)
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        """Return the file's code, compiled now, and keep the source that was executed."""
        # The source stays with the module: workers of a sweep execute it, and it is kept with a run.
        if self.source is None:
            self.source = self.get_data(self.path)
        return self.source_to_code(self.source, self.path)


def is_config(module: str) -> bool:
    """Return whether a module of that name is a config that was executed."""
    return module.startswith(f"{CONFIGS}.")


def sources(modules: Iterable[str]) -> list[tuple[Path, bytes]]:
    """Return (path, executed source) of each module that is a config, for `execute` in another process."""
    loaders: list[Any] = [sys.modules[name].__loader__ for name in dict.fromkeys(filter(is_config, modules))]
    # The source that was executed, not the file's content now: a worker must define the same classes.
    return [(Path(loader.path).resolve(), loader.source) for loader in loaders]


def _error_line(error: BaseException, path: Path) -> str:
    """Return `:12`, the innermost line of the config itself on the error's traceback, or ""."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_same_file(frame.filename, path)
    ]
    if isinstance(error, SyntaxError) and _is_same_file(error.filename, path):
        lines.append(error.lineno)
    return f":{lines[-1]}" if lines and lines[-1] else ""


def _is_same_file(filename: str | None, path: Path) -> bool:
    return filename is not None and Path(filename).resolve() == path.resolve()


def _error_reason(error: BaseException) -> str:
    """Return the error's message, with the nearest field for a field that a spec does not have."""
    text = (str(error).strip() or "no message").splitlines()[0]
    unknown = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    cls = public.find(f"jaxae.{unknown[1]}") if unknown else None
    if not (unknown and cls):
        return text
    text = re.sub(r"\. Did you mean '\w+'\?$", "", text)  # Python 3.13 suggests a name, but no valid ones
    return f"{text}; {nearest(unknown[2], fields(cls))}"
