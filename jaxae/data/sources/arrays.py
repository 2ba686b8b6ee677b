"""Arrays: the digits of scikit-learn, .npy and .npz files, and what the user holds in memory."""

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
from jaxae.data.row_source import ArraySource
from jaxae.errors import JaxaeError

NPZ_KEYS = ("x", "y", "x_validation", "y_validation", "x_test", "y_test", "factors")
NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits() -> Original:
    """Handwritten digits, uint8[1797, 8, 8] of 0..16, labels 0..9 (Alpaydin & Kaynak, 1998); no download."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    table = Table(ArraySource(bunch.images.astype(np.uint8)), bunch.target, "digits")
    return Original({"train": table}, scale=16.0, classes=NUMERALS)


def given(x: Any, y: Any = None) -> Original:
    """The user's own x [N, ...] and labels y [N], integers or texts, or None."""
    rows = accepted.rows(x, "arrays: x")
    y = () if y is None or (isinstance(y, tuple) and not y) else accepted.labels(y, "arrays: y")
    return Original({"train": Table(ArraySource(rows), y, "arrays", "arrays: y")})


def npy(path: Path) -> Original:
    """x [N, ...] from a .npy file, mapped and not read; no labels."""
    with _explained(path):
        return Original(
            {"train": Table(ArraySource(np.lib.format.open_memmap(path, mode="r")), (), str(path))}
        )


def npz(path: Path) -> Original:
    """x and, where given, y, x_validation, y_validation, x_test, y_test from a .npz file.

    Each y is integers or texts.
    """
    return Original(_tables(path, _members(path)))


def npz_factors(path: Path) -> Factors | None:
    """x and its `factors` int[N, F] from a .npz file, named factor_0, factor_1, ...; None without them."""
    arrays = _members(path)
    if "factors" not in arrays:
        return None
    x, values = arrays["x"], arrays["factors"]
    names = tuple(f"factor_{number}" for number in range(values.shape[1]))
    return Factors(ArraySource(x), ArraySource(values), names, f"{path}: x")


def _members(path: Path) -> dict[str, np.ndarray]:
    """Every array of a .npz file, under the names `NPZ_KEYS`."""
    # Opened here, since np.load leaves a file open that it cannot read.
    with _explained(path), path.open("rb") as stream:
        file = np.load(stream, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise JaxaeError(f"{path}: its content is not that of a .npz file")
        unknown = [name for name in file.files if name not in NPZ_KEYS]
        if "x" not in file.files or unknown:
            holds = ", ".join(file.files) or "nothing"
            raise JaxaeError(f"{path}: holds {holds}; expected x, and of {', '.join(NPZ_KEYS[1:])}")
        arrays = {name: _member(path, file, name) for name in file.files}
    if "factors" in arrays:
        _check_factors(path, arrays["factors"], len(np.atleast_1d(arrays["x"])))
    return arrays


def _check_factors(path: Path, factors: np.ndarray, num_rows: int) -> None:
    if factors.dtype.kind not in "iu" or factors.ndim != 2 or 0 in factors.shape:
        found = f"dtype {factors.dtype} and shape {factors.shape}"
        raise JaxaeError(f"{path}: factors of {found}, expected whole numbers [{num_rows}, F]")
    if len(factors) != num_rows:
        raise JaxaeError(f"{path}: {len(factors)} rows of factors for {num_rows} rows of x")


def _tables(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, Table]:
    tables = {}
    for split, suffix in (("train", ""), ("validation", "_validation"), ("test", "_test")):
        where = f"{path}: y{suffix}"
        y = accepted.labels(arrays[f"y{suffix}"], where) if f"y{suffix}" in arrays else ()
        if f"x{suffix}" in arrays:
            tables[split] = Table(ArraySource(arrays[f"x{suffix}"]), y, f"{path}: x{suffix}", where)
        elif f"y{suffix}" in arrays:
            raise JaxaeError(f"{path}: holds y{suffix} but no x{suffix}")
    return tables


def _member(path: Path, file: Any, name: str) -> np.ndarray:
    with _explained(f"{path}: {name}"):
        return file[name]


@contextlib.contextmanager
def _explained(where: Path | str) -> Iterator[None]:
    """What NumPy cannot read, or could read only by running code from the file, as a JaxaeError."""
    try:
        yield
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        said = f"cannot be read as NumPy arrays: {one_line(error)}"
        if any(word in said for word in ("allow_pickle", "pickled", "Python objects")):
            said = "holds Python objects, which may run code when read; save arrays of numbers"
        raise JaxaeError(f"{where}: {said}") from error
