"""Conversion of users' rows and labels to NumPy arrays, with errors that name the fix.

Lists, tensors and columns of data frames are accepted. Everything else is refused in one line, which names
the expression that makes an array of it. `own.reading` converts data frames and sparse matrices before.
N is the number of rows.
"""

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.files import one_line
from jaxae.data.own import containers
from jaxae.data.own.elements import DROP, NUMBERS, first_row, name_of, unbox
from jaxae.errors import JaxaeError, warn


def rows(x: Any, where: str = "x") -> np.ndarray:
    """Convert rows to an array; an object array of numbers becomes a numeric array.

    Args:
        x: Anything that NumPy reads as an array: lists, CPU tensors, data frames without missing values.
        where: How error messages name the rows. The last word is the argument's name.

    Returns:
        The array [N, ...]. Its shape and dtype are not checked.

    Raises:
        JaxaeError: If values are masked or missing, or if `x` holds rows but is not an array.

    Example:
        >>> rows([[0, 1], [2, 3]]).shape
        (2, 2)
    """
    array = _convert_to_array(x, where)
    # pandas gives dtype object for frames of mixed columns, although every value is a number.
    return unbox(array, NUMBERS, where) if array.dtype == object else array


def labels(y: Any, where: str = "y") -> np.ndarray:
    """Convert labels to an array of integers or texts.

    Args:
        y: Integers, texts, or floats that are whole numbers; an array, a list, or a column of a data frame.
        where: How error messages name the labels. The last word is the argument's name.

    Returns:
        The array [N], of integers, bools or texts (dtype `U`). Its shape is not checked.

    Raises:
        JaxaeError: If values are missing, or if an element is no label. The message names the first such row.

    Example:
        >>> labels([0.0, 2.0, 1.0])
        array([0, 2, 1])
    """
    array = _convert_to_array(y, where)
    # NumPy's StringDType (kind T, texts of any length): the checks below expect `str` objects.
    if array.dtype.kind == "T":
        array = array.astype(object)
    # The first element decides whether all must be texts. An empty array is checked as numbers.
    if array.dtype == object:
        is_text = array.size and isinstance(array.flat[0], str)
        array = unbox(array, (str,) if is_text else NUMBERS, where)
    # Bytes are not decoded here, because the right encoding is known to the user only.
    if array.dtype.kind == "S":
        raise JaxaeError(
            f"{where}: labels of dtype {array.dtype}, expected integers or texts; decode bytes with"
            f" {name_of(where)}.astype(str)"
        )
    # A pandas column that had a missing value stays float after the row is dropped, so accept whole floats.
    return _convert_whole_floats(array, where) if array.dtype.kind == "f" and array.ndim else array


def warn_of_channels(shape: tuple[int, ...], where: str) -> None:
    """Print a warning for images whose channels seem to come first, or to include alpha.

    Args:
        shape: The shape of the rows; only [N, H, W, C] is checked.
        where: How the warning names the rows.
    """
    if len(shape) != 4:
        return
    # If the channels come first after all, `height` is really C, and `width` and `last` are H and W.
    channels, height, width, last = shape[-1], *shape[1:]
    # PyTorch stores [N, C, H, W]. A height of at most 4 pixels is far more likely to be a number of channels.
    if height <= 4 < min(width, last):
        warn(
            f"{where}: shape {shape} is read as [N, H, W, C], images of {height}x{width} pixels and"
            f" {channels} channels; if the channels come first, pass x.transpose(0, 2, 3, 1)"
        )
    # Images of 1x1 pixels are usually a table of 4 features, so they get no warning.
    if channels == 4 and min(height, width) > 1:
        warn(f"{where}: all 4 channels are learned and measured; if the fourth is alpha, pass x[..., :3]")


def _convert_to_array(value: Any, where: str) -> np.ndarray:
    """Return the value as a NumPy array, or raise JaxaeError if a mask would be lost or it is no array."""
    value = containers.plain(value, where)
    if containers.is_h5(value):
        value = containers.texts(value, where)
    _refuse_containers(value, where)
    try:
        # np.asarray drops the masks of a list of masked arrays without an error; np.ma.array keeps them.
        if isinstance(value, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in value):
            value = np.ma.array(list(value))
        if isinstance(value, np.ma.MaskedArray):
            return _remove_mask(value, where)
        return np.asarray(value)
    # `_remove_mask` already names the row, so its message must not be wrapped by the handler below.
    except JaxaeError:
        raise
    # A ragged list, a tensor on a device: each library raises another exception class.
    except Exception as error:
        raise JaxaeError(f"{where}: cannot be converted to a NumPy array: {one_line(error)}") from error


def _remove_mask(array: np.ma.MaskedArray, where: str) -> np.ndarray:
    """Return the data of a masked array in which nothing is masked; raise JaxaeError otherwise."""
    is_masked = np.ma.getmaskarray(array)
    if is_masked.any():
        raise JaxaeError(
            f"{where}: {is_masked.sum()} values are masked, the first in row {first_row(is_masked)};"
            f" drop these rows, or fill in the values, for example with {name_of(where)}.filled(0)"
        )
    return np.asarray(array.data)


