"""`jaxae evaluate RUN ... --measures`: one table of several runs, and what is refused before any work."""

import csv
import io
import shutil
import sys
from pathlib import Path

import pytest

from jaxae.estimators import code_health
from jaxae.evaluation import measure_groups
from jaxae.runs import directory, seals
from tests.cli.calling import call, contents

QUICK = ("--num_rows", "40", "--num_samples", "5")


def rate_of(rows: list[dict[str, str]]) -> float:
    """The rate that the table tells."""
    return float(next(row["value"] for row in rows if row["measure"] == "rate"))


def test_two_runs_are_measured_into_one_table(run: Path) -> None:
    shutil.copytree(run, "other")
    called = call("evaluate", "run", "other", "--measures", "likelihood,health", "--table", "all.csv", *QUICK)
    assert called.code == 0, called.err
    lines = called.out.splitlines()
    head = next(line for line in lines if line.startswith("likelihood"))
    assert head.split() == ["likelihood", "run", "other"]
    rows = list(csv.DictReader(io.StringIO(Path("all.csv").read_text())))
    assert {row["run"] for row in rows} == {"run", "other"} and {row["member"] for row in rows} == {"VAE"}
    elbo = [row for row in rows if row["measure"] == "elbo"]
    assert elbo[0]["value"] == elbo[1]["value"] and elbo[0]["num"] == "40" and elbo[0]["split"] == "test"
    written = seals.read(run / "measures.json")
    assert written["settings"]["num_samples"] == 5
    assert {row["measure"] for row in written["likelihood"]} == {
        row["measure"] for row in rows if row["group"] == "likelihood"
    }
    assert sum(written["vectors"]["rate_per_dimension"]) == pytest.approx(rate_of(rows), rel=1e-3)
    assert (run / "figures" / "rates.png").read_bytes().startswith(b"\x89PNG")


def test_a_score_and_the_measure_of_its_name_are_one_number(run: Path) -> None:
    """To the last digit: elbo in scores.json, in measures.json and -(distortion + rate)."""
    assert call("evaluate", "run", "--measures", "likelihood,reconstruction").code == 0
    written = seals.read(run / "measures.json")
    rows = {row["measure"]: row for name in ("likelihood", "reconstruction") for row in written[name]}
    scores = seals.read(run / "scores.json")
    names = {name for name in scores["test"] if not name.endswith("_standard_error")}
    assert names == names & set(rows) and "iwelbo_64_pareto_k" in names
    for name in names:
        assert rows[name]["value"] == scores["test"][name], name
        assert rows[name]["standard_error"] == scores["test"].get(f"{name}_standard_error"), name
        assert rows[name]["unit"] == scores["units"][name]
        assert rows[name]["how"].startswith(scores["how"][name])
    test = scores["test"]
    assert test["elbo"] == rows["elbo"]["value"] == -(test["distortion"] + test["rate"])


@pytest.mark.slow
def test_it_draws_what_a_code_of_two_units_has(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)  # an extra, and slow to import
    called = call("evaluate", "run", "--measures", "generation,projection,codes", "--table", "t.md", *QUICK)
    assert called.code == 0, called.err
    drawn = {path.stem for path in (run / "figures").iterdir()}
    assert drawn >= {"draws", "interpolations", "traversals", "manifold", "analogies", "attributes"}
    assert drawn >= {"projections", "retrieval", "spectrum"}
    table = Path("t.md").read_text()
    assert "## generation" in table and "## codes" in table and "frechet_prior" in table and "±" in table


def test_importance_sampling_that_is_not_to_be_believed_is_said(run: Path) -> None:
    called = call("evaluate", "run", "--measures", "likelihood", "--num_samples", "60", "--num_rows", "100")
    share = next(line for line in called.out.splitlines() if line.startswith("iwelbo_60_unreliable")).split()[
        2
    ]
    assert ("not reliable" in called.err) == (float(share) > 0)


def test_a_measure_that_fails_is_one_line_and_stops_no_other(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, "other")

    def fail(codes: object) -> None:
        raise ValueError("of one\nclass")

    monkeypatch.setattr(code_health, "active_dimensions", fail)
    called = call("evaluate", "run", "other", "--measures", "health", "--table", "all.csv", *QUICK)
    assert called.code == 1 and called.err.count("\n") == 2, called
    line = "health: units, active_dimensions: failed with ValueError: of one class"
    assert f"jaxae: other: {line.replace('health: ', 'health.').replace(', ', ', health.', 1)}" in called.err
    rows = list(csv.DictReader(io.StringIO(Path("all.csv").read_text())))
    assert {row["run"] for row in rows if row["measure"] == "information"} == {"run", "other"}
    written = seals.read(run / "measures.json")
    assert written["failed"]["health.units"] == "ValueError: of one class" and written["pending"] == []
    assert 'raise ValueError("of one' in (run / "log.txt").read_text(), "the traceback"


