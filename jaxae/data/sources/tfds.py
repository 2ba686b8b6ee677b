"""TFDS data sets that are prepared on disk, read without TensorFlow and without network.

N is the number of rows, H W C an image.
"""

import contextlib
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.files import one_line, quiet, tfds_root
from jaxae.data.original import Original, Table
from jaxae.data.sources.tfds_features import class_names, image_feature, label_feature
from jaxae.errors import JaxaeError

# `community:name` is not accepted: TFDS would look such names up in the network.
NAME = re.compile(r"(?P<name>\w+(/[\w.\-]+)?)(:(?P<version>\d+\.\d+\.\d+))?")
SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
# Rows read at once for labels.
LABEL_ROWS = 1000


@dataclass(frozen=True, eq=False)
class TfdsSource:
    """Source of one feature of a TFDS data source, decoded on demand.

    Attributes:
        rows: The data source of TFDS.
        feature: The name of the feature.
        row_shape: The shape of the feature in one row.
        dtype: The dtype of the feature.
        where: Where the rows were found, for error messages.
    """

    rows: Any
    feature: str
    row_shape: tuple[int, ...]
    dtype: np.dtype
    where: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, *row_shape)."""
        return (len(self.rows), *self.row_shape)

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return the feature [n, ...] of n rows."""
        # All rows are read in one call, since single reads are four times slower.
        rows = np.empty((len(indices), *self.row_shape), self.dtype)
        for i, (image,) in enumerate(_read_rows(self.rows, indices, (self.feature,), self.where)):
            # The shape of the first row was assumed for all: TFDS allows images of different sizes.
            if np.shape(image) != self.row_shape:
                size = f"row {indices[i]} has shape {np.shape(image)}"
                raise JaxaeError(f"{self.where}: {size}, expected {self.row_shape}: images of one size")
            rows[i] = image
        return rows


def read(name: str, folder: str | None) -> Original:
    """Read the splits of a prepared TFDS data set, as found.

    Args:
        name: NAME, NAME/CONFIG or NAME:VERSION.
        folder: The folder of TFDS data sets, see `files.tfds_root`.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the data set is not prepared, has no split `train`, or cannot be read.
    """
    place = locate(name, tfds_root(folder))
    with quiet(), explained(str(place)):
        builder = open_builder(place)
        splits = builder.info.splits
        names = {name: split for name, aliases in SPLITS.items() for split in aliases if split in splits}
        if "train" not in names:
            raise JaxaeError(f"tfds:{name}: no split 'train'; valid: {', '.join(splits) or 'none'}")
        tables = {ours: _make_table(builder, split, f"{place}: {split}") for ours, split in names.items()}
        return Original(tables, classes=class_names(builder.info.features))


def open_builder(place: Path) -> Any:
    """Return the TFDS builder of a prepared version.

    Raises:
        JaxaeError: If the files are tfrecords, which only TensorFlow can read.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(place)
    if builder.info.file_format.value == "tfrecord":
        raise JaxaeError(f"{place}: holds tfrecord files, expected array_record; prepare the data set again")
    return builder


def locate(name: str, root: Path) -> Path:
    """Return the folder of a prepared data set, of the newest version or of the one that is named.

    Args:
        name: NAME, NAME/CONFIG or NAME:VERSION.
        root: The folder of TFDS data sets.

    Returns:
        The folder of one version.

    Raises:
        JaxaeError: If the name is not valid, or if the data set is not prepared.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise JaxaeError(
            f"tfds:{name}: not a valid name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION"
        )
    places = versions(root / match["name"])
    if match["version"]:
        places = [place for place in places if place.name == match["version"]]
    if places:
        return places[-1]
    # The files are searched instead of calling TFDS, which would try for minutes to download missing data.
    ready = prepared(root)
    raise JaxaeError(
        f"tfds:{name}: not prepared in {root} (prepared there: {', '.join(ready) or 'none'})"
        f"{_suggest(name, ready)}"
    )


def versions(place: Path) -> list[Path]:
    """Return the folders of prepared versions in a data set's folder, oldest first."""
    folders = [info.parent for info in place.glob("*.*.*/dataset_info.json")]
    folders = [version for version in folders if re.fullmatch(r"\d+\.\d+\.\d+", version.name)]
    # Compared as numbers: as texts, 10.0.0 would come before 9.0.0.
    return sorted(folders, key=lambda version: [int(part) for part in version.name.split(".")])


