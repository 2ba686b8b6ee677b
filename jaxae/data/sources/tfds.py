"""TFDS data sets that lie prepared on disk, read without TensorFlow or network. N rows, H W C."""

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

# Not `community:name`: TFDS would ask the network for those.
NAME = re.compile(r"(?P<name>\w+(/[\w.\-]+)?)(:(?P<version>\d+\.\d+\.\d+))?")
SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
LABEL_ROWS = 1000


@dataclass(frozen=True, eq=False)
class TfdsSource:
    """Feature `feature` [N, ...] of a TFDS data source, decoded on demand."""

    rows: Any
    feature: str
    row_shape: tuple[int, ...]
    dtype: np.dtype
    where: str

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return (len(self.rows), *self.row_shape)

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """[n, ...]; many rows at once, since single reads are four times slower."""
        rows = np.empty((len(indices), *self.row_shape), self.dtype)
        for i, (image,) in enumerate(_read(self.rows, indices, (self.feature,), self.where)):
            if np.shape(image) != self.row_shape:
                size = f"row {indices[i]} has shape {np.shape(image)}"
                raise JaxaeError(f"{self.where}: {size}, expected {self.row_shape}: images of one size")
            rows[i] = image
        return rows


def read(name: str, folder: str | None) -> Original:
    """The splits of the prepared data set `name` (NAME, NAME/CONFIG or NAME:VERSION)."""
    place = locate(name, tfds_root(folder))
    with quiet(), explained(str(place)):
        builder = open_builder(place)
        splits = builder.info.splits
        found = {ours: split for ours, names in SPLITS.items() for split in names if split in splits}
        if "train" not in found:
            raise JaxaeError(f"tfds:{name}: no split 'train'; valid: {', '.join(splits) or 'none'}")
        tables = {ours: _table(builder, split, f"{place}: {split}") for ours, split in found.items()}
        return Original(tables, classes=class_names(builder.info.features))


def open_builder(place: Path) -> Any:
    """The TFDS builder of a prepared version; JaxaeError where only TensorFlow could read its files."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(place)
    if builder.info.file_format.value == "tfrecord":
        raise JaxaeError(f"{place}: holds tfrecord files, expected array_record: prepare it anew")
    return builder


def locate(name: str, root: Path) -> Path:
    """The folder of the newest (or named) version of a data set prepared below `root`."""
    match = NAME.fullmatch(name)
    if match is None:
        raise JaxaeError(
            f"tfds:{name}: not a name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION"
        )
    places = versions(root / match["name"])
    if match["version"]:
        places = [place for place in places if place.name == match["version"]]
    if places:
        return places[-1]
    ready = prepared(root)
    # Asked of the files and not of TFDS, which would try for minutes to download what is missing.
    raise JaxaeError(
        f"tfds:{name}: not prepared in {root} (there: {', '.join(ready) or 'none'}){_hint(name, ready)}"
    )


def versions(place: Path) -> list[Path]:
    """The prepared versions in a data set's folder, oldest first."""
    found = [info.parent for info in place.glob("*.*.*/dataset_info.json")]
    found = [version for version in found if re.fullmatch(r"\d+\.\d+\.\d+", version.name)]
    return sorted(found, key=lambda version: [int(part) for part in version.name.split(".")])


def prepared(root: Path) -> list[str]:
    """NAME or NAME/CONFIG of every data set prepared below `root`."""
    places = [place for pattern in ("*", "*/*") for place in root.glob(pattern) if place.is_dir()]
    return sorted(place.relative_to(root).as_posix() for place in places if versions(place))


def _hint(name: str, ready: list[str]) -> str:
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    close = difflib.get_close_matches(name, ready + known, n=1)
    unknown = name.partition("/")[0].partition(":")[0] not in known
    return (
        f"; did you mean 'tfds:{close[0]}'?"
        if unknown and close
        else "; jaxae downloads nothing, prepare it first"
    )


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Whatever TFDS and its files raise, as a JaxaeError of one line."""
    try:
        yield
    except JaxaeError:
        raise
    except Exception as error:  # TFDS and array_record raise whatever their files make them
        raise JaxaeError(f"{where}: cannot be read: {one_line(error)}") from error


def _read(rows: Any, indices: np.ndarray, features: tuple[str, ...], where: str) -> Iterator[list[Any]]:
    with explained(where):
        examples = rows.__getitems__([int(index) for index in indices])
    for index, example in zip(indices, examples, strict=True):
        values = [example[feature] for feature in features]
        if any(value is None for value in values):  # array_record reads on beyond a cut at a block's end
            raise JaxaeError(f"{where}: row {index} is empty: the file is cut off")
        yield values


def _table(builder: Any, split: str, where: str) -> Table:
    x, label = image_source(builder, split, where), label_feature(builder.info.features)
    if label is None:
        return Table(x, (), where)
    rows = undecoded(builder, split, x.feature)
    return Table(x, labels(rows, np.arange(len(rows)), (label,), where)[:, 0], where)


def image_source(builder: Any, split: str, where: str) -> TfdsSource:
    """The images of a split."""
    image = image_feature(builder.info.features, where)
    rows = builder.as_data_source(split=split)
    # One row here, while all is quiet: TFDS advises once, at the first decoding, wherever that is.
    ((first,),) = _read(rows, np.zeros(1, int), (image,), where)
    return TfdsSource(rows, image, np.shape(first), np.asarray(first).dtype, where)


def undecoded(builder: Any, split: str, image: str) -> Any:
    """The rows of a split, their images left as they lie in the file: for reading what stands beside them."""
    import tensorflow_datasets as tfds

    is_image = isinstance(builder.info.features[image], tfds.features.Image)
    decoders = {image: tfds.decode.SkipDecoding()} if is_image else None
    return builder.as_data_source(split=split, decoders=decoders)


def labels(rows: Any, indices: np.ndarray, features: tuple[str, ...], where: str) -> np.ndarray:
    """Integer features i64[n, F] of some rows, `LABEL_ROWS` read at once."""
    blocks = [indices[start : start + LABEL_ROWS] for start in range(0, len(indices), LABEL_ROWS)]
    found = [values for block in blocks for values in _read(rows, block, features, where)]
    return np.array(found, np.int64).reshape(len(indices), len(features))
