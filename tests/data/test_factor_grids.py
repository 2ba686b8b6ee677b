import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from jaxae.data import DataSpec, load
from jaxae.data.row_source import CHUNK_BYTES
from jaxae.data.sources import factor_grids, hdf5
from jaxae.data.true_factors import sample_factors
from tests.data.files import complaint
from tests.data.known_files import write_dsprites, write_shapes3d


def ask(name: str, folder: Path) -> DataSpec:
    return DataSpec(name=name, folder=str(folder), num_validation=2, num_test=3)


@pytest.mark.parametrize("is_dense", [True, False])
def test_rows_are_read_in_any_order(tmp_path: Path, is_dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x = write_dsprites(tmp_path)["train"].x[..., 0]
    # Slabs of 3 rows, or single rows: scattered rows of a large file.
    monkeypatch.setattr(hdf5, "CHUNK_BYTES", 3 * 64 * 64 if is_dense else 1)
    source = factor_grids.read_factors("dsprites", str(tmp_path)).x
    for indices in ([], [59], [5, 4, 4, 58, 0, 59], np.random.RandomState(0).permutation(60)):
        assert (source.take(np.array(indices, int)) == x[np.array(indices, int)]).all()
    assert CHUNK_BYTES > 1000


def test_fewer_images_are_part_of_more_and_keep_their_labels(tmp_path: Path) -> None:
    x = write_dsprites(tmp_path)["train"].x
    few, more = (load(ask(f"dsprites:{num}", tmp_path)) for num in (10, 30))
    parts = [{bytes(row) for part in (d.train, d.validation, d.test) for row in part.x} for d in (few, more)]
    assert len(parts[0]) == 10 and parts[0] < parts[1]
    shape_of = {bytes(row): number // 20 for number, row in enumerate(x)}
    assert [shape_of[bytes(row)] for row in few.train.x] == few.train.y.tolist()
    assert few.classes == ("square", "ellipse", "heart") and few.span == (0, 1)


def test_factors_are_those_of_the_rows(tmp_path: Path) -> None:
    x = write_dsprites(tmp_path)["train"].x
    sample = sample_factors(ask("dsprites:7", tmp_path), num=25, seed=3)
    assert sample is not None and len(sample.x) == 25
    # Colour and the positions are constant in this small grid.
    assert sample.names == ("shape", "scale", "orientation")
    number_of = {bytes(row): number for number, row in enumerate(x)}
    rows = [number_of[bytes(row)] for row in sample.x]
    assert (sample.factors == np.stack(np.unravel_index(rows, (3, 2, 10)), axis=1)).all()


def test_real_factors_become_numbers_of_levels(tmp_path: Path) -> None:
    write_shapes3d(tmp_path)
    factors = factor_grids.read_factors("shapes3d", str(tmp_path))
    levels = factors.values.take(np.arange(60))
    assert factors.names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert levels.max(axis=0).tolist() == [9, 9, 9, 4, 3, 14]
    assert (levels[:, 5] == np.arange(60) % 15).all()


@pytest.mark.parametrize("num", ["0", "61", "x"])
def test_a_wrong_number_is_refused(tmp_path: Path, num: str) -> None:
    write_dsprites(tmp_path)
    said = complaint(load, ask(f"dsprites:{num}", tmp_path))
    assert "expected dsprites or dsprites:NUM, NUM from 1 to 60" in said


def test_other_hdf5_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "3dshapes.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((4, 32, 32, 3), np.uint8)
    assert f"{path}: holds no labels" in complaint(load, ask("shapes3d", tmp_path))
    with h5py.File(path, "a") as file:
        file["labels"] = np.zeros((4, 6))
    assert "expected 64x64" in complaint(load, ask("shapes3d", tmp_path))


def test_without_h5py_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dsprites(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'jaxae[hdf5]'" in complaint(load, ask("dsprites", tmp_path))
