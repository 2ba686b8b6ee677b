"""Rows given from Python: their splits, their columns and their values."""

from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from PIL import Image

from jaxae.data import DataSpec, from_arrays
from jaxae.data.own import containers
from jaxae.data.own.given_rows import collect
from jaxae.data.splits import count_rows, settled
from jaxae.specs.records import validate
from tests.data.files import bytes_of, complaint

NONE_HELD_OUT: dict[str, Any] = {"num_validation": 0, "num_test": 0}
WHOLE = DataSpec(**NONE_HELD_OUT)
X, Y = np.random.RandomState(0).normal(size=(60, 3)), np.array(["b", "a", "c"] * 20)
FRAME = pd.DataFrame(X, columns=["u", "v", "w"]).assign(kind=Y)


def rows_of(x: Any, y: Any = None, data: DataSpec = WHOLE, **parts: Any) -> np.ndarray:
    return from_arrays(x, y, data, **parts).train.x


@pytest.mark.parametrize(
    ("held_out", "num_rows", "expected"),
    [(None, 600, 60), (None, 4, 1), (0.25, 10, 2), (0.999, 1, 1), (0, 600, 0), (7, 3, 7), (None, 65, 6)],
)
def test_shares_are_rounded_and_hold_out_at_least_one_row(
    held_out: float | None, num_rows: int, expected: int
) -> None:
    assert count_rows(held_out, num_rows) == expected


def test_a_tenth_of_own_rows_is_held_out_and_named_data_keep_their_numbers() -> None:
    assert from_arrays(X).num_rows == {"train": 48, "validation": 6, "test": 6}
    counts = from_arrays(X, None, DataSpec(num_validation=6, num_test=6))
    shares = from_arrays(X, None, DataSpec(num_validation=0.1, num_test=0.1))
    assert (counts.train.x == from_arrays(X).train.x).all() and (shares.test.x == counts.test.x).all()


def test_a_share_of_one_or_more_is_refused_by_its_range() -> None:
    said = complaint(validate, DataSpec(num_test=1.5))
    assert said == "num_test: got 1.5; input should be less than 1"
    assert complaint(validate, DataSpec(num_test=-1)).endswith("greater than or equal to 0")


def test_settled_specs_hold_numbers_of_rows() -> None:
    num_rows = {"train": 40, "validation": 5, "test": 9}
    data = settled(DataSpec(num_validation=0.1), num_rows)
    assert (data.num_validation, data.num_test) == (5, 9)
    assert settled(DataSpec(num_validation=0, num_test=3), num_rows).num_test == 3


def test_given_splits_are_used_whole_and_the_others_are_drawn() -> None:
    dataset = from_arrays(X[:40], Y[:40], x_test=X[40:], y_test=Y[40:])
    assert dataset.num_rows == {"train": 36, "validation": 4, "test": 20}
    np.testing.assert_allclose(dataset.test.x, X[40:], rtol=1e-6)
    assert [dataset.classes[label] for label in dataset.test.y] == Y[40:].tolist()
    drawn = np.concatenate([dataset.train.x, dataset.validation.x])
    np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(X[:40, 0]), rtol=1e-6)
    assert from_arrays(X[:40], data=WHOLE, x_test=X[40:]).num_rows["test"] == 0


def test_a_split_that_does_not_fit_is_named() -> None:
    said = complaint(from_arrays, X, x_test=X[:, :2])
    assert said.startswith("arrays: x_test: got rows of float32 [2], expected float32 [3]")
    said = complaint(from_arrays, X, Y, x_validation=X)
    assert said.startswith("arrays: x_validation: train has labels, but arrays: x_validation has none")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"x": None, "y": Y}, "y: labels are given without their rows; give x too"),
        ({"x": X, "y_test": Y}, "y_test: labels are given without their rows; give x_test too"),
        ({"x": None, "x_test": X}, "x_test: held-out rows are given without training rows; give x too"),
    ],
)
def test_parts_without_their_rows(given: dict[str, Any], expected: str) -> None:
    assert complaint(collect, **given) == expected


@pytest.mark.parametrize(
    "frame", [FRAME, pa.table(FRAME), pa.RecordBatch.from_pandas(FRAME), FRAME[["kind", "u", "v", "w"]]]
)
def test_a_label_by_name_and_the_other_columns_as_rows(frame: Any) -> None:
    expected = from_arrays(X, Y)
    assert from_arrays(frame, "kind").hash == from_arrays(frame, data=DataSpec(label="kind")).hash
    assert from_arrays(frame, "kind").hash == expected.hash


