"""Values as texts of a page, and blocks that several kinds of pages have."""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxae.errors import JaxaeError
from jaxae.reports.blocks import Block, Facts, Folded, Picture, Table
from jaxae.runs.comparison import flat
from jaxae.runs.comparison_text import MISSING, plus_minus
from jaxae.runs.experiment import Experiment
from jaxae.runs.notes import Notes
from jaxae.specs import old_records
from jaxae.specs.cells import cell
from jaxae.specs.pytree import defaults, fields, is_node
from jaxae.specs.records import from_record

FILLED = ("data_shape",)  # fields that jaxae fills in from the data: no choice of the user's
# Descriptions of the figures of a run, for readers without sight.
FIGURES = {
    "reconstructions": "test rows above their reconstructions, from the best to the worst",
    "samples": "means of p(x|z) at draws of z from the prior",
    "codes": "codes of test rows in the plane, coloured by label",
    "curves": "loss terms of training and validation rows over the epochs",
    "traversals": "decoded codes while one latent dimension moves",
    "interpolations": "decoded paths between the codes of two rows",
    "analogies": "squares of decoded codes: the same step from two different rows",
    "attributes": "decoded codes moved along the direction of a label",
    "retrieval": "rows, and the training rows with the nearest codes",
    "draws": "samples, and the training rows nearest to them",
    "rates": "KL divergence of each latent dimension from the prior",
    "spectrum": "singular values of the encoder's Jacobian",
    "posteriors": "exact posteriors next to those of the model",
    "manifold": "means of p(x|z) over the plane of codes",
    "projections": "codes projected to the plane",
}


def number(value: Any, error: Any = None) -> str:
    """Return a score with its standard error, `-43.300 ± 0.045`.

    Args:
        value: The value, or None.
        error: Its standard error, or None.

    Returns:
        The text; a dash for no value.
    """
    return plus_minus(value, error) if value is None or isinstance(value, int | float) else str(value)


def interval(value: Any, low: Any, high: Any) -> str:
    """Return a mean with the ends of its interval, `-43.30 [-43.41, -43.19]`.

    Args:
        value: The mean.
        low: Lower end; nan or None for a mean of one value.
        high: Upper end.

    Returns:
        The text; a dash for no mean.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if low is None or not math.isfinite(low):
        return f"{value:.5g}"
    # Two digits of the interval; more digits of the mean would be noise.
    width = (high - low) / 2
    decimals = max(0, 1 - math.floor(math.log10(width))) if width > 0 else 4
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def shell(*words: Any) -> str:
    """Return words as a command line."""
    return shlex.join(map(str, words))


def changed(node: Any, reference: Any = None, prefix: str = "") -> list[tuple[str, str]]:
    """Return the settings of an experiment that are not its defaults.

    Args:
        node: The experiment, or a part of it.
        reference: A node of the same class with other defaults; None for those of the class.
        prefix: Text before each dotted name.

    Returns:
        (dotted name, value) of each.
    """
    # A part of a default may have other values than its class: the default encoder of a VAE, for example.
    known = defaults(type(node))
    if type(reference) is type(node):
        known = {name: getattr(reference, name) for name in fields(node)}
    found: list[tuple[str, str]] = []
    for name in fields(node):
        value, default = getattr(node, name), known.get(name)
        if name in FILLED:
            continue
        is_default = name in known and _same(value, default)
        if is_node(value):
            # A part is named if its class is another one; its fields are compared one by one.
            if name not in known or type(value) is not type(default):
                found.append((prefix + name, str(cell(value))))
            found += changed(value, default, f"{prefix}{name}.")
        elif not is_default:
            found.append((prefix + name, str(cell(value))))
    return found


def _same(left: Any, right: Any) -> bool:
    # By their texts: 1 and True, or arrays, have no useful equality.
    return repr(cell(left)) == repr(cell(right))


def model_name(record: Mapping[str, Any]) -> str:
    """Return the name of the model's class.

    Args:
        record: Content of record.json or sweep.json.

    Returns:
        The public name without `jaxae.`; "" for a damaged record.
    """
    return str(record["experiment"].get("model", {}).get("class", "")).removeprefix("jaxae.")


def note_lines(written: Notes) -> list[str]:
    """Return the tags and the note of a run or sweep as lines; none for what is missing."""
    tags = [f"tags: {', '.join(written.tags)}"] if written.tags else []
    return [*tags, *([written.note] if written.note else [])]


def thinned(lines: Sequence[Any], most: int) -> list[Any]:
    """Return every nth line of a history, so that at most about `most` remain, and the last one.

    More points than pixels make the page large and look the same.

    Args:
        lines: The lines.
        most: Their number.

    Returns:
        The lines that are kept.
    """
    step = max(1, math.ceil(len(lines) / most))
    return [line for place, line in enumerate(lines) if place % step == 0 or place == len(lines) - 1]


def settings(record: Mapping[str, Any]) -> list[Block]:
    """Return the settings of an experiment: those that differ from the defaults first, all of them folded.

    Args:
        record: Content of record.json or sweep.json.

    Returns:
        The blocks; only all settings if a class of the user cannot be imported.
    """
    try:
        differing = changed(from_record(record["experiment"], Experiment))
    except JaxaeError:
        differing = None
    every = [(name, _shown(value)) for name, value in flat(old_records.current(record["experiment"])).items()]
    blocks: list[Block] = []
    if differing is not None:
        caption = "Settings that differ from the defaults" if differing else "All settings are the defaults"
        blocks.append(Table(caption, ["setting", "value"], differing))
    blocks.append(Folded("All settings", [Table("All settings", ["setting", "value"], every)]))
    return blocks


def _shown(value: Any) -> str:
    return MISSING if value is None else str(value)


def circumstances(record: Mapping[str, Any]) -> list[Block]:
    """Return where a run or sweep was made: command, commits, versions, device and flags.

    Args:
        record: Content of record.json or sweep.json.

    Returns:
        The blocks.
    """
    # Old records lack some entries.
    device = record.get("device") or {}
    rows = [
        ("command", shell(*record.get("command") or [])),
        ("started", record.get("started")),
        ("commit", record.get("commit")),
        ("jaxae", record.get("jaxae_commit")),
        ("data hash", record.get("data_hash")),
        ("device", " ".join(str(device[name]) for name in ("kind", "processor") if device.get(name))),
        (
            "versions",
            ", ".join(f"{name} {version}" for name, version in (record.get("versions") or {}).items()),
        ),
        (
            "flags",
            ", ".join(f"{name}={value}" for name, value in (record.get("flags") or {}).items() if value),
        ),
    ]
    return [Facts([(name, str(value)) for name, value in rows if value])]


def pictures(folder: Path, left_out: Sequence[str] = ()) -> list[Picture]:
    """Return the figures in a folder.

    Args:
        folder: The folder.
        left_out: Names of figures that the page shows in another way.

    Returns:
        The pictures, those of every run first.
    """
    # Those of every run first, then those of measures, then a user's own.
    files = sorted(folder.glob("*.png"))
    order = list(FIGURES)
    files.sort(key=lambda file: order.index(file.stem) if file.stem in order else len(order))
    return [
        Picture(file.stem.replace("_", " "), FIGURES.get(file.stem, f"figure {file.stem}"), file.read_bytes())
        for file in files
        if file.stem not in left_out
    ]
