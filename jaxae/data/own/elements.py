"""Elements of object arrays: conversion to numbers or texts, and messages that name the row.

N is the number of rows.
"""

from typing import Any

import numpy as np

from jaxae.data.files import one_line
from jaxae.errors import JaxaeError

# Python and NumPy scalars. An object array that holds only these is converted to a numeric array.
NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)
DROP = "drop these rows, or fill in the values"


def unbox(array: np.ndarray, kinds: tuple[type, ...], where: str) -> np.ndarray:
    """Convert an object array to an array of numbers or texts.

    Args:
        array: The object array [N, ...].
        kinds: The types that its elements may have.
        where: How error messages name the array.

    Returns:
        The array with the dtype that its elements have in common.

    Raises:
        JaxaeError: If an element has another type; the message names its row.
    """
    flat = array.reshape(-1)
    # Only the few distinct types are checked against `kinds`, not every element.
    wrong_types = {kind for kind in set(map(type, flat)) if not issubclass(kind, kinds)}
    if wrong_types:
        position = next(number for number, value in enumerate(flat) if type(value) in wrong_types)
        # The flat position becomes a row number: one row has array.size / N elements.
        row = position * len(array) // array.size if array.ndim else 0
        _refuse_element(flat[position], row, kinds, where)
    # `tolist` also unpacks NumPy scalars, so that NumPy infers one common dtype for all elements.
    return np.array(flat.tolist(), str if kinds == (str,) else None).reshape(array.shape)


def _refuse_element(value: Any, row: int, kinds: tuple[type, ...], where: str) -> None:
    """Raise the JaxaeError for an element of an object array."""
    if is_missing(value):
        raise JaxaeError(f"{where}: dtype object, and row {row} is missing ({value}); {DROP}")
    text = one_line(ValueError(repr(value)))[:60]
    hint = f"; pass np.stack(list({name_of(where)}))" if isinstance(value, np.ndarray | list) else ""
    expected = "texts, as in the first row" if kinds == (str,) else "numbers"
    raise JaxaeError(
        f"{where}: dtype object, and row {row} holds {text}, a {type(value).__name__}; expected"
        f" {expected}{hint}"
    )


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or a missing value of pandas (NA, NaT)."""
    # Compared by class name, so that pandas need not be imported; NA == NA is NA, so equality cannot be used.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def first_row(is_marked: np.ndarray) -> int:
    """Return the number of the first row with a True, or 0 for an array without rows."""
    return int(np.argmax(is_marked.reshape(len(is_marked), -1).any(axis=1))) if is_marked.ndim else 0


def name_of(where: str) -> str:
    """Return the argument's name, which is the last word of `where`."""
    return where.rpartition(" ")[2].removesuffix(":")
