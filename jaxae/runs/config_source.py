"""Write an experiment as the source of a config: Python that gives the equal experiment again, or YAML."""

from typing import Any

from jaxae.runs.experiment import Experiment
from jaxae.specs.pytree import fields, is_node
from jaxae.specs.records import CONFIGS, class_name, to_record

WIDTH = 100  # a call that is longer has one line for each argument


def to_python(experiment: Experiment) -> str:
    """Return the source of a Python config that defines `experiment`, with all fields and their values.

    Classes of your own are imported from the module that defines them. For a class of a config, that is the
    file itself, which must be in the same folder as the new config or on the import path.

    Example:
        >>> import jaxae
        >>> print(to_python(jaxae.Experiment(optimizer=jaxae.SGD())).splitlines()[0])
        import jaxae
    """
    modules: dict[str, str] = {}
    source = f"experiment = {_expression(experiment, '', len('experiment = '), modules)}\n"
    imports = [f"from {module} import {name}" for name, module in sorted(modules.items())]
    return "\n".join(["import jaxae", *imports, "", source])


def to_yaml(experiment: Experiment) -> str:
    """Return the experiment as YAML, as in a run's record; `jaxae train FILE.yaml` reads it."""
    import yaml  # here, because few users need it

    return yaml.safe_dump(to_record(experiment), sort_keys=False)


def _expression(value: Any, indent: str, column: int, modules: dict[str, str]) -> str:
    """Return the expression of a value; classes to import are added to `modules`, by name."""
    if is_node(value):
        parts = [(f"{name}=", getattr(value, name)) for name in fields(value)]
        return _bracketed(_name(type(value), modules) + "(", parts, indent, column, modules)
    if isinstance(value, tuple) and value:
        return _bracketed("(", [("", part) for part in value], indent, column, modules)
    # Python's own notation of a number, a text or None gives the equal value again.
    text = repr(value)
    return f'"{value}"' if text == f"'{value}'" and '"' not in text else text


def _bracketed(
    head: str, parts: list[tuple[str, Any]], indent: str, column: int, modules: dict[str, str]
) -> str:
    """Return `head(name=value, ...)` in one line, or one line for each part if it is too long."""
    short = ", ".join(f"{name}{_expression(part, '', 0, modules)}" for name, part in parts)
    # A tuple of one part needs the comma.
    short = f"{head}{short}{',' if head == '(' and len(parts) == 1 else ''})"
    if column + len(short) <= WIDTH and "\n" not in short:
        return short
    inner, lines = indent + 4 * " ", []
    for name, part in parts:
        expression = _expression(part, inner, len(inner) + len(name) + 1, modules)
        lines.append(f"{inner}{name}{expression},")
    return "\n".join([head, *lines, f"{indent})"])


def _name(cls: type, modules: dict[str, str]) -> str:
    """Return the name of a class in the source, `jaxae.VAE` or `Mine`."""
    full_name = class_name(cls)
    if full_name.startswith("jaxae."):
        return full_name
    module, _, name = full_name.removeprefix(f"{CONFIGS}.").rpartition(".")
    modules[name] = module
    return name
