import jax
import numpy as np
import pytest

from jaxae import keys
from jaxae.data import Dataset, DataSpec, binarize, from_arrays
from jaxae.types import Examples
from tests.data.files import bytes_of, complaint

GREY = bytes_of((600, 6, 5))


def load(mode: str, x: np.ndarray = GREY, **changes: object) -> Dataset:
    return from_arrays(
        x, np.arange(len(x)), DataSpec(binarize=mode, **{"num_validation": 200, "num_test": 100} | changes)
    )  # type: ignore[arg-type]


def grey_of(part: Examples) -> np.ndarray:
    """The grey rows that a part was made of, found by their labels."""
    return GREY[part.y][..., None].astype(np.float64) / 255


def parts(dataset: Dataset) -> dict[str, Examples]:
    return {name: getattr(dataset, name) for name in ("train", "validation", "test")}


def is_binary(part: Examples) -> bool:
    """Whether x / scale, which the model sees, is exactly 0 and 1; from bytes or from floats."""
    return part.x.dtype == np.uint8 and set(np.unique(part.x / part.scale)) == {0.0, 1.0}


def test_threshold_is_exact() -> None:
    for part in parts(load("threshold")).values():
        assert is_binary(part) and part.scale == 255
        assert (part.x == 255 * (grey_of(part) >= 0.5)).all()
    halves = np.array([[0.0, 0.49999997], [0.5, 1.0]] * 3, np.float32)
    x = from_arrays(halves, None, DataSpec(binarize="threshold", num_validation=0, num_test=0)).train.x
    assert (x[:2] == [[0, 0], [1, 1]]).all()


def test_static_draws_every_split_and_dynamic_leaves_training_rows_grey() -> None:
    static, dynamic = parts(load("static")), parts(load("dynamic"))
    assert all(is_binary(part) for part in static.values())
    assert load("static").scale == load("dynamic").scale == 255.0
    assert {float(part.scale) for part in (*static.values(), *dynamic.values())} == {255.0}
    assert load("static").span == load("dynamic").span == load("threshold").span == (0.0, 1.0)
    assert (dynamic["train"].x[..., 0] == GREY[dynamic["train"].y]).all() and dynamic["train"].scale == 255
    for name in ("validation", "test"):
        assert is_binary(dynamic[name]) and (dynamic[name].x == static[name].x).all()


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_draws_have_the_frequency_of_the_grey_value(name: str) -> None:
    part = parts(load("static"))[name]
    probs = grey_of(part)
    x = part.x / 255
    error = (x - probs).sum() / np.sqrt((probs * (1 - probs)).sum())
    assert abs(error) < 5
    weighted = ((x - probs) * (probs - 0.5)).sum() / np.sqrt((probs * (1 - probs) * (probs - 0.5) ** 2).sum())
    assert abs(weighted) < 5
    for axis in (0, 1, 2):  # no row, line or column that all share their draws
        assert (x - probs).mean(axis=axis).std() > 0.3 / np.sqrt(part.x.shape[axis])


def test_draws_are_fixed_and_differ_by_seed_split_and_row() -> None:
    first, second, other = load("static"), load("static"), load("static", split_seed=1)
    assert all((parts(first)[name].x == parts(second)[name].x).all() for name in parts(first))
    grey = Examples(np.full((3, 40, 40), 128, np.uint8), (), np.float32(255))
    root = keys.root(0)
    draws = [binarize.draw(keys.named(root, f"binarize/{name}"), grey).x for name in ("train", "test")]
    rows = [*draws[0], *draws[1], *binarize.draw(keys.named(keys.root(1), "binarize/train"), grey).x]
    same = [np.mean(a == b) for i, a in enumerate(rows) for b in rows[:i]]
    assert min(same) > 0.4 and max(same) < 0.6
    assert first.hash == other.hash == load("none").hash


def test_draws_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load("static").train.x
    monkeypatch.setattr(binarize, "CHUNK_ROWS", 7)
    assert (load("static").train.x == whole).all()


def test_a_draw_is_that_of_the_named_key() -> None:
    part = parts(load("static"))["test"]
    key = jax.random.fold_in(keys.named(keys.root(0), "binarize/test"), 5)
    p = (GREY[part.y[5]] / np.float32(255)).astype(np.float32)[..., None]
    assert (part.x[5] == 255 * np.asarray(jax.random.bernoulli(key, p))).all()


def test_certain_pixels_are_kept() -> None:
    binary = bytes_of((600, 6, 5), high=2)
    for mode in ("static", "dynamic", "threshold"):
        for part in parts(load(mode, binary)).values():
            assert (part.x[..., 0] == binary[part.y]).all() and part.scale == 1


def test_empty_splits() -> None:
    dataset = load("dynamic", num_validation=0, num_test=0)
    assert dataset.validation.x.shape == (0, 6, 5, 1) and dataset.validation.x.dtype == np.uint8


@pytest.mark.parametrize("mode", ["dynamic", "static", "threshold"])
@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.9), (0.0, 1.5)])
def test_values_that_are_no_probabilities(mode: str, low: float, high: float) -> None:
    x = np.linspace(low, high, 600 * 4).reshape(600, 4)
    assert (
        complaint(load, mode, x)
        == f"arrays: values from {low:g} to {high:g} cannot be binarised: expected 0 to 1"
    )


def test_floats_in_the_unit_interval_are_drawn() -> None:
    x = np.random.RandomState(0).rand(600, 4)
    dataset = load("dynamic", x)
    assert dataset.train.x.dtype == np.float32 and is_binary(dataset.test)
