"""Data as found and its conversion to rows for training: shape, dtype, scale, checks and content hash.

N is the number of rows, H W C an image, D the number of features.
"""

import hashlib
import json
import math
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.free_memory import check_room
from jaxae.data.row_source import ArraySource, Mapped, Source, chunks, in_memory
from jaxae.data.units import check_units, common_dtype, is_rounded, own_dtype, pixel_scale
from jaxae.errors import JaxaeError, warn
from jaxae.types import Examples


class Table(NamedTuple):
    """One split as found.

    Attributes:
        x: Raw rows [N, ...].
        y: Labels [N], numbers or texts; () for none.
        where: Where the rows were found, for error messages.
        where_y: Where the labels were found; "" if at the same place as the rows.
    """

    x: Source
    y: Any
    where: str
    where_y: str = ""


class Original(NamedTuple):
    """Data set as found, before any conversion.

    Attributes:
        tables: The split `train`, and the official splits `validation` and `test` if the data has them.
        scale: The number by which rows are divided; None to choose it by `units.pixel_scale`.
        classes: The names of labels 0, 1, ...; () if they have none, or are texts themselves.
    """

    tables: dict[str, Table]
    scale: float | None = None
    classes: tuple[str, ...] = ()


class Factors(NamedTuple):
    """Rows with known factors of variation.

    Attributes:
        x: Rows [N, ...].
        values: Factors int[N, F].
        names: The names of the F factors.
        where: Where the data was found, for error messages.
    """

    x: Source
    values: Source
    names: tuple[str, ...]
    where: str


class Checked(NamedTuple):
    """Splits in the form in which they will be used, after one pass over all rows.

    Attributes:
        splits: The splits, with x read on demand.
        hash: SHA-256 of the content, see `check`.
        low: The lowest value of all splits, before the division by the scale.
        high: The highest value.
        classes: The names of labels 0, 1, ...; () if they have none.
    """

    splits: dict[str, Examples]
    hash: str
    low: float
    high: float
    classes: tuple[str, ...]


def held(original: Original) -> Original:
    """Return the same data with every row in memory."""
    for table in original.tables.values():
        represented(table.x, table.where)  # raises for rows that are no numbers before they are copied
    for table in original.tables.values():
        check_room(table.where, math.prod(table.x.shape) * table.x.dtype.itemsize)
    tables = {name: t._replace(x=ArraySource(in_memory(t.x))) for name, t in original.tables.items()}
    return original._replace(tables=tables)


def check(original: Original) -> Checked:
    """Read every row once, check it, and compute the content hash.

    The hash covers names, dtypes, shapes and bytes of x and y of the splits as found, and the scale. It
    covers the names of classes only if labels are texts.

    Raises:
        JaxaeError: If the data cannot be used for training. Doubtful units are only a warning.
    """
    digest, low, high = hashlib.sha256(), np.inf, -np.inf
    # Texts and dtype are decided over all splits, so that a label or a row means the same in each of them.
    class_texts, dtype = texts(original), common_dtype([table.x for table in original.tables.values()])
    splits: dict[str, Examples] = {}
    for name, table in original.tables.items():
        x = represented(table.x, table.where, dtype)
        y = labels(table.y, len(table.x), table.where_y or table.where, class_texts)
        _check_alike(Examples(x, y, None), splits, table.where)
        # Shapes and dtypes are hashed too: equal bytes of another shape are another data set.
        digest.update(f"{name} {x.dtype} {x.shape};".encode())
        lowest, highest = _survey(table, x, digest)
        low, high = min(low, lowest), max(high, highest)
        if not isinstance(y, tuple):
            digest.update(f"labels {y.dtype} {y.shape};".encode() + y.tobytes())
        splits[name] = Examples(x, y, np.float32(1.0))
    if original.scale is None:
        check_units([(table.where, table.x) for table in original.tables.values()], low, high)
    # The scale is float32 from here on, since x / scale must have equal bits in NumPy and on the device.
    scale = np.float32(original.scale or pixel_scale(original.tables["train"].x, high))
    digest.update(f"scale {scale}".encode())
    # Label numbers alone do not distinguish "a red square" from "a blue one".
    if class_texts:
        digest.update(f"texts {json.dumps(class_texts)}".encode())
    splits = {name: examples._replace(scale=scale) for name, examples in splits.items()}
    return Checked(splits, digest.hexdigest(), low, high, class_texts or original.classes)


