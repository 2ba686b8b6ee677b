"""What pages say, read from their HTML and from the blocks that they are made of."""

import dataclasses
import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.reports import blocks, comparison_page, render, run_page, sweep_page, texts
from jaxae.runs import directory
from tests.cli.calling import call
from tests.reports import making


class Outline(html.parser.HTMLParser):
    """The tags of a page, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.hidden = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.text += data


def outline(page: Path) -> Outline:
    return Outline(page.read_text(encoding="utf-8"))


def every(page: blocks.Page) -> list[Any]:
    """All blocks of a page, those inside of folded ones too."""

    def inside(found: Any) -> list[Any]:
        return [
            part
            for block in found
            for part in [block, *(inside(block.blocks) if isinstance(block, blocks.Folded) else [])]
        ]

    return inside([block for section in page.sections for block in section.blocks])


def titles(page: blocks.Page) -> list[str]:
    return [section.title for section in page.sections if section.blocks]


def test_a_run_page_has_its_numbers_with_units_and_errors(runs: tuple[Path, Path]) -> None:
    page, scores = run_page.page_of(runs[1]), directory.read_scores(runs[1])
    assert {"Scores", "Curves", "Codes", "Pictures", "Setting", "How to run it again"} <= set(titles(page))
    table = next(block for block in every(page) if isinstance(block, blocks.Table))
    elbo = next(row for row in table.rows if row[0] == "elbo")
    test, error = scores["test"]["elbo"], scores["test"]["elbo_standard_error"]
    shown, shown_error = map(float, elbo[2].split(" ± "))
    assert shown == pytest.approx(test, abs=error / 10) and shown_error == pytest.approx(error, rel=0.1)
    assert elbo[3:] == ["nats", "higher"]
    # Every term and score of the file has a row.
    assert {row[0] for row in table.rows} == {
        name for name in scores["test"] if not name.endswith("_standard_error")
    }


def test_curves_hold_all_epochs_of_all_terms(runs: tuple[Path, Path]) -> None:
    page = run_page.page_of(runs[1])
    history = directory.read_history(runs[1], 4)
    charts = next(section for section in page.sections if section.title == "Curves").blocks
    for number, chart in enumerate(charts):
        assert isinstance(chart, blocks.Chart)
        drawn = {
            (row["series"], row["epoch"]): row["value"]
            for row in page.data["history"]
            if row["term"] == number
        }
        for line in history:
            assert drawn["train", line["epoch"]] == pytest.approx(line["train"][chart.title], rel=1e-6)


def test_codes_have_images_labels_and_all_planes(runs: tuple[Path, Path]) -> None:
    page, result = run_page.page_of(runs[1]), jaxae.load(runs[1])
    rows = sorted(page.data["codes"], key=lambda row: row["row"])
    codes = result.encode(result.test)
    assert [row["label"] for row in rows] == [result.run.dataset.classes[label] for label in result.test.y]
    assert [row["x0"] for row in rows] == pytest.approx(codes[:, 0].tolist(), abs=1e-3)
    assert all(row["image"].startswith("data:image/png;base64,") for row in rows)


def test_the_setting_names_what_differs_from_the_defaults_first(runs: tuple[Path, Path]) -> None:
    experiment = jaxae.load(runs[1]).experiment
    changed = dict(texts.changed(experiment))
    assert changed["model.latent_dim"] == "2" and changed["epochs"] == "4"
    assert changed["data.num_test"] == "100" and "optimizer.learning_rate" not in changed
    assert texts.changed(jaxae.Experiment()) == []
    other = dataclasses.replace(jaxae.Experiment(), optimizer=jaxae.SGD())
    assert ("optimizer", "SGD") in texts.changed(other)


def test_a_run_without_its_data_says_so(runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: Any, **options: Any) -> None:
        raise jaxae.JaxaeError("data.name: rows.npy: no such file")

    monkeypatch.setattr("jaxae.runs.opening.load", gone)
    page = run_page.page_of(runs[1])
    (block,) = next(section for section in page.sections if section.title == "Codes").blocks
    assert isinstance(block, blocks.Text) and "rows.npy: no such file" in block.text


def test_a_sweep_page_counts_runs_and_failures(swept: Path) -> None:
    page, results = sweep_page.page_of(swept), jaxae.load_sweep(swept)
    assert "12 runs of 6 settings" in page.lines[1] and "6 without a score" in page.lines[1]
    assert sum(row["failed"] for row in page.data["runs"]) == 6
    notices = next(block for block in every(page) if isinstance(block, blocks.Notices))
    assert notices.items[0][0] == "problem" and "6 of 12 runs failed" in notices.items[0][1]
    # The best setting of the table is that of the summary.
    table = next(block for block in every(page) if isinstance(block, blocks.Table))
    best = results.summary.loc[results.summary["rank"] == 1].iloc[0]
    assert table.rows[0][1] == str(best["model.beta"]) and table.rows[0][0] == "1"
    mean, ends = table.rows[0][3].split(" ", 1)
    assert float(mean) == pytest.approx(best["validation.elbo"], rel=0.01)
    low, high = json.loads(ends)
    assert low == pytest.approx(best["validation.elbo_low"], rel=0.05, abs=0.5) and low < float(mean) < high


def test_means_of_a_chart_are_those_of_the_summary(swept: Path) -> None:
    page, results = sweep_page.page_of(swept), jaxae.load_sweep(swept)
    summary = results.summary
    for row in page.data["means_h0"]:
        known = summary[(summary["model.beta"] == row["x"]) & summary["validation.elbo"].notna()].iloc[0]
        assert row["mean"] == pytest.approx(known["validation.elbo"], rel=1e-5)
        assert row["low"] == pytest.approx(known["validation.elbo_low"], rel=1e-5)
        assert row["n"] == 2


def test_cells_of_the_heat_map_are_means_and_failures(swept: Path) -> None:
    page, rows = sweep_page.page_of(swept), jaxae.load_sweep(swept).rows
    assert len(page.data["cells"]) == 6
    for cell in page.data["cells"]:
        values = {cell["a"], cell["b"]}
        own = [
            row for row in rows if {f"{row['model.beta']:g}", f"{row['optimizer.learning_rate']:g}"} == values
        ]
        scores = [row["validation.elbo"] for row in own if row["status"] == "finished"]
        assert (cell["n"], cell["failed"]) == (len(scores), len(own) - len(scores))
        if scores:
            assert cell["mean"] == pytest.approx(sum(scores) / len(scores), rel=1e-5)


def test_a_comparison_has_differences_scores_and_the_same_rows(runs: tuple[Path, Path]) -> None:
    page = comparison_page.page_of([str(run) for run in runs], runs)
    tables = {block.caption: block for block in every(page) if isinstance(block, blocks.Table)}
    assert ["epochs", "3", "4"] in [list(row) for row in tables["Settings that differ"].rows]
    assert any("elbo" in row[0] for row in next(t for c, t in tables.items() if c.startswith("Means")).rows)
    assert any(c.startswith("Differences to a") for c in tables)
    pictures = [block for block in every(page) if isinstance(block, blocks.Picture)]
    assert [picture.title for picture in pictures] == ["a", "b"]
    assert {row["series"] for row in page.data["history"]} == {
        f"{run}, {split}" for run in "ab" for split in ("train", "validation")
    }


def test_pages_are_one_file_without_any_address(
    run_page: Path, sweep_page: Path, comparison_page: Path
) -> None:
    for page in (run_page, sweep_page, comparison_page):
        found = outline(page)
        assert found.tags[0][0] == "html" and dict(found.tags)["html"] == {"lang": "en"}
        for _, attributes in found.tags:
            for name in ("src", "href", "action", "srcset"):
                value = attributes.get(name) or ""
                assert value.startswith(("data:", "#", "")) and "//" not in value.partition(",")[0]
        (policy,) = (attributes for tag, attributes in found.tags if attributes.get("http-equiv"))
        assert (
            "default-src 'none'" in str(policy["content"])
            and "unsafe-inline'" not in str(policy["content"]).partition("script-src")[2]
        )


def test_hostile_texts_stay_texts(run_page: Path) -> None:
    text = run_page.read_text(encoding="utf-8")
    found = outline(run_page)
    assert making.HOSTILE in found.text and "{{7*7}}" in found.text
    # Only the page's own scripts, and no image that an onerror hangs on.
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert sum(tag == "script" for tag, _ in found.tags) == len(re.findall(r"<script", text))
    assert "<b>tag</b>" in found.text


def test_data_cannot_end_its_script() -> None:
    page = blocks.Page(
        making.HOSTILE,
        [making.HOSTILE],
        "",
        [blocks.Section("One", [blocks.Table(making.HOSTILE, [making.HOSTILE], [[making.HOSTILE]])])],
        {"runs": [{"run": making.HOSTILE, making.HOSTILE: float("nan")}]},
    )
    text = render.html(page)
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert held is not None
    assert json.loads(held[1]) == {"runs": [{"run": making.HOSTILE, making.HOSTILE: None}]}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["nothing"], "nothing: no such run"),
        (["{sweep}", "{run}"], "is a sweep, and has its own page"),
        (["{run}", "--output", "page.txt"], "expected a name that ends in .html"),
        (["{run}", "--output", "missing/page.html"], "no such directory"),
        (["{run}", "--outptu", "page.html"], "--output"),
    ],
)
def test_mistakes_are_one_line(words: list[str], part: str, runs: tuple[Path, Path], swept: Path) -> None:
    called = call("report", *(word.format(run=runs[1], sweep=swept) for word in words))
    assert called.code == 2 and part in called.err and called.err.count("\n") == 1


def test_the_command_prints_where_the_page_is(runs: tuple[Path, Path], tmp_path: Path) -> None:
    called = call("report", str(runs[1]), "--output", "page.html")
    assert called.code == 0 and called.out == "report      page.html\n"
    assert Path("page.html").stat().st_size < 4_000_000


def test_a_missing_package_is_named_before_anything_is_computed(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jaxae.reports import scripts

    scripts.assets.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "altair", None)
    called = call("report", str(runs[1]))
    scripts.assets.cache_clear()
    assert called.code == 2 and "altair is not installed; pip install 'jaxae[report]'" in called.err
