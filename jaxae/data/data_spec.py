"""The user's choice of data, `DataSpec`, and the parser of names with a number.

Importing this module imports no reader and no data library, so that `--help` stays fast.
"""

import re
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from jaxae.errors import JaxaeError
from jaxae.specs.pytree import STATIC, spec

Share = Annotated[float, Gt(0), Lt(1), STATIC]  # of the training rows


@spec
class DataSpec:
    """Choice of the data: its name or path, the rows to hold out, and the binarisation of pixels.

    Example:
        >>> DataSpec(name="sprites:5000", num_validation=500, num_test=500).name
        'sprites:5000'
    """

    name: str = "digits"
    """Name of a data set, or a path to your own data.

    Paths to your own data: a .npy, .npz, .csv, .tsv or .parquet file (also .csv.gz), FILE.h5:KEY, a folder of
    images, or a folder of such files. Data sets that need no files: digits; sprites or sprites:NUM (NUM of
    the 737,280 images on the grid of dSprites, rendered by jaxae); scenes or scenes:NUM (two objects and a
    caption); photographs or photographs:SIZE (patches of two photographs). Data sets that `jaxae data
    download NAME` fetches: mnist, fashion_mnist, kmnist, binarized_mnist, omniglot, omniglot_28, cifar10,
    svhn, dsprites or dsprites:NUM, shapes3d or shapes3d:NUM, celeba or celeba:SIZE. Prepared data sets of
    TFDS: tfds:NAME. Tokens of a trained run: tokens:RUN, or captions:RUN to use the words of captions as the
    condition.
    """

    folder: str | None = None
    """Folder with the original files of a named data set, or with TFDS data sets.

    None uses the folder that the environment variable JAXAE_DATA names, and the cache of downloads,
    ~/.cache/jaxae/data.
    """

    binarize: Literal["none", "dynamic", "static", "threshold"] = "none"
    """Binarisation of grey pixels to 0 and 1.

    none: no binarisation. static: one Bernoulli(x) draw of every pixel. dynamic: a new draw of training rows
    at each step, one draw of held-out rows. threshold: 1 where x >= 0.5, else 0.
    """

    num_validation: Annotated[int, Ge(0)] | Share | None = None
    """Training rows to hold out for validation: their number, or their share, such as 0.1.

    None holds out a tenth of your own rows, and 200 rows of a named data set. If the data has an official
    validation split, or you give one, all of it is used instead; 0 leaves it out.
    """

    num_test: Annotated[int, Ge(0)] | Share | None = None
    """Training rows to hold out for the test: their number, or their share, such as 0.1.

    None holds out a tenth of your own rows, and 300 rows of a named data set. If the data has an official
    test split, or you give one, all of it is used instead; 0 leaves it out.
    """

    split_seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    """Seed for the choice of held-out rows and for their binarisation.

    It is separate from the run's seed, so that runs with different seeds have the same splits.
    """

    stream: bool = False
    """Read training rows from disk, batch by batch, instead of holding them in memory.

    All rows are also read once at the start, for checks and for the content hash. Validation and test rows
    are always held in memory.
    """

    columns: tuple[str, ...] = ()
    """Columns of a table that are the rows; none takes all columns except the label.

    For .csv, .tsv and .parquet files and data frames. One column of images or arrays is also allowed.
    """

    label: str | None = None
    """Column of a table, or array of a .npz or .h5 file, that holds the labels."""

    resize: Annotated[int, Gt(0)] | None = None
    """Pixels of the height and width to which images are cropped at the centre and scaled.

    For images that are decoded: folders, columns of images and PIL images. None expects images of one size.
    """

    grey: bool = False
    """Convert images that are decoded to grey. False does so only if all of them are grey."""


def number_of(name: str, default: int, valid: range, word: str = "NUM") -> int:
    """Return the number in a name `kind:NUM`, or `default` for `kind` alone.

    Args:
        name: `kind` or `kind:NUM`, such as "sprites:5000".
        default: The number for a name without one.
        valid: The valid numbers.
        word: The placeholder for the number in error messages.

    Returns:
        The number.

    Raises:
        JaxaeError: If the text after the colon is not a number in `valid`.

    Example:
        >>> number_of("sprites:5000", 20_000, range(1, 737_281))
        5000
    """
    kind, colon, given = name.partition(":")
    # int() alone would also accept "1_000" and "+7". The name is recorded, so it has only one spelling.
    number = int(given) if re.fullmatch("[1-9][0-9]{0,8}", given) else 0
    if not colon:
        return default
    if number not in valid:
        steps = f" in steps of {valid.step}" if valid.step > 1 else ""
        expected = f"{kind} or {kind}:{word}, {word} from {valid[0]} to {valid[-1]}{steps}"
        raise JaxaeError(f"data {name!r}: expected {expected}")
    return number
