"""Rows and labels that a user gives from Python, as one value."""

from typing import Any, NamedTuple

from jaxae.errors import JaxaeError

# Split -> suffix of its arguments: x and y, x_validation and y_validation, x_test and y_test.
SUFFIXES = {"train": "", "validation": "_validation", "test": "_test"}


class GivenRows(NamedTuple):
    """Rows and labels of up to three splits, as a user gives them; None for a part that is not given.

    Attributes:
        x: Training rows, or rows from which the other splits are drawn.
        y: Labels of `x`, or the name of the column of `x` that holds them.
        x_validation: Validation rows, all of which are used.
        y_validation: Labels of `x_validation`.
        x_test: Test rows, all of which are used.
        y_test: Labels of `x_test`.
    """

    x: Any
    y: Any = None
    x_validation: Any = None
    y_validation: Any = None
    x_test: Any = None
    y_test: Any = None


def collect(
    x: Any,
    y: Any = None,
    x_validation: Any = None,
    y_validation: Any = None,
    x_test: Any = None,
    y_test: Any = None,
) -> GivenRows | None:
    """Return the arguments of a public function as one value; None if no rows are given.

    Args:
        x: Training rows, or None.
        y: Labels of `x`, or None.
        x_validation: Validation rows, or None.
        y_validation: Labels of `x_validation`, or None.
        x_test: Test rows, or None.
        y_test: Labels of `x_test`, or None.

    Returns:
        The rows, or None.

    Raises:
        JaxaeError: If labels are given without their rows, or held-out rows without training rows.
    """
    given = GivenRows(x, y, x_validation, y_validation, x_test, y_test)
    for suffix in SUFFIXES.values():
        if getattr(given, f"x{suffix}") is None and getattr(given, f"y{suffix}") is not None:
            raise JaxaeError(f"y{suffix}: labels are given without their rows; give x{suffix} too")
    for name in ("x_validation", "x_test"):
        if x is None and getattr(given, name) is not None:
            raise JaxaeError(f"{name}: held-out rows are given without training rows; give x too")
    return None if x is None else given
