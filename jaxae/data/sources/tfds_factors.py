"""Factors of variation of TFDS data sets that store them with the image: dSprites, Shapes3D, smallNORB."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.files import quiet, tfds_root
from jaxae.data.original import Factors
from jaxae.data.row_source import ArraySource, Mapped
from jaxae.data.sources import tfds

PREFIX = "label_"


def read(name: str, folder: str | None) -> Factors | None:
    """Return the training rows and their factors, which are the integer features `label_*`.

    Args:
        name: NAME, NAME/CONFIG or NAME:VERSION.
        folder: The folder of TFDS data sets, see `files.tfds_root`.

    Returns:
        The rows and factors, or None if there are fewer than two such features.

    Raises:
        JaxaeError: If the data set is not prepared or cannot be read.
    """
    place = tfds.locate(name, tfds_root(folder))
    with quiet(), tfds.explained(str(place)):
        builder = tfds.open_builder(place)
        features = factor_features(builder.info.features)
        return _make_factors(builder, features, place) if len(features) > 1 else None


def factor_features(features: Any) -> tuple[str, ...]:
    """Return the names of single integer features called `label_*`, sorted.

    The name decides, since not every integer is a factor: in CIFAR-100, `label` determines `coarse_label`.
    The features `value_*` are the same factors as floats.
    """
    return tuple(
        sorted(
            name
            for name, feature in features.items()
            if name.startswith(PREFIX) and feature.shape == () and np.issubdtype(feature.np_dtype, np.integer)
        )
    )


def _make_factors(builder: Any, features: tuple[str, ...], place: Path) -> Factors:
    where = f"{place}: train"
    x = tfds.image_source(builder, "train", where)
    # Only the numbers are read from these rows, so the images stay encoded.
    rows = tfds.undecoded(builder, "train", x.feature)

    def values(indices: np.ndarray) -> np.ndarray:
        return tfds.labels(rows, indices, features, where)

    numbers = Mapped(ArraySource(np.arange(len(rows))), values, (len(features),), np.dtype(np.int64))
    return Factors(x, numbers, tuple(name.removeprefix(PREFIX) for name in features), where)
