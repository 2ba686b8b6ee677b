"""Files that declare more than the memory are named in one line, before anything is read."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import jaxae
from jaxae.data import files, free_memory, load
from jaxae.errors import JaxaeError


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """The header of a .npy file."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def npz(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path.with_suffix(".npz"), "w") as archive:
        archive.writestr("x.npy", content)


def npy(path: Path, content: bytes) -> None:
    path.with_suffix(".npy").write_bytes(content)


def sparse(path: Path, content: bytes) -> None:
    """A file of 4 TB, of which the disk holds nothing."""
    with open(path.with_suffix(".npy"), "wb") as file:
        file.write(content)
        file.truncate(len(content) + 4 * 10**12)


@pytest.mark.parametrize(
    "write, shape, told",
    [
        (npz, (10**6, 10**6), "cannot be read as NumPy arrays"),
        (npz, (5 * 10**6, 1000), "cannot be read as NumPy arrays"),
        (npy, (10**6, 10**6), "cannot be read as NumPy arrays"),
        (sparse, (10**5, 10**7), "needs 4,000.0 GB of memory"),
    ],
)
def test_a_file_that_declares_terabytes_is_one_line(
    write: Callable[[Path, bytes], None], shape: tuple[int, ...], told: str, tmp_path: Path
) -> None:
    write(tmp_path / "big", header(shape) + bytes(100))
    (path,) = tmp_path.iterdir()
    with pytest.raises(JaxaeError, match=told) as error:
        load(jaxae.DataSpec(name=str(path)))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 20 KB that unpacks to 16 MB, on a machine with 8 MB."""
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((2**14, 2**10), np.uint8))
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 8e6)
    read = []
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *_: read.append(1))
    with pytest.raises(
        JaxaeError, match=r"bomb.npz: x: needs 0.0 GB of memory, but 0.0 GB are free; data.stream"
    ):
        load(jaxae.DataSpec(name=str(path)))
    assert not read


def test_a_gzip_bomb_is_refused_after_the_part_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(2**22)))
    monkeypatch.setattr(files, "PART_BYTES", 2**16)
    assert files.read_bytes(path) == (bytes(2**22), True)
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 1e6)
    with pytest.raises(JaxaeError, match=r"bomb.gz: needs .* of memory"):
        files.read_bytes(path)


@pytest.mark.parametrize("size", [0, 1, 2**16 - 1, 2**16, 2**16 + 1, 3 * 2**16])
def test_gzip_in_parts_is_gzip_as_a_whole(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 2**16)
    content = np.random.default_rng(0).integers(0, 4, size, np.uint8).tobytes()
    path = tmp_path / "x.gz"
    # Two members and padding, as some tools write them.
    path.write_bytes(gzip.compress(content) + gzip.compress(content) + bytes(7))
    assert files.read_bytes(path) == (content + content, True)
    path.write_bytes(gzip.compress(content)[:-9])
    assert files.read_bytes(path)[1] is False


def test_free_memory_is_that_of_the_machine() -> None:
    assert 1e7 < free_memory.free_bytes() < 1e14


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x.npy", "~nobody-of-this-name"])
def test_a_home_that_does_not_exist_is_a_path_that_does_not_exist(name: str) -> None:
    for spec in (jaxae.DataSpec(name=name), jaxae.DataSpec(name=f"images:{name}")):
        with pytest.raises(JaxaeError) as error:
            load(spec)
        assert "\n" not in str(error.value)
    with pytest.raises(JaxaeError):
        load(jaxae.DataSpec(name="mnist", folder=name))
