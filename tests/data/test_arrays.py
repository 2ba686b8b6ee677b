from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxae.data import DataSpec, from_arrays, load
from jaxae.data.sources.arrays import digits
from tests.data.files import bytes_of, complaint

WHOLE = DataSpec(num_validation=0, num_test=0)


def npy(folder: Path, array: Any, name: str = "x.npy", **changes: Any) -> DataSpec:
    np.save(folder / name, array, allow_pickle=True)
    return DataSpec(name=str(folder / name), **{"num_validation": 0, "num_test": 0} | changes)


def test_the_digits_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_digits()

    def check() -> None:
        table = digits().tables["train"]
        np.testing.assert_array_equal(table.x.take(np.arange(1797)), expected.images)
        np.testing.assert_array_equal(table.y, expected.target)
        assert (table.x.dtype, table.y.dtype) == (np.uint8, np.int64)

    check()
    # Another version of scikit-learn may keep its file elsewhere.
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check()


def test_digits() -> None:
    dataset = load(DataSpec())
    assert dataset.description == "digits: 1,297 train, 200 validation, 300 test, 8x8x1 uint8, 10 classes"
    assert (
        dataset.shape == (8, 8, 1)
        and dataset.train.scale == np.float32(16)
        and dataset.train.scale.dtype == np.float32
    )
    x = np.concatenate([part.x for part in (dataset.train, dataset.validation, dataset.test)])
    assert x.dtype == np.uint8 and x.max() == 16 and len(x) == 1797 and x.sum() == 561718
    y = np.concatenate([part.y for part in (dataset.train, dataset.validation, dataset.test)])
    assert y.dtype == np.int32 and list(np.bincount(y)) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize(
    ("given", "shape", "dtype", "scale"),
    [
        (bytes_of((9, 4, 5)), (4, 5, 1), np.uint8, 255),
        (bytes_of((9, 4, 5, 3)), (4, 5, 3), np.uint8, 255),
        (bytes_of((9, 6)), (6,), np.uint8, 1),
        (bytes_of((9, 6), high=2), (6,), np.uint8, 1),
        (bytes_of((9, 6), high=2).astype(bool), (6,), np.uint8, 1),
        (bytes_of((9, 6)).astype(np.int64), (6,), np.float32, 1),
        (bytes_of((9, 6)).astype(">u2"), (6,), np.float32, 1),
        (bytes_of((9, 6)).astype(np.int64) - 2**20, (6,), np.float32, 1),
        (bytes_of((9, 6), high=2).astype(np.int64), (6,), np.uint8, 1),
        (bytes_of((9, 4, 5)).view(np.int8), (4, 5, 1), np.float32, 1),
        (bytes_of((9, 4, 5), high=11).astype(np.int32), (4, 5, 1), np.float32, 1),
        (bytes_of((9, 4, 5)) / 255.0, (4, 5, 1), np.float32, 1),
        ((bytes_of((9, 6)) / 7).astype(">f4"), (6,), np.float32, 1),
        ((bytes_of((9, 6)) / 7).astype(np.float16), (6,), np.float32, 1),
        (np.asfortranarray(bytes_of((9, 4, 5))), (4, 5, 1), np.uint8, 255),
    ],
)
def test_shapes_and_dtypes(
    tmp_path: Path, given: np.ndarray, shape: tuple[int, ...], dtype: Any, scale: float
) -> None:
    for dataset in (from_arrays(given, None, WHOLE), load(npy(tmp_path, given))):
        assert dataset.shape == shape and dataset.train.x.dtype == dtype and dataset.train.scale == scale
        assert (dataset.train.x.reshape(given.shape) == given.astype(dtype)).all()
        assert dataset.train.x.dtype.isnative and dataset.train.y == ()


def test_constant_bools_are_still_bools() -> None:
    assert from_arrays(np.zeros((9, 6), bool), None, WHOLE).train.scale == 1


def test_lists_and_labels_are_taken_and_copied() -> None:
    x = bytes_of((9, 6))
    dataset = from_arrays(x.tolist(), list(range(9)), WHOLE)
    assert (dataset.train.x == x).all() and (dataset.train.y == np.arange(9)).all()
    given = from_arrays(x, None, WHOLE)
    before = x.copy()
    x[:] = 0
    assert (given.train.x == before).all()
    assert dataset.description == "arrays: 9 train, 0 validation, 0 test, 6 float32, 9 classes"


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.zeros(5), "shape (5,), expected [N, D]"),
        (np.float32(1), "shape (), expected [N, D]"),
        (np.zeros((0, 4)), "shape (0, 4)"),
        (np.zeros((4, 0)), "shape (4, 0)"),
        (np.zeros((4, 2, 2, 2, 2)), "shape (4, 2, 2, 2, 2)"),
        (np.zeros((4, 2), complex), "dtype complex128"),
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.array([[None, {}]]), "dtype object"),
        (np.zeros((4, 2), "M8[s]"), "dtype datetime64[s]"),
        ([[1, 2], [3]], "cannot be converted to a NumPy array"),
    ],
)
def test_arrays_that_are_refused(x: Any, expected: str) -> None:
    said = complaint(from_arrays, x, None, WHOLE)
    assert said.startswith("arrays: ") and expected in said


