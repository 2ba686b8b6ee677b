"""Locations of data on this machine: the path in a `DataSpec`, and the same spec with absolute paths."""

from pathlib import Path

from jaxae.data.data_spec import DataSpec
from jaxae.data.files import root, tfds_root
from jaxae.data.sources.catalog import NAMED, NUMBERED
from jaxae.specs.pytree import replace

OF_RUNS = ("tokens", "captions")  # kinds of data whose name is `kind:RUN`, with the directory of a run


def path_of(data: DataSpec) -> tuple[str, str] | None:
    """Return (prefix, path) of a name that holds a path, or None for other names.

    Example:
        >>> path_of(DataSpec(name="x.npy"))
        ('', 'x.npy')
        >>> path_of(DataSpec(name="tokens:runs/vq_vae"))
        ('tokens:', 'runs/vq_vae')
    """
    kind, colon, rest = data.name.partition(":")
    if kind in OF_RUNS and rest:
        return kind + colon, rest
    is_name = data.name in NAMED or kind in NUMBERED or kind == "tfds"
    return None if is_name else ("", data.name)


def absolute(data: DataSpec) -> DataSpec:
    """Return `data` with absolute paths in place of paths relative to the working or home directory.

    A folder that comes from an environment variable becomes part of the result, so that a recorded location
    does not depend on the environment.
    """
    if parts := path_of(data):
        kind, path = parts
        return replace(data, "name", f"{kind}{_make_absolute(Path(path))}")
    folder = tfds_root(data.folder) if data.name.startswith("tfds:") else root(data.folder)
    return replace(data, "folder", str(_make_absolute(folder))) if folder and reads_folder(data) else data


def reads_folder(data: DataSpec) -> bool:
    """Return whether the data is read from files of a named data set, which `folder` locates."""
    return data.name.startswith("tfds:") or (data.name in NAMED and data.name != "digits")


def _make_absolute(path: Path) -> Path:
    """Return the absolute path; links are resolved only if the path contains `..`."""
    path = path.expanduser().absolute()
    # A link is kept where possible, since it may be the user's stable name for data that moves. After a link,
    # `..` means the parent of the link's target, which only `resolve` finds.
    return path.resolve() if ".." in path.parts else path
