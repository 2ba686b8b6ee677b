"""Suggest the option that a user meant; this module does not import jax."""

import ast
import difflib
import functools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxae.cli.outlines import Outline, Part, is_node, last_name, parts, values
from jaxae.errors import nearest

# Ratio of difflib above which two names count as the same name with a spelling mistake: `run_dri`, `epoch`.
# With 0.6, the default of difflib, `over` would be `model`.
SIMILAR = 0.75
MOST = 3  # more options than these are no help


def suggest(option: str, options: Collection[str], command: str = "") -> str:
    """Return the options that an unknown one may mean, or the place of the help.

    Args:
        option: The unknown option, `--beta`.
        options: The valid options, `--model.beta` among them.
        command: The command that is called; the options of other commands are then suggested too.

    Returns:
        `did you mean '--model.beta'?`, `it is an option of jaxae sweep`, or `see --help`.

    Example:
        >>> suggest("--lr", ["--model.beta", "--optimizer.learning_rate"])
        "did you mean '--optimizer.learning_rate'?"
        >>> suggest("--colour", ["--model.beta", "--optimizer.learning_rate"])
        'see --help'
    """
    if owners := [name for name, theirs in options_of_commands().items() if command and option in theirs]:
        return f"it is an option of jaxae {' and jaxae '.join(owners)}"
    name = option.lstrip("-").replace("-", "_")
    for rule in (_has_same_ending, _is_similar, _begins_alike, _has_words):
        meant = [known for known in options if rule(name, known.lstrip("-"))]
        if rule is _is_similar and meant:
            meant = [max(meant, key=lambda known: _similarity(name, known.lstrip("-")))]
        if 0 < len(meant) <= MOST:
            return f"did you mean {' or '.join(repr(known) for known in meant)}?"
    return "see --help"


def unknown_option(
    option: str, own: Iterable[str], base: Any, outlines: Mapping[str, Outline], command: str = ""
) -> str:
    """Explain that an option is unknown.

    Args:
        option: The option, `--model.betta`.
        own: Options of the command itself.
        base: Record of the spec whose fields are options too, or None.
        outlines: Full name of a class -> its outline.
        command: The command that is called.

    Returns:
        `unknown option; --model is VAE; did you mean 'beta'? valid: ...`, or the option's new name.
    """
    known = {} if base is None else {f"--{part.path}": part for part in parts(base, outlines)}
    if base is not None and (new_name := current_name(option[2:], base, outlines)):
        return f"is now --{new_name}"
    parent, _, name = option.rpartition(".")
    hint = _hint_inside(parent, name, known, outlines) if parent in known else None
    return f"unknown option; {hint or suggest(option, [*own, *known, '--help'], command)}"


def current_name(path: str, base: Any, outlines: Mapping[str, Outline]) -> str | None:
    """Translate the dotted name of a field from an older version of jaxae.

    Args:
        path: A dotted name that may contain old names.
        base: Record of the spec whose classes know their old names.
        outlines: Full name of a class -> its outline.

    Returns:
        Today's dotted name; None if `path` contains no old name.
    """
    names: list[str] = []
    for name in path.split("."):
        is_known = is_node(base)
        names.append(outlines[base["class"]].old_names.get(name, name) if is_known else name)
        # A name that leads nowhere is kept as it is, with the rest of the path.
        base = values(base, outlines).get(names[-1]) if is_known else None
    return ".".join(names) if names != path.split(".") else None


def _hint_inside(
    parent: str, name: str, known: Mapping[str, Part], outlines: Mapping[str, Outline]
) -> str | None:
    """Return the valid names of the part that lacks `name`, or the classes for this part that have it."""
    part = known[parent]
    if not is_node(part.value):
        classes = part.field.classes.items()
        owners = [short for short, full in classes if name in outlines[full].fields]
        return f"{parent} is {part.value}, but {name} is an option of {', '.join(owners)}" if owners else None
    class_name = last_name(part.value["class"])
    names = outlines[part.value["class"]].fields
    if not names:
        return f"{class_name} has no options"
    hint = nearest(nearest_text(name, names), names)
    # `--model.learning_rate`: the right name of a field of another part.
    elsewhere = [option for option in known if option.rpartition(".")[2] == name]
    if 0 < len(elsewhere) <= MOST and not hint.startswith("did you mean"):
        hint = f"did you mean {' or '.join(map(repr, elsewhere))}?"
    return f"{parent} is {class_name}; {hint}"


def nearest_text(text: str, valid: Collection[str]) -> str:
    """Return the valid name that differs from a text in capitals, dashes and underscores only, or the text.

    Args:
        text: What the user typed, `vae` or `beta-tc-vae`.
        valid: The valid names.

    Returns:
        One of the valid names, or `text`.
    """
    return next((name for name in valid if _squashed(name) == _squashed(text)), text)


def _has_same_ending(name: str, known: str) -> bool:
    """Return whether the last parts are equal (`autoencoder.beta`), or one is the other's initials (`lr`)."""
    # `--beta` is more often a forgotten `--model.beta` than a spelling mistake.
    last, known_last = _last(name), _last(known)
    words = known_last.split("_")
    initials = "".join(word[:1] for word in words) if len(words) > 1 else ""
    return _squashed(last) in (_squashed(known_last), initials, _squashed(known))


def _is_similar(name: str, known: str) -> bool:
    return _similarity(name, known) >= SIMILAR


def _similarity(name: str, known: str) -> float:
    """Return the similarity of two names, or of their last parts if it is higher; from 0 to 1."""
    # Whole names first: of `epoch` and `epochs` nothing else is compared.
    pairs = {(name, known), (_last(name), _last(known))}
    return max(difflib.SequenceMatcher(None, first, second).ratio() for first, second in pairs)


def _begins_alike(name: str, known: str) -> bool:
    """Return whether one last part begins with the other: `latent` and `latent_dim`, `dataset` and `data`."""
    short, long = sorted((_last(name), _last(known)), key=len)
    return len(short) > 2 and long.startswith(short)


def _has_words(name: str, known: str) -> bool:
    """Return whether all words of the name are words of the last part: `samples` of `num_samples`."""
    return set(_last(name).split("_")) <= set(_last(known).split("_"))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _squashed(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


@functools.cache
def options_of_commands() -> dict[str, list[str]]:
    """Return the options of each command that has options: `{"train": ["--seed", ...], ...}`.

    They are read from the source: importing a command imports jax.
    """
    folder = Path(__file__).parent
    # Options that commands share are in classes of `output`, each of which extends the one before.
    shared = {f"output.{name}": fields for name, fields in _fields_of(folder / "output.py", {}).items()}
    return {
        file.stem.removesuffix("_command"): [
            f"--{name.rstrip('_')}" for names in _fields_of(file, shared).values() for name in names
        ]
        for file in sorted(folder.glob("*_command.py"))
    }


def _fields_of(file: Path, known: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the fields of each dataclass in a file, with those of base classes in the file or in `known`."""
    found: dict[str, list[str]] = {}
    for cls in ast.parse(file.read_bytes()).body:
        if not isinstance(cls, ast.ClassDef) or not any(
            "dataclass" in ast.unparse(d) for d in cls.decorator_list
        ):
            continue
        targets = [field.target for field in cls.body if isinstance(field, ast.AnnAssign)]
        own = [target.id for target in targets if isinstance(target, ast.Name)]
        inherited = [name for base in cls.bases for name in {**known, **found}.get(ast.unparse(base), [])]
        # As in the help: the shared options of a command come last, and among them those of the base first.
        found[cls.name] = [*own, *inherited] if known else [*inherited, *own]
    return found
