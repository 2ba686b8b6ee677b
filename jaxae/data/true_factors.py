"""Examples with their true factors of variation, for measures of disentanglement. N examples, F factors."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.original import Factors, represented
from jaxae.data.row_source import Rows, in_memory
from jaxae.data.sources import arrays, sprites, tfds_factors
from jaxae.errors import JaxaeError


class Factored(NamedTuple):
    """Rows x uint8 or f32[N, ...] as found, before binarisation, and factors i64[N, F] by name.

    `x / dataset.scale` is what an autoencoder of grey pixels sees.
    """

    x: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]


def sample_factors(data: DataSpec, num: int, seed: int) -> Factored | None:
    """`num` different rows in random order, all where there are fewer; None where no factors are known.

    Of `sprites:NUM` they are drawn from the whole grid, of tfds:NAME (the integers `label_*`) and .npz files
    (the key `factors`) from all training rows, whatever splits `data` makes of them. Factors that are
    constant over the sample are left out. Raises: JaxaeError where none is left, or `num` is below 2.
    """
    if num < 2 or not 0 <= seed < 2**32:
        raise JaxaeError(f"factors: got num {num} and seed {seed}, expected 2 or more and 0 to 4294967295")
    known = _known(data)
    if known is None:
        return None
    # A list of numbers seeds another stream than one number, by which `splits` and `sprites` draw their rows.
    rows = np.random.RandomState([seed]).permutation(len(known.x))[:num]
    factors = in_memory(Rows(known.values, rows)).astype(np.int64, copy=False)
    varies = (factors != factors[:1]).any(axis=0)
    if not varies.any():
        raise JaxaeError(f"{known.where}: no factor varies over the {len(rows)} rows drawn")
    names = tuple(name for name, used in zip(known.names, varies, strict=True) if used)
    x = in_memory(Rows(represented(known.x, known.where), rows))
    return Factored(x, factors[:, varies], names)


def _known(data: DataSpec) -> Factors | None:
    """The factors that the named data set has, or None."""
    kind, _, name = data.name.partition(":")
    if kind == "sprites":
        return sprites.grid(data.name)
    if kind == "tfds":
        return tfds_factors.read(name, data.folder)
    path = Path(data.name).expanduser()
    return arrays.npz_factors(path) if path.suffix == ".npz" else None
