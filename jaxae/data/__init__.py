"""Data sets: named data or arrays as three splits, in memory or streamed, with a hash of their content.

Example:
    >>> import numpy as np
    >>> from jaxae.data import DataSpec, from_arrays
    >>> images = np.zeros((10, 4, 4), np.uint8)
    >>> images[:, 0] = 255
    >>> dataset = from_arrays(images, data=DataSpec(num_validation=2, num_test=3))
    >>> dataset.description
    'arrays: 5 train, 2 validation, 3 test, 4x4x1 uint8, no labels'
    >>> dataset.scale  # the autoencoder sees x / 255
    255.0
"""

from jaxae.data.data_spec import DataSpec
from jaxae.data.downloads.retrieve import download
from jaxae.data.loading import Dataset, from_arrays, from_given, load
from jaxae.data.row_source import Source
from jaxae.data.sources.catalog import available
from jaxae.data.stream import batches
from jaxae.data.unread import AnyDataset, Unread

__all__ = [
    "AnyDataset",
    "DataSpec",
    "Dataset",
    "Source",
    "Unread",
    "available",
    "batches",
    "download",
    "from_arrays",
    "from_given",
    "load",
]
