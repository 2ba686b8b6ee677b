"""Where data lie on this machine: what of `DataSpec` is a path, and the same with absolute paths."""

from pathlib import Path

from jaxae.data.data_spec import DataSpec
from jaxae.data.files import root, tfds_root
from jaxae.data.sources.catalog import NAMED, NUMBERED
from jaxae.specs.pytree import replace

OF_RUNS = ("tokens", "captions")  # of `kind:RUN`, the directory of a run


def path_of(data: DataSpec) -> tuple[str, str] | None:
    """`x.npy` -> ("", "x.npy"), `tokens:RUN` -> ("tokens:", "RUN"); None for a name that holds no path."""
    kind, colon, rest = data.name.partition(":")
    if kind in OF_RUNS and rest:
        return kind + colon, rest
    is_name = data.name in NAMED or kind in NUMBERED or kind == "tfds"
    return None if is_name else ("", data.name)


def absolute(data: DataSpec) -> DataSpec:
    """Return `data` with absolute paths in place of those relative to the working directory or home.

    A folder that an environment variable names becomes part of it.
    """
    if parts := path_of(data):
        kind, path = parts
        return replace(data, "name", f"{kind}{_absolute(Path(path))}")
    folder = tfds_root(data.folder) if data.name.startswith("tfds:") else root(data.folder)
    return replace(data, "folder", str(_absolute(folder))) if folder and reads_folder(data) else data


def reads_folder(data: DataSpec) -> bool:
    """Return whether the data are files of a named data set, in `folder` or where the environment says."""
    return data.name.startswith("tfds:") or (data.name in NAMED and data.name != "digits")


def _absolute(path: Path) -> Path:
    """The path from the root; links are followed only where `..` comes after one."""
    path = path.expanduser().absolute()
    return path.resolve() if ".." in path.parts else path
