"""Locations of data on this machine: the path in a `DataSpec`, and the same spec with absolute paths."""

from pathlib import Path

from jaxae.data.data_spec import DataSpec
from jaxae.data.files import expanded, home, tfds_root
from jaxae.data.sources.catalog import NUMBERED, is_named, split_key
from jaxae.specs.pytree import replace

OF_RUNS = ("tokens", "captions")  # kinds of data whose name is `kind:RUN`, with the directory of a run
# Never change these numbers: results and records of named data sets depend on them.
NAMED_COUNTS = {"num_validation": 200, "num_test": 300}


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
    is_name = is_named(data.name) or kind in NUMBERED or kind == "tfds"
    return None if is_name else ("", data.name)


def is_own(data: DataSpec) -> bool:
    """Return whether the data are a user's own: a file, a folder, or rows given from Python."""
    parts = path_of(data)
    return parts is not None and not parts[0]


def with_counts(data: DataSpec) -> DataSpec:
    """Return the spec of a named data set with its default numbers of held-out rows in place of None.

    The default of a user's own rows is a share, so their spec is unchanged until the rows are read.

    Example:
        >>> with_counts(DataSpec(name="digits")).num_validation, with_counts(DataSpec(name="x.npy")).num_test
        (200, None)
    """
    if is_own(data):
        return data
    for name, count in NAMED_COUNTS.items():
        data = replace(data, name, count) if getattr(data, name) is None else data
    return data


def exists(path: str) -> bool:
    """Return whether the file or folder of a path exists, of FILE.h5:KEY the file."""
    try:
        return split_key(path)[0].exists()
    except (OSError, ValueError):  # a name too long for a file, or a folder without permission
        return False


def absolute(data: DataSpec) -> DataSpec:
    """Return `data` with absolute paths in place of paths relative to the working or home directory.

    The folder in which named data is found by default becomes part of the result, so that a recorded location
    does not depend on the environment.
    """
    if parts := path_of(data):
        kind, path = parts
        return replace(data, "name", f"{kind}{_make_absolute(Path(path))}")
    if not reads_folder(data):
        return data
    is_tfds = data.name.startswith("tfds:")
    folder = tfds_root(data.folder) if is_tfds else home(data.name.partition(":")[0], data.folder)
    return replace(data, "folder", str(_make_absolute(folder)))


def reads_folder(data: DataSpec) -> bool:
    """Return whether the data is read from files of a named data set, which `folder` locates."""
    return data.name.startswith("tfds:") or (is_named(data.name) and data.name != "digits")


def _make_absolute(path: Path) -> Path:
    """Return the absolute path; links are resolved only if the path contains `..`."""
    path = expanded(path).absolute()
    # A link is kept where possible, since it may be the user's stable name for data that moves. After a link,
    # `..` means the parent of the link's target, which only `resolve` finds.
    return path.resolve() if ".." in path.parts else path
