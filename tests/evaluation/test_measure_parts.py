"""Measures one by one: a number, or a reason; no measure stops another."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.errors import JaxaeError, NotApplicable
from jaxae.evaluation import attempts, measure_groups
from jaxae.evaluation.attempts import Measured, Part, part
from jaxae.evaluation.subject import Row, mean_row, resampled_row
from jaxae.runs import directory
from tests import small


def row(name: str, value: float) -> Row:
    return Row(name, value, None, "unit", 3, "how")


def raising(error: Exception) -> Any:
    def function() -> Row:
        raise error

    return function


def warning() -> Row:
    warnings.warn("did not\nconverge", UserWarning, stacklevel=1)
    return row("warns", 2.0)


def group() -> Iterator[Part]:
    yield part("first second", lambda: [row("first", 1.0), row("second", float("nan"))])
    yield part("refused", raising(JaxaeError("got 1, expected 2")))
    yield part("inapplicable", raising(NotApplicable("no labels")))
    yield part("locked", raising(directory.Held("another process")))
    yield part("broken other", raising(ValueError("a\nb")))
    yield part("warns", warning)
    raise NotApplicable("no more of them")


def test_each_measure_has_a_number_or_a_reason() -> None:
    measured = Measured()
    attempts.add(measured, "g", group())
    assert [each.measure for each in measured["g"]] == ["first", "warns"]
    assert measured.absent == {
        "g.second": "the value is nan",
        "g.refused": "got 1, expected 2",
        "g.inapplicable": "no labels",
        "g": "no more of them",
    }
    assert attempts.described(measured.failed) == {
        "g.locked": "Held: another process",
        "g.broken": "ValueError: a b",
        "g.other": "ValueError: a b",
    }
    assert measured.warned == {"g.warns": "did not converge"}
    assert measure_groups.failures(measured)[1] == "g.broken, g.other: failed with ValueError: a b"


def test_a_group_without_rows_is_no_key() -> None:
    measured = Measured()
    attempts.add(measured, "g", iter([part("only", raising(NotApplicable("no labels")))]))
    assert dict(measured) == {} and measured.absent == {"g.only": "no labels"}


@pytest.mark.parametrize("num", [2, 3, 9, 10])
def test_few_rows_are_left_out_one_by_one(num: int) -> None:
    """The jackknife of a mean that leaves out single rows is the standard error of the mean."""
    values = np.random.RandomState(0).randn(num)
    found = resampled_row("m", np.mean, (values,), "u", "how")
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(num), rel=1e-12)
    assert found.how == f"how; error: jackknife of {num} groups"


def test_one_row_has_no_standard_error() -> None:
    for found in (resampled_row("m", np.mean, ([2.0],), "u", "how"), mean_row("m", [2.0], "u", "how")):
        assert found == Row("m", 2.0, None, "u", 1, "how")


def test_labels_of_one_class_nine_rows_and_one_unit_leave_all_that_applies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = jaxae.DataSpec(num_validation=0, num_test=9)
    autoencoder = jaxae.AE(**small.NETS, latent_dim=1)
    experiment = jaxae.Experiment(data=data, model=autoencoder, epochs=1, batch_size=10)
    result = jaxae.fit(experiment, small.images(), np.zeros(90, int))
    measured = measure_groups.measure(result, "health,codes,generation,exact")
    assert capsys.readouterr().err == "" and measured.failed == {} and measured.warned == {}
    found = {each.measure: each for rows in measured.values() for each in rows}
    assert all(np.isfinite(each.value) for each in found.values())
    assert found["frechet_mixture"].how.endswith("error: jackknife of 9 groups")
    assert "principal components" in found["frechet_train"].how, "without two classes there is no classifier"
    assert found["precision_at_10"].value == 1 and "squared_error_4_bits" in found
    assert "lifetime_sparsity" in found and "trustworthiness" not in found
    assert measured.absent["health.population_sparsity"] == "units of the code: got 1, expected 2 or more"
    assert measured.absent["codes.probe_error"] == "classes of the training rows: got 1, expected 2 or more"
    assert measured.absent["codes.trustworthiness"] == "measured rows: got 9, expected 30 or more"
    assert "exact" not in measured and "has no" in measured.absent["exact"]


@pytest.mark.slow
@pytest.mark.parametrize("num", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["AE", "VAE with Gaussian", "VQVAE", "L1SparseAE", "KLSparseAE"])
def test_tiny_splits_have_numbers_or_reasons(name: str, num: int, tmp_path: Path) -> None:
    data = jaxae.DataSpec(num_validation=0, num_test=num)
    experiment = jaxae.Experiment(data=data, model=small.member(name), epochs=1, batch_size=10)
    result = jaxae.fit(experiment, small.images(), small.labels(90))
    quick = {"num_samples": 30, "num_slow": 2, "num_chains": 2, "num_temperatures": 3}
    measured = measure_groups.measure(result, "all", **quick)
    assert measured.failed == {} and measured.warned == {}
    for each in (each for rows in measured.values() for each in rows):
        assert np.isfinite(each.value), each
        assert each.standard_error is None or np.isfinite(each.standard_error), each
