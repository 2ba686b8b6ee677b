"""Data as found -> rows as trained on: shape, dtype, scale, checks, hash. N rows, H W C image, D features."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.row_source import ArraySource, Mapped, Source, chunks, in_memory
from jaxae.data.units import check_units, common_dtype, is_rounded, own_dtype, pixel_scale
from jaxae.errors import JaxaeError, warn
from jaxae.types import Examples


class Table(NamedTuple):
    """One split as found: raw rows x [N, ...], labels y [N] or (), and where both were found, for messages.

    Labels are numbers or texts; `where_y` is "" where they are found with the rows.
    """

    x: Source
    y: Any
    where: str
    where_y: str = ""


class Original(NamedTuple):
    """A data set as found: `train`, official `validation` and `test`; scale None: see `units.pixel_scale`.

    classes: names of labels 0, 1, ...; () where they have none, or are texts themselves.
    """

    tables: dict[str, Table]
    scale: float | None = None
    classes: tuple[str, ...] = ()


class Factors(NamedTuple):
    """Rows x [N, ...] whose factors of variation are known: values int[N, F] and the names of the F."""

    x: Source
    values: Source
    names: tuple[str, ...]
    where: str


class Checked(NamedTuple):
    """The splits as they will be used, every row looked at once: hash, lowest and highest value.

    classes: names of labels 0, 1, ..., or ().
    """

    splits: dict[str, Examples]
    hash: str
    low: float
    high: float
    classes: tuple[str, ...]


def held(original: Original) -> Original:
    """The same data with every row in memory."""
    for table in original.tables.values():
        represented(table.x, table.where)  # refuses what is no table of numbers before it is copied
    tables = {name: t._replace(x=ArraySource(in_memory(t.x))) for name, t in original.tables.items()}
    return original._replace(tables=tables)


def check(original: Original) -> Checked:
    """Reads every row once; JaxaeError for data that cannot be trained on, a warning for doubtful units.

    The hash covers names, dtypes, shapes and bytes of x and y of the splits as found, and the scale; names of
    classes only where labels are texts.
    """
    digest, low, high = hashlib.sha256(), np.inf, -np.inf
    found, dtype = texts(original), common_dtype([table.x for table in original.tables.values()])
    splits: dict[str, Examples] = {}
    for name, table in original.tables.items():
        x = represented(table.x, table.where, dtype)
        y = labels(table.y, len(table.x), table.where_y or table.where, found)
        _check_alike(Examples(x, y, None), splits, table.where)
        digest.update(f"{name} {x.dtype} {x.shape};".encode())
        lowest, highest = _survey(table, x, digest)
        low, high = min(low, lowest), max(high, highest)
        if not isinstance(y, tuple):
            digest.update(f"labels {y.dtype} {y.shape};".encode() + y.tobytes())
        splits[name] = Examples(x, y, np.float32(1.0))
    if original.scale is None:
        check_units([(table.where, table.x) for table in original.tables.values()], low, high)
    scale = np.float32(original.scale or pixel_scale(original.tables["train"].x, high))
    digest.update(f"scale {scale}".encode())
    if found:  # numbers alone would not tell "a red square" from "a blue one"
        digest.update(f"texts {json.dumps(found)}".encode())
    splits = {k: v._replace(scale=scale) for k, v in splits.items()}
    return Checked(splits, digest.hexdigest(), low, high, found or original.classes)


def represented(source: Source, where: str, dtype: np.dtype | None = None) -> Mapped:
    """[N, D], [N, H, W] or [N, H, W, C] of numbers -> uint8 or f32 [N, D] or [N, H, W, C], on demand.

    `dtype`: what rows are stored as; None takes `own_dtype`.
    """
    if len(source.shape) not in (2, 3, 4) or 0 in source.shape:
        raise JaxaeError(
            f"{where}: shape {source.shape}, expected [N, D], [N, H, W] or [N, H, W, C], none zero"
        )
    row_shape = source.shape[1:] if len(source.shape) != 3 else (*source.shape[1:], 1)
    if source.dtype.kind not in "fuib":
        raise JaxaeError(f"{where}: dtype {source.dtype}, expected numbers (floats, integers or bools)")
    stored = dtype or own_dtype(source)

    def convert(rows: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported by `_survey`
            return rows.reshape(len(rows), *row_shape).astype(stored, copy=False)

    return Mapped(source, convert, row_shape, stored)


def texts(original: Original) -> tuple[str, ...]:
    """The different texts among the labels of all splits, sorted; () where labels are numbers, or none."""
    found = [np.asarray(t.y) for t in original.tables.values() if not (t.y is None or isinstance(t.y, tuple))]
    found = [y.reshape(-1) for y in found if y.dtype.kind == "U"]
    return tuple(np.unique(np.concatenate(found)).tolist()) if found else ()


def labels(y: Any, num_rows: int, where: str, classes: tuple[str, ...] = ()) -> Any:
    """Integers [N], or texts [N] by their number in `classes` -> i32[N]; () and None -> ()."""
    if y is None or isinstance(y, tuple):
        return ()
    y = np.asarray(y)
    if y.dtype.kind not in ("U" if classes else "iub") or y.ndim != 1:
        one = "texts, as in other splits" if classes and y.dtype.kind in "iub" else "integers or texts"
        raise JaxaeError(
            f"{where}: labels of dtype {y.dtype} and shape {y.shape}, expected {one} [{num_rows}]"
        )
    y = np.searchsorted(np.array(classes), y) if classes else y
    if len(y) != num_rows:
        raise JaxaeError(f"{where}: {len(y)} labels for {num_rows} rows")
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        raise JaxaeError(f"{where}: labels from {y.min()} to {y.max()}, expected 0 to 2147483647")
    return y.astype(np.int32)


def _survey(table: Table, x: Mapped, digest: Any) -> tuple[float, float]:
    """(lowest, highest) of all rows, which are fed to `digest`; JaxaeError for what x cannot hold."""
    low, high, num_bad, first_bad, num_rounded = np.inf, -np.inf, 0, -1, 0
    for start, raw in chunks(table.x):
        rows = x.function(raw)
        digest.update(np.ascontiguousarray(rows))
        low, high = min(low, raw.min()), max(high, raw.max())
        if rows.dtype == np.float32 and not np.isfinite(rows).all():
            bad = ~np.isfinite(rows).reshape(len(rows), -1)
            first_bad = start + int(np.argmax(bad.any(axis=1))) if num_bad == 0 else first_bad
            num_bad += int(bad.sum())
        num_rounded += is_rounded(raw, rows)
    if num_bad:
        raise JaxaeError(
            f"{table.where}: {num_bad} values are not finite (NaN or inf), the first in row {first_bad}"
        )
    if num_rounded:
        warn(f"{table.where}: integers from {low} to {high} are rounded to float32, exact up to 16777216")
    return float(low), float(high)


def _check_alike(examples: Examples, others: dict[str, Examples], where: str) -> None:
    """JaxaeError where a split's rows or labels are of another kind than those of the splits before it."""
    for name, other in others.items():
        kind, expected = ([str(e.x.dtype), *e.x.shape[1:]] for e in (examples, other))
        if kind != expected:
            raise JaxaeError(f"{where}: rows of {kind}, but {name} has rows of {expected}")
        if isinstance(examples.y, tuple) != isinstance(other.y, tuple):
            has, lacks = (where, name) if isinstance(other.y, tuple) else (name, where)
            raise JaxaeError(f"{where}: {has} has labels, but {lacks} has none")
