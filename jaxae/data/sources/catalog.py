"""Catalog of sources: readers by name, and the list of data sets that can be loaded on this machine."""

import re
from collections.abc import Callable
from pathlib import Path

from jaxae.data.data_spec import DataSpec
from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.files import expanded, find, tfds_root
from jaxae.data.original import Original
from jaxae.data.sources import (
    amat,
    arrays,
    cifar,
    factor_grids,
    hdf5,
    idx,
    image_files,
    image_folder,
    mat_files,
    photographs,
    scenes,
    shards,
    sprites,
    tables,
    tfds,
    zipped_images,
)
from jaxae.errors import JaxaeError, nearest

# Each reader takes (name, folder).
NAMED: dict[str, Callable[[str, str | None], Original]] = {
    "digits": lambda name, folder: arrays.digits(),
    "mnist": idx.read,
    "fashion_mnist": idx.read,
    "kmnist": idx.read,
    "binarized_mnist": amat.read,
    "omniglot": zipped_images.read_omniglot,
    "omniglot_28": mat_files.read_omniglot,
    "cifar10": cifar.read,
    "svhn": mat_files.read_svhn,
    "dsprites": factor_grids.read,
    "shapes3d": factor_grids.read,
    "celeba": zipped_images.read_celeba,
}
# Of these a name may also have a number, such as "dsprites:5000". They need files, and take (name, folder).
SIZED = ("dsprites", "shapes3d", "celeba")
# These take the whole name, such as "sprites:5000", and need no files.
NUMBERED = {"sprites": sprites.read, "scenes": scenes.read, "photographs": photographs.read}
WITH_NUMBERS = (
    "sprites:NUM",
    "scenes:NUM",
    "photographs:SIZE",
    "dsprites:NUM",
    "shapes3d:NUM",
    "celeba:SIZE",
)


# Options of `DataSpec` about the form of rows, and the data that they are for.
OPTIONS = {
    "columns": "the tables with named columns (.csv, .parquet)",
    "label": "the files with names (.csv, .parquet, .npz, .h5)",
    "resize": "the images that are decoded (folders, .parquet)",
    "grey": "the images that are decoded (folders, .parquet)",
}
# Files that other tools write, with an expression that saves their rows.
WAYS_OUT = {
    (".pt", ".pth"): "numpy.save('x.npy', torch.load(FILE).numpy())",
    (".pkl", ".pickle", ".joblib"): "load it in Python, and pass the rows to jaxae.fit(experiment, x)",
    (".mat",): "numpy.save('x.npy', scipy.io.loadmat(FILE)['x'])",
    (".json", ".jsonl"): "pandas.read_json(FILE).to_parquet('x.parquet')",
    (".xlsx", ".xls"): "pandas.read_excel(FILE).to_csv('x.csv', index=False)",
    (".feather", ".arrow"): "pandas.read_feather(FILE).to_parquet('x.parquet')",
    (".zip", ".tar", ".tgz", ".gz", ".7z"): "unpack it, and give the folder",
    (".tfrecord",): "prepare it with TFDS, and give tfds:NAME",
}


def read(data: DataSpec) -> Original:
    """Read a data set by its name or path, as found.

    Raises:
        JaxaeError: If the name is unknown, or if the data cannot be read.
    """
    name, folder = data.name, data.folder
    kind = name.partition(":")[0]
    # Names come before paths: a file called "mnist" in the working directory must not change results.
    if not is_named(name) and kind not in NUMBERED and kind != "tfds":
        return read_path(name, data)
    _refuse_options(data, (), name)
    if is_named(name):
        return NAMED[kind](name, folder)
    if kind in NUMBERED:
        return NUMBERED[kind](name)
    return tfds.read(name.removeprefix("tfds:"), folder)


def is_named(name: str) -> bool:
    """Return whether a name is one of `NAMED`, or one of `SIZED` with a number."""
    return name in NAMED or name.partition(":")[0] in SIZED


def _refuse_options(data: DataSpec, valid: tuple[str, ...], name: str) -> None:
    """Raise JaxaeError for an option about the form of rows that the data does not have."""
    for option, purpose in OPTIONS.items():
        value = getattr(data, option)
        if value and option not in valid:
            raise JaxaeError(f"data.{option}: got {value!r}, but {name} is not of {purpose}; leave it out")


