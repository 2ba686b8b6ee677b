"""The files of a sweep's tables, to the byte."""

import csv
import io
import math
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxae.runs import seals
from jaxae.sweeps.store import Options, Store, to_csv
from jaxae.sweeps.tables.run_table import sorted_rows, swept_columns, write_tables

FILES = ("results.csv", "results.jsonl", "summary.csv")


def test_tables_are_those_that_an_older_version_wrote(tmp_path: Path) -> None:
    """From the rows of its groups: a sweep of commit 01ae936, whose columns have today's names."""
    with tarfile.open(Path(__file__).parents[2] / "old_runs_01ae936.tar.xz") as archive:
        members = [each for each in archive.getmembers() if each.name.startswith("sweep-whole/")]
        archive.extractall(tmp_path, [m for m in members if "/kept/" not in m.name], filter="data")
    folder = tmp_path / "sweep-whole"
    before = {name: (folder / name).read_bytes().replace(b"autoencoder", b"model") for name in FILES}
    for name, text in before.items():  # the column of the class of the data, which has another name as well
        before[name] = text.replace(b",Data,", b",DataSpec,").replace(
            b'"data": "Data"', b'"data": "DataSpec"'
        )
    for name in FILES:
        (folder / name).unlink()
    write_tables(Store(folder), Options(**seals.read(folder / "sweep.json")["options"]))
    assert {name: (folder / name).read_bytes() for name in FILES} == before


NAN = math.nan
VALUES = [1, 1.0, -0.0, 1e-7, 1e22, 0.1 + 0.2, 2**60, True, None, NAN, math.inf, np.float64(0.5)]
TEXTS = ["", "a", "a, b", 'say "so"', "two\nlines", " spaces ", "ü", "nan", "None"]
CELLS: list[Any] = VALUES + TEXTS


def by_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The table by Python's own csv, from which numbers that are not finite are left out."""
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: value for name, value in row.items() if value not in (math.inf, NAN)})
    return text.getvalue()


def test_a_csv_is_that_of_pythons_csv() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        names = [f"c{number}" for number in range(random.integers(2, 9))]
        rows = [
            {name: CELLS[random.integers(len(CELLS))] for name in names[: random.integers(2, 9)]}
            for _ in range(random.integers(1, 9))
        ]
        assert to_csv(rows) == by_csv(rows)


class Rows:
    """A store with rows and without a directory."""

    def __init__(self, rows: list[dict[str, Any]], swept: list[str]) -> None:
        self.swept, self.rows = swept, lambda: rows


def test_rows_are_sorted_by_setting_as_first_met_then_by_seed() -> None:
    told = [(None, 1), ("b", 3), (None, 0), ("a", 2), ("b", 0), ("a", 1)]
    rows: Any = [{"net": net, "seed": seed} for net, seed in told]
    found = [(row["net"], row["seed"]) for row in sorted_rows(Rows(rows, ["net"]))]  # type: ignore[arg-type]
    assert found == [(None, 0), (None, 1), ("b", 0), ("b", 3), ("a", 1), ("a", 2)]


@pytest.mark.parametrize("codes, expected", [(["x", "x"], ["net"]), (["x", "y"], ["net", "code"])])
def test_runs_of_one_setting_with_other_code_are_another_setting(codes: list, expected: list) -> None:
    rows = [{"net": "MLP", "seed": seed, "code": code} for seed, code in enumerate(codes)]
    assert swept_columns(["net"], rows) == expected
    assert swept_columns(["net"], [{**row, "net": row["code"]} for row in rows]) == ["net"]


def test_what_differs_inside_a_part_is_a_column_of_its_own() -> None:
    rows = [{"net": "MLP", "net.width": 1, "net.depth": 2}, {"net": "MLP", "net.width": 3, "net.depth": 2}]
    assert swept_columns(["net"], [*rows, {"net": "Conv", "net.size": 3}]) == ["net", "net.width"]
