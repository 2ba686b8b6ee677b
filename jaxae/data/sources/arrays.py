"""Data sets from arrays: the digits of scikit-learn, .npy and .npz files, and arrays given in Python."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data import accepted
from jaxae.data.files import one_line
from jaxae.data.original import Factors, Original, Table
from jaxae.data.own.given_rows import SUFFIXES, GivenRows
from jaxae.data.row_source import ArraySource
from jaxae.errors import JaxaeError

# Every other key is an error: a typing error such as "x_tset" would silently leave out a split.
NPZ_KEYS = ("x", "y", "x_validation", "y_validation", "x_test", "y_test", "factors")
NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits() -> Original:
    """Return handwritten digits, uint8[1797, 8, 8] of 0..16, with labels 0..9 (Alpaydin & Kaynak, 1998).

    They are part of scikit-learn, so nothing is downloaded.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    table = Table(ArraySource(bunch.images.astype(np.uint8)), bunch.target, "digits")
    return Original({"train": table}, scale=16.0, classes=NUMERALS)


def given(rows: GivenRows) -> Original:
    """Return rows and labels given in Python as a data set, with the splits that are given.

    Raises:
        JaxaeError: If rows or labels cannot be converted to an array.
    """
    tables = {}
    for split, suffix in SUFFIXES.items():
        x, y = (getattr(rows, f"{name}{suffix}") for name in "xy")
        if x is None:
            continue
        where = "arrays" if split == "train" else f"arrays: x{suffix}"
        array = accepted.rows(x, f"arrays: x{suffix}")
        is_absent = y is None or (isinstance(y, tuple) and not y)
        labels = () if is_absent else accepted.labels(y, f"arrays: y{suffix}")
        tables[split] = Table(ArraySource(array), labels, where, f"arrays: y{suffix}")
    return Original(tables)


def npy(path: Path) -> Original:
    """Return the rows [N, ...] of a .npy file, mapped into memory and not yet read; there are no labels."""
    with _convert_errors(path):
        return Original(
            {"train": Table(ArraySource(np.lib.format.open_memmap(path, mode="r")), (), str(path))}
        )


def npz(path: Path) -> Original:
    """Return the splits of a .npz file: x, and if present y, x_validation, y_validation, x_test, y_test.

    Labels are integers or texts.
    """
    return Original(_make_tables(path, _read_members(path)))


def npz_factors(path: Path) -> Factors | None:
    """Return x and its `factors` int[N, F] from a .npz file, or None if it has no `factors`.

    The factors are named factor_0, factor_1, ...
    """
    arrays = _read_members(path)
    if "factors" not in arrays:
        return None
    x, values = arrays["x"], arrays["factors"]
    names = tuple(f"factor_{number}" for number in range(values.shape[1]))
    return Factors(ArraySource(x), ArraySource(values), names, f"{path}: x")


def _read_members(path: Path) -> dict[str, np.ndarray]:
    """Return every array of a .npz file by its key, which is one of `NPZ_KEYS`."""
    # The file is opened here, since np.load leaves a file open that it cannot read.
    with _convert_errors(path), path.open("rb") as stream:
        # Pickled arrays are refused: unpickling runs code from the file.
        archive = np.load(stream, allow_pickle=False)
        # np.load goes by the content and not by the suffix: this is a .npy file with a wrong name.
        if isinstance(archive, np.ndarray):
            raise JaxaeError(f"{path}: has the content of a .npy file, expected a .npz file")
        unknown = [name for name in archive.files if name not in NPZ_KEYS]
        if "x" not in archive.files or unknown:
            keys = ", ".join(archive.files) or "nothing"
            raise JaxaeError(f"{path}: holds {keys}; expected x, and optionally {', '.join(NPZ_KEYS[1:])}")
        arrays = {name: _read_member(path, archive, name) for name in archive.files}
    if "factors" in arrays:
        _check_factors(path, arrays["factors"], len(np.atleast_1d(arrays["x"])))
    return arrays


def _check_factors(path: Path, factors: np.ndarray, num_rows: int) -> None:
    if factors.dtype.kind not in "iu" or factors.ndim != 2 or 0 in factors.shape:
        description = f"dtype {factors.dtype} and shape {factors.shape}"
        raise JaxaeError(f"{path}: factors of {description}, expected whole numbers [{num_rows}, F]")
    if len(factors) != num_rows:
        raise JaxaeError(f"{path}: {len(factors)} rows of factors for {num_rows} rows of x")


def _make_tables(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, Table]:
    tables = {}
    for split, suffix in (("train", ""), ("validation", "_validation"), ("test", "_test")):
        where = f"{path}: y{suffix}"
        y = accepted.labels(arrays[f"y{suffix}"], where) if f"y{suffix}" in arrays else ()
        if f"x{suffix}" in arrays:
            tables[split] = Table(ArraySource(arrays[f"x{suffix}"]), y, f"{path}: x{suffix}", where)
        elif f"y{suffix}" in arrays:
            raise JaxaeError(f"{path}: holds y{suffix} but no x{suffix}")
    return tables


def _read_member(path: Path, archive: Any, name: str) -> np.ndarray:
    with _convert_errors(f"{path}: {name}"):
        return archive[name]


@contextlib.contextmanager
def _convert_errors(where: Path | str) -> Iterator[None]:
    """Raise errors of NumPy's readers as JaxaeError, also for files that would run code when read."""
    try:
        yield
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        message = f"cannot be read as NumPy arrays: {one_line(error)}"
        # NumPy has no exception class for pickled data, so its message is searched.
        if any(word in message for word in ("allow_pickle", "pickled", "Python objects")):
            message = (
                "holds Python objects, which may run code when read; save numbers, or texts as y.astype(str)"
            )
        raise JaxaeError(f"{where}: {message}") from error
