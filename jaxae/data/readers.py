"""From a name to the data as found: a table of functions."""

from collections.abc import Callable
from pathlib import Path

from jaxae.data import amat, arrays, idx, images, photographs, scenes, sprites, tfds
from jaxae.data.original import Original
from jaxae.errors import JaxaeError, nearest

NAMED: dict[str, Callable[[str, str | None], Original]] = {
    "digits": lambda name, folder: arrays.digits(),
    "mnist": idx.read,
    "fashion_mnist": idx.read,
    "binarized_mnist": amat.read,
}
NUMBERED = {"sprites": sprites.read, "scenes": scenes.read, "photographs": photographs.read}
WITH_NUMBERS = ("sprites:NUM", "scenes:NUM", "photographs:SIZE")


def read(name: str, folder: str | None = None) -> Original:
    """A named data set, one with a number, tfds:NAME, a .npy or .npz file, or a folder of images."""
    if name in NAMED:
        return NAMED[name](name, folder)
    if name.partition(":")[0] in NUMBERED:
        return NUMBERED[name.partition(":")[0]](name)
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
            f"{nearest(str(path), [*NAMED, *NUMBERED, *WITH_NUMBERS, 'tfds:NAME', 'a path'])}"
        )
    if path.suffix == ".npy":
        return arrays.npy(path)
    if path.suffix == ".npz":
        return arrays.npz(path)
    raise JaxaeError(f"{path}: expected a .npy or .npz file or a folder of images")
