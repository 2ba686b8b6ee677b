"""dSprites and 3D Shapes from their HDF5 files: every combination of their factors of variation.

They are read by h5py, an optional dependency. N is the number of images.
"""

from typing import NamedTuple

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.files import find
from jaxae.data.original import Factors, Original, Table
from jaxae.data.row_source import ArraySource, Rows, Source
from jaxae.data.sources import hdf5
from jaxae.errors import JaxaeError

SEED = 2017  # of the draw of NUM images, as for `sprites:NUM`


class Layout(NamedTuple):
    """Layout of the file of one data set.

    Attributes:
        images: The key of the images.
        factors: The key of the factors [N, F].
        names: The names of the F factors.
        scale: The number by which pixels are divided.
        shapes: The names of the values of the factor `shape`; () if the authors state none.
    """

    images: str
    factors: str
    names: tuple[str, ...]
    scale: float
    shapes: tuple[str, ...] = ()


LAYOUTS = {
    "dsprites": Layout(
        "imgs",
        "latents/classes",
        ("colour", "shape", "scale", "orientation", "x_position", "y_position"),
        1.0,
        ("square", "ellipse", "heart"),
    ),
    "shapes3d": Layout(
        "images",
        "labels",
        ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
        255.0,
    ),
}


def read(name: str, folder: str | None) -> Original:
    """Read `dsprites`, `shapes3d`, or NUM of their images, uint8[N, 64, 64, C], labelled by shape.

    Args:
        name: The name, or `name:NUM` for NUM images, drawn with a fixed seed. A larger set contains every
            smaller one.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the file is missing or not valid, if NUM is, or if h5py is not installed.
    """
    grid = read_factors(name, folder)
    layout = LAYOUTS[name.partition(":")[0]]
    num = number_of(name, len(grid.x), range(1, len(grid.x) + 1))
    shapes = grid.values.take(np.arange(len(grid.x)))[:, layout.names.index("shape")]
    x: Source = grid.x
    if num < len(grid.x):
        # NumPy promises that the stream of RandomState never changes, but not that of Generator.
        rows = np.sort(np.random.RandomState(SEED).permutation(len(grid.x))[:num])
        x, shapes = Rows(x, rows), shapes[rows]
    return Original({"train": Table(x, shapes, grid.where)}, scale=layout.scale, classes=layout.shapes)


def read_factors(name: str, folder: str | None) -> Factors:
    """Return all images and their factors int[N, F] as numbers of levels, whatever NUM the name has.

    Args:
        name: The name, or `name:NUM`.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The images and the factors.

    Raises:
        JaxaeError: If the file is missing or not valid, or if h5py is not installed.
    """
    kind = name.partition(":")[0]
    layout, (path,) = LAYOUTS[kind], find(kind, folder)
    with hdf5.opened(path) as file:
        for key in (layout.images, layout.factors):
            if key not in file:
                raise JaxaeError(f"{path}: holds no {key}; expected the file of {kind}")
        images, factors = file[layout.images], file[layout.factors]
        x = hdf5.FileSource(path, layout.images, images.shape, images.dtype)
        if factors.shape != (len(x), len(layout.names)) or x.shape[1:3] != (64, 64):
            shapes = f"{x.shape} and {factors.shape}"
            raise JaxaeError(
                f"{path}: images and factors of shape {shapes}, expected 64x64 and {layout.names}"
            )
        levels = _number_levels(factors[:])
    return Factors(x, ArraySource(levels), layout.names, f"{path}: {layout.images}")


def _number_levels(factors: np.ndarray) -> np.ndarray:
    """Replace each factor by the number of its value in rising order, i64[N, F]."""
    columns = [np.unique(column, return_inverse=True)[1] for column in factors.T]
    return np.stack(columns, axis=1).astype(np.int64)
