"""Features of TFDS data sets: the image, the label, and the names of classes."""

from typing import Any

import numpy as np

from jaxae.errors import JaxaeError


def image_feature(features: Any, where: str) -> str:
    """Return the name of the image feature: `image`, else the only feature of bytes with three dimensions.

    Args:
        features: The features of a TFDS data set.
        where: Where the data set was found, for error messages.

    Returns:
        The name of the feature.

    Raises:
        JaxaeError: If there is no such feature, or more than one.
    """
    kinds = {name: (feature.shape, feature.np_dtype) for name, feature in features.items()}
    images = [
        name
        for name, (shape, dtype) in kinds.items()
        if isinstance(shape, tuple) and len(shape) == 3 and dtype == np.uint8
    ]
    if "image" in kinds or len(images) == 1:
        return "image" if "image" in kinds else images[0]
    description = ", ".join(f"{name} {shape}" for name, (shape, _) in sorted(kinds.items()))
    raise JaxaeError(f"{where}: got the features {description}; expected 'image', or one of bytes [H, W, C]")


def label_feature(features: Any) -> str | None:
    """Return the label feature: `label` if it is an integer, else the only class label; None without one."""
    import tensorflow_datasets as tfds

    if "label" in features and features["label"].shape == ():
        return "label" if np.issubdtype(features["label"].np_dtype, np.integer) else None
    classes = [name for name, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    return classes[0] if len(classes) == 1 else None


def class_names(features: Any) -> tuple[str, ...]:
    """Return the names of the classes of the label; () if there are none."""
    label = label_feature(features)
    names = tuple(getattr(features[label], "names", ())) if label else ()
    # TFDS names classes "0", "1", ... if a data set gives no names.
    return () if names == tuple(map(str, range(len(names)))) else names
