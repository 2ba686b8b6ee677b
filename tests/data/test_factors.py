from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxae.data import DataSpec, load
from jaxae.data.sources import sprites, tfds
from jaxae.data.true_factors import Factored, sample_factors
from tests.data.files import bytes_of, complaint, tensor, write_classes, write_tfds

X = bytes_of((40, 4, 5))
FACTORS = np.stack([np.arange(40) % 2, np.full(40, 7), np.arange(40) // 4 - 3], axis=1)


def known(data: DataSpec, num: int = 30, seed: int = 0) -> Factored:
    """The sample, of a data set that has factors."""
    found = sample_factors(data, num, seed)
    assert found is not None
    return found


def npz(folder: Path, **arrays: Any) -> DataSpec:
    np.savez(folder / "x.npz", **arrays)
    return DataSpec(name=str(folder / "x.npz"))


# sprites


@pytest.mark.parametrize("name", ["sprites", "sprites:50"])
def test_sprites_are_drawn_from_the_whole_grid_and_not_from_training_rows(name: str) -> None:
    found = known(DataSpec(name=name), 2000, sprites.SEED)
    assert found.names == ("shape", "scale", "orientation", "x_position", "y_position")
    assert found.factors.dtype == np.int64 and (found.x == sprites.render(found.factors)).all()
    rows = np.ravel_multi_index(tuple(found.factors.T), sprites.LEVELS)
    assert len(set(rows)) == 2000
    assert len(set(rows) & set(sprites.drawn_rows(20_000))) < 100  # 54 expected by chance


def test_every_level_of_the_grid_is_drawn_equally_often() -> None:
    factors = known(DataSpec(name="sprites:1"), 20_000).factors
    for factor, levels in zip(factors.T, sprites.LEVELS, strict=True):
        counts = np.bincount(factor, minlength=levels)
        chi_square = (counts - 20_000 / levels) ** 2 / (20_000 / levels)
        assert len(counts) == levels and chi_square.sum() < levels + 5 * np.sqrt(2 * levels)
    correlations = np.corrcoef(factors.T) - np.eye(5)
    assert np.abs(correlations).max() < 0.03


def test_a_seed_decides_and_a_larger_sample_goes_on_from_a_smaller_one() -> None:
    data = DataSpec(name="sprites")
    first, again, other, longer = (
        known(data, num, seed).factors for num, seed in ((50, 0), (50, 0), (50, 1), (90, 0))
    )
    assert (first == again).all() and (first != other).any() and (longer[:50] == first).all()


def test_a_number_of_sprites_that_is_none() -> None:
    assert "NUM from 1 to 737280" in complaint(sample_factors, DataSpec(name="sprites:0"), 10, 0)


# .npz


@pytest.mark.parametrize("dtype", [np.int64, np.int8, ">i4"])
def test_npz_rows_keep_their_factors_and_constant_ones_are_left_out(tmp_path: Path, dtype: Any) -> None:
    found = known(npz(tmp_path, x=X, factors=FACTORS.astype(dtype)))
    assert found.names == ("factor_0", "factor_2") and found.factors.dtype == np.int64
    of_image = {row.tobytes(): tuple(factors[[0, 2]]) for row, factors in zip(X, FACTORS, strict=True)}
    assert found.x.shape == (30, 4, 5, 1) and len({row.tobytes() for row in found.x}) == 30
    assert [of_image[row.tobytes()] for row in found.x] == [tuple(row) for row in found.factors]


def test_more_than_there_are_is_every_row_once(tmp_path: Path) -> None:
    found = known(npz(tmp_path, x=X, factors=FACTORS), 1000)
    assert sorted(row.tobytes() for row in found.x) == sorted(row.tobytes() for row in X)


def test_factors_change_nothing_that_is_trained_on(tmp_path: Path) -> None:
    y = FACTORS[:, 0]
    changes: dict[str, Any] = {"num_validation": 4, "num_test": 4}
    plain, more = {"x": X, "y": y}, {"x": X, "y": y, "factors": FACTORS}
    hashes = set()
    for name, content in (("plain", plain), ("more", more)):
        np.savez(tmp_path / f"{name}.npz", **content)
        hashes.add(load(DataSpec(name=str(tmp_path / f"{name}.npz"), **changes)).hash)
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (FACTORS[:39], "39 rows of factors for 40 rows of x"),
        (FACTORS / 2, "factors of dtype float64 and shape (40, 3), expected whole numbers [40, F]"),
        (FACTORS[:, 0], "shape (40,), expected whole numbers [40, F]"),
        (FACTORS[:, :0], "shape (40, 0)"),
        (FACTORS > 0, "dtype bool"),
    ],
)
def test_factors_of_an_npz_that_are_refused(tmp_path: Path, factors: np.ndarray, expected: str) -> None:
    data = npz(tmp_path, x=X, factors=factors)
    for said in (complaint(load, data), complaint(sample_factors, data, 10, 0)):
        assert said.startswith(f"{tmp_path}/x.npz: ") and expected in said


