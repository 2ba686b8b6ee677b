"""What the user says about the data, and names with a number; importing this imports no reader."""

import re
from typing import Annotated, Literal

from annotated_types import Ge, Le

from jaxae.errors import JaxaeError
from jaxae.specs.pytree import spec


@spec
class DataSpec:
    """Which data, which rows are held out, and whether pixels are made binary."""

    name: str = "digits"
    """digits, sprites (or sprites:NUM, NUM of 737,280 images on the dSprites grid, rendered by jaxae), scenes
    (or scenes:NUM: two objects and a caption), photographs (or photographs:SIZE: patches), mnist,
    fashion_mnist, binarized_mnist, tfds:NAME, or a path: .npy, .npz, a folder of images."""

    folder: str | None = None
    """Where original files (or TFDS data sets) lie; the environment variable JAXAE_DATA where None."""

    binarize: Literal["none", "dynamic", "static", "threshold"] = "none"
    """static: one Bernoulli(x) draw, dynamic: a fresh one each training step, threshold: x >= 0.5."""

    num_validation: Annotated[int, Ge(0)] = 200
    """Rows drawn from the training rows; an official validation split is taken whole, or left out by 0."""

    num_test: Annotated[int, Ge(0)] = 300
    """Rows drawn from the training rows; an official test split is taken whole, or left out by 0."""

    split_seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    """Which rows are drawn, and the binarisation of held-out rows; apart from the run's own seed."""

    stream: bool = False
    """Read training rows from disk batch by batch, and once at the start; other rows are held in memory."""


def number_of(name: str, default: int, valid: range, word: str = "NUM") -> int:
    """The number in `kind:NUM`, `default` for `kind`; JaxaeError where it is none of `valid`."""
    kind, colon, given = name.partition(":")
    number = int(given) if re.fullmatch("[1-9][0-9]{0,8}", given) else 0
    if not colon:
        return default
    if number not in valid:
        steps = f" in steps of {valid.step}" if valid.step > 1 else ""
        expected = f"{kind} or {kind}:{word}, {word} from {valid[0]} to {valid[-1]}{steps}"
        raise JaxaeError(f"data {name!r}: expected {expected}")
    return number