def test_what_was_measured_before_the_end_is_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(subject: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(measure_groups.GROUPS, "reconstruction", stop)
    called = call("evaluate", "run", "--measures", "health,reconstruction,codes", *QUICK)
    assert called.code == 130
    written = seals.read(run / "measures.json")
    assert written["health"] and written["pending"] == ["reconstruction", "codes"]


def test_what_does_not_apply_is_a_line_with_its_reason(run: Path) -> None:
    called = call("evaluate", "run", "--measures", "disentanglement", "--table", "t.md", *QUICK)
    assert called.code == 0 and called.err == ""
    assert called.out.split("\n")[-2] == "absent: disentanglement: the factors of the data are not known"
    written = seals.read(run / "measures.json")
    assert written["absent"] == {"disentanglement": "the factors of the data are not known"}
    assert "- disentanglement: the factors of the data are not known" in Path("t.md").read_text()


def test_a_run_that_another_process_writes_to_costs_only_itself(run: Path) -> None:
    shutil.copytree(run, "other")
    with directory.lock(run):
        called = call("evaluate", "run", "other", "--measures", "health", "--table", "all.csv", *QUICK)
    assert called.code == 2 and called.err.startswith("jaxae: run: another process")
    assert called.err.count("\n") == 1
    rows = list(csv.DictReader(io.StringIO(Path("all.csv").read_text())))
    assert "other" in {row["run"] for row in rows}


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--measures", "helth"], "measures: unknown group 'helth'; did you mean 'health'"),
        (
            ["--measures", "health", "--table", "t.txt"],
            "--table t.txt: expected a name that ends in .csv or .md",
        ),
        (["--measures", "health", "--table", "no/t.csv"], "--table no/t.csv: no such directory /"),
        (["--table", "t.csv"], "--table: needs --measures, the measures that the table shows"),
        (["--measures", "health", "--split", "dev"], "dev"),
        (["--measures", "health", "--num_points", "10"], "num_points: got 10, expected an odd number"),
        (["nowhere", "--measures", "health"], "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(arguments: list[str], told: str, run: Path) -> None:
    before = contents(Path())
    called = call("evaluate", "run", *arguments)
    assert called.code == 2 and called.err.count("\n") == 1 and told in called.err, called
    assert contents(Path()) == before


OWN = """\
import jaxae


def spread(subject):
    '''Standard deviation of the codes.'''
    return subject.codes.std()


def broken(subject):
    return 1 / 0


class Clusters:
    requires = (jaxae.protocols.Autoencoder,)

    def rows(self, subject):
        return {"classes": len(set(subject.rows.y.tolist())), "latents": subject.codes.shape[1]}

    def plot(self, subject, path):
        path.write_text("figure")
"""


def test_measures_of_a_config_stand_next_to_those_of_jaxae(run: Path) -> None:
    Path("own.py").write_text(OWN)
    called = call(
        *("evaluate", "run", "--config", "own.py", "--table", "all.csv"),
        *("--measures", "health,Clusters", "broken", "spread", "--num_rows", "40"),
    )
    assert called.code == 1 and called.err.count("\n") == 1
    assert "broken.broken: failed with ZeroDivisionError: division by zero" in called.err
    rows = list(csv.DictReader(io.StringIO(Path("all.csv").read_text())))
    assert list(dict.fromkeys(row["group"] for row in rows)) == ["health", "Clusters", "spread"]
    values = {row["measure"]: (row["value"], row["num"], row["how"]) for row in rows}
    assert values["classes"][0] == "10.0" and values["latents"][0] == "2.0"
    assert values["spread"][1:] == ("40", "Standard deviation of the codes.")
    written = seals.read(run / "measures.json")
    assert written["Clusters"][0]["value"] == 10.0 and written["failed"].keys() == {"broken.broken"}
    assert (run / "figures" / "Clusters.png").read_text() == "figure"
    called = call("evaluate", "run", "--config", "own.py", "--measures", "spraed")
    assert called.code == 2 and called.err.startswith("jaxae: measures: unknown group 'spraed'")
    assert call("evaluate", "run", "--measures").err == (
        "jaxae: --measures: a value is missing, expected all or names of measures\n"
    )
