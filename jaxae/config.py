"""A config: a Python file that defines `experiment`, by its path or bare name, or a record.json."""

import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

import jaxae
from jaxae import run
from jaxae.errors import JaxaeError, nearest
from jaxae.experiment import Experiment
from jaxae.pytree import fields

_PACKAGE = Path(__file__).resolve().parent
FOLDERS = (Path("configs"), _PACKAGE.parent / "configs", _PACKAGE / "_configs")


def load_config(name: str) -> Experiment:
    """The experiment of a config file, a bare config name, a run's directory or a record.json.

    Raises: JaxaeError naming the file, or the nearest name.
    """
    path = find(name)
    if path.is_dir() or path.suffix == ".json":
        return run.read_record(path)[0]
    experiment = getattr(execute(path), "experiment", None)
    if not isinstance(experiment, Experiment):
        found = "nothing by that name" if experiment is None else type(experiment).__name__
        raise JaxaeError(f"{path}: must define `experiment`, a jaxae.Experiment; found {found}")
    return experiment


def find(name: str) -> Path:
    """Where a config is: the path itself, or configs/NAME.py here, in the project or in the package."""
    path = Path(name)
    if path.is_file() or (path.is_dir() and (path / "record.json").exists()):
        return path
    if len(path.parts) == 1 and path.suffix in ("", ".py"):
        for folder in FOLDERS:
            candidate = folder / path.with_suffix(".py").name
            if candidate.is_file():
                return candidate
    raise JaxaeError(
        f"{name}: no such config; {nearest(path.stem, names())}, or the path of a .py file or of a run"
    )


def names() -> list[str]:
    """The bare names of the configs that can be found."""
    return sorted({file.stem for folder in FOLDERS for file in folder.glob("*.py")})


def execute(path: Path) -> ModuleType:
    """Runs a config file as a module of its own; its folder is importable while it runs."""
    if not path.is_file():
        raise JaxaeError(f"{path}: not found")
    # Known under this name from now on, so that records can name the classes it defines.
    name = f"jaxae_configs.{path.stem}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise JaxaeError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        module_spec.loader.exec_module(module)
    except JaxaeError:
        raise
    except Exception as error:  # the file is the user's: whatever it raises is told in one line
        raise JaxaeError(f"{path}{_line(error, path)}: {type(error).__name__}: {_reason(error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _line(error: BaseException, path: Path) -> str:
    """`:12`, the innermost line of the config itself that the error came through."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    return f":{lines[-1]}" if lines else ""


def _reason(error: BaseException) -> str:
    """What the error says, and the nearest field for one that a spec does not have."""
    text = (str(error).strip() or "no message").splitlines()[0]
    unknown = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    cls = getattr(jaxae, unknown[1], None) if unknown and unknown[1] in jaxae.__all__ else None
    return f"{text}; {nearest(unknown[2], fields(cls))}" if unknown and cls else text