def test_factors_that_never_vary(tmp_path: Path) -> None:
    data = npz(tmp_path, x=X, factors=FACTORS[:, [1]])
    assert "no factor varies over the 20 rows drawn" in complaint(sample_factors, data, 20, 0)


# TFDS


@pytest.mark.parametrize("as_png", [False, True])
def test_labels_of_tfds_are_factors_of_the_image_beside_them(
    tmp_path: Path, as_png: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`image` says its own factors; a colour that is constant, floats and other integers are none."""
    import tensorflow_datasets as real
    from PIL import Image

    monkeypatch.setattr(tfds, "LABEL_ROWS", 7)
    features = {"image": real.features.Image(shape=(4, 5, 1)) if as_png else tensor()}
    features |= {f"label_{name}": real.features.ClassLabel(num_classes=40) for name in ("y", "x", "colour")}
    features |= {"label_size": tensor((), np.int64), "value_x": tensor((), np.float32)}
    features |= {"label_box": tensor((2,), np.int64), "number": tensor((), np.int64)}
    features["label_angle"] = tensor((), np.float32)
    rows = []
    for i in range(40):
        image = np.zeros((4, 5, 1), np.uint8)
        image[0, :3, 0] = i % 5, i // 5, 3 * i
        row = {"label_x": i % 5, "label_y": i // 5, "label_size": 3 * i, "label_colour": 1}
        row |= {
            "value_x": np.float32(i),
            "label_box": np.array([i, i]),
            "number": i,
            "label_angle": np.float32(i),
        }
        rows.append(row | {"image": Image.fromarray(image[..., 0]) if as_png else image})
    write_tfds(tmp_path, features, {"train": rows, "test": rows[:1]})
    found = known(DataSpec(name="tfds:made", folder=str(tmp_path)))
    assert found.names == ("size", "x", "y") and found.x.shape == (30, 4, 5, 1)
    assert (found.factors == found.x[:, 0, [2, 0, 1], 0]).all() and len(set(found.factors[:, 0])) == 30


@pytest.mark.parametrize("more", [("label",), ("label", "coarse_label"), ("label_only",)])
def test_tfds_data_sets_without_factors(tmp_path: Path, more: tuple[str, ...]) -> None:
    import tensorflow_datasets as real

    features = {"image": tensor()} | dict.fromkeys(more, real.features.ClassLabel(num_classes=40))
    write_tfds(tmp_path, features, {"train": [{"image": x[..., None]} | dict.fromkeys(more, 1) for x in X]})
    assert sample_factors(DataSpec(name="tfds:made", folder=str(tmp_path)), 10, 0) is None


def test_tfds_data_sets_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    import tensorflow_datasets as real

    labels = dict.fromkeys(("label_a", "label_b"), real.features.ClassLabel(num_classes=40))
    rows = [{"image": x[..., None], "label_a": i, "label_b": i} for i, x in enumerate(X)]
    place = write_tfds(tmp_path, {"image": tensor()} | labels, {"train": rows})
    data = DataSpec(name="tfds:made", folder=str(tmp_path))
    record = next(place.glob("*.array_record*"))
    record.write_bytes(bytes(len(record.read_bytes())))
    assert str(place) in complaint(sample_factors, data, 10, 0)
    assert "tfds:other: not prepared in" in complaint(
        sample_factors, DataSpec(name="tfds:other", folder=str(tmp_path)), 10, 0
    )


# others


def test_data_sets_without_factors(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    write_classes(tmp_path / "images")
    none = [
        DataSpec(),
        DataSpec(name=str(tmp_path / "x.npy")),
        DataSpec(name=str(tmp_path / "images")),
        npz(tmp_path, x=X),
    ]
    assert [sample_factors(data, 10, 0) for data in none] == [None] * 4


@pytest.mark.parametrize(("num", "seed"), [(1, 0), (0, 0), (10, -1), (10, 2**32)])
def test_samples_that_make_no_sense(num: int, seed: int) -> None:
    said = complaint(sample_factors, DataSpec(name="sprites"), num, seed)
    assert said == f"factors: got num {num} and seed {seed}, expected num >= 2 and seed from 0 to 4294967295"