def _refuse_containers(value: Any, where: str) -> None:
    """Raise JaxaeError if the value holds rows in another way than an array does."""
    # Data sets of pairs give (x, y): y is part 1.
    explanation = _explain_refusal(value, name_of(where), 1 if name_of(where).startswith("y") else 0)
    if explanation:
        raise JaxaeError(f"{where}: got {explanation}")


def _explain_refusal(value: Any, name: str, part: int) -> str:
    """Return a description of the value and of how to make an array of it; "" if NumPy may try.

    `part` is the index of the wanted element (0 for x, 1 for y) in data sets that give pairs (x, y).
    """
    type_name = type(value).__name__
    if isinstance(value, str | bytes | Path):
        hint = "; use DataSpec(name=...) for files and named data sets" if name == "x" else ""
        return f"the text {str(value)[:60]!r}, expected an array{hint}"
    # Types are recognised by their attributes, so that SciPy, PyTorch and pandas need not be imported.
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        return f"a sparse matrix ({type_name}), expected an array; pass {name}.toarray()"
    if isinstance(value, Mapping):
        # Line breaks in keys would break the promise that every error is one line.
        keys = [" ".join(str(key).split()) for key in value]
        hint = f", such as {name}[{next(iter(value))!r}]" if keys else ""
        return f"a {type_name} with the keys {', '.join(keys[:20]) or '(none)'}; pass one of its arrays{hint}"
    # np.asarray of a generator gives a 0-dimensional object array instead of an error.
    if isinstance(value, Iterator):
        return f"a {type_name}, which can be read only once; pass np.stack(list({name}))"
    if isinstance(value, list) and _is_pair(value[0] if value else None):
        return (
            f"a list of pairs, expected an array; pass np.stack([np.asarray(row[{part}]) for row in {name}])"
        )
    return "" if _is_array_like(value) else _explain_data_set(value, type_name, name, part)


def _explain_data_set(value: Any, type_name: str, name: str, part: int) -> str:
    """Return the text of `_explain_refusal` for data loaders, data sets and other objects."""
    # A PyTorch DataLoader: it gives batches, so that the pieces must be concatenated and not stacked.
    if hasattr(value, "dataset") and hasattr(value, "batch_size"):
        batches = f"np.concatenate([np.asarray(batch[{part}]) for batch in {name}])"
        return f"a {type_name} of batches, expected an array; pass {batches}"
    if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
        first = _get_first_example(value)
        if isinstance(first, tuple | Mapping):
            key = repr(next(iter(first))) if isinstance(first, Mapping) else part
            row = f"np.asarray({name}[i][{key}]) for i in range(len({name}))"
            return f"a {type_name} of {len(value)} examples, expected an array; pass np.stack([{row}])"
        return ""
    # The order of a set of strings changes from process to process: no run could be repeated.
    if isinstance(value, Set):
        return f"a {type_name}, whose elements have no order; expected an array"
    if hasattr(value, "__iter__"):
        return f"a {type_name}, expected an array; pass np.stack(list({name})), or its part that holds {name}"
    return f"a {type_name}, expected an array"


def _is_array_like(value: Any) -> bool:
    """Return whether NumPy reads the value without iterating over an object that it does not know."""
    # Iterating over an unknown object may start a download or never end, so only these ways are trusted.
    attributes = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")
    is_plain = isinstance(value, (list, tuple, range, memoryview, bytearray, complex, *NUMBERS))
    return is_plain or any(hasattr(value, name) for name in attributes)


def _is_pair(example: Any) -> bool:
    """Return whether an example is a pair (x, y) of different shapes."""
    # Two elements of equal shape may be two pixels or two features of one row.
    return isinstance(example, tuple) and len(example) == 2 and np.shape(example[0]) != np.shape(example[1])


def _get_first_example(examples: Any) -> Any:
    """Return the first example, or None if there is none or reading it fails."""
    try:
        return examples[0] if len(examples) else None
    # Indexing runs the data set's own code, which may raise anything; this is only a hint for a message.
    except Exception:
        return None


def _convert_whole_floats(array: np.ndarray, where: str) -> np.ndarray:
    """Convert float labels to integers; raise JaxaeError with the first row that is missing or not whole."""
    is_missing = np.isnan(array)
    if is_missing.any():
        raise JaxaeError(f"{where}: row {first_row(is_missing)} is missing (nan); {DROP}")
    # From 2^53 on, float64 does not hold every integer: the label read may not be the label written.
    is_whole = np.isfinite(array) & (array == np.round(array)) & (np.abs(array) < 2.0**53)
    if not is_whole.all():
        row = first_row(~is_whole)
        raise JaxaeError(
            f"{where}: labels of dtype {array.dtype}, and row {row} holds {array[row]}; expected whole"
            " numbers or texts"
        )
    return array.astype(np.int64)
