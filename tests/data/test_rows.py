"""Warnings about rows in another unit than the data's, without a model."""

from typing import Any

import numpy as np
import pytest

from jaxae.data import Dataset, DataSpec, from_arrays
from jaxae.data.rows import as_seen, in_model_unit, warn_of_values, with_scale
from tests.data.files import bytes_of

GREY = bytes_of((60, 4, 4, 1)) / 255
COUNTS = {"num_validation": 9, "num_test": 9}


def warned(x: Any, dataset: Dataset, binarize: str, capsys: pytest.CaptureFixture[str]) -> str:
    given = with_scale(x, dataset)
    warn_of_values(given, in_model_unit(given), dataset, binarize != "none")
    return capsys.readouterr().err


def test_grey_training_rows_of_a_binarised_run_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Floats as well, of which an array alone cannot say so; means of pixels from a model are no mistake."""
    data = DataSpec(binarize="dynamic", **COUNTS)
    dataset = from_arrays(GREY, None, data)
    stored = dataset.train.x
    for rows in (stored, stored[5:9], stored[..., None, 0]):
        assert "are grey, but this run's rows are binarised" in warned(rows, dataset, "dynamic", capsys)
    for rows in (dataset.test.x, stored + 0, as_seen(dataset, "train", data).x):
        assert warned(rows, dataset, "dynamic", capsys) == ""
    plain = from_arrays(GREY, None, DataSpec(**COUNTS))
    assert warned(plain.train.x, plain, "none", capsys) == ""


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-3.0, 5.0), (0.0, 255.0), (1e-6, 2e-6), (7.0, 7.0)])
def test_half_of_the_span_is_free_on_either_side(
    low: float, high: float, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = from_arrays(np.linspace(low, high, 240).reshape(60, 4), None, DataSpec(**COUNTS))
    width = (high - low) or 2 * high
    for outside, is_warned in ((0.49, False), (0.51, True)):
        for rows in ([[low - outside * width] * 4], [[high + outside * width] * 4]):
            assert bool(warned(np.array(rows), dataset, "none", capsys)) == is_warned


def test_a_table_of_integers_has_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    counts = np.arange(240).reshape(60, 4)
    dataset = from_arrays(counts, None, DataSpec(**COUNTS))
    for dtype in (np.int64, np.uint8, np.float32):
        assert (in_model_unit(with_scale(counts.astype(dtype), dataset)) == counts).all()
        assert warned(counts.astype(dtype), dataset, "none", capsys) == ""
    assert warned(counts[:1] % 2, dataset, "none", capsys) == ""  # zeros and ones are counts as well
    assert "multiply by 239" in warned(counts / 239, dataset, "none", capsys)