def represented(source: Source, where: str, dtype: np.dtype | None = None) -> Mapped:
    """Convert rows [N, D], [N, H, W] or [N, H, W, C] on demand to uint8 or f32 [N, D] or [N, H, W, C].

    Args:
        source: Rows as found.
        where: Where the rows were found, for error messages.
        dtype: The dtype to store rows as; None chooses it by `own_dtype`.

    Returns:
        The converted rows. Grey images [N, H, W] become [N, H, W, 1].

    Raises:
        JaxaeError: If the shape is another one, or if the rows are not numbers.
    """
    if len(source.shape) not in (2, 3, 4) or 0 in source.shape:
        hint = "; one feature is [N, 1], for example np.reshape(x, (-1, 1))" if len(source.shape) == 1 else ""
        raise JaxaeError(
            f"{where}: shape {source.shape}, expected [N, D], [N, H, W] or [N, H, W, C] without a 0{hint}"
        )
    row_shape = source.shape[1:] if len(source.shape) != 3 else (*source.shape[1:], 1)
    if source.dtype.kind not in "fuib":
        raise JaxaeError(f"{where}: dtype {source.dtype}, expected numbers (floats, integers or bools)")
    stored = dtype or own_dtype(source)

    def convert(rows: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # `_survey` reports the overflow, with its row
            return rows.reshape(len(rows), *row_shape).astype(stored, copy=False)

    return Mapped(source, convert, row_shape, stored)


def texts(original: Original) -> tuple[str, ...]:
    """Return the distinct texts among the labels of all splits, sorted; () if there are no texts."""
    columns = [table.y for table in original.tables.values()]
    arrays = [np.asarray(y).reshape(-1) for y in columns if not (y is None or isinstance(y, tuple))]
    arrays = [y for y in arrays if y.dtype.kind == "U"]
    return tuple(np.unique(np.concatenate(arrays)).tolist()) if arrays else ()


def labels(y: Any, num_rows: int, where: str, classes: tuple[str, ...] = ()) -> Any:
    """Convert labels to i32[N]; texts become their positions in `classes`.

    Args:
        y: Integers or texts [N]; None or () for data without labels.
        num_rows: The number of rows, N.
        where: Where the labels were found, for error messages.
        classes: The sorted texts of all splits; () if labels are integers.

    Returns:
        The labels i32[N], or () for data without labels.

    Raises:
        JaxaeError: If the dtype, the shape or a value is not valid.
    """
    if y is None or isinstance(y, tuple):
        return ()
    y = np.asarray(y)
    if y.dtype.kind not in ("U" if classes else "iub") or y.ndim != 1:
        expected = "texts, as in other splits" if classes and y.dtype.kind in "iub" else "integers or texts"
        raise JaxaeError(
            f"{where}: labels of dtype {y.dtype} and shape {y.shape}, expected {expected} [{num_rows}]"
        )
    y = np.searchsorted(np.array(classes), y) if classes else y
    if len(y) != num_rows:
        raise JaxaeError(f"{where}: {len(y)} labels for {num_rows} rows")
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        hint = "; texts are allowed, for example y.astype(str)" if y.min() < 0 else ""
        raise JaxaeError(f"{where}: labels from {y.min()} to {y.max()}, expected 0 to 2147483647{hint}")
    return y.astype(np.int32)


def _survey(table: Table, x: Mapped, digest: Any) -> tuple[float, float]:
    """Return the lowest and highest value of all rows, and add the rows to `digest`.

    Raises:
        JaxaeError: If values are not finite as float32.
    """
    low, high, num_bad, first_bad, num_rounded = np.inf, -np.inf, 0, -1, 0
    for start, raw in chunks(table.x):
        rows = x.function(raw)
        # Stored rows are hashed, not raw ones: the same images as .npy and as PNG have one hash.
        digest.update(np.ascontiguousarray(rows))
        # Taken from the raw values, which are still exact where float32 rounds.
        low, high = min(low, raw.min()), max(high, raw.max())
        if rows.dtype == np.float32 and not np.isfinite(rows).all():
            bad = ~np.isfinite(rows).reshape(len(rows), -1)
            # `start` turns the row of the chunk into a row of the data set.
            first_bad = start + int(np.argmax(bad.any(axis=1))) if num_bad == 0 else first_bad
            num_bad += int(bad.sum())
        num_rounded += is_rounded(raw, rows)
    # Reported after the loop, so that the message counts all bad values and not those of one chunk.
    if num_bad:
        raise JaxaeError(
            f"{table.where}: {num_bad} values are not finite (NaN or inf), the first in row {first_bad}"
        )
    if num_rounded:
        warn(
            f"{table.where}: integers from {low} to {high} are rounded; float32 is exact only up to 16777216"
        )
    return float(low), float(high)


def _check_alike(examples: Examples, others: dict[str, Examples], where: str) -> None:
    """Raise JaxaeError if rows or labels of a split differ in kind from those of an earlier split."""
    for name, other in others.items():
        got, expected = (f"{part.x.dtype} {list(part.x.shape[1:])}" for part in (examples, other))
        if got != expected:
            raise JaxaeError(f"{where}: got rows of {got}, expected {expected}, as in the {name} split")
        if isinstance(examples.y, tuple) != isinstance(other.y, tuple):
            has, lacks = (where, name) if isinstance(other.y, tuple) else (name, where)
            raise JaxaeError(f"{where}: {has} has labels, but {lacks} has none")
