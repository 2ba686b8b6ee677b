"""Binarized MNIST as Larochelle published it: text, one image a line (Larochelle & Murray, 2011)."""

from pathlib import Path

import numpy as np

from jaxae.data.files import find, read_bytes
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource
from jaxae.errors import JaxaeError

FILES = ("binarized_mnist_train.amat", "binarized_mnist_valid.amat", "binarized_mnist_test.amat")
NUM_PIXELS = 28 * 28


def read(name: str, folder: str | None) -> Original:
    """The official train, validation and test split, uint8[N, 28, 28] of 0 and 1, no labels."""
    paths = dict(zip(("train", "validation", "test"), find(name, FILES, folder), strict=True))
    tables = {split: Table(ArraySource(parse(path)), (), str(path)) for split, path in paths.items()}
    return Original(tables, scale=1.0)


def parse(path: Path) -> np.ndarray:
    """Lines of 784 zeros and ones -> uint8[N, 28, 28]; JaxaeError naming the line that is not one."""
    content, complete = read_bytes(path)
    text = np.frombuffer(content, np.uint8)
    is_bit = (text == ord("0")) | (text == ord("1"))
    strays = np.flatnonzero(~is_bit & ~np.isin(text, list(b" \r\n")))
    if len(strays):
        line = content.count(b"\n", 0, int(strays[0])) + 1
        raise JaxaeError(f"{path}: {chr(text[strays[0]])!r} in line {line}, expected only 0 and 1")
    _check_lines(path, text, is_bit)
    if not complete:
        raise JaxaeError(f"{path}: truncated gzip file, or an empty one")
    return (text[is_bit] - ord("0")).reshape(-1, 28, 28)


def _check_lines(path: Path, text: np.ndarray, is_bit: np.ndarray) -> None:
    starts = np.concatenate([[0], np.flatnonzero(text == ord("\n")) + 1])
    starts = starts[starts < len(text)]
    counts = np.add.reduceat(is_bit, starts, dtype=np.int64) if len(starts) else np.zeros(0, np.int64)
    wrong = np.flatnonzero((counts != NUM_PIXELS) & (counts != 0))
    if len(wrong):
        raise JaxaeError(f"{path}: line {wrong[0] + 1} has {counts[wrong[0]]} values, expected {NUM_PIXELS}")
    if not counts.any():
        raise JaxaeError(f"{path}: no rows, expected lines of {NUM_PIXELS} zeros and ones")
