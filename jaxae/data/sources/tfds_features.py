"""Which features of a TFDS data set are the image and the label, and what its classes are called."""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError


def image_feature(features: Any, where: str) -> str:
    """`image`, else the only feature of three dimensions and bytes."""
    kinds = {name: (feature.shape, feature.np_dtype) for name, feature in features.items()}
    images = [
        name
        for name, (shape, dtype) in kinds.items()
        if isinstance(shape, tuple) and len(shape) == 3 and dtype == np.uint8
    ]
    if "image" in kinds or len(images) == 1:
        return "image" if "image" in kinds else images[0]
    listed = ", ".join(f"{name} {shape}" for name, (shape, _) in sorted(kinds.items()))
    raise JaxaeError(f"{where}: expected a feature 'image' or one of [H, W, C] bytes; it has {listed}")


def label_feature(features: Any) -> str | None:
    """`label` where it is an integer, else the only class label."""
    import tensorflow_datasets as tfds

    if "label" in features and features["label"].shape == ():
        return "label" if np.issubdtype(features["label"].np_dtype, np.integer) else None
    classes = [name for name, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    return classes[0] if len(classes) == 1 else None


def class_names(features: Any) -> tuple[str, ...]:
    """Names of the classes of the label; () where it has none."""
    label = label_feature(features)
    names = tuple(getattr(features[label], "names", ())) if label else ()
    # Where a data set has no names, TFDS says the numbers.
    return () if names == tuple(map(str, range(len(names)))) else names
