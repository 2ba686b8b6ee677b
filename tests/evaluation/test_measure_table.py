"""Rows as text: digits that the error allows, a cell for each run, nothing where nothing applies."""

import csv
import io

import pytest

from jaxae.evaluation import measure_table
from jaxae.evaluation.attempts import Measured
from jaxae.evaluation.subject import Row

MEASURED = {
    "first": Measured({"health": [Row("units", 10.0, None, "units", 3, "length")], "likelihood": []}),
    "second": Measured(
        {
            "health": [Row("units", 5.0, None, "units", 3, "length")],
            "likelihood": [Row("elbo", -91.2345, 0.0123, "nats", 3, "16 draws, fresh")],
        }
    ),
}


@pytest.mark.parametrize(
    "value, error, told",
    [
        (-91.2345, 0.0123, "-91.234 ± 0.012"),
        (1234.5, 12.0, "1234 ± 12"),
        (0.5, None, "0.5"),
        (0.12345678, None, "0.1235"),
        (1.0, 0.0, "1"),
        (float("nan"), 0.1, "nan"),
        (2.0, float("nan"), "2"),
        (3.463843171854529, 3e-16, "3.464"),
    ],
)
def test_the_value_has_the_digits_that_its_error_allows(value: float, error: float | None, told: str) -> None:
    assert measure_table.plus_minus(Row("m", value, error, "u", 1, "how")) == told


def test_what_does_not_apply_is_an_empty_cell_and_no_line() -> None:
    assert "| elbo | nats |  | -91.234 ± 0.012 |" in measure_table.as_markdown(MEASURED)
    lines = measure_table.as_lines(MEASURED)
    assert lines[0].split() == ["likelihood", "first", "second"] and lines[3].split()[0] == "health"
    text = measure_table.as_csv(MEASURED, {"first": "AE", "second": "VAE"}, "test")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["run"], row["measure"]) for row in rows] == [
        ("first", "units"),
        ("second", "units"),
        ("second", "elbo"),
    ]
    assert float(rows[-1]["value"]) == -91.2345 and rows[-1]["how"] == "16 draws, fresh"
    assert rows[0]["standard_error"] == ""


def test_what_does_not_apply_is_a_line_for_each_reason() -> None:
    one, other = Measured(), Measured()
    one.absent = {"exact": "no q", "codes.probe_error": "no labels", "codes.nmi_mixture": "no labels"}
    other.absent = {"exact": "no q"}
    assert measure_table.absences({"one": one, "other": other}) == [
        "exact: no q",
        "codes: probe_error, nmi_mixture: no labels (one)",
    ]
    assert measure_table.absences({"one": one})[1] == "codes: probe_error, nmi_mixture: no labels"
    assert measure_table.as_json(one)["absent"] == one.absent
