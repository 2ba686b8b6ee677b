"""Names of the values of a choice in Optuna's storage, so that its dashboard can show them."""

from collections.abc import Sequence
from typing import Any

from jaxae.specs.cells import cell, values
from jaxae.specs.pytree import is_node

Category = None | bool | int | float | str  # the types that Optuna stores


def name_choices(choices: Sequence[Any]) -> list[Category]:
    """Return a different name for each value of a choice.

    Numbers and texts are their own names. A part is named by its class and the fields in which the parts
    differ.

    Args:
        choices: The values.

    Returns:
        The names, in the same order.

    Example:
        >>> import jaxae
        >>> name_choices([jaxae.Adam(), jaxae.SGD(), jaxae.Adam(learning_rate=0.1)])
        ['Adam(learning_rate=0.001)', 'SGD', 'Adam(learning_rate=0.1)']
    """
    names = [_name(choice, choices) for choice in choices]
    # `1` and `True` are equal in Python, and a name may be given twice: number what is not unique.
    if len({str(name) for name in names}) == len(set(names)) == len(names):
        return names
    return [f"{name} ({number})" for number, name in enumerate(names)]


def _name(choice: Any, choices: Sequence[Any]) -> Category:
    """Return a plain value as it is, and a part as `Class(field=value)` with the fields that differ."""
    if not is_node(choice):
        return cell(choice)
    alike = [values(other) for other in choices if type(other) is type(choice)]
    own = values(choice)
    differing = [name for name in own if any(other.get(name) != own[name] for other in alike)]
    fields = ", ".join(f"{name}={own[name]}" for name in differing)
    return f"{type(choice).__name__}({fields})" if fields else type(choice).__name__
