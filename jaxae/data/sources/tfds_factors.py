"""TFDS data sets whose factors of variation lie beside the image: dSprites, Shapes3D, smallNORB."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.files import quiet, tfds_root
from jaxae.data.original import Factors
from jaxae.data.row_source import ArraySource, Mapped
from jaxae.data.sources import tfds

PREFIX = "label_"


def read(name: str, folder: str | None) -> Factors | None:
    """Training rows and their factors, the integers `label_*`; None where there are fewer than two."""
    place = tfds.locate(name, tfds_root(folder))
    with quiet(), tfds.explained(str(place)):
        builder = tfds.open_builder(place)
        features = factor_features(builder.info.features)
        return _factors(builder, features, place) if len(features) > 1 else None


def factor_features(features: Any) -> tuple[str, ...]:
    """Names of the single integers called `label_*`, sorted.

    By name, since not every integer is a factor: CIFAR-100's `label` decides its `coarse_label`. `value_*`
    are the same factors as floats.
    """
    return tuple(
        sorted(
            name
            for name, feature in features.items()
            if name.startswith(PREFIX) and feature.shape == () and np.issubdtype(feature.np_dtype, np.integer)
        )
    )


def _factors(builder: Any, features: tuple[str, ...], place: Path) -> Factors:
    where = f"{place}: train"
    x = tfds.image_source(builder, "train", where)
    rows = tfds.undecoded(builder, "train", x.feature)

    def values(indices: np.ndarray) -> np.ndarray:
        return tfds.labels(rows, indices, features, where)

    numbers = Mapped(ArraySource(np.arange(len(rows))), values, (len(features),), np.dtype(np.int64))
    return Factors(x, numbers, tuple(name.removeprefix(PREFIX) for name in features), where)
