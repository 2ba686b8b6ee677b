"""Data frames and Arrow tables, of pandas, polars, pyarrow, Hugging Face datasets and others, as columns.

N is the number of rows.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.own.columns import Column, Columns, from_array
from jaxae.data.sources import image_files
from jaxae.data.sources.image_files import Picture
from jaxae.errors import JaxaeError

INDEX = "__index_level_"


def columns_of(value: Any, data: DataSpec, where: str) -> Columns | None:
    """Return a table with named columns as `Columns`; None for other values.

    Args:
        value: A data frame of pandas, a data set of Hugging Face, or an object that exports Arrow's stream
            of columns (polars, pyarrow, DuckDB and others).
        data: The spec with the options for columns of images.
        where: Where the table was found, for error messages.

    Returns:
        The columns, or None.

    Raises:
        JaxaeError: If two columns have one name, or if the table cannot be read without running a query.
    """
    library = type(value).__module__.partition(".")[0]
    # Types are recognised by module and attributes, so that no library has to be imported.
    if library == "pandas" and hasattr(value, "columns") and hasattr(value, "iloc"):
        return from_pandas(value, where)
    if library == "datasets" and type(value).__name__ == "IterableDataset":
        raise JaxaeError(f"{where}: got an IterableDataset; pass datasets.Dataset.from_list(list(x))")
    if library == "datasets" and hasattr(value, "with_format") and hasattr(value, "features"):
        # With the format "arrow", rows that were selected or shuffled come in their order.
        return from_arrow(value.with_format("arrow")[:], data, where)
    if hasattr(value, "collect") and hasattr(value, "lazy"):
        raise JaxaeError(f"{where}: got a {type(value).__name__}, which is not computed yet; pass .collect()")
    if hasattr(value, "__arrow_c_stream__") and not _is_one_column(value):
        import pyarrow

        return from_arrow(pyarrow.table(value), data, where)
    if library == "pyarrow" and type(value).__name__ == "RecordBatch":
        import pyarrow

        return from_arrow(pyarrow.Table.from_batches([value]), data, where)
    return None


def _is_one_column(value: Any) -> bool:
    """Return whether an object that exports Arrow data is one column and not a table."""
    return type(value).__name__ in ("Series", "ChunkedArray", "Array")


def from_pandas(frame: Any, where: str) -> Columns:
    """Return a data frame of pandas as columns; its index is not used.

    Args:
        frame: The frame.
        where: Where it was found, for error messages.

    Returns:
        The columns.
    """
    names = _unique([str(name) for name in frame.columns], where)

    def read(name: str) -> Column:
        series = frame.iloc[:, names.index(name)]
        type_name = str(series.dtype)
        kind = "categories" if type_name == "category" else None
        kind = "times" if type_name.startswith(("datetime", "timedelta", "period")) else kind
        return from_array(np.asarray(series), type_name, kind)

    return Columns(names, read)


def from_arrow(table: Any, data: DataSpec, where: str) -> Columns:
    """Return an Arrow table as columns.

    Args:
        table: The table.
        data: The spec with the options for columns of images.
        where: Where it was found, for error messages.

    Returns:
        The columns.
    """
    # pandas writes the index of a frame as such columns; it is not used, as for the frame itself.
    names = tuple(name for name in _unique(table.column_names, where) if not name.startswith(INDEX))
    classes = _class_names(table.schema.metadata or {})

    def read(name: str) -> Column:
        import pyarrow

        array = table.column(name).combine_chunks()
        if isinstance(array, pyarrow.ChunkedArray):  # no chunk at all, or more than fits one array
            array = pyarrow.concat_arrays(array.chunks) if array.num_chunks else pyarrow.array([], array.type)
        column = _read_arrow(array, data, f"{where}: column {name!r}")
        return column._replace(classes=classes.get(name, ()))

    return Columns(names, read)


def _unique(names: list[str], where: str) -> tuple[str, ...]:
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise JaxaeError(f"{where}: has two columns {doubled[0]!r}; expected one name for each column")
    return tuple(names)


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of each column, as Hugging Face's `datasets` writes them."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: tuple(part["names"]) for name, part in features.items() if part.get("names")}
    # Other tools may use the key, in any form; then no classes are named.
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _read_arrow(array: Any, data: DataSpec, where: str) -> Column:
    """Return a column of an Arrow array."""
    import pyarrow

    kind, type_name = pyarrow.types, str(array.type)
    missing = np.flatnonzero(np.asarray(array.is_null())) if array.null_count else np.empty(0, int)
    if hasattr(array, "to_numpy_ndarray"):  # tensors of one shape
        return from_array(array.to_numpy_ndarray(), type_name)
    if isinstance(array, pyarrow.ExtensionArray):
        return _read_arrow(array.storage, data, where)
    if kind.is_dictionary(array.type):
        values = np.array(array.to_pylist(), object)
        return Column(values, "categories", "dictionary", missing)
    images = None if len(missing) else _pictures(array, where)
    if images is not None:
        source = image_files.sources({"train": images}, data, where)["train"]
        return Column(source, "images", type_name)
    if kind.is_list(array.type) or kind.is_large_list(array.type) or kind.is_fixed_size_list(array.type):
        stacked = None if len(missing) else _stack(array)
        if stacked is None:
            return Column(array.to_pylist(), "other", f"{type_name} of different lengths", missing)
        return from_array(stacked, type_name)
    if kind.is_decimal(array.type):
        array = array.cast(pyarrow.float64())
    if kind.is_temporal(array.type):
        return Column(array.to_pylist(), "times", type_name, missing)
    if not (kind.is_primitive(array.type) or kind.is_boolean(array.type) or _is_text(array.type)):
        return Column(array.to_pylist(), "other", type_name, missing)
    values = np.array(array.to_pylist(), object) if _is_text(array.type) else array.to_numpy(False)
    return from_array(values, type_name)._replace(missing=missing)


def _is_text(arrow_type: Any) -> bool:
    import pyarrow.types as kind

    return kind.is_string(arrow_type) or kind.is_large_string(arrow_type) or kind.is_string_view(arrow_type)


def _stack(array: Any) -> np.ndarray | None:
    """Return nested lists of numbers as an array [N, ...]; None if lengths differ or values are missing."""
    import pyarrow.compute

    if not hasattr(array, "flatten") or not hasattr(array.type, "value_type"):
        is_number = array.null_count == 0 and pyarrow.types.is_primitive(array.type)
        return array.to_numpy(False) if is_number or pyarrow.types.is_boolean(array.type) else None
    lengths = pyarrow.compute.unique(pyarrow.compute.list_value_length(array)).to_pylist()
    if len(lengths) != 1 or array.null_count:
        return None
    inner = _stack(array.flatten())
    return None if inner is None else inner.reshape(len(array), lengths[0], *inner.shape[1:])


def _pictures(array: Any, where: str) -> tuple[Picture, ...] | None:
    """Return the images of a column of files of images, as bytes or bytes with paths; None for others."""
    import pyarrow.types as kind

    # `datasets` writes images as a struct {bytes, path}, of which one is enough.
    if kind.is_struct(array.type) and {"bytes", "path"} >= {field.name for field in array.type}:
        rows = [row.get("bytes") or Path(row.get("path") or "") for row in array.to_pylist()]
    elif kind.is_binary(array.type) or kind.is_large_binary(array.type):
        rows = array.to_pylist()
    else:
        return None
    return tuple(Picture(row, f"{where}: row {number}") for number, row in enumerate(rows))
