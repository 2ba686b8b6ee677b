"""CIFAR-10 from its binary version, a tar archive that is read without unpacking it (Krizhevsky, 2009).

The binary version is used because the Python version consists of pickles, which may run code when read.
"""

import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from jaxae.data.files import find, one_line
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.errors import JaxaeError

TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
ROW_BYTES = 1 + 3 * 32 * 32  # the label, then the red, green and blue pixels


def read(name: str, folder: str | None) -> Original:
    """Read the train and test split, uint8[N, 32, 32, 3] with labels 0..9.

    Args:
        name: The name of the data set, for paths and messages.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If the archive is missing, truncated or not valid.
    """
    (path,) = find(name, folder)
    batches = _read_batches(path)
    missing = [batch for batch in (*TRAIN, *TEST) if batch not in batches]
    if missing:
        raise JaxaeError(f"{path}: holds no {', '.join(missing)}; expected the binary version of CIFAR-10")
    tables = {
        split: _make_table([parse(f"{path}: {batch}", batches[batch]) for batch in names], str(path))
        for split, names in (("train", TRAIN), ("test", TEST))
    }
    return Original(tables, scale=255.0, classes=CLASSES)


def parse(where: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Convert one batch to images uint8[N, 32, 32, 3] and labels uint8[N].

    Args:
        where: Where the batch was found, for error messages.
        content: The bytes of the batch.

    Returns:
        The images and the labels.

    Raises:
        JaxaeError: If the number of bytes or a label is not valid.
    """
    if not content or len(content) % ROW_BYTES:
        raise JaxaeError(f"{where}: {len(content)} bytes, expected a multiple of {ROW_BYTES}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, ROW_BYTES)
    images, labels = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0]
    if labels.max() > 9:
        raise JaxaeError(
            f"{where}: label {labels.max()} in row {int(np.argmax(labels > 9))}, expected 0 to 9"
        )
    return images, labels


def _make_table(batches: list[tuple[np.ndarray, np.ndarray]], where: str) -> Table:
    images, labels = zip(*batches, strict=True)
    return Table(ArraySource(np.concatenate(images)), np.concatenate(labels), where)


def _read_batches(path: Path) -> dict[str, bytes]:
    """Return the content of each .bin file in the archive by its name."""
    batches = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            # In the order of the archive: a packed archive would be unpacked again for each step back.
            for member in archive:
                stream = archive.extractfile(member) if member.name.endswith(".bin") else None
                if stream is not None:
                    batches[PurePosixPath(member.name).name] = stream.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise JaxaeError(f"{path}: cannot be read as a tar archive: {one_line(error)}") from error
    return batches
