"""A config: a Python file that defines `experiment`, by its path or bare name, or a record.json."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from jaxae import run
from jaxae.errors import JaxaeError, nearest
from jaxae.experiment import Experiment

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
    raise JaxaeError(f"{name}: no such config; {nearest(path.stem, names())}, or the path of a .py file or of a run")


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
        line = next((entry.lineno for entry in _own_frames(error, path)), None)
        where = f"{path}:{line}" if line else str(path)
        raise JaxaeError(f"{where}: {type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _own_frames(error: BaseException, path: Path) -> list:
    """The frames of the traceback that lie in the config itself, the innermost first."""
    import traceback

    if isinstance(error, SyntaxError):
        return [traceback.FrameSummary(str(path), error.lineno or 1, "")]
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in reversed(frames) if Path(frame.filename) == path]
