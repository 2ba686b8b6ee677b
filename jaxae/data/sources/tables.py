"""Files of tables: .csv and .tsv, read by pandas, and .parquet, read by pyarrow.

They have no random access to rows, so they are read whole.
"""

import lzma
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data import accepted
from jaxae.data.data_spec import DataSpec
from jaxae.data.files import one_line
from jaxae.data.original import Original, Table
from jaxae.data.own.columns import Columns, choose
from jaxae.data.own.frames import from_arrow, from_pandas
from jaxae.errors import JaxaeError, warn

COMPRESSED = ("", ".gz", ".bz2", ".xz")
TEXT_SUFFIXES = tuple(f"{kind}{end}" for kind in (".csv", ".tsv") for end in COMPRESSED)
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".pq")


def is_table(path: Path) -> bool:
    """Return whether the name of a file is that of a table."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: Path, data: DataSpec) -> Original:
    """Read the columns of a table that are rows, and the column that is the label.

    Args:
        path: The file.
        data: The spec with `columns` and `label`.

    Returns:
        The data set as found, with only a train split.

    Raises:
        JaxaeError: If the file cannot be read, or a column cannot be used.
    """
    if data.stream:
        raise JaxaeError(
            f"data.stream: {path.name} can only be read whole; save its rows as .npy or .h5, or leave it out"
        )
    chosen = choose(_columns(path, data), data, str(path))
    where_y = f"{path}: column {chosen.label!r}"
    y = accepted.labels(chosen.y, where_y) if chosen.label is not None else ()
    return Original({"train": Table(chosen.x, y, str(path), where_y)}, classes=chosen.classes)


def _columns(path: Path, data: DataSpec) -> Columns:
    if path.name.lower().endswith(TEXT_SUFFIXES):
        return from_pandas(_read_text(path), str(path))
    import pyarrow
    import pyarrow.parquet

    try:
        # Only this file: `read_table` would also take the parts of its folder's name as columns.
        return from_arrow(pyarrow.parquet.ParquetFile(path).read(), data, str(path))
    except (pyarrow.ArrowException, OSError) as error:
        raise JaxaeError(f"{path}: cannot be read as Parquet: {one_line(error)}") from error


def _read_text(path: Path) -> Any:
    """Return a .csv or .tsv file as a data frame, with or without a line of names."""
    # No file has this separator: each line is one value.
    first_line = str(_parse(path, "\x1f", header=None, nrows=1, dtype=str).iloc[0, 0])
    # Spreadsheets write semicolons where the decimal sign is a comma: the comma comes last.
    separator = next((sign for sign in ("\t", ";") if sign in first_line), ",")
    options: dict[str, Any] = {"sep": separator}
    frame = _parse(path, **options)
    if separator == ";" and any(_is_decimal(value) for value in frame.iloc[:1].to_numpy().reshape(-1)):
        options["decimal"] = ","
        frame = _parse(path, **options)
    # A first line of numbers is a row. pandas appends ".1" to repeated names, so that they stay numbers.
    if all(_is_number(name) for name in frame.columns):
        frame = _parse(path, header=None, **options)
    if not len(frame):
        raise JaxaeError(f"{path}: has no rows next to its line of names")
    return _without_index(frame, path)


def _parse(path: Path, sep: str, **options: Any) -> Any:
    import pandas

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            # index_col=False: pandas would take the first column of a row with more values as its index.
            return pandas.read_csv(path, sep=sep, index_col=False, low_memory=False, **options)
    except pandas.errors.ParserWarning as error:
        raise JaxaeError(f"{path}: has more values in a row than names in its first line") from error
    except UnicodeDecodeError as error:
        raise JaxaeError(f"{path}: is not UTF-8 text ({one_line(error)}); save it as UTF-8") from error
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise JaxaeError(f"{path}: cannot be read as a table: {one_line(error)}") from error


def _is_decimal(value: Any) -> bool:
    """Return whether a text is a number with a decimal comma."""
    return isinstance(value, str) and re.fullmatch(r"-?\d+,\d+", value) is not None


def _is_number(name: Any) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _without_index(frame: Any, path: Path) -> Any:
    """Return a frame without a nameless first column of row numbers, which `DataFrame.to_csv` writes."""
    first = frame.columns[0]
    is_index = str(first) == "Unnamed: 0" and np.array_equal(frame[first].to_numpy(), np.arange(len(frame)))
    if not is_index:
        return frame
    warn(f"{path}: the first column has no name and numbers the rows; it is left out")
    return frame.drop(columns=first)
