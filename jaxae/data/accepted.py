"""What users hold in memory -> NumPy arrays of numbers or labels, or one line with the way out. N rows."""

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.files import one_line
from jaxae.errors import JaxaeError, warn

NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)
DROP = "drop such rows, or fill the values in"


def rows(x: Any, where: str = "x") -> np.ndarray:
    """Convert rows to an array, of numbers wherever every element is one.

    Args:
        x: what NumPy reads as an array: lists, tensors on the CPU, data frames without missing values.
        where: how messages name it; the last word is the argument.

    Returns:
        The array [N, ...]; its shape and dtype are not checked.

    Raises:
        JaxaeError: for masked or missing values, and for what holds rows but is not an array.
    """
    array = _array(x, where)
    return _unboxed(array, NUMBERS, where) if array.dtype == object else array


def labels(y: Any, where: str = "y") -> np.ndarray:
    """Convert labels to an array of integers or texts.

    Args:
        y: integers, texts, or floats that are whole numbers; an array, a list, or a column of a frame.
        where: how messages name it; the last word is the argument.

    Returns:
        The array [N], of integers, bools or texts (`U`); its shape is not checked.

    Raises:
        JaxaeError: for missing values, and for elements that are no labels, with the row of the first.
    """
    array = _array(y, where)
    if array.dtype.kind == "T":  # NumPy's texts of any length
        array = array.astype(object)
    if array.dtype == object:
        is_text = array.size and isinstance(array.flat[0], str)
        array = _unboxed(array, (str,) if is_text else NUMBERS, where)
    if array.dtype.kind == "S":
        raise JaxaeError(
            f"{where}: labels of dtype {array.dtype}, expected integers or texts; decode bytes by"
            f" {_name(where)}.astype(str)"
        )
    return _whole(array, where) if array.dtype.kind == "f" and array.ndim else array


def warn_of_channels(shape: tuple[int, ...], where: str) -> None:
    """Print one line for images [N, H, W, C] whose channels seem to come first, or to include alpha."""
    if len(shape) != 4:
        return
    channels, height, width, last = shape[-1], *shape[1:]
    if height <= 4 < min(width, last):
        warn(
            f"{where}: shape {shape} is taken as [N, H, W, C], images of {height}x{width} pixels and"
            f" {channels} channels; where channels come first, x.transpose(0, 2, 3, 1) puts them last"
        )
    if channels == 4 and min(height, width) > 1:
        warn(
            f"{where}: all 4 channels are learned and count in every number; where the fourth is alpha,"
            " x[..., :3] leaves it out"
        )


def _array(value: Any, where: str) -> np.ndarray:
    """The value as NumPy reads it; JaxaeError where that would lose a mask, or is no array."""
    _refuse_containers(value, where)
    try:
        if isinstance(value, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in value):
            value = np.ma.array(list(value))
        if isinstance(value, np.ma.MaskedArray):
            return _unmasked(value, where)
        return np.asarray(value)
    except JaxaeError:
        raise
    except Exception as error:  # a ragged list, a tensor on a device: each library has its own exception
        raise JaxaeError(f"{where}: cannot be made a NumPy array: {one_line(error)}") from error


def _unmasked(array: np.ma.MaskedArray, where: str) -> np.ndarray:
    masked = np.ma.getmaskarray(array)
    if masked.any():
        raise JaxaeError(
            f"{where}: {masked.sum()} values are masked, the first in row {_first_row(masked)}; drop such"
            f" rows, or fill the values in, as {_name(where)}.filled(0) does"
        )
    return np.asarray(array.data)


def _refuse_containers(value: Any, where: str) -> None:
    """JaxaeError for what holds rows in another way than an array does."""
    way_out = _way_out(value, _name(where), 1 if _name(where).startswith("y") else 0)
    if way_out:
        raise JaxaeError(f"{where}: got {way_out}")


def _way_out(value: Any, name: str, part: int) -> str:
    """What was given and how to make an array of it; "" where NumPy may try.

    part: where data sets give pairs (x, y), which of the two is asked for.
    """
    kind = type(value).__name__
    if isinstance(value, str | bytes | Path):
        named = "; files and named data sets are chosen by DataSpec(name=...)" if name == "x" else ""
        return f"the text {str(value)[:60]!r}, expected an array{named}"
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        return f"a sparse matrix ({kind}), expected an array; pass {name}.toarray()"
    if isinstance(value, Mapping):
        keys = [" ".join(str(key).split()) for key in value]
        such = f", such as {name}[{next(iter(value))!r}]" if keys else ""
        return f"a {kind} with the keys {', '.join(keys[:20]) or '(none)'}; pass one of its arrays{such}"
    if hasattr(value, "detach"):  # a tensor of PyTorch
        device = getattr(getattr(value, "device", None), "type", "cpu")
        if value.requires_grad or device != "cpu":
            reason = f"on the device {device}" if device != "cpu" else "that requires a gradient"
            return f"a {kind} {reason}, expected an array; pass {name}.detach().cpu().numpy()"
    if isinstance(value, Iterator):
        return f"a {kind}, which can be read only once; pass np.stack(list({name}))"
    if isinstance(value, list) and _is_pair(value[0] if value else None):
        return (
            f"a list of pairs, expected an array; pass np.stack([np.asarray(row[{part}]) for row in {name}])"
        )
    return "" if _is_array_like(value) else _of_data_set(value, kind, name, part)


