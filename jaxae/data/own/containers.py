"""Tensors, sparse matrices, HDF5 data sets and lists of PIL images, as sources of rows.

Types are recognised by their attributes, so that PyTorch, SciPy and h5py need not be imported.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.files import one_line
from jaxae.data.row_source import ArraySource, Source
from jaxae.data.sources import image_files
from jaxae.data.sources.image_files import Picture
from jaxae.errors import JaxaeError


@dataclass(frozen=True, eq=False)
class SparseSource:
    """Source over a sparse matrix [N, D] of SciPy in CSR format, whose rows are dense when they are taken."""

    matrix: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, D)."""
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the matrix."""
        return self.matrix.dtype

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return self.matrix.shape[0]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return dense rows [n, D]."""
        return self.matrix[np.asarray(indices)].toarray()


@dataclass(frozen=True, eq=False)
class H5Source:
    """Source over an HDF5 data set [N, ...], read when rows are taken."""

    dataset: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, ...)."""
        return self.dataset.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the data set."""
        return self.dataset.dtype

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.dataset)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return rows [n, ...]."""
        return take(self.dataset, indices)


def take(dataset: Any, indices: np.ndarray) -> np.ndarray:
    """Return rows of an HDF5 data set, in the order of the indices.

    Args:
        dataset: The data set of h5py.
        indices: The row numbers int[n].

    Returns:
        The rows [n, ...].
    """
    # h5py expects rising indices without doubles; a slice is many times faster than a list.
    rows, order = np.unique(indices, return_inverse=True)
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return dataset[rows[0] : rows[-1] + 1][order]
    return dataset[rows][order] if len(rows) else np.empty((0, *dataset.shape[1:]), dataset.dtype)


def source_of(value: Any, data: DataSpec, where: str) -> Source | None:
    """Return rows that another library holds as a source; None for values that NumPy reads.

    Args:
        value: A tensor of PyTorch, an array of jax, a sparse matrix of SciPy, a data set of h5py, or a list
            of PIL images.
        data: The spec with the options for images and streaming.
        where: How error messages name the rows.

    Returns:
        The source, or None.

    Raises:
        JaxaeError: If the rows do not fit into memory, or cannot be read.
    """
    value = _whole(value)
    if is_sparse(value):
        return _dense(value, data, where)
    if is_h5(value):
        return H5Source(value)
    if _is_images(value):
        pictures = [Picture(image, f"{where}: image {number}") for number, image in enumerate(value)]
        return image_files.sources({"train": pictures}, data, where)["train"]
    array = plain(value, where)
    return ArraySource(array) if isinstance(array, np.ndarray) and array is not value else None


def plain(value: Any, where: str) -> Any:
    """Return a tensor of PyTorch, an array of bfloat16 or a list of tensors as NumPy array.

    Args:
        value: The value.
        where: How error messages name it.

    Returns:
        The array; other values unchanged.

    Raises:
        JaxaeError: If a tensor has no values that can be read.
    """
    value = _whole(value)
    try:
        if isinstance(value, list | tuple) and len(value) and _is_tensor(value[0]):
            return np.stack([_from_tensor(row) for row in value])
        if _is_tensor(value):
            return _from_tensor(value)
    # Each kind of tensor raises another class of exceptions.
    except Exception as error:
        raise JaxaeError(f"{where}: cannot be converted to a NumPy array: {one_line(error)}") from error
    # bfloat16 and 8-bit floats of ml_dtypes have the kind V; NumPy's functions know none of them.
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") == "V" and getattr(dtype, "names", True) is None and "float" in str(dtype):
        return np.asarray(value).astype(np.float32)
    return value


def _whole(value: Any) -> Any:
    """Return a column of a Hugging Face data set as a list of its elements; other values are unchanged."""
    is_column = type(value).__module__.startswith("datasets.") and type(value).__name__ == "Column"
    return list(value[:]) if is_column else value


def is_sparse(value: Any) -> bool:
    """Return whether a value is a sparse matrix or array of SciPy."""
    return hasattr(value, "toarray") and hasattr(value, "nnz")


def is_h5(value: Any) -> bool:
    """Return whether a value is a data set of h5py."""
    return type(value).__module__.startswith("h5py.") and type(value).__name__ == "Dataset"


def _is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor of PyTorch."""
    return hasattr(value, "detach") and hasattr(value, "requires_grad")


def _from_tensor(tensor: Any) -> np.ndarray:
    """Return a tensor as an array on the host, without its gradient."""
    tensor = tensor.detach()
    tensor = tensor.cpu() if getattr(tensor.device, "type", "cpu") != "cpu" else tensor
    tensor = tensor.to_dense() if getattr(tensor, "is_sparse", False) else tensor
    try:
        return np.asarray(tensor)
    except TypeError:  # bfloat16, which NumPy does not have
        return np.asarray(tensor.float())


def _is_images(value: Any) -> bool:
    """Return whether a value is a list of PIL images."""
    first = value[0] if isinstance(value, list | tuple) and len(value) else None
    return type(first).__module__.startswith("PIL.")


def _dense(matrix: Any, data: DataSpec, where: str) -> Source:
    """Return a sparse matrix as a source; raise JaxaeError if its dense rows do not fit into memory."""
    if len(matrix.shape) != 2:
        raise JaxaeError(f"{where}: got a sparse array of shape {matrix.shape}, expected [N, D]")
    # The rows are stored as float32, or as bytes.
    needed = matrix.shape[0] * matrix.shape[1] * 4
    most = memory_bytes()
    if most is not None and needed > most and not data.stream:
        raise JaxaeError(
            f"{where}: got a sparse matrix of shape {matrix.shape}, whose dense rows need"
            f" {needed / 2**30:.0f} GiB, more than the memory of {most / 2**30:.0f} GiB; set data.stream, or"
            " reduce the columns, for example with sklearn.decomposition.TruncatedSVD"
        )
    return SparseSource(matrix.tocsr())


def memory_bytes() -> int | None:
    """Return the memory of this machine, or None if the platform does not report it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def texts(dataset: Any, where: str) -> Any:
    """Return the labels of an HDF5 data set: texts are decoded, numbers are read.

    Args:
        dataset: The data set of h5py.
        where: How error messages name the labels.

    Returns:
        The labels.

    Raises:
        JaxaeError: If bytes are not UTF-8.
    """
    values: Sequence[Any] = dataset[()]
    is_text = dataset.dtype.kind in "SO"
    try:
        return np.array([row.decode() for row in values], object) if is_text else values
    except (UnicodeDecodeError, AttributeError) as error:
        raise JaxaeError(f"{where}: labels of dtype {dataset.dtype}, expected integers or texts") from error
