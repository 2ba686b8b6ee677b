from pathlib import Path

import numpy as np
import pytest
import scipy.io

from jaxae.data import DataSpec, load
from tests.data.files import complaint
from tests.data.known_files import write_known, write_svhn


def test_the_label_10_is_the_digit_0(tmp_path: Path) -> None:
    splits = write_svhn(tmp_path)
    stored = scipy.io.loadmat(tmp_path / "test_32x32.mat")["y"].ravel()
    assert stored.tolist() == [10, 1, 2, 3, 4, 5] and splits["test"].y.tolist() == [0, 1, 2, 3, 4, 5]
    dataset = load(DataSpec(name="svhn", folder=str(tmp_path), num_validation=0, num_test=1))
    assert dataset.test.y.tolist() == [0, 1, 2, 3, 4, 5] and dataset.classes[0] == "zero"


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"X": np.zeros((32, 32, 3, 4), np.uint8)}, "holds no y; expected X, y"),
        ({"X": np.zeros((32, 32, 3, 4)), "y": np.ones(4)}, "X of dtype float64"),
        ({"X": np.zeros((4, 32, 32, 3), np.uint8), "y": np.ones(4)}, "expected uint8 (32, 32, 3, N)"),
        ({"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.zeros(4)}, "expected N from 1 to 10"),
        ({"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones(3)}, "y of shape (3,)"),
    ],
)
def test_other_mat_files_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], expected: str) -> None:
    write_svhn(tmp_path)
    scipy.io.savemat(tmp_path / "train_32x32.mat", arrays)
    assert expected in complaint(load, DataSpec(name="svhn", folder=str(tmp_path)))


def test_the_other_shape_of_omniglot_is_refused(tmp_path: Path) -> None:
    write_known("omniglot_28", tmp_path)
    arrays = scipy.io.loadmat(tmp_path / "chardata.mat")
    arrays["data"] = arrays["data"].T
    scipy.io.savemat(tmp_path / "chardata.mat", {k: v for k, v in arrays.items() if k[0] != "_"})
    assert "expected (784, N) and (50, N)" in complaint(
        load, DataSpec(name="omniglot_28", folder=str(tmp_path))
    )
