"""What the user says about the data; importing this imports no reader."""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from jaxae.pytree import spec


@spec
class Data:
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
