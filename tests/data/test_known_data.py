"""The table of known data sets, and each of them read from small files of the same format."""

import re
from pathlib import Path

import numpy as np
import pytest

from jaxae.data import Dataset, DataSpec, load
from jaxae.data.downloads.known_data import KNOWN
from jaxae.data.sources.catalog import NAMED, SIZED
from tests.data.files import complaint
from tests.data.known_files import write_known


def read(name: str, folder: Path, **options: object) -> Dataset:
    options = {"num_validation": 1, "num_test": 1} | options
    return load(DataSpec(name=name, folder=str(folder), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KNOWN)
def test_small_files_of_each_data_set_are_read_back(name: str, tmp_path: Path) -> None:
    splits = write_known(name, tmp_path / name)
    # Without held-out rows, so that the order of the rows is that of the files.
    num_train = len(splits["train"].x)
    held_out = {"num_validation": int("validation" in splits), "num_test": int("test" in splits)}
    dataset = read(name, tmp_path, **held_out)
    assert len(dataset.train.x) == num_train
    for split, expected in splits.items():
        rows = getattr(dataset, split)
        assert rows.x.shape == expected.x.shape and rows.x.dtype == expected.x.dtype, split
        # JPEG keeps the grey of a face of one colour to within one level.
        assert np.abs(rows.x.astype(float) - expected.x).max() <= (1 if name == "celeba" else 0), split
        if expected.y is None:
            assert rows.y == (), split
        elif expected.y.dtype.kind == "U":
            assert [dataset.classes[label] for label in rows.y] == expected.y.tolist(), split
        else:
            assert (rows.y == expected.y).all(), split
    assert dataset.scale == (1 if name in ("binarized_mnist", "dsprites", "omniglot_28") else 255)
    assert dataset.location is not None and dataset.location.folder == str(tmp_path)


@pytest.mark.parametrize("name", KNOWN)
def test_files_cut_in_the_middle_and_web_pages_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    write_known(name, tmp_path)
    for file in KNOWN[name].files:
        path = tmp_path / file.name
        content = path.read_bytes()
        for broken in (content[: len(content) // 2 + 3], b"<!DOCTYPE html><html>Sign in</html>", b""):
            path.write_bytes(broken)
            # The half of a text file is a shorter one, which only the checksum of the download can refuse.
            if file.name.endswith(".txt") and broken == content[: len(content) // 2 + 3]:
                continue
            assert str(path) in complaint(read, name, tmp_path), broken[:20]
        path.write_bytes(content)


def test_every_entry_is_complete() -> None:
    assert set(KNOWN) == set(NAMED) - {"digits"} and set(SIZED) <= set(KNOWN)
    for name, data in KNOWN.items():
        assert data.name == name and all([data.title, data.splits, data.licence, data.citation])
        assert re.search(r"\((19|20)\d\d\)", data.citation), name
        assert len({file.name for file in data.files}) == len(data.files)
        for file in data.files:
            assert re.fullmatch("sha256:[0-9a-f]{64}|git:[0-9a-f]{40}", file.checksum), file
            assert file.size is not None or name == "omniglot_28"
            assert file.urls and all(url.startswith(("https://", "http://")) for url in file.urls)
            assert "drive" in file.urls[0] or all(url.endswith(f"/{file.name}") for url in file.urls)
    checksums = [file.checksum for data in KNOWN.values() for file in data.files]
    assert len(set(checksums)) == len(checksums)


def test_checksums_are_those_of_tensorflow_datasets() -> None:
    """The table of an independent library that is installed anyway."""
    import tensorflow_datasets

    root = Path(tensorflow_datasets.__file__).parent
    tables = [*root.glob("url_checksums/*.txt"), *root.glob("datasets/*/checksums.tsv")]
    lines = [line.split("\t") for table in tables for line in table.read_text().splitlines()]
    theirs = {(line[2], int(line[1])) for line in lines if len(line) >= 3}
    ours = [file for data in KNOWN.values() for file in data.files if file.checksum.startswith("sha256:")]
    assert [file.name for file in ours if (file.checksum.partition(":")[2], file.size) not in theirs] == []
    assert len(ours) == 24


def test_the_files_at_hand_have_these_checksums(real_data: Path) -> None:
    from jaxae.data.downloads.checksum import difference

    for name in ("mnist", "fashion_mnist"):
        for file in KNOWN[name].files:
            assert difference(real_data / name / file.name, file.checksum) == ""
