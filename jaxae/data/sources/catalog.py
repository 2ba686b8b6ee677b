"""From a name to the data as found: a table of readers, and which data can be loaded here."""

from collections.abc import Callable
from pathlib import Path

from jaxae.data.files import find, tfds_root
from jaxae.data.original import Original
from jaxae.data.sources import amat, arrays, idx, image_folder, photographs, scenes, sprites, tfds
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
        return image_folder.read(path)
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


FILES = {"mnist": idx.FILES, "fashion_mnist": idx.FILES, "binarized_mnist": amat.FILES}


def available(folder: str | None = None) -> list[tuple[str, str]]:
    """(name, one line: where it was found or how to get it) of named data sets and those of TFDS."""
    many = f"{sprites.NUM_DEFAULT:,} images; sprites:NUM for NUM of {sprites.NUM_IMAGES:,}"
    captioned = f"{scenes.NUM_DEFAULT:,} training images of 32x32x3; scenes:NUM for others"
    sizes = photographs.SIZES_VALID
    patches = f"{photographs.SIZE_DEFAULT}x{photographs.SIZE_DEFAULT}x3 patches; photographs:SIZE for others"
    ready = [
        ("digits", "found: comes with scikit-learn"),
        ("sprites", f"found: rendered by jaxae, {many} (not dSprites)"),
        ("scenes", f"found: two objects and a caption, rendered by jaxae, {captioned}"),
        ("photographs", f"found: come with scikit-learn, {patches} ({sizes[0]} to {sizes[-1]})"),
    ]
    named = [(name, _status(name, files, folder)) for name, files in FILES.items()]
    root = tfds_root(folder)
    return ready + named + [(f"tfds:{name}", f"found: {root / name}") for name in tfds.prepared(root)]


def _status(name: str, files: tuple[str, ...], folder: str | None) -> str:
    try:
        return f"found: {find(name, files, folder)[0].parent}"
    except JaxaeError as error:
        return str(error).removeprefix(f"{name}: ")
