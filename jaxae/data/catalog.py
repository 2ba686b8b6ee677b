"""Which data can be loaded here, and where it lies."""

from jaxae.data import amat, idx, photographs, scenes, sprites, tfds
from jaxae.data.locate import find, tfds_root
from jaxae.errors import JaxaeError

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