def _of_data_set(value: Any, kind: str, name: str, part: int) -> str:
    """`_way_out` for data loaders, data sets and other objects."""
    if hasattr(value, "dataset") and hasattr(value, "batch_size"):
        batches = f"np.concatenate([np.asarray(batch[{part}]) for batch in {name}])"
        return f"a {kind} of batches, expected an array; pass {batches}"
    if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
        first = _first(value)
        if isinstance(first, tuple | Mapping):
            key = repr(next(iter(first))) if isinstance(first, Mapping) else part
            row = f"np.asarray({name}[i][{key}]) for i in range(len({name}))"
            return f"a {kind} of {len(value)} examples, expected an array; pass np.stack([{row}])"
        return ""
    if isinstance(value, Set):
        return f"a {kind}, whose elements have no order; expected an array"
    if hasattr(value, "__iter__"):
        return f"a {kind}, expected an array; pass np.stack(list({name})), or its part that is {name}"
    return f"a {kind}, expected an array"


def _is_array_like(value: Any) -> bool:
    """Whether NumPy reads the value without iterating over an object that it does not know."""
    protocols = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")
    is_plain = isinstance(value, (list, tuple, range, memoryview, bytearray, complex, *NUMBERS))
    return is_plain or any(hasattr(value, name) for name in protocols)


def _is_pair(example: Any) -> bool:
    """Whether an example is (x, y), of different shapes."""
    return isinstance(example, tuple) and len(example) == 2 and np.shape(example[0]) != np.shape(example[1])


def _first(examples: Any) -> Any:
    """The first example; None where there is none, or reading it fails."""
    try:
        return examples[0] if len(examples) else None
    except Exception:  # the data set's own code
        return None


def _unboxed(array: np.ndarray, kinds: tuple[type, ...], where: str) -> np.ndarray:
    """An array of Python's numbers or texts as NumPy's; JaxaeError with the row of what is neither."""
    flat = array.reshape(-1)
    wrong = {kind for kind in set(map(type, flat)) if not issubclass(kind, kinds)}
    if wrong:
        at = next(number for number, value in enumerate(flat) if type(value) in wrong)
        _refuse_element(flat[at], at * len(array) // array.size if array.ndim else 0, kinds, where)
    return np.array(flat.tolist(), str if kinds == (str,) else None).reshape(array.shape)


def _refuse_element(value: Any, row: int, kinds: tuple[type, ...], where: str) -> None:
    """JaxaeError for an element of an object array."""
    if _is_missing(value):
        raise JaxaeError(f"{where}: dtype object, and row {row} is missing ({value}); {DROP}")
    held = one_line(ValueError(repr(value)))[:60]
    way_out = f"; pass np.stack(list({_name(where)}))" if isinstance(value, np.ndarray | list) else ""
    expected = "texts, as in the first row" if kinds == (str,) else "numbers"
    raise JaxaeError(
        f"{where}: dtype object, and row {row} holds {held}, a {type(value).__name__}; expected"
        f" {expected}{way_out}"
    )


def _is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or what pandas has for a missing value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _whole(array: np.ndarray, where: str) -> np.ndarray:
    """Float labels that are whole numbers as integers; JaxaeError with the row of the first that is none."""
    missing = np.isnan(array)
    if missing.any():
        raise JaxaeError(f"{where}: row {_first_row(missing)} is missing (nan); {DROP}")
    is_whole = np.isfinite(array) & (array == np.round(array)) & (np.abs(array) < 2.0**53)
    if not is_whole.all():
        row = _first_row(~is_whole)
        raise JaxaeError(
            f"{where}: labels of dtype {array.dtype}, and row {row} holds {array[row]}; expected whole"
            " numbers or texts"
        )
    return array.astype(np.int64)


def _first_row(marked: np.ndarray) -> int:
    """The row of the first True, 0 for an array without rows."""
    return int(np.argmax(marked.reshape(len(marked), -1).any(axis=1))) if marked.ndim else 0


def _name(where: str) -> str:
    """The argument's name, the last word of `where`."""
    return where.rpartition(" ")[2].removesuffix(":")
