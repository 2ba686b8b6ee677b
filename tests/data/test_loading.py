import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxae.data import DataSpec, available, data_spec, from_arrays, load
from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.prepare import prepare
from tests.data.files import bytes_of, complaint, write_amat, write_classes, write_mnist

X, Y = bytes_of((30, 6, 5)), bytes_of((30,), 3)
FEW: dict[str, Any] = {"num_validation": 3, "num_test": 4}


def hash_of(x: Any = X, y: Any = Y, **changes: Any) -> str:
    return from_arrays(x, y, DataSpec(**FEW | changes)).hash


def test_the_hash_is_of_the_content_alone() -> None:
    assert len(hash_of()) == 64 and hash_of() == hash_of(X.copy(), Y.astype(np.int64))
    assert hash_of() == hash_of(num_validation=9, split_seed=4, binarize="static") == hash_of(stream=True)
    assert hash_of(X[..., None]) == hash_of()


def test_the_hash_sees_every_byte_and_label() -> None:
    random = np.random.RandomState(1)
    for _ in range(20):
        x, y = X.copy(), Y.copy()
        x[tuple(random.randint(0, size) for size in x.shape)] ^= 1
        y[random.randint(len(y))] ^= 1
        assert len({hash_of(), hash_of(x), hash_of(X, y)}) == 3


def test_the_hash_sees_shape_dtype_order_labels_and_scale() -> None:
    binary = bytes_of((30, 6, 5), 2)
    other = [
        hash_of(X.reshape(30, 5, 6)),
        hash_of(X.reshape(15, 12, 5), Y[:15]),
        hash_of(X.astype(np.float32)),
        hash_of(X[::-1], Y),
        hash_of(X, Y[::-1]),
        hash_of(X, None),
        hash_of(X[:-1], Y[:-1]),
        hash_of(binary),
        hash_of(binary * np.uint8(255)),
    ]
    assert len({hash_of(), *other}) == 1 + len(other)


def test_the_hash_sees_which_split_a_row_is_in(tmp_path: Path) -> None:
    hashes = set()
    for i, parts in enumerate(
        [{"x": X}, {"x": X[:20], "x_test": X[20:]}, {"x": X[:20], "x_validation": X[20:]}]
    ):
        np.savez(tmp_path / f"{i}.npz", **parts)
        hashes.add(load(DataSpec(name=str(tmp_path / f"{i}.npz"), **FEW)).hash)
    assert len(hashes) == 3


def test_the_hash_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hash_of()
    monkeypatch.setattr("jaxae.data.row_source.CHUNK_BYTES", 70)
    assert hash_of() == whole == hash_of(stream=True)


def test_the_hash_is_the_same_in_every_version() -> None:
    said = [
        b"train uint8 (30, 6, 5, 1);",
        X.tobytes(),
        b"labels int32 (30,);",
        Y.astype("<i4").tobytes(),
        b"scale 255.0",
    ]
    assert hash_of() == hashlib.sha256(b"".join(said)).hexdigest()
    assert hash_of() == "799a20accfbf86f30f76bb819fafacae1427ea678a7652874ebf3f19aa49ceda"


@pytest.mark.parametrize("name", ["mnits", "digit", "no/such/folder", "x.npy", "~/no-such-thing", ""])
def test_unknown_names(name: str, tmp_path: Path) -> None:
    said = complaint(load, DataSpec(name=name, folder=str(tmp_path)))
    if name:
        assert "no such file or folder, and not a known name" in said and "binarized_mnist, celeba" in said
    if name in ("mnits", "digit"):
        assert f"did you mean '{'mnist' if name == 'mnits' else 'digits'}'?" in said


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_text("1,2")
    said = complaint(load, DataSpec(name=str(tmp_path / "x.mat")))
    assert said.startswith(f"{tmp_path}/x.mat: expected a .npy, .npz, .h5, .csv, .tsv or .parquet file")
    assert said.endswith("; for example numpy.save('x.npy', scipy.io.loadmat(FILE)['x'])")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("binarize", "statik", "did you mean 'static'? valid: dynamic, none, static, threshold"),
        ("num_validation", -1, "data.num_validation -1: expected an integer, 0 or more"),
        ("num_test", 1.5, "data.num_test 1.5: expected an integer, 0 or more, or a share such as 0.1"),
        ("split_seed", 2**32, "data.split_seed 4294967296: expected an integer, 0 to 4294967295"),
        ("split_seed", -1, "data.split_seed -1"),
    ],
)
def test_options_out_of_range(field: str, value: Any, expected: str) -> None:
    data = DataSpec(**{field: value})
    assert expected in complaint(load, data) and expected in complaint(from_arrays, X, Y, data)


def test_the_largest_split_seed_works() -> None:
    assert from_arrays(X, Y, DataSpec(split_seed=2**32 - 1, binarize="dynamic", **FEW)).test.x.max() == 255


def test_data_is_structure_with_a_help_text_for_each_field() -> None:
    import ast
    import inspect

    import jax

    assert jax.tree.leaves(DataSpec()) == [] and hash(DataSpec()) == hash(DataSpec())
    (cls,) = [node for node in ast.parse(inspect.getsource(data_spec)).body if isinstance(node, ast.ClassDef)]
    kinds = [type(node) for node in cls.body[1:]]
    assert kinds == [ast.AnnAssign, ast.Expr] * (len(kinds) // 2)


def test_importing_the_room_imports_no_reader() -> None:
    heavy = ["tensorflow_datasets", "sklearn", "grain", "PIL", "array_record", "tensorflow"]
    code = f"import sys, jaxae.data, jaxae.data.prepare; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAXAE_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    listed = dict(available())
    assert list(listed) == ["digits", "sprites", "scenes", "photographs", *KNOWN]
    assert listed["digits"].startswith("found")
    assert listed["mnist"] == "not here: `jaxae data download mnist` fetches it (11.6 MB)"
    write_mnist(tmp_path / "mnist")
    write_amat(tmp_path)
    write_classes(tmp_path / "images")
    prepare("insects", tmp_path / "images", tmp_path / "tfds")
    listed = dict(available(str(tmp_path)))
    assert listed["mnist"] == f"found: {tmp_path}/mnist" and listed["binarized_mnist"] == f"found: {tmp_path}"
    assert (
        "not here" in listed["fashion_mnist"] and listed["tfds:insects"] == f"found: {tmp_path}/tfds/insects"
    )
    monkeypatch.setenv("JAXAE_DATA", str(tmp_path))
    assert dict(available())["mnist"] == listed["mnist"] and all(
        "\n" not in status for status in listed.values()
    )
    for name, status in listed.items():
        if status.startswith("found"):
            load(DataSpec(name=name, num_validation=1, num_test=1))
