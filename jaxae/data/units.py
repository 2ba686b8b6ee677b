"""Units of rows as found: only uint8 images are bytes, all other values are taken as they are.

N is the number of rows.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxae.data.row_source import Source, chunks
from jaxae.errors import JaxaeError, warn

EXACT = 2**24  # float32 holds every integer up to here


def pixel_scale(source: Source, high: float) -> float:
    """Return the number by which rows are divided.

    Args:
        source: The training rows.
        high: The highest value of all splits.

    Returns:
        255 for uint8 images with values above 1, else 1.
    """
    # uint8 images of 0 and 1 are already binary; divided by 255 they would be nearly black.
    return 255.0 if _is_bytes(source) and high > 1 else 1.0


def own_dtype(source: Source) -> np.dtype:
    """Return the dtype to store rows of one split as: uint8 for uint8 and bools, else float32."""
    return np.dtype(np.uint8 if source.dtype in (np.uint8, np.bool_) else np.float32)


def common_dtype(sources: list[Source]) -> np.dtype | None:
    """Return the dtype to store the rows of all splits as; None lets each split use its `own_dtype`.

    Integers that are all 0 and 1 are stored as uint8, whatever their type, so that the same rows always have
    the same content hash. Tables whose splits are integers of different types are float32 in every split.
    """
    wide_sources = [source for source in sources if source.dtype.kind in "ui" and source.dtype != np.uint8]
    if not wide_sources or any(source.dtype.kind not in "uib" for source in sources):
        return None
    # `all` stops at the first chunk with another value, so counts and bytes are not read to the end.
    if all(rows.min() >= 0 and rows.max() <= 1 for source in wide_sources for rows in _chunks(source)):
        return np.dtype(np.uint8)
    return np.dtype(np.float32) if all(len(source.shape) == 2 for source in sources) else None


def is_rounded(raw: np.ndarray, rows: np.ndarray) -> bool:
    """Return whether float32 rows differ from the integers from which they were made.

    Args:
        raw: The integers as found.
        rows: The same rows as stored.

    Returns:
        True if rounding changed at least one value.
    """
    if raw.dtype.kind not in "ui" or rows.dtype != np.float32:
        return False
    # int() first: the negation and the absolute value of the lowest int64 overflow in NumPy.
    if max(-int(raw.min()), int(raw.max())) <= EXACT:
        return False
    # float64 would round large int64 values itself; longdouble holds 64 bits where the platform supports it.
    return bool((raw.astype(np.longdouble).reshape(rows.shape) != rows).any())


def check_units(sources: Sequence[tuple[str, Source]], low: float, high: float) -> None:
    """Check integers whose unit is easily mistaken, and print a warning for doubtful ones.

    Args:
        sources: Where the rows of each split were found, and the rows; the first are the training rows.
        low: The lowest value of all splits.
        high: The highest value of all splits.

    Raises:
        JaxaeError: If one split holds bytes and another one holds values that are taken as they are.
    """
    (where, x), *others = sources
    # Values up to 1 are not divided in any split, so types do not matter.
    if high <= 1:
        return
    for name, other in others:
        if _is_bytes(x) != _is_bytes(other):
            raise JaxaeError(
                f"{name}: got rows of {other.dtype}, but {where} has rows of {x.dtype}; expected one dtype "
                "in all splits, because only uint8 images are divided by 255"
            )
    values = f"{where}: {x.dtype} values from {low:g} to {high:g}"
    is_wide = (
        x.dtype.kind in "ui" and len(x.shape) == 2 and x.shape[1] >= 64 and low >= 0 and 127 < high <= 255
    )
    if len(x.shape) == 2 and (x.dtype == np.uint8 or is_wide):
        warn(
            f"{values} of shape {x.shape} are not divided by 255; if they are flattened images of bytes, "
            "divide them by 255 or pass them as [N, H, W]"
        )
    # A wider integer type with the range of bytes is likely an image that was cast; others are counts.
    elif x.dtype.kind in "ui" and len(x.shape) > 2 and not _is_bytes(x) and low >= 0 and 127 < high <= 255:
        warn(f"{values} are not divided by 255, because only uint8 images are")


def _is_bytes(source: Source) -> bool:
    """Return whether rows are uint8 images, [N, H, W] or [N, H, W, C]."""
    # A uint8 table [N, D] may hold counts or categories, which nobody wants divided by 255.
    return source.dtype == np.uint8 and len(source.shape) > 2


def _chunks(source: Source) -> Iterator[np.ndarray]:
    """Yield all rows in chunks; yield nothing for shapes that `original.represented` refuses."""
    if source.shape and 0 not in source.shape:
        yield from (rows for _, rows in chunks(source))
