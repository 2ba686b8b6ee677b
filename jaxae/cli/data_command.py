"""`jaxae data list|show|download|prepare`: list, describe, download and prepare data sets."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

from jaxae import data
from jaxae.cli import options, output, signals
from jaxae.data.data_spec import DataSpec
from jaxae.data.downloads.description import KnownData
from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.downloads.retrieve import download, known
from jaxae.data.files import roots
from jaxae.data.prepare import prepare
from jaxae.data.sources import factor_grids
from jaxae.errors import JaxaeError, nearest
from jaxae.runs import opening

USAGE = """usage: jaxae data list [--folder FOLDER]
       jaxae data show NAME [--folder FOLDER]
       jaxae data download NAME [--folder FOLDER]
       jaxae data prepare NAME --from FOLDER [--to FOLDER]

  list      list the named data sets, whether their files are found, and which can be downloaded
  show      show the splits of a data set, their shape, type and range, its hash, licence and citation
  download  download the files of a known data set, resume an interrupted download, and check the files
  prepare   write the TFDS data set NAME from original files, without TensorFlow; read it as tfds:NAME
"""


@dataclasses.dataclass(kw_only=True)
class Listed(output.Output):
    """List the named data sets and whether their files are found."""

    folder: str | None = None
    """Folder with the original files. None uses JAXAE_DATA and the cache of downloads."""


@dataclasses.dataclass(kw_only=True)
class Shown(output.Output):
    """Show the splits of a data set, their shape, type and range, its hash, licence and citation."""


@dataclasses.dataclass(kw_only=True)
class Downloaded:
    """Download the original files of a known data set, unless they are there, and check them.

    An interrupted download is resumed. JAXAE_MIRROR gives an address that is tried first, for
    MIRROR/NAME/FILE. HTTP_PROXY and HTTPS_PROXY are used.
    """

    folder: str | None = None
    """Folder in which the folder NAME is made. None uses JAXAE_DATA, or the cache ~/.cache/jaxae/data."""


@dataclasses.dataclass(kw_only=True)
class Prepare:
    """Write the TFDS data set NAME from original files, an .npz file or images, without TensorFlow."""

    from_: Path | None = None  # the option is --from, a keyword of Python
    """Folder with the original files, or an .npz file. Required."""
    to: Path | None = None
    """Folder of TFDS data sets to write to. None uses the default of TFDS, ~/tensorflow_datasets."""


def main(arguments: list[str]) -> int:
    """Run `jaxae data` and return the exit code."""
    commands = {"list": _list, "show": _show, "download": _download, "prepare": _prepare}
    if not arguments:
        raise JaxaeError(f"data: a command is missing; valid: {', '.join(commands)}")
    if arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if arguments[0] not in commands:
        raise JaxaeError(f"data {arguments[0]}: no such command; {nearest(arguments[0], commands)}")
    commands[arguments[0]](arguments[1:])
    return 0


def _list(arguments: list[str]) -> None:
    """Print one line for each named data set."""
    command, _ = options.parse(Listed, arguments, "jaxae data list")
    rows = data.available(command.folder)
    width = max(len(name) for name, _ in rows)
    for name, status in rows:
        print(f"{name:<{width}}  {status}")
    output.report(data=dict(rows))


def _show(arguments: list[str]) -> None:
    """Print the splits of a data set; it is read as `train` would read it."""
    name, rest = _split_name("show", arguments)
    _, data_spec = options.parse(Shown, rest, f"jaxae data show {name}", DataSpec(name=name))
    entry = KNOWN.get(name.partition(":")[0])
    try:
        dataset = opening.load_data(data_spec)
    except JaxaeError:
        # Licence and citation are of interest before the download, too. The error says how to get the files.
        _print_facts(entry)
        raise
    print(dataset.description)
    for split in ("train", "validation", "test"):
        x, shape = getattr(dataset, split).x, "x".join(map(str, dataset.shape))
        # Streamed rows (data.stream) stay on the disk: they are no array and have no min or max.
        span = f", values {x.min():g} to {x.max():g}" if len(x) and hasattr(x, "min") else ""
        divided = f", divided by {dataset.scale:g}" if dataset.scale != 1 else ""
        print(f"{split:<10}  {len(x):>9,} rows of {shape} {x.dtype}{span}{divided}")
    print(f"hash        {dataset.hash}")
    _print_facts(entry)
    facts: dict[str, Any] = {
        "shape": dataset.shape,
        "dtype": dataset.dtype,
        "scale": dataset.scale,
        "rows": dataset.num_rows,
    }
    output.report(name=name, description=dataset.description, **facts, hash=dataset.hash)


def _download(arguments: list[str]) -> None:
    """Print the facts of a known data set and download its files."""
    name, rest = _split_name("download", arguments)
    command, _ = options.parse(Downloaded, rest, f"jaxae data download {name}")
    entry = known(name)
    _print_facts(entry)
    print(f"folder      {roots(command.folder)[0] / entry.name}", flush=True)
    with signals.raised(f"{entry.name}: download stopped; the same command resumes it"):
        folder = download(name, command.folder)
    option = f" --data.folder {folder.parent}" if command.folder else ""
    print(f"{entry.name}: ready in {folder}; use it by --data.name {name}{option}")
    if entry.name in factor_grids.LAYOUTS and importlib.util.find_spec("h5py") is None:
        print("to read it, install h5py: pip install 'jaxae[hdf5]'")


def _print_facts(entry: KnownData | None) -> None:
    """Print licence, citation and so on of a known data set."""
    for word, text in (entry.facts if entry else {}).items():
        print(f"{word:<10}  {text}")


def _prepare(arguments: list[str]) -> None:
    """Write a TFDS data set and print its folder."""
    name, rest = _split_name("prepare", arguments)
    command, _ = options.parse(Prepare, rest, f"jaxae data prepare {name}")
    # A required option is checked here: the dataclass gives every option a default.
    if command.from_ is None:
        raise JaxaeError("data prepare: --from FOLDER is missing, the folder with the original files")
    print(f"{name}: written to {prepare(name, command.from_, command.to)}; read it as tfds:{name}")


def _split_name(command: str, arguments: list[str]) -> tuple[str, list[str]]:
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    # Help without a name is the help of all commands: the options of `show` depend on the data set.
    if {"-h", "--help"} & set(arguments):
        print(USAGE, end="")
        raise SystemExit(0)
    raise JaxaeError(f"data {command}: the name comes first: jaxae data {command} NAME [--options]")
