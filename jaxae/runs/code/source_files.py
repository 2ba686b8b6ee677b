"""The source of a user's own modules: configs, scripts, notebooks and imported files.

Modules of jaxae, of Python's standard library and of installed packages do not count: their versions are
recorded instead.
"""

import functools
import importlib.util
import linecache
import site
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxae.runs.code.definitions import Table, parse
from jaxae.specs.records import CONFIGS

MAIN = "__main__"
# A script or notebook is kept without the statements that it runs: only its definitions.
MAIN_CLASSES = "main_classes.py"
_PACKAGE = Path(__file__).resolve().parents[2]
_NO_NAMES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Source:
    """The source of one module."""

    name: str
    """Name of the module."""
    label: str
    """Name of the file in the folder of kept code: own.py, mylib/layers.py."""
    cells: tuple[str, ...]
    """The text; that of a notebook in cells, in the order of their execution."""
    namespace: Mapping[str, Any]
    """Global name -> value; empty for a module that is not imported yet."""
    path: Path | None = None
    """The file; None for a notebook."""

    @property
    def table(self) -> Table:
        """Names that the source defines."""
        return parse(self.cells)

    @property
    def shown(self) -> str:
        """Name of the file in messages."""
        if self.path is None:
            return "this notebook or session"
        working_directory, path = Path.cwd(), self.path
        return (
            str(path.relative_to(working_directory)) if path.is_relative_to(working_directory) else str(path)
        )

    def absolute(self, module: str) -> str:
        """Return the full name of a module that is imported here, perhaps by a relative name."""
        if not module.startswith("."):
            return module
        is_package = self.path is not None and self.path.name == "__init__.py"
        package = self.name if is_package else self.name.rpartition(".")[0]
        try:
            return importlib.util.resolve_name(module, package)
        except ImportError:
            return module


def find(name: str, near: Source | None = None) -> Source | None:
    """Return the source of a module if it is a user's own, imported or not.

    Args:
        name: The module's full name.
        near: A module whose folder is searched too.

    Returns:
        The source, or None.
    """
    module = sys.modules.get(name)
    return of_namespace(vars(module)) if module is not None else _find_unimported(name, near)


def of_namespace(namespace: Mapping[str, Any]) -> Source | None:
    """Return the source that was executed in a module's global names; None if it is not a user's own."""
    name = namespace.get("__name__", "")
    loader = namespace.get("__loader__")
    if name.startswith(f"{CONFIGS}."):
        # The loader keeps the source that it executed, while the file may have been edited since.
        path = Path(loader.path)  # type: ignore[union-attr]
        return Source(name, path.name, (_decode(loader.source),), namespace, path.resolve())  # type: ignore[union-attr]
    if name == MAIN and (cells := _typed_cells(namespace)):
        return Source(MAIN, MAIN_CLASSES, cells, namespace)
    file = namespace.get("__file__")
    return _read(name, Path(file), namespace) if isinstance(file, str) else None


def is_installed(name: str) -> bool:
    """Return whether a module is jaxae's, the standard library's or an installed package's."""
    if name.startswith(f"{CONFIGS}."):
        return False
    module = sys.modules.get(name)
    top = name.partition(".")[0]
    if top == "jaxae" or (top in sys.stdlib_module_names and name != MAIN):
        return True
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and not _is_own(Path(file).resolve())


def _find_unimported(name: str, near: Source | None) -> Source | None:
    """Return the source of a module that is not imported yet; nothing is executed to find it."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "jaxae" or (top in sys.modules and is_installed(top)):
        return None
    path: list[str] | None = [*([str(near.path.parent)] if near and near.path else []), *sys.path]
    # PathFinder part by part: importlib.util.find_spec("a.b") would import the package a.
    spec, parts = None, name.split(".")
    for number in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: number + 1]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return _read(name, Path(spec.origin), _NO_NAMES) if spec and spec.origin else None


def _read(name: str, file: Path, namespace: Mapping[str, Any]) -> Source | None:
    path = file.resolve()
    if path.suffix != ".py" or not _is_own(path):
        return None
    try:
        text = _decode(path.read_bytes())
    except (OSError, UnicodeDecodeError, SyntaxError):  # SyntaxError: an unknown encoding
        return None
    parts = name.split(".")
    label = "/".join([*parts, "__init__.py"]) if path.name == "__init__.py" else "/".join(parts) + ".py"
    return Source(name, MAIN_CLASSES if name == MAIN else label, (text,), namespace, path)


def _decode(source: bytes) -> str:
    # Honours an encoding that the file declares (PEP 263), as Python's import does.
    return importlib.util.decode_source(source)


def _typed_cells(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the text typed into a notebook or an interactive session, if Python keeps it."""
    typed = namespace.get("In")
    if isinstance(typed, list) and "get_ipython" in namespace:
        return tuple(cell for cell in typed if isinstance(cell, str))
    if "__file__" in namespace:
        return ()
    names = [name for name in linecache.cache if name.startswith("<python-input")]  # from Python 3.13 on
    return tuple("".join(linecache.getlines(name)) for name in names)


def _is_own(path: Path) -> bool:
    # By name as well: packages of another environment may be on the path.
    inside = {"site-packages", "dist-packages"} & set(path.parts)
    return not inside and not any(path.is_relative_to(folder) for folder in _installed_folders())


@functools.cache
def _installed_folders() -> tuple[Path, ...]:
    """Return the folders of jaxae, the standard library and installed packages."""
    names = "stdlib", "platstdlib", "purelib", "platlib"
    folders = [
        *(sysconfig.get_path(name) for name in names),
        *site.getsitepackages(),
        site.getusersitepackages(),
    ]
    return (_PACKAGE, *(Path(folder).resolve() for folder in folders if folder))
