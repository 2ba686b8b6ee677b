"""Tables with named columns: the columns that are rows, the column that holds labels, and their checks.

N is the number of rows, D the number of columns that are rows.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.own.elements import DROP, NUMBERS, is_missing
from jaxae.data.row_source import ArraySource, Source
from jaxae.errors import JaxaeError, nearest, warn

LARGE = ("arrays", "images")  # kinds of which one column alone is the rows
ADVICE = "choose columns with data.columns, or name the labels with data.label (in Python also y='COLUMN')"


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        values: Numbers [N, ...] or texts [N] as an array, or a source of images.
        kind: numbers, texts, categories, times, arrays (numbers of more than one dimension), images or other.
        type_name: The type as its library names it, for messages.
        missing: The rows without a value, int[n].
        classes: The names of labels 0, 1, ...; () if the table does not name them.
    """

    values: Any
    kind: str
    type_name: str
    missing: np.ndarray = np.empty(0, int)
    classes: tuple[str, ...] = ()


class Columns(NamedTuple):
    """A table, read column by column.

    Attributes:
        names: The names of all columns.
        read: The function that reads a column by its name.
    """

    names: tuple[str, ...]
    read: Callable[[str], Column]


class Chosen(NamedTuple):
    """Rows and labels of a table.

    Attributes:
        names: The columns that are the rows.
        x: The rows, [N, D] or [N, ...].
        label: The name of the column with the labels, or None.
        y: The labels [N], or ().
        classes: The names of labels 0, 1, ...; () if the table does not name them.
    """

    names: tuple[str, ...]
    x: Source
    label: str | None
    y: Any
    classes: tuple[str, ...]


def choose(columns: Columns, data: DataSpec, where: str, label: str | None = None) -> Chosen:
    """Return the rows and labels of a table.

    Without `data.columns`, all columns but the label are the rows; if one of them holds images or arrays, it
    alone is. Without a label, a column of which the table itself names the classes is the label.

    Args:
        columns: The table.
        data: The spec with `columns` and `label`.
        where: Where the table was found, for error messages.
        label: The name of the column with the labels, as the argument `y` gives it; None uses `data.label`.

    Returns:
        The rows and labels.

    Raises:
        JaxaeError: If a column is not in the table, or cannot be used.
    """
    label = label if label is not None else data.label
    asked = tuple(name for name in _listed(data.columns, columns.names) if name != label)
    for name in (*asked, *([label] if label is not None else [])):
        if name not in columns.names:
            raise JaxaeError(f"{where}: has no column {name!r}; {nearest(name, columns.names)}")
    read = {name: columns.read(name) for name in asked or columns.names if name != label}
    if label is None and not asked:
        named = [name for name, column in read.items() if column.classes]
        label = named[0] if len(named) == 1 else None
    names = asked or tuple(name for name in columns.names if name != label)
    names = names if asked else _without_small(names, read, where)
    if not names:
        raise JaxaeError(f"{where}: has no column next to the label {label!r}; expected columns of numbers")
    x = _rows({name: read[name] for name in names}, where)
    if label is None:
        return Chosen(names, x, None, (), ())
    column = read[label] if label in read else columns.read(label)
    _refuse_missing(label, column, where)
    return Chosen(names, x, label, column.values, column.classes)


def from_array(values: np.ndarray, type_name: str, kind: str | None = None) -> Column:
    """Return a column of an array, with the kind of its elements.

    Args:
        values: The elements [N] or numbers [N, ...].
        type_name: The type as its library names it, for messages.
        kind: The kind, if the library has a type for it; None finds it.

    Returns:
        The column.
    """
    if values.dtype == object:
        return _from_objects(values, type_name, kind)
    if kind is None:
        kinds = dict.fromkeys("fiub", "numbers") | dict.fromkeys("UT", "texts") | dict.fromkeys("Mm", "times")
        kind = kinds.get(values.dtype.kind, "other")
        kind = "arrays" if kind == "numbers" and values.ndim > 1 else kind
    is_float = values.dtype.kind == "f" and values.ndim == 1
    return Column(values, kind, type_name, np.flatnonzero(np.isnan(values)) if is_float else np.empty(0, int))


