"""Binarized MNIST from Larochelle's text files, one image on each line (Larochelle & Murray, 2011)."""

from pathlib import Path

import numpy as np

from jaxae.data.files import find, read_bytes
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.errors import JaxaeError

NUM_PIXELS = 28 * 28


def read(name: str, folder: str | None) -> Original:
    """Read the official train, validation and test splits, uint8[N, 28, 28] of 0 and 1, without labels.

    Args:
        name: The name of the data set, for paths and messages.
        folder: The folder of original files; None uses JAXAE_DATA and the cache of downloads.

    Returns:
        The data set as found.

    Raises:
        JaxaeError: If a file is missing, truncated or not valid.
    """
    paths = dict(zip(("train", "validation", "test"), find(name, folder), strict=True))
    tables = {split: Table(ArraySource(parse(path)), (), str(path)) for split, path in paths.items()}
    # Bytes of 0 and 1 are binary values here, not grey levels, so the scale is not left to a rule.
    return Original(tables, scale=1.0)


def parse(path: Path) -> np.ndarray:
    """Convert lines of 784 zeros and ones to uint8[N, 28, 28].

    Raises:
        JaxaeError: If the file is truncated, or if a line is not valid. The message has the line number.
    """
    content, complete = read_bytes(path)
    # The 39 million pixels of the training file are compared as one array of bytes, not parsed as text.
    text = np.frombuffer(content, np.uint8)
    is_bit = (text == ord("0")) | (text == ord("1"))
    stray_positions = np.flatnonzero(~is_bit & ~np.isin(text, list(b" \r\n")))
    if len(stray_positions):
        line = content.count(b"\n", 0, int(stray_positions[0])) + 1
        raise JaxaeError(f"{path}: {chr(text[stray_positions[0]])!r} in line {line}, expected only 0 and 1")
    # Lines are checked before `complete`, since a line that is cut off is the more precise message.
    _check_lines(path, text, is_bit)
    if not complete:
        raise JaxaeError(f"{path}: truncated gzip file, or an empty one")
    return (text[is_bit] - ord("0")).reshape(-1, 28, 28)


def _check_lines(path: Path, text: np.ndarray, is_bit: np.ndarray) -> None:
    """Raise JaxaeError if a line that is not empty has other than 784 values, or if there is no such line."""
    starts = np.concatenate([[0], np.flatnonzero(text == ord("\n")) + 1])
    # The newline at the end of the file starts no further line.
    starts = starts[starts < len(text)]
    # reduceat sums from each start to the next one; it fails for an empty list of starts.
    counts = np.add.reduceat(is_bit, starts, dtype=np.int64) if len(starts) else np.zeros(0, np.int64)
    wrong_lines = np.flatnonzero((counts != NUM_PIXELS) & (counts != 0))
    if len(wrong_lines):
        line = wrong_lines[0]
        raise JaxaeError(f"{path}: line {line + 1} has {counts[line]} values, expected {NUM_PIXELS}")
    if not counts.any():
        raise JaxaeError(f"{path}: no rows, expected lines of {NUM_PIXELS} zeros and ones")