IMAGES, TABLE = bytes_of((9, 4, 5)), bytes_of((9, 6))


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (
            TABLE,
            f"uint8 values from {TABLE.min()} to {TABLE.max()} of shape (9, 6) are not divided by 255; if",
        ),
        (
            IMAGES.astype(np.int64),
            f"int64 values from {IMAGES.min()} to {IMAGES.max()} are not divided by 255, because only uint8"
            " images are",
        ),
        (
            np.array([[2**24 + 1, -5]] * 9),
            "integers from -5 to 16777217 are rounded; float32 is exact only up to 16777216",
        ),
        (np.array([[0, 2**64 - 1]] * 9, np.uint64), "integers from 0 to 18446744073709551615 are rounded"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_integers_whose_unit_is_doubtful_are_named_once(
    x: np.ndarray, expected: str, stream: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(npy(tmp_path, x, stream=stream))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"jaxae: warning: {tmp_path}/x.npy: {expected}")


@pytest.mark.parametrize(
    "x",
    [
        IMAGES,
        IMAGES / 255,
        IMAGES > 99,
        TABLE % 2,
        TABLE.astype(np.int64),
        (IMAGES % 11).astype(np.int64),
        TABLE / 1.0,
        np.array([[2**24, -(2**24), 2**40]] * 9),
    ],
)
def test_values_whose_unit_is_plain_are_taken_without_a_word(
    x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    from_arrays(x, None, WHOLE)
    assert capsys.readouterr().err == ""


def test_splits_of_one_unit_may_differ_in_type(tmp_path: Path) -> None:
    ints, bits = TABLE.astype(np.int64), IMAGES % 2
    for arrays, scale in (
        ({"x": ints, "x_test": TABLE, "x_validation": (TABLE % 2).astype(bool)}, 1),
        ({"x": TABLE / 1.0, "x_test": ints}, 1),
        ({"x": TABLE / 1.0, "x_test": (TABLE % 2).astype(np.int64)}, 1),
        ({"x": bits, "x_test": bits.astype(np.int32), "x_validation": bits.astype(bool)}, 1),
    ):
        np.savez(tmp_path / "x.npz", **arrays)
        dataset = load(DataSpec(name=str(tmp_path / "x.npz"), num_validation=1, num_test=1))
        given = arrays["x_test"].reshape(dataset.test.x.shape)
        assert dataset.train.scale == dataset.test.scale == scale and (dataset.test.x == given).all()


@pytest.mark.parametrize("other", [IMAGES % 2 > 0, (IMAGES % 2).astype(np.int64), IMAGES.astype(np.int64)])
@pytest.mark.parametrize("first", [False, True])
def test_bytes_and_other_images_are_not_mixed(tmp_path: Path, other: np.ndarray, first: bool) -> None:
    x, x_test = (other, IMAGES) if first else (IMAGES, other)
    np.savez(tmp_path / "x.npz", x=x, x_test=x_test)
    said = complaint(load, DataSpec(name=str(tmp_path / "x.npz")))
    assert said.startswith(f"{tmp_path}/x.npz: x_test: got rows of ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("stream", [False, True])
def test_values_that_are_not_finite(tmp_path: Path, value: float, stream: bool) -> None:
    x = np.zeros((50, 3))
    x[17, 1] = x[17, 2] = x[40, 0] = value
    data = npy(tmp_path, x, stream=stream)
    assert (
        complaint(load, data)
        == f"{tmp_path}/x.npy: 3 values are not finite (NaN or inf), the first in row 17"
    )


def test_values_that_are_not_finite_are_counted_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxae.data.row_source.CHUNK_BYTES", 100)
    x = np.zeros((50, 3), np.float32)
    x[17, 1] = x[40, 0] = np.nan
    assert "2 values are not finite (NaN or inf), the first in row 17" in complaint(from_arrays, x)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.zeros(8, int), "8 labels for 9 rows"),
        (np.arange(9) / 2, "labels of dtype float64, and row 1 holds 0.5; expected whole numbers or texts"),
        (np.zeros((9, 1), int), "shape (9, 1)"),
        (np.full(9, -1), "labels from -1 to -1"),
        (np.full(9, 2**40), "expected 0 to 2147483647"),
        (np.array(["a"] * 9).astype(bytes), "labels of dtype |S1"),
        (np.array([*"abcd", None, *"efgh"], object), "dtype object, and row 4 is missing (None)"),
        (np.array(["a"] * 8), "8 labels for 9 rows"),
        (np.array([["a"]] * 9), "labels of dtype <U1 and shape (9, 1), expected integers or texts [9]"),
    ],
)
def test_labels_that_are_refused(y: Any, expected: str) -> None:
    said = complaint(from_arrays, bytes_of((9, 6)), y, WHOLE)
    assert expected in said and said.startswith("arrays: y: ")


