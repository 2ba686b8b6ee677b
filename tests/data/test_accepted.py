"""What users hold in memory: columns of data frames, tensors, masks, sparse matrices, data sets."""

import collections
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from jaxae.data import DataSpec, accepted, from_arrays
from tests.data.files import bytes_of, complaint

WHOLE = DataSpec(num_validation=0, num_test=0)
X = bytes_of((4, 3)) / 255


class Tensor:
    """What jaxae sees of a tensor of PyTorch."""

    def __init__(self, array: Any, requires_grad: bool = False, device: str = "cpu") -> None:
        self.array, self.requires_grad = array, requires_grad
        self.device = type("Device", (), {"type": device})()

    def detach(self) -> "Tensor":
        return Tensor(self.array, device=self.device.type)

    def cpu(self) -> "Tensor":
        return Tensor(self.array, self.requires_grad)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        assert not self.requires_grad and self.device.type == "cpu"
        return np.asarray(self.array)


class Pairs:
    """What jaxae sees of a data set of PyTorch."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return X[index], index % 2


class Loader:
    """What jaxae sees of a data loader of PyTorch."""

    dataset, batch_size = Pairs(), 2

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        for start in (0, 2):
            yield X[start : start + 2], np.arange(start, start + 2) % 2


TEXTS = ["b", "a", "b", "a"]
NUMBERS = [1, 0, 1, 0]


@pytest.mark.parametrize(
    "y",
    [
        np.array(TEXTS, object),
        np.array(TEXTS, np.dtypes.StringDType()),
        [np.str_("b"), "a", "b", "a"],
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype="category"),
        pd.Series(TEXTS, dtype="string"),
        pd.Categorical(TEXTS),
    ],
)
def test_texts_of_any_kind(y: Any) -> None:
    dataset = from_arrays(X, y, WHOLE)
    assert dataset.train.y.tolist() == NUMBERS and dataset.classes == ("a", "b")
    assert dataset.hash == from_arrays(X, TEXTS, WHOLE).hash


@pytest.mark.parametrize(
    "y",
    [
        np.array(NUMBERS, object),
        np.array(NUMBERS, float),
        pd.Series(NUMBERS, dtype="Int64"),
        pd.Series(NUMBERS, dtype="category"),
        pd.Series(NUMBERS, dtype="boolean"),
        np.ma.masked_array(NUMBERS),
        collections.deque(NUMBERS),
        Tensor(NUMBERS),
        Tensor(NUMBERS, device="cuda"),
    ],
)
def test_whole_numbers_of_any_kind(y: Any) -> None:
    dataset = from_arrays(X, y, WHOLE)
    assert dataset.train.y.tolist() == NUMBERS and dataset.train.y.dtype == np.int32 and not dataset.classes


@pytest.mark.parametrize(
    "x",
    [
        pd.DataFrame(X),
        pd.DataFrame(X).astype("Float64"),
        X.astype(object),
        np.ma.masked_array(X),
        np.ma.masked_array(X, X < 0),
        [np.ma.masked_array(row) for row in X],
        Tensor(X),
        Tensor(X, requires_grad=True, device="cuda"),
        [Tensor(row) for row in X],
        memoryview(X),
        scipy.sparse.csr_array(X),
        scipy.sparse.coo_matrix(X),
    ],
)
def test_rows_of_any_kind(x: Any) -> None:
    assert from_arrays(x, None, WHOLE).hash == from_arrays(X, None, WHOLE).hash


@pytest.mark.parametrize(
    ("y", "row"),
    [
        (["b", None, "b", "a"], 1),
        (pd.Series(["b", "a", None, "a"]), 2),
        (pd.Series(["b", "a", "b", None], dtype="category"), 3),
        (pd.Series([1, None, 1, 0], dtype="Int64"), 1),
        (pd.Series([True, None, True, False], dtype="boolean"), 1),
        ([1.0, 0.0, np.nan, 0.0], 2),
    ],
)
def test_missing_labels_are_refused_with_their_row(y: Any, row: int) -> None:
    said = complaint(from_arrays, X, y, WHOLE)
    assert said.startswith("arrays: y: ") and f"row {row} is missing" in said


def test_missing_and_masked_rows_are_refused() -> None:
    frame = pd.DataFrame(X).astype("Float64")
    frame.iloc[2, 1] = pd.NA
    assert complaint(from_arrays, frame, None, WHOLE) == (
        "arrays: x: column '1' is missing in 1 of 4 rows, the first is row 2; drop these rows, or fill in the"
        " values, or leave the column out"
    )
    masked = np.ma.masked_array(X, np.zeros(X.shape, bool))
    masked[1:3, 0] = np.ma.masked
    for x in (masked, list(masked)):
        said = complaint(from_arrays, x, None, WHOLE)
        assert said.startswith("arrays: x: 2 values are masked, the first in row 1; ")
    said = complaint(from_arrays, X, np.ma.masked_array(NUMBERS, [0, 0, 0, 1]), WHOLE)
    assert said.startswith("arrays: y: 1 values are masked, the first in row 3; ")


UNKNOWN = [
    (
        {"image": X, "label": 1},
        "got a dict with the keys image, label; pass one of its arrays, such as {}['image']",
    ),
    ((row for row in X), "got a generator, which can be read only once; pass np.stack(list({}))"),
    (map(float, X[0]), "got a map, which can be read only once"),
    (Pairs(), "got a Pairs of 4 examples, expected an array; pass np.stack([np.asarray({0}[i][{1}]) "),
    (Loader(), "got a Loader of batches, expected an array; pass np.concatenate([np.asarray(batch[{1}]) "),
    (list(map(Pairs().__getitem__, range(4))), "got a list of pairs, expected an array; pass np.stack"),
    ({1, 2}, "got a set, whose elements have no order"),
    (len, "got a builtin_function_or_method, expected an array"),
    (np.array([1, 2, "three", 4], object), "dtype object, and row 2 holds 'three', a str; expected numbers"),
]


@pytest.mark.parametrize(("value", "expected"), UNKNOWN)
@pytest.mark.parametrize("name", ["x", "y"])
def test_what_is_no_array_is_named_with_the_way_out(name: str, value: Any, expected: str) -> None:
    given = {"x": X, "y": NUMBERS, name: value}
    said = complaint(from_arrays, given["x"], given["y"], WHOLE)
    assert said.startswith(f"arrays: {name}: " + expected.format(name, "xy".index(name)))


def test_texts_in_place_of_an_array() -> None:
    assert complaint(from_arrays, "digits", None, WHOLE).startswith(
        "arrays: x: got the text 'digits', expected"
    )
    assert complaint(from_arrays, X, "digits", WHOLE).startswith(
        "arrays: y: got the text 'digits', but x has no named columns"
    )
    labels = scipy.sparse.csr_array(X)
    assert "got a sparse matrix (csr_array), expected an array" in complaint(from_arrays, X, labels, WHOLE)


@pytest.mark.parametrize("value", [Pairs(), Loader(), list(map(Pairs().__getitem__, range(4)))])
def test_the_way_out_is_one(value: Any) -> None:
    """What the line says to pass is taken, and holds the rows and the labels."""
    found = {}
    for name, convert in (("x", accepted.rows), ("y", accepted.labels)):
        expression = complaint(convert, value, name).partition("pass ")[2]
        found[name] = eval(expression, {"np": np, name: value})
    assert (accepted.rows(found["x"]) == X).all() and (accepted.labels(found["y"]) == [0, 1, 0, 1]).all()


def test_images_whose_channels_may_be_misplaced_are_hinted_at(capsys: pytest.CaptureFixture[str]) -> None:
    for shape in ((4, 6, 5, 3), (4, 6, 5), (4, 1, 5, 1), (4, 3, 3, 3), (4, 3, 8, 3)):
        from_arrays(bytes_of(shape), None, WHOLE)
    assert capsys.readouterr().err == ""
    from_arrays(bytes_of((4, 3, 8, 6)), None, WHOLE)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "jaxae: warning: arrays: shape (4, 3, 8, 6) is read as [N, H, W, C], images of 3x8 "
    )
    assert "6 channels; if the channels come first, pass x.transpose(0, 2, 3, 1)" in line
    from_arrays(bytes_of((4, 8, 6, 4)), None, WHOLE)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jaxae: warning: arrays: all 4 channels are learned") and "x[..., :3]" in line
