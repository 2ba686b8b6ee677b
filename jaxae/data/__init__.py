"""Named data -> arrays or a stream, with seeded splits, binarisation and a hash of the content."""

from jaxae.data.data_spec import DataSpec
from jaxae.data.loading import Dataset, from_arrays, load
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
    "from_arrays",
    "load",
]
