"""Files of tables, HDF5 files and folders of shards hold the rows that were written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from jaxae.data import DataSpec, from_arrays, load
from jaxae.data.sources.catalog import split_key
from tests.data.files import bytes_of, complaint, write_image

X, Y = np.random.RandomState(0).normal(size=(60, 3)), np.array(["b", "a", "c"] * 20)
FRAME = pd.DataFrame(X, columns=["u", "v", "w"]).assign(kind=Y)
PIXELS = bytes_of((60, 4, 5))
OWN = from_arrays(X, Y).hash


def hash_of(path: Path | str, **options: Any) -> str:
    return load(DataSpec(name=str(path), **options)).hash


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "A.CSV", "a.tsv", "a.tsv.gz"])
def test_a_table_of_text_is_that_of_the_arrays(name: str, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    assert hash_of(tmp_path / name, label="kind") == OWN


def test_tables_as_spreadsheets_write_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    FRAME.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    assert hash_of(path, label="kind") == OWN
    FRAME.to_csv(path, index=False, sep="\t")
    assert hash_of(path, label="kind") == OWN
    assert capsys.readouterr().err == ""
    FRAME.to_csv(path)
    assert hash_of(path, label="kind") == OWN
    assert "the first column has no name and numbers the rows; it is left out" in capsys.readouterr().err
    FRAME.set_index("u").rename_axis(None).to_csv(path)
    assert hash_of(path, label="kind") == OWN


def test_a_table_without_names_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    np.savetxt(path, X, delimiter=",")
    assert hash_of(path) == from_arrays(X).hash
    path.write_text("1,1,1\n" * 10)
    assert load(DataSpec(name=str(path))).num_rows == {"train": 8, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "cannot be read as a table: No columns to parse from file"),
        (b"a,b\n1,2,3\n", "has more values in a row than names in its first line"),
        (b"a,b\n1,2\n1,2,3\n", "cannot be read as a table: Error tokenizing data"),
        (b"a,b\n", "has no rows next to its line of names"),
        (b"a,b\n\xe9,2\n", "is not UTF-8 text"),
        (b"a,b\nx,2\n", "column 'a' holds texts (str), such as 'x', expected numbers; choose columns"),
        (b"a,b\n,2\n1,2\n", "column 'a' is missing in 1 of 2 rows, the first is row 0"),
    ],
)
def test_tables_that_cannot_be_used(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert complaint(load, DataSpec(name=str(tmp_path / "a.csv"))).startswith(f"{tmp_path}/a.csv: {expected}")


def test_parquet_and_its_index(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    assert hash_of(tmp_path / "a.parquet", label="kind") == OWN
    FRAME.set_index(np.arange(60)[::-1] ** 2).to_parquet(tmp_path / "a.parquet")
    assert hash_of(tmp_path / "a.parquet", label="kind") == OWN
    (tmp_path / "a.parquet").write_bytes(b"x")
    assert "a.parquet: cannot be read as Parquet: " in complaint(
        load, DataSpec(name=str(tmp_path / "a.parquet"))
    )


def test_images_in_parquet_as_hugging_face_writes_them(tmp_path: Path) -> None:
    content = []
    for number in range(12):
        path = tmp_path / "images" / f"{number}.png"
        write_image(path, PIXELS[number])
        content.append({"bytes": path.read_bytes(), "path": None} if number else {"path": str(path)})
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"image": content, "label": [0, 1] * 6}).replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    dataset = load(DataSpec(name=str(tmp_path / "a.parquet"), num_validation=0, num_test=0))
    assert (dataset.train.x[..., 0] == PIXELS[:12]).all() and dataset.classes == ("cat", "dog")
    assert dataset.train.y.tolist() == [0, 1] * 6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.npy", ("x.npy", "")),
        ("a/x.h5:images/x", ("a/x.h5", "images/x")),
        ("x.npz:y", ("x.npz", "y")),
        ("C:/x.hdf5:a", ("C:/x.hdf5", "a")),
        ("a:b", ("a:b", "")),
    ],
)
def test_names_of_arrays_in_files(name: str, expected: tuple[str, str]) -> None:
    path, key = split_key(name)
    assert (str(path), key) == expected


def test_arrays_of_an_npz_file_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=PIXELS, kind=Y, x_test=PIXELS)
    assert hash_of(f"{path}:images", label="kind") == from_arrays(PIXELS, Y).hash
    assert "has no array 'image'; did you mean 'images'?" in complaint(load, DataSpec(name=f"{path}:image"))
    said = complaint(load, DataSpec(name=str(path)))
    assert "holds images, kind, x_test; expected x" in said and f"--data.name {path}:images" in said


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test")]
)
def test_names_of_keras_and_of_scikit_learn(names: tuple[str, ...], tmp_path: Path) -> None:
    arrays = dict(zip(names, (PIXELS[:40], Y[:40], PIXELS[40:], Y[40:]), strict=True))
    np.savez(tmp_path / "a.npz", **arrays)
    expected = from_arrays(PIXELS[:40], Y[:40], x_test=PIXELS[40:], y_test=Y[40:])
    assert hash_of(tmp_path / "a.npz") == expected.hash


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["deep/images"], file["kind"], file["text"] = PIXELS, Y.astype("S"), Y.tolist()
    expected = from_arrays(PIXELS, Y)
    for label in ("kind", "text"):
        assert hash_of(f"{path}:deep/images", label=label) == expected.hash
    streamed = load(DataSpec(name=f"{path}:deep/images", stream=True)).train.x
    for order in ([5, 2, 5], [3, 4, 5], []):
        rows = np.array(order, int)
        assert (streamed.take(rows) == expected.train.x[rows]).all()
    with h5py.File(path) as file:
        assert from_arrays(file["deep/images"], file["kind"]).hash == expected.hash
        assert from_arrays(file["deep/images"], file["text"]).hash == expected.hash
    path.write_bytes(b"x")
    assert f"{path}: cannot be read as HDF5: " in complaint(load, DataSpec(name=f"{path}:x"))
    with h5py.File(path, "w") as file:
        file["x_train"], file["x_test"] = PIXELS[:40], PIXELS[40:]
    assert hash_of(path) == from_arrays(PIXELS[:40], x_test=PIXELS[40:]).hash


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"x")
    said = complaint(load, DataSpec(name=str(tmp_path / "a.h5")))
    assert said == f"{tmp_path}/a.h5: needs the package h5py; pip install 'jaxae[hdf5]'"


def test_shards_are_joined_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number, part in enumerate(np.split(PIXELS, [13, 30])):
        np.save(tmp_path / f"{number}.npy", part)
    assert hash_of(tmp_path) == from_arrays(PIXELS).hash
    streamed = load(DataSpec(name=str(tmp_path), stream=True, num_validation=0, num_test=0)).train.x
    rows = np.array([59, 0, 13, 12, 30, 0])
    assert (streamed.take(rows)[..., 0] == PIXELS[rows]).all()


@pytest.mark.parametrize("places", [("train/0", "train/1", "test/0"), ("train-0", "train-1", "test-0")])
def test_shards_of_splits(places: tuple[str, ...], tmp_path: Path) -> None:
    for place, part in zip(places, (FRAME[:20], FRAME[20:40], FRAME[40:]), strict=True):
        path = tmp_path / f"{place}.parquet"
        path.parent.mkdir(exist_ok=True)
        part.to_parquet(path)
    expected = from_arrays(FRAME[:40], "kind", x_test=FRAME[40:])
    assert hash_of(tmp_path, label="kind") == expected.hash


def test_shards_that_do_not_fit(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PIXELS)
    np.save(tmp_path / "b.npy", X)
    said = complaint(load, DataSpec(name=str(tmp_path)))
    assert said == f"{tmp_path}/b.npy: got rows of float64 [3], expected uint8 [4, 5], as in {tmp_path}/a.npy"
    FRAME.to_csv(tmp_path / "b.csv")
    assert "holds files of several kinds (.csv, .npy), expected one" in complaint(
        load, DataSpec(name=str(tmp_path))
    )


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PIXELS)
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    write_image(tmp_path / "images" / "0.png", PIXELS[0])
    for name, options in (
        (tmp_path / "a.npy", {"label": "y"}),
        ("digits", {"resize": 4}),
        ("sprites:100", {"grey": True}),
        (tmp_path / "images", {"columns": ("a",)}),
    ):
        (option,) = options
        said = complaint(load, DataSpec(name=str(name), **options))  # type: ignore[arg-type]
        assert said.startswith(f"data.{option}: got ") and said.endswith("; leave it out")
    assert "can only be read whole" in complaint(
        load, DataSpec(name=str(tmp_path / "a.csv"), label="kind", stream=True)
    )
