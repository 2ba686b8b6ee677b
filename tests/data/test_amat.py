import gzip
from pathlib import Path

import numpy as np
import pytest

from jaxae.data import DataSpec, load
from jaxae.data.sources import amat
from tests.data.files import amat_bytes, bytes_of, complaint, write_amat


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_official_splits_are_kept(tmp_path: Path, suffix: str) -> None:
    arrays = write_amat(tmp_path / "binarized_mnist", suffix)
    dataset = load(DataSpec(name="binarized_mnist", folder=str(tmp_path)))
    for part, name in ((dataset.train, "train"), (dataset.validation, "valid"), (dataset.test, "test")):
        assert (part.x[..., 0] == arrays[name]).all() and part.x.dtype == np.uint8
        assert part.y == () and part.scale == 1
    assert dataset.description == "binarized_mnist: 30 train, 6 validation, 5 test, 28x28x1 uint8, no labels"


def test_zero_leaves_official_splits_out_and_the_hash_alone(tmp_path: Path) -> None:
    write_amat(tmp_path)
    with_them = load(DataSpec(name="binarized_mnist", folder=str(tmp_path)))
    without = load(DataSpec(name="binarized_mnist", folder=str(tmp_path), num_validation=0, num_test=0))
    assert [len(part.x) for part in (without.train, without.validation, without.test)] == [30, 0, 0]
    assert without.hash == with_them.hash


ROWS = bytes_of((3, 28, 28), 2)
TEXT = amat_bytes(ROWS)


@pytest.mark.parametrize(
    "text", [TEXT, TEXT.replace(b" \n", b"\n"), TEXT.replace(b"\n", b"\r\n"), TEXT.rstrip(), TEXT + b"\n"]
)
def test_line_ends_do_not_matter(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.amat").write_bytes(text)
    assert (amat.parse(tmp_path / "a.amat") == ROWS).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "no rows"),
        (b"\n\n", "no rows"),
        (TEXT[:-2] + b"2\n", "'2' in line 3, expected only 0 and 1"),
        (TEXT[: 2 * 784 + 1] + b"0.5 " + TEXT[2 * 784 + 1 :], "'.' in line 2"),
        (TEXT[:-6] + b"\n", "line 3 has 782 values, expected 784"),
        (TEXT[: 2 * 784] + b"1 " + TEXT[2 * 784 :], "line 1 has 785 values"),
        (TEXT.replace(b"\n", b"", 1), "line 1 has 1568 values"),
    ],
)
def test_broken_text(tmp_path: Path, text: bytes, expected: str) -> None:
    path = tmp_path / "a.amat"
    path.write_bytes(text)
    said = complaint(amat.parse, path)
    assert said.startswith(f"{path}: ") and expected in said


def test_a_cut_gzip_file_is_an_error_even_at_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.amat.gz"
    path.write_bytes(gzip.compress(TEXT)[:-4])
    assert "truncated" in complaint(amat.parse, path)
    path.write_bytes(b"")
    assert "no rows" in complaint(amat.parse, path)
    path.write_bytes(TEXT)
    assert "corrupt gzip" in complaint(amat.parse, path)


def test_missing_files(tmp_path: Path) -> None:
    write_amat(tmp_path)
    (tmp_path / "binarized_mnist_valid.amat.gz").unlink()
    said = complaint(load, DataSpec(name="binarized_mnist", folder=str(tmp_path)))
    assert "binarized_mnist_valid.amat is not in" in said