def test_columns_in_the_order_of_their_names() -> None:
    for names in (("w", "u"), ("w,u",)):
        np.testing.assert_allclose(
            rows_of(FRAME, data=DataSpec(columns=names, num_validation=0, num_test=0)),
            X[:, [2, 0]],
            rtol=1e-6,
        )
    data = DataSpec(columns=("kind", "u"))
    assert from_arrays(FRAME, "kind", data).hash == from_arrays(X[:, :1], Y).hash
    dataset = from_arrays(FRAME, "kind", x_test=FRAME[["kind", "w", "v", "u"]])
    np.testing.assert_allclose(dataset.test.x, X, rtol=1e-6)
    comma = FRAME.rename(columns={"u": "u,v"})
    assert rows_of(comma, data=DataSpec(columns=("u,v",), num_validation=0, num_test=0)).shape == (60, 1)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            Y,
            "column 'new' holds texts (str), such as 'b', expected numbers; choose columns with",
        ),
        (pd.Categorical(Y), "column 'new' holds categories (category), expected numbers"),
        (pd.Timestamp("2026-01-01"), "column 'new' holds times (datetime64[us]), expected numbers"),
        ([np.zeros(2)] * 60, "column 'new' holds arrays (object), expected numbers; choose 'new' alone"),
        ([b"1"] * 60, "column 'new' holds values (object), such as \"b'1'\", expected numbers"),
        ([None] * 60, "column 'new' is missing in 60 of 60 rows, the first is row 0; drop these rows"),
        ([1.0] * 59 + [np.nan], "column 'new' is missing in 1 of 60 rows, the first is row 59"),
    ],
)
def test_a_column_that_is_no_number_is_named(column: Any, expected: str) -> None:
    frame = FRAME[["u"]].assign(new=column)
    said = complaint(from_arrays, frame, None, DataSpec(columns=("u", "new")))
    assert said.startswith(f"arrays: x: {expected}")
    if "missing" in expected:
        assert complaint(from_arrays, frame, "new").startswith(f"arrays: x: {expected}")
    assert rows_of(frame, data=DataSpec(columns=("u",), num_validation=0, num_test=0)).shape == (60, 1)


def test_a_column_of_arrays_or_images_alone_is_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    pixels = bytes_of((60, 4, 5))
    nested = pa.table({"pixels": pixels.tolist(), "kind": Y})
    frame = pd.DataFrame({"pixels": list(pixels), "kind": Y, "extra": 0})
    assert (rows_of(nested, "kind")[..., 0] == pixels).all() and (
        rows_of(frame, "kind")[..., 0] == pixels
    ).all()
    assert "not used: extra" in capsys.readouterr().err
    both = frame.assign(more=frame["pixels"])
    assert "columns pixels, more hold images or arrays; name one" in complaint(from_arrays, both, "kind")
    ragged = pa.table({"pixels": [[1, 2], [3]]})
    assert "column 'pixels' holds values (list<" in complaint(from_arrays, ragged)


def test_names_that_are_no_columns() -> None:
    assert "has no column 'knd'; did you mean 'kind'?" in complaint(from_arrays, FRAME, "knd")
    assert "has no column 'z'" in complaint(from_arrays, FRAME, "kind", DataSpec(columns=("z",)))
    assert complaint(from_arrays, X, None, DataSpec(label="kind")).startswith(
        "data.label: got 'kind', but arrays: x has no named columns"
    )
    doubled = pd.DataFrame(X, columns=["u", "u", "w"])
    assert "has two columns 'u'" in complaint(from_arrays, doubled)
    assert "has no column next to the label 'kind'" in complaint(from_arrays, FRAME[["kind"]], "kind")


def test_sparse_rows_are_those_of_the_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    dense = np.where(X > 0.5, X, 0)
    for matrix in (scipy.sparse.csr_matrix(dense), scipy.sparse.coo_array(dense)):
        assert from_arrays(matrix).hash == from_arrays(dense).hash
        streamed = from_arrays(matrix, data=DataSpec(stream=True)).train.x
        np.testing.assert_allclose(
            streamed.take(np.array([3, 1, 3])), from_arrays(dense).train.x[[3, 1, 3]], rtol=1e-6
        )
    monkeypatch.setattr(containers, "memory_bytes", lambda: 100)
    said = complaint(from_arrays, scipy.sparse.csr_array(dense))
    assert said.startswith("arrays: x: got a sparse matrix of shape (60, 3), whose dense rows need")
    assert from_arrays(scipy.sparse.csr_array(dense), data=DataSpec(stream=True)).num_rows["train"] == 48


def test_sixteen_bit_floats_of_jax_and_of_pytorch_become_floats() -> None:
    short = X.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(rows_of(short), short.astype(np.float32))


def test_images_of_pil_are_those_of_their_pixels() -> None:
    pixels, colour = bytes_of((20, 6, 5)), bytes_of((20, 6, 5, 3))
    assert (rows_of([Image.fromarray(image) for image in pixels])[..., 0] == pixels).all()
    assert (rows_of([Image.fromarray(image) for image in colour]) == colour).all()
    deep = pixels.astype(np.uint16) * 257
    np.testing.assert_allclose(
        rows_of([Image.fromarray(image) for image in deep])[..., 0], pixels / 255, rtol=1e-6
    )


def test_resize_crops_the_centre_and_scales_as_pillow_does() -> None:
    image = Image.fromarray(bytes_of((8, 12, 3)))
    data = DataSpec(resize=4, num_validation=0, num_test=0)
    expected = image.crop((2, 0, 10, 8)).resize((4, 4), Image.Resampling.BICUBIC)
    (found,) = rows_of([image], data=data)
    # Pillow crops and scales in one step.
    assert np.abs(found.astype(int) - np.asarray(expected).astype(int)).max() <= 24
    assert (found == np.asarray(image.resize((4, 4), Image.Resampling.BICUBIC, (2, 0, 10, 8)))).all()
    deep = Image.fromarray(np.full((8, 12), 65535, np.uint16))
    assert (rows_of([deep], data=data) == 1).all()
    grey = rows_of([image], data=DataSpec(grey=True, num_validation=0, num_test=0))
    assert (grey[0, ..., 0] == np.asarray(image.convert("L"))).all()
