import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxae.data import DataSpec, from_arrays
from jaxae.data.splits import draw_rows
from tests.data.files import bytes_of, complaint

X, Y = np.arange(60, dtype=np.uint8).reshape(60, 1).repeat(2, 1), np.arange(60)


def rows(**changes: int) -> dict[str, list[int]]:
    dataset = from_arrays(X, Y, DataSpec(**{"num_validation": 7, "num_test": 11} | changes))  # type: ignore[arg-type]
    parts = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    assert all((part.x[:, 0] == part.y).all() for part in parts.values())
    return {name: part.y.tolist() for name, part in parts.items()}


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_every_row_is_in_one_split(num_rows: int, num_validation: int, num_test: int, seed: int) -> None:
    if num_validation + num_test >= num_rows:
        assert f"leave none of the {num_rows} rows for training" in complaint(
            draw_rows, num_rows, num_validation, num_test, seed
        )
        return
    drawn = draw_rows(num_rows, num_validation, num_test, seed)
    assert (len(drawn["validation"]), len(drawn["test"])) == (num_validation, num_test)
    assert sorted(np.concatenate(list(drawn.values()))) == list(range(num_rows))
    assert all((np.diff(some) > 0).all() for some in drawn.values())


def test_rows_and_their_labels_stay_together_in_their_order() -> None:
    drawn = rows()
    assert [len(some) for some in drawn.values()] == [42, 7, 11]
    assert all(some == sorted(some) for some in drawn.values())


def test_the_draw_is_the_frozen_stream_of_numpy() -> None:
    order = np.random.RandomState(3).permutation(60)
    assert rows(split_seed=3)["test"] == sorted(order[:11].tolist())
    assert rows(split_seed=3)["validation"] == sorted(order[11:18].tolist())


def test_the_seed_decides_and_test_rows_do_not_depend_on_validation() -> None:
    assert rows() == rows() and rows(split_seed=1)["test"] != rows()["test"]
    assert rows(num_validation=0)["test"] == rows(num_validation=20)["test"] == rows()["test"]


def test_empty_splits_keep_the_shape() -> None:
    dataset = from_arrays(X, Y, DataSpec(num_validation=0, num_test=0))
    assert dataset.train.y.tolist() == list(range(60))
    for part in (dataset.validation, dataset.test):
        assert part.x.shape == (0, 2) and part.x.dtype == np.uint8 and part.y.shape == (0,)
    assert from_arrays(bytes_of((1, 3)), None, DataSpec(num_validation=0, num_test=0)).train.x.shape == (1, 3)


@pytest.mark.parametrize("num_validation", [60, 49])
def test_nothing_left_to_train_on(num_validation: int) -> None:
    said = complaint(from_arrays, X, Y, DataSpec(num_validation=num_validation, num_test=11))
    assert said.startswith(f"num_validation {num_validation} and num_test 11 leave none of the 60 rows")