def prepared(root: Path) -> list[str]:
    """Return NAME or NAME/CONFIG of every data set that is prepared below `root`."""
    places = [place for pattern in ("*", "*/*") for place in root.glob(pattern) if place.is_dir()]
    return sorted(place.relative_to(root).as_posix() for place in places if versions(place))


def _suggest(name: str, ready: list[str]) -> str:
    """Return the end of an error message: the nearest known name, or the advice to prepare the data set."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    close = difflib.get_close_matches(name, ready + known, n=1)
    is_unknown = name.partition("/")[0].partition(":")[0] not in known
    return (
        f"; did you mean 'tfds:{close[0]}'?"
        if is_unknown and close
        else "; jaxae downloads nothing: prepare the data set first"
    )


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise every error of TFDS and its files as a JaxaeError of one line."""
    try:
        yield
    except JaxaeError:
        raise
    except Exception as error:  # TFDS and array_record have no common exception class
        raise JaxaeError(f"{where}: cannot be read: {one_line(error)}") from error


def _read_rows(rows: Any, indices: np.ndarray, features: tuple[str, ...], where: str) -> Iterator[list[Any]]:
    """Yield the values of some features for each row."""
    with explained(where):
        examples = rows.__getitems__([int(index) for index in indices])
    for index, example in zip(indices, examples, strict=True):
        values = [example[feature] for feature in features]
        if any(value is None for value in values):  # array_record reads on beyond a cut at the end of a block
            raise JaxaeError(f"{where}: row {index} is empty: the file is truncated")
        yield values


def _make_table(builder: Any, split: str, where: str) -> Table:
    """Return images and labels of a split; labels are () if there is no label feature."""
    x, label = image_source(builder, split, where), label_feature(builder.info.features)
    if label is None:
        return Table(x, (), where)
    # Images stay encoded here: 17,500 rows/s or more, against 3,800 to 4,800 with decoding (MNIST).
    rows = undecoded(builder, split, x.feature)
    return Table(x, labels(rows, np.arange(len(rows)), (label,), where)[:, 0], where)


def image_source(builder: Any, split: str, where: str) -> TfdsSource:
    """Return a source of the images of a split.

    Args:
        builder: The TFDS builder.
        split: The split by its name in TFDS.
        where: Where the split was found, for error messages.

    Returns:
        The source.

    Raises:
        JaxaeError: If there is no image feature, or if the first row cannot be read.
    """
    image = image_feature(builder.info.features, where)
    rows = builder.as_data_source(split=split)
    # One row is read here, while logging is silenced: TFDS prints its advice once, at the first decoding.
    ((first,),) = _read_rows(rows, np.zeros(1, int), (image,), where)
    return TfdsSource(rows, image, np.shape(first), np.asarray(first).dtype, where)


def undecoded(builder: Any, split: str, image: str) -> Any:
    """Return the rows of a split with images still encoded, to read their other features fast.

    Args:
        builder: The TFDS builder.
        split: The split by its name in TFDS.
        image: The name of the image feature.

    Returns:
        The data source of TFDS.
    """
    import tensorflow_datasets as tfds

    is_image = isinstance(builder.info.features[image], tfds.features.Image)
    decoders = {image: tfds.decode.SkipDecoding()} if is_image else None
    return builder.as_data_source(split=split, decoders=decoders)


def labels(rows: Any, indices: np.ndarray, features: tuple[str, ...], where: str) -> np.ndarray:
    """Read integer features of some rows, i64[n, F], in blocks of `LABEL_ROWS` rows.

    Args:
        rows: The data source of TFDS.
        indices: The row numbers int[n].
        features: The names of the F features.
        where: Where the rows were found, for error messages.

    Returns:
        The values i64[n, F].
    """
    blocks = [indices[start : start + LABEL_ROWS] for start in range(0, len(indices), LABEL_ROWS)]
    values_by_row = [values for block in blocks for values in _read_rows(rows, block, features, where)]
    return np.array(values_by_row, np.int64).reshape(len(indices), len(features))