def read_path(name: str, data: DataSpec) -> Original:
    """Read a file or a folder.

    Args:
        name: Its path; FILE:KEY names an array of a .h5 or .npz file.
        data: The spec with the options.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If there is no such file, or if its type is not supported.
    """
    path, key = split_key(name)
    if path.is_dir():
        return _read_folder(path, data)
    if not path.exists():
        raise JaxaeError(
            f"data {str(path)!r}: no such file or folder, and not a known name; "
            f"{nearest(str(path), [*NAMED, *NUMBERED, *WITH_NUMBERS, 'tfds:NAME', 'a path'])}"
        )
    suffix = path.suffix.lower()
    if suffix == ".npy":
        _refuse_options(data, (), path.name)
        return arrays.npy(path)
    if suffix == ".npz" or suffix in hdf5.SUFFIXES:
        _refuse_options(data, ("label",), path.name)
        return arrays.npz(path, key, data.label) if suffix == ".npz" else hdf5.read(path, key, data)
    if tables.is_table(path):
        return tables.read(path, data)
    raise JaxaeError(f"{path}: {_explain_suffix(suffix)}")


def split_key(name: str) -> tuple[Path, str]:
    """Return the path and the name of an array of FILE.h5:KEY or FILE.npz:KEY; other names have no array.

    Example:
        >>> str(split_key("rows.h5:images/x")[0]), split_key("rows.h5:images/x")[1]
        ('rows.h5', 'images/x')
    """
    match = re.fullmatch(r"(.*\.(?:h5|hdf5|npz)):(.+)", name, re.IGNORECASE)
    path, key = match.groups() if match else (name, "")
    return expanded(path), key


def _read_folder(folder: Path, data: DataSpec) -> Original:
    """Read a folder of images, or of files that together are one data set."""
    files = image_folder.list_files(folder)
    has_images = any(path.suffix.lower() in image_files.SUFFIXES for path in files)
    if has_images or not shards.find(folder):
        _refuse_options(data, ("resize", "grey"), folder.name)
        return image_folder.read(folder, data)
    return shards.read(folder, lambda path: read_path(str(path), data))


def _explain_suffix(suffix: str) -> str:
    """Return the valid kinds of files, and the way out for a kind that is not one of them."""
    if suffix in image_files.SUFFIXES:
        return "is one image; expected a folder of images"
    ways = [way for suffixes, way in WAYS_OUT.items() if suffix in suffixes]
    valid = "a .npy, .npz, .h5, .csv, .tsv or .parquet file, or a folder of images or of such files"
    return f"expected {valid}{f'; for example {ways[0]}' if ways else ''}"


def available(folder: str | None = None) -> list[tuple[str, str]]:
    """Return (name, status) of all named data sets and of the prepared data sets of TFDS.

    The status is one line: where the data was found, or how to get it. With `folder` None, JAXAE_DATA and the
    cache of downloads are searched.
    """
    num_sprites = f"{sprites.NUM_DEFAULT:,} images (sprites:NUM for NUM of {sprites.NUM_IMAGES:,})"
    num_scenes = f"{scenes.NUM_DEFAULT:,} training images of 32x32x3 (scenes:NUM for NUM images)"
    size, sizes = photographs.SIZE_DEFAULT, photographs.SIZES_VALID
    patches = f"patches of {size}x{size}x3 (photographs:SIZE for SIZE from {sizes[0]} to {sizes[-1]})"
    ready = [
        ("digits", "found: part of scikit-learn"),
        ("sprites", f"found: one shape, rendered by jaxae (not dSprites), {num_sprites}"),
        ("scenes", f"found: two objects and a caption, rendered by jaxae, {num_scenes}"),
        ("photographs", f"found: part of scikit-learn, {patches}"),
    ]
    named = [(name, _describe_status(name, folder)) for name in KNOWN]
    root = tfds_root(folder)
    return ready + named + [(f"tfds:{name}", f"found: {root / name}") for name in tfds.prepared(root)]


def _describe_status(name: str, folder: str | None) -> str:
    """Return where a known data set was found, or the command that downloads it."""
    try:
        return f"found: {find(name, folder)[0].parent}"
    except JaxaeError:
        option = f" --folder {folder}" if folder else ""
        return f"not here: `jaxae data download {name}{option}` fetches it ({KNOWN[name].size})"
