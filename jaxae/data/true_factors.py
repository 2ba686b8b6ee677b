"""Examples with their true factors of variation, for measures of disentanglement.

N is the number of examples, F the number of factors.
"""

from typing import NamedTuple

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.original import Factors, represented
from jaxae.data.row_source import Rows, Source, in_memory
from jaxae.data.sources import arrays, catalog, factor_grids, sprites, tfds_factors
from jaxae.errors import JaxaeError


class Factored(NamedTuple):
    """Rows and their factors of variation.

    Attributes:
        x: Rows uint8 or f32[N, ...] as found, before binarisation. An autoencoder of grey pixels sees
            x / dataset.scale.
        factors: Factors i64[N, F].
        names: The names of the F factors.
    """

    x: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]


def sample_factors(data: DataSpec, num: int, seed: int) -> Factored | None:
    """Draw rows with known factors of variation, without replacement and in random order.

    Rows of `sprites:NUM`, `dsprites:NUM` and `shapes3d:NUM` are drawn from the whole grid. Rows of tfds:NAME
    (with the integer features `label_*`) and of .npz files (with the key `factors`) are drawn from all
    training rows, before they are split. Factors that are constant over the sample are left out.

    Args:
        data: The data set.
        num: The number of rows, at least 2. If there are fewer rows, all are returned.
        seed: The seed of the draw, 0 to 2^32 - 1.

    Returns:
        The rows and their factors, or None if the data has no known factors.

    Raises:
        JaxaeError: If `num` or `seed` is out of range, or if no factor varies over the sample.

    Example:
        >>> sample = sample_factors(DataSpec(name="sprites"), num=3, seed=0)
        >>> sample.x.shape, sample.names[:3]
        ((3, 64, 64, 1), ('shape', 'scale', 'orientation'))
    """
    if num < 2 or not 0 <= seed < 2**32:
        raise JaxaeError(
            f"factors: got num {num} and seed {seed}, expected num >= 2 and seed from 0 to 4294967295"
        )
    source = _read_factors(data)
    if source is None:
        return None
    # [seed] seeds another stream than seed, with which `splits` and `sprites` draw their rows.
    rows = np.random.RandomState([seed]).permutation(len(source.x))[:num]
    factors = _read_rows(source.values, rows).astype(np.int64, copy=False)
    # A constant factor has no entropy, by which some measures of disentanglement divide.
    is_varying = (factors != factors[:1]).any(axis=0)
    if not is_varying.any():
        raise JaxaeError(f"{source.where}: no factor varies over the {len(rows)} rows drawn")
    names = tuple(name for name, varies in zip(source.names, is_varying, strict=True) if varies)
    x = _read_rows(represented(source.x, source.where), rows)
    return Factored(x, factors[:, is_varying], names)


def _read_rows(source: Source, rows: np.ndarray) -> np.ndarray:
    """Return the given rows, in the order of `rows`."""
    # Read in rising order, in one pass: 10,000 scattered rows of an HDF5 file took three passes otherwise.
    order = np.argsort(rows)
    result = np.empty((len(rows), *source.shape[1:]), source.dtype)
    result[order] = in_memory(Rows(source, rows[order]))
    return result


def _read_factors(data: DataSpec) -> Factors | None:
    """Return the factors that the named data set has, or None."""
    kind, _, name = data.name.partition(":")
    if kind == "sprites":
        return sprites.grid(data.name)
    if kind in factor_grids.LAYOUTS:
        return factor_grids.read_factors(data.name, data.folder)
    if kind == "tfds":
        return tfds_factors.read(name, data.folder)
    path, _ = catalog.split_key(data.name)
    return arrays.npz_factors(path) if path.suffix == ".npz" else None
