"""From a name to the data as found: a table of functions."""

from collections.abc import Callable
from pathlib import Path

from jaxae.data import amat, arrays, idx, images, sprites, tfds
from jaxae.data.original import Original
from jaxae.errors import JaxaeError, nearest

NAMED: dict[str, Callable[[str, str | None], Original]] = {
    "digits": lambda name, folder: arrays.digits(),
    "mnist": idx.read,
    "fashion_mnist": idx.read,
    "binarized_mnist": amat.read,
    "sprites": lambda name, folder: sprites.read(name),
}


def read(name: str, folder: str | None = None) -> Original:
    """A named data set, sprites:NUM, tfds:NAME, a .npy or .npz file, or a folder of images."""
    if name in NAMED:
        return NAMED[name](name, folder)
    if name.startswith("sprites:"):
        return sprites.read(name)
    if name.startswith("tfds:"):
        return tfds.read(name.removeprefix("tfds:"), folder)
    return read_path(Path(name).expanduser())


def read_path(path: Path) -> Original:
    """A .npy or .npz file, or a folder of images."""
    if path.is_dir():
        return images.read(path)
    if not path.exists():
        raise JaxaeError(
            f"data {str(path)!r}: no such file or folder, nor a known name; "
            f"{nearest(str(path), [*NAMED, 'sprites:NUM', 'tfds:NAME', 'a path'])}"
        )
    if path.suffix == ".npy":
        return arrays.npy(path)
    if path.suffix == ".npz":
        return arrays.npz(path)
    raise JaxaeError(f"{path}: expected a .npy or .npz file or a folder of images")
