"""Read the experiment of a simple config from its text, without executing it and without importing jax.

A simple config imports jaxae, sets names to values, and calls jaxae's classes with keywords. Any other
config has to be executed, which takes jax.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxae.cli.outlines import Outline

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


class NotSimple(Exception):
    """Signal that a config has to be executed."""


def read(path: Path, outlines: Mapping[str, Outline]) -> dict[str, Any] | None:
    """Return the experiment of a config as a record.

    Args:
        path: The config.
        outlines: Full name of a class -> its outline; only these classes are simple.

    Returns:
        The record, which lacks fields with defaults; None if the config is not simple.
    """
    try:
        names = _run(ast.parse(path.read_bytes()).body, outlines)
    except (NotSimple, OSError, SyntaxError, ValueError, TypeError, ArithmeticError):
        return None
    experiment = names.get("experiment")
    return experiment if isinstance(experiment, dict) else None


def _run(statements: list[ast.stmt], outlines: Mapping[str, Outline]) -> dict[str, Any]:
    """Return the names that the statements define. Raises: NotSimple."""
    names: dict[str, Any] = {}
    for statement in statements:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.FunctionDef(decorator_list=[]):
                pass  # a docstring; a function such as `sweep`, which nothing here calls
            case ast.Import(names=[ast.alias(name="jaxae", asname=None)]):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = _value(value, names, outlines)
            case _:
                raise NotSimple
    return names


def _value(node: ast.expr, names: Mapping[str, Any], outlines: Mapping[str, Outline]) -> Any:
    """Return the value of an expression, as in a record. Raises: NotSimple."""
    match node:
        case ast.Constant(value=value) if value is None or isinstance(value, bool | int | float | str):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [_value(item, names, outlines) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names, outlines)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            numbers = _value(left, names, outlines), _value(right, names, outlines)
            return _OPERATORS[type(op)](*numbers)
        case ast.Call(func=function, args=[], keywords=keywords) if ast.unparse(function) in outlines:
            return _record(ast.unparse(function), keywords, names, outlines)
    raise NotSimple


def _record(
    cls: str, keywords: list[ast.keyword], names: Mapping[str, Any], outlines: Mapping[str, Outline]
) -> dict[str, Any]:
    """Return the record of a class that is called. Raises: NotSimple for a field that it does not have."""
    if any(keyword.arg not in outlines[cls].fields for keyword in keywords):
        raise NotSimple
    return {"class": cls, **{str(each.arg): _value(each.value, names, outlines) for each in keywords}}
