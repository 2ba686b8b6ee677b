"""Catalog of sources: readers by name, and the list of data sets that can be loaded on this machine."""

from collections.abc import Callable
from pathlib import Path

from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.files import find, tfds_root
from jaxae.data.original import Original
from jaxae.data.sources import (
    amat,
    arrays,
    cifar,
    factor_grids,
    idx,
    image_folder,
    mat_files,
    photographs,
    scenes,
    sprites,
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


def read(name: str, folder: str | None = None) -> Original:
    """Read a data set by its name or path, as found.

    Args:
        name: A known name, `kind:NUM`, `tfds:NAME`, or the path of a .npy or .npz file or of a folder.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the name is unknown, or if the data cannot be read.
    """
    # Names come before paths: a file called "mnist" in the working directory must not change results.
    if is_named(name):
        return NAMED[name.partition(":")[0]](name, folder)
    if name.partition(":")[0] in NUMBERED:
        return NUMBERED[name.partition(":")[0]](name)
    if name.startswith("tfds:"):
        return tfds.read(name.removeprefix("tfds:"), folder)
    return read_path(Path(name).expanduser())


def is_named(name: str) -> bool:
    """Return whether a name is one of `NAMED`, or one of `SIZED` with a number."""
    return name in NAMED or name.partition(":")[0] in SIZED


def read_path(path: Path) -> Original:
    """Read a .npy file, a .npz file or a folder of images.

    Raises:
        JaxaeError: If there is no such file, or if its type is not supported.
    """
    if path.is_dir():
        return image_folder.read(path)
    if not path.exists():
        raise JaxaeError(
            f"data {str(path)!r}: no such file or folder, and not a known name; "
            f"{nearest(str(path), [*NAMED, *NUMBERED, *WITH_NUMBERS, 'tfds:NAME', 'a path'])}"
        )
    if path.suffix == ".npy":
        return arrays.npy(path)
    if path.suffix == ".npz":
        return arrays.npz(path)
    raise JaxaeError(f"{path}: expected a .npy or .npz file or a folder of images")


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