def _from_objects(values: np.ndarray, type_name: str, kind: str | None) -> Column:
    """Return a column of an object array: numbers, texts, or arrays of one shape, which are stacked."""
    missing = np.array([number for number, value in enumerate(values) if is_missing(value)], int)
    present = [value for value in values if not is_missing(value)]
    types = set(map(type, present))
    if kind is None and all(issubclass(each, NUMBERS) for each in types):
        # Missing values stay, as NaN: they are refused only if the column is used.
        numbers = np.array([np.nan if is_missing(value) else value for value in values.tolist()])
        return Column(numbers, "numbers", type_name, missing)
    if kind is None and all(issubclass(each, np.ndarray | list | tuple) for each in types):
        shapes = {np.shape(value) for value in present}
        if len(shapes) == 1 and not len(missing):
            return from_array(np.stack([np.asarray(value) for value in present]), type_name)
        type_name = f"{type_name}, arrays of {len(shapes)} shapes" if len(shapes) > 1 else type_name
    is_text = any(issubclass(each, str) for each in types)
    is_time = any("date" in each.__name__.lower() or each.__name__ == "Timestamp" for each in types)
    found = "texts" if is_text else "times" if is_time else "other"
    return Column(values, kind or found, type_name, missing)


def _listed(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the names of columns; `a,b` is split if it is no column, so that the option takes both forms."""
    parts = [[name] if name in known else name.split(",") for name in names]
    return tuple(part for group in parts for part in group if part)


def _without_small(names: tuple[str, ...], read: dict[str, Column], where: str) -> tuple[str, ...]:
    """Return the one column of images or arrays, if there is one; else all names."""
    large = tuple(name for name in names if read[name].kind in LARGE)
    if not large or len(names) == 1:
        return names
    if len(large) > 1:
        raise JaxaeError(
            f"{where}: columns {', '.join(large)} hold images or arrays; name one in data.columns"
        )
    others = [name for name in names if name not in large]
    warn(f"{where}: the rows are the column {large[0]!r}; not used: {', '.join(others[:20])}")
    return large


def _rows(read: dict[str, Column], where: str) -> Source:
    """Return the rows [N, D] of columns of numbers, or one column of images or arrays [N, ...]."""
    for name, column in read.items():
        _refuse_missing(name, column, where)
        if column.kind in LARGE and len(read) == 1:
            return column.values if column.kind == "images" else ArraySource(column.values)
        if column.kind != "numbers":
            example = f", such as {str(column.values[0])[:30]!r}" if column.kind in ("texts", "other") else ""
            usable = f"; {_advise(column.kind, name)}"
            raise JaxaeError(
                f"{where}: column {name!r} holds {_describe(column)}{example}, expected numbers{usable}"
            )
    return ArraySource(np.stack([column.values for column in read.values()], axis=1))


def _advise(kind: str, name: str) -> str:
    """Return the way out for a column that is not numbers."""
    if kind == "categories":
        return f"{ADVICE}; pandas.get_dummies makes columns of 0 and 1"
    if kind == "times":
        return f"{ADVICE}, or convert times to numbers"
    return f"choose {name!r} alone with data.columns" if kind in LARGE else ADVICE


def _describe(column: Column) -> str:
    words = {"other": "values"}
    return f"{words.get(column.kind, column.kind)} ({column.type_name})"


def _refuse_missing(name: str, column: Column, where: str) -> None:
    if len(column.missing):
        rows = f"{len(column.missing)} of {len(column.values)} rows, the first is row {column.missing[0]}"
        raise JaxaeError(f"{where}: column {name!r} is missing in {rows}; {DROP}, or leave the column out")
