"""Find configs by path or bare name, without executing them and without importing jax.

`jaxae show`, the shell's completion and errors about names need no more, so that they take a tenth of a
second.
"""

import ast
from pathlib import Path

from jaxae.errors import JaxaeError, nearest
from jaxae.runs import references

_PACKAGE = Path(__file__).resolve().parents[1]
# The working directory comes first, so a user's config can replace one of the same name in jaxae. A wheel
# holds the configs as `_configs`.
FOLDERS = (Path("configs"), _PACKAGE.parent / "configs", _PACKAGE / "_configs")


def find(name: str) -> Path:
    """Return the path of a config: a path, or configs/NAME.py here, in the project or in the package.

    SWEEP:ID and SWEEP:best are the directories of runs of a sweep.

    Raises:
        JaxaeError: If there is no such config; the message gives the nearest name.
    """
    path = references.resolve(name)
    if path.is_file() or (path.is_dir() and (path / "record.json").exists()):
        return path
    if name and path.name == name and path.suffix in ("", ".py"):
        for folder in FOLDERS:
            candidate = folder / path.with_suffix(".py").name
            if candidate.is_file():
                return candidate
    # Without the list of all configs if one of them is close.
    hint, _, valid = nearest(path.stem.replace("-", "_"), names()).rpartition("valid: ")
    hint = f"{hint}`jaxae show` lists the configs" if hint else f"valid: {valid}"
    if name and path.is_dir():
        hint = f"the folder holds no run (record.json is missing); {hint}"
    raise JaxaeError(f"{name}: no such config; {hint}, or the path of a .py file or of a run")


def is_record(path: Path) -> bool:
    """Return whether a path that `find` returned is a run or its record, not a Python file."""
    return path.is_dir() or path.suffix == ".json"


def is_yaml(path: Path) -> bool:
    """Return whether a path that `find` returned is an experiment in YAML (`--print-config yaml`)."""
    return path.suffix in (".yaml", ".yml")


def headline(path: Path) -> str:
    """Return the first line of a config's docstring, or "" if it has none; the file is not executed."""
    try:
        # As bytes: ast then honours the encoding that the file declares.
        text = ast.get_docstring(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError, OSError):
        return ""
    return (text or "").partition("\n")[0]


def names() -> list[str]:
    """Return the bare names of all configs that can be found."""
    return sorted({file.stem for folder in FOLDERS for file in folder.glob("*.py")})


def lines() -> list[str]:
    """Return one line for each config with a bare name: the name and its headline; no config is executed."""
    files = {name: find(name) for name in names()}
    # The headline is the docstring's first line, read without executing the file.
    width = max(map(len, files), default=0)
    return [f"{name:<{width}}  {headline(file)}".rstrip() for name, file in files.items()]
