"""Data sets from arrays: the digits of scikit-learn, .npy and .npz files, and arrays given in Python."""

import contextlib
import importlib.util
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data import accepted
from jaxae.data.files import one_line
from jaxae.data.free_memory import check_room
from jaxae.data.original import Factors, Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.data.sources.array_keys import by_split
from jaxae.errors import JaxaeError

# MemoryError: the header of an array declares more than its file holds.
_UNREADABLE = OSError, ValueError, EOFError, RuntimeError, MemoryError
NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits() -> Original:
    """Return handwritten digits, uint8[1797, 8, 8] of 0..16, with labels 0..9 (Alpaydin & Kaynak, 1998).

    They are part of scikit-learn, so nothing is downloaded.
    """
    numbers = _read_digits()
    images, labels = numbers[:, :-1].reshape(-1, 8, 8), numbers[:, -1].astype(np.int64)
    return Original({"train": Table(ArraySource(images), labels, "digits")}, scale=16.0, classes=NUMERALS)


def _read_digits() -> np.ndarray:
    """Return scikit-learn's file of digits, uint8[1797, 65]: 64 pixels and the label."""
    # Found without importing scikit-learn, which takes 1.4 CPU seconds: a third of a short run's start.
    spec = importlib.util.find_spec("sklearn")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0], "datasets", "data", "digits.csv.gz") if folders else None
    if path is None or not path.is_file():
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)
    return np.loadtxt(path, delimiter=",", dtype=np.float64).astype(np.uint8)


def npy(path: Path) -> Original:
    """Return the rows [N, ...] of a .npy file, mapped into memory and not yet read; there are no labels."""
    with _convert_errors(path):
        return Original(
            {"train": Table(ArraySource(np.lib.format.open_memmap(path, mode="r")), (), str(path))}
        )


def npz(path: Path, key: str = "", label: str | None = None) -> Original:
    """Return the splits of a .npz file: x, and if present y, x_validation, y_validation, x_test, y_test.

    Args:
        path: The file.
        key: The name of the rows; "" for the names above, or those of Keras (x_train, ...).
        label: The name of the labels; None for the names above.

    Returns:
        The data set as found; labels are integers or texts.
    """
    with _opened(path) as archive:
        pairs = by_split(archive.files, key, label, str(path))
        tables = {}
        for split, (x, y) in pairs.items():
            rows, where_y = ArraySource(_read_member(path, archive, x)), f"{path}: {y}"
            labels = accepted.labels(_read_member(path, archive, y), where_y) if y else ()
            tables[split] = Table(rows, labels, f"{path}: {x}", where_y)
        if not key and "factors" in archive.files:
            _check_factors(path, _read_member(path, archive, "factors"), len(tables["train"].x))
    return Original(tables)


def npz_factors(path: Path) -> Factors | None:
    """Return x and its `factors` int[N, F] from a .npz file, or None if it has no `factors`.

    The factors are named factor_0, factor_1, ...
    """
    with _opened(path) as archive:
        if "factors" not in archive.files:
            return None
        x, values = (_read_member(path, archive, name) for name in ("x", "factors"))
    _check_factors(path, values, len(np.atleast_1d(x)))
    names = tuple(f"factor_{number}" for number in range(values.shape[1]))
    return Factors(ArraySource(x), ArraySource(values), names, f"{path}: x")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a .npz file."""
    # The file is opened here, since np.load leaves a file open that it cannot read.
    with contextlib.ExitStack() as stack:
        with _convert_errors(path):
            stream = stack.enter_context(path.open("rb"))
            # Pickled arrays are refused: unpickling runs code from the file.
            archive = np.load(stream, allow_pickle=False)
        # np.load goes by the content and not by the suffix: this is a .npy file with a wrong name.
        if isinstance(archive, np.ndarray):
            raise JaxaeError(f"{path}: has the content of a .npy file, expected a .npz file")
        yield archive


def _check_factors(path: Path, factors: np.ndarray, num_rows: int) -> None:
    if factors.dtype.kind not in "iu" or factors.ndim != 2 or 0 in factors.shape:
        description = f"dtype {factors.dtype} and shape {factors.shape}"
        raise JaxaeError(f"{path}: factors of {description}, expected whole numbers [{num_rows}, F]")
    if len(factors) != num_rows:
        raise JaxaeError(f"{path}: {len(factors)} rows of factors for {num_rows} rows of x")


def _read_member(path: Path, archive: Any, name: str) -> np.ndarray:
    with _convert_errors(f"{path}: {name}"):
        # A small file may unpack to more than the memory.
        sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.zip.infolist()}
        check_room(f"{path}: {name}", sizes.get(name, 0))
        return archive[name]


@contextlib.contextmanager
def _convert_errors(where: Path | str) -> Iterator[None]:
    """Raise errors of NumPy's readers as JaxaeError, also for files that would run code when read."""
    try:
        yield
    except (
        OSError,
        ValueError,
        EOFError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        message = f"cannot be read as NumPy arrays: {one_line(error)}"
        # NumPy has no exception class for pickled data, so its message is searched.
        if any(word in message for word in ("allow_pickle", "pickled", "Python objects")):
            message = (
                "holds Python objects, which may run code when read; save numbers, or texts as y.astype(str)"
            )
        raise JaxaeError(f"{where}: {message}") from error
