"""Values of hyperparameters as cells of a table: numbers, texts and None."""

from typing import Any

import numpy as np

from jaxae.specs.pytree import is_node, paths


def values(node: Any) -> dict[str, Any]:
    """Return {dotted name: cell} for all fields of a spec, at every depth.

    Example:
        >>> import jaxae
        >>> values(jaxae.Experiment())["model"]
        'VAE'
    """
    return {path: cell(value) for path, _, value in paths(node)}


def cell(value: Any) -> Any:
    """Return a value as the cell of a table: a number, a text or None. A part is named by its class."""
    value = plain(value)
    if is_node(value):
        return type(value).__name__
    if isinstance(value, tuple):
        return " ".join(str(cell(item)) for item in value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def plain(value: Any) -> Any:
    """Return NumPy scalars as Python numbers, and lists and arrays as tuples, as specs hold them."""
    if isinstance(value, np.generic):  # its JSON form and its digest would differ from a Python number's
        return value.item()
    if isinstance(value, list | np.ndarray):
        return tuple(plain(item) for item in value)
    return value
