"""Rows and labels given from Python, of any kind, as a data set.

N is the number of rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxae.data import accepted
from jaxae.data.data_spec import DataSpec
from jaxae.data.original import Original, Table
from jaxae.data.own import containers
from jaxae.data.own.columns import Chosen, choose
from jaxae.data.own.frames import columns_of
from jaxae.data.own.given_rows import SUFFIXES, GivenRows
from jaxae.data.row_source import ArraySource
from jaxae.errors import JaxaeError, warn
from jaxae.specs.pytree import replace

# Names of the splits of a dictionary of data sets, as Hugging Face's hub uses them.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}


def given(rows: GivenRows, data: DataSpec) -> Original:
    """Return rows and labels given in Python as a data set, with the splits that are given.

    Args:
        rows: The rows and labels of each split.
        data: The spec with the options for columns and images.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If rows or labels cannot be used.
    """
    rows = _divided(rows)
    tables: dict[str, Table] = {}
    first: Chosen | None = None
    for split, suffix in SUFFIXES.items():
        x, y = (getattr(rows, f"{name}{suffix}") for name in "xy")
        if x is None:
            continue
        # A label that is named for the training rows is that of the other splits, too.
        y = rows.y if y is None and isinstance(rows.y, str) else y
        tables[split], chosen = _read(x, y, data, suffix, first)
        first = first or chosen
    return Original(tables, classes=first.classes if first else ())


def _read(x: Any, y: Any, data: DataSpec, suffix: str, first: Chosen | None) -> tuple[Table, Chosen | None]:
    """Return one split as a table, and the columns that were chosen, by the choice of the `first` split."""
    where, where_y = f"arrays: x{suffix}", f"arrays: y{suffix}"
    place = where if suffix else "arrays"
    columns = columns_of(x, data, where)
    is_array = not (y is None or isinstance(y, str))
    if columns is None:
        _refuse_names(y, data, where, where_y)
        source = containers.source_of(x, data, where) or ArraySource(accepted.rows(x, where))
        return Table(source, _labels(y, where_y), place, where_y), None
    if first is not None:
        # By name: columns of other splits may come in another order.
        data = replace(replace(data, "columns", first.names), "label", first.label)
    # Labels given as an array take the place of a column.
    data = replace(data, "label", None) if is_array else data
    chosen = choose(columns, data, where, y if isinstance(y, str) else None)
    if is_array:
        chosen = chosen._replace(y=y, label=None, classes=())
    return Table(chosen.x, _labels(chosen.y, where_y), place, where_y), chosen


def _labels(y: Any, where: str) -> Any:
    is_absent = y is None or (isinstance(y, tuple) and not y)
    return () if is_absent else accepted.labels(y, where)


def _refuse_names(y: Any, data: DataSpec, where: str, where_y: str) -> None:
    """Raise JaxaeError if a column is named, but the rows have no named columns."""
    if isinstance(y, str):
        raise JaxaeError(
            f"{where_y}: got the text {y[:60]!r}, but x has no named columns; pass labels, or a data frame"
        )
    for name in ("columns", *([] if y is not None else ["label"])):
        if getattr(data, name):
            raise JaxaeError(
                f"data.{name}: got {getattr(data, name)!r}, but {where} has no named columns; leave it out"
            )


def _divided(rows: GivenRows) -> GivenRows:
    """Return rows in which a dictionary of Hugging Face data sets is divided into its splits."""
    x = rows.x
    if not (isinstance(x, Mapping) and type(x).__module__.partition(".")[0] == "datasets"):
        return rows
    names = {split: next((name for name in aliases if name in x), None) for split, aliases in SPLITS.items()}
    if names["train"] is None:
        raise JaxaeError(
            f"arrays: x: got a {type(x).__name__} of {', '.join(map(str, x))}, expected a split 'train'; pass"
            f" one of them, such as x[{next(iter(x), 'train')!r}]"
        )
    unused = [str(name) for name in x if name not in names.values()]
    if unused:
        warn(f"arrays: x: the splits {', '.join(unused)} are not used")
    parts = {f"x{SUFFIXES[split]}": x[name] for split, name in names.items() if name is not None}
    for name in parts:
        if name != "x" and getattr(rows, name) is not None:
            raise JaxaeError(f"arrays: {name}: is given, but x has such a split too; give one of them")
    return rows._replace(**parts)


def to_array(value: Any, data: DataSpec, where: str) -> Any:
    """Return rows of any kind as an array [N, ...], for a model that is trained; other values are unchanged.

    Args:
        value: The rows.
        data: The spec of the run's data. A label that the rows do not have is not needed.
        where: How error messages name the rows.

    Returns:
        The array, or the value.

    Raises:
        JaxaeError: If the rows cannot be used.
    """
    columns = columns_of(value, data, where)
    if columns is None:
        source = containers.source_of(value, data, where)
    else:
        has_label = data.label in columns.names
        source = choose(columns, data if has_label else replace(data, "label", None), where).x
    return value if source is None else source.take(np.arange(len(source)))