def test_labels_of_a_file_are_blamed_by_their_name(tmp_path: Path) -> None:
    for y, expected in ((np.zeros(8, int), "8 labels for 9 rows"), (np.full(9, np.nan), "row 0 is missing")):
        np.savez(
            tmp_path / "x.npz", x=bytes_of((9, 6)), x_test=bytes_of((9, 6)), y_test=y, y=np.zeros(9, int)
        )
        said = complaint(load, DataSpec(name=str(tmp_path / "x.npz")))
        assert said.startswith(f"{tmp_path}/x.npz: y_test: {expected}")


def test_object_arrays_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    np.savez(tmp_path / "x.npz", x=np.array([[Bomb()]], object))
    for data in (npy(tmp_path, np.array([[Bomb()]], object)), DataSpec(name=str(tmp_path / "x.npz"))):
        assert "Python objects" in complaint(load, data)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array at all", b"PK\x03\x04 not a zip"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_files_that_are_not_arrays(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    assert complaint(load, DataSpec(name=str(path))).startswith(f"{path}: ")


def test_files_under_the_wrong_suffix(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=bytes_of((9, 6)))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert "cannot be read as NumPy arrays" in complaint(load, DataSpec(name=str(tmp_path / "a.npy")))
    np.save(tmp_path / "b.npy", bytes_of((9, 6)))
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    assert "has the content of a .npy file, expected a .npz file" in complaint(
        load, DataSpec(name=str(tmp_path / "b.npz"))
    )


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_truncated_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (np.save if name.endswith("npy") else lambda p, x: np.savez(p, x=x))(path, bytes_of((90, 60)))  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:-1000])
    assert complaint(load, DataSpec(name=str(path))).startswith(f"{path}: ")


def test_a_corrupt_member_of_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=bytes_of((90, 60)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert complaint(load, DataSpec(name=str(path))).startswith(f"{path}: x: ")


def test_npz_with_official_splits(tmp_path: Path) -> None:
    arrays = {
        "x": bytes_of((20, 4, 4)),
        "x_validation": bytes_of((3, 4, 4)),
        "x_test": bytes_of((5, 4, 4), seed=1),
    }
    arrays |= {"y": bytes_of((20,), 3), "y_validation": bytes_of((3,), 3), "y_test": bytes_of((5,), 3)}
    np.savez(tmp_path / "x.npz", **arrays)
    dataset = load(DataSpec(name=str(tmp_path / "x.npz")))
    for part, suffix in ((dataset.train, ""), (dataset.validation, "_validation"), (dataset.test, "_test")):
        assert (part.x[..., 0] == arrays[f"x{suffix}"]).all() and (part.y == arrays[f"y{suffix}"]).all()


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({}, "holds nothing; expected x"),
        ({"images": bytes_of((9, 6)), "names": bytes_of((9, 6))}, "holds images, names; expected x"),
        ({"x": bytes_of((9, 6)), "z": np.zeros(3)}, "holds x, z; expected x"),
        ({"x": bytes_of((9, 6)), "y_test": np.zeros(3, int)}, "holds y_test but no x_test"),
        (
            {"x": bytes_of((9, 6)), "x_test": bytes_of((9, 5))},
            "got rows of uint8 [5], expected uint8 [6], as in the train split",
        ),
        ({"x": bytes_of((9, 6)), "x_test": np.zeros((9, 6))}, "got rows of float32 [6], expected uint8 [6]"),
        ({"x": bytes_of((9, 6)), "y": np.zeros(9, int), "x_test": bytes_of((9, 6))}, "train has labels, but"),
        (
            {"x": bytes_of((9, 6)), "x_test": bytes_of((9, 6)), "y_test": np.zeros(9, int)},
            "but train has none",
        ),
        ({"x": bytes_of((9, 6)), "x_test": bytes_of((0, 6))}, "x_test: shape (0, 6)"),
    ],
)
def test_npz_files_that_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], expected: str) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    said = complaint(load, DataSpec(name=str(path)))
    assert said.startswith(str(path)) and expected in said
