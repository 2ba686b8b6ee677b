"""Pages in a browser: no error, no request, and everything that a reader can touch does what it says."""

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxae.plots import pages
from jaxae.reports import blocks, charts, render
from jaxae.reports.codes import codes
from tests.browser import PHONE, Watched
from tests.reports import making

pytestmark = pytest.mark.slow


@pytest.fixture
def watched(chromium: Any) -> Iterator[Watched]:
    page = Watched(chromium)
    yield page
    page.close()
    assert page.errors == [] and page.outside == []


def num_charts(page: Any) -> int:
    return page.locator(".chart svg, .chart canvas").count()


@pytest.mark.parametrize("name", ["run_page", "sweep_page", "comparison_page"])
@pytest.mark.parametrize("size", [(1280, 900), PHONE])
def test_pages_open_without_errors_and_fit(
    name: str, size: tuple[int, int], chromium: Any, request: pytest.FixtureRequest
) -> None:
    watched = Watched(chromium, size)
    page = watched.open(request.getfixturevalue(name))
    assert num_charts(page) >= 2
    # Nothing is wider than the window: tables and formulas scroll inside their own boxes.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("window.hacked === undefined")
    watched.close()
    assert watched.errors == [] and watched.outside == []


def test_hover_over_a_code_shows_its_image(watched: Watched, run_page: Path) -> None:
    page = watched.open(run_page)
    dot = page.locator("[aria-labelledby=codes] .chart path[aria-roledescription=circle]").first
    dot.scroll_into_view_if_needed()
    dot.hover(force=True)
    image = page.locator("#vg-tooltip-element img")
    image.wait_for(state="visible")
    source = image.get_attribute("src")
    assert base64.b64decode(source.partition(",")[2]).startswith(b"\x89PNG")


def test_hostile_labels_are_texts_in_legend_and_tooltip(watched: Watched, tmp_path: Path) -> None:
    result = making.labelled()
    computed = pages.compute(result)
    assert computed is not None
    found = codes(result, computed)
    chart = blocks.Chart("codes", "codes", charts.codes("x0", "y0", found.names[0], found.num_labels))
    page = blocks.Page("labels", [], "", [blocks.Section("Codes", [chart])], {"codes": found.rows})
    (tmp_path / "page.html").write_text(render.html(page), encoding="utf-8")
    tab = watched.open(tmp_path / "page.html")
    dot = tab.locator(".chart path[aria-roledescription=circle]").first
    dot.hover(force=True)
    tip = tab.locator("#vg-tooltip-element")
    tip.locator("img").wait_for(state="visible")
    assert "<script>" in tip.inner_text() and tip.locator("script").count() == 0
    assert tab.evaluate("window.hacked === undefined")


def test_the_table_sorts_and_filters_and_charts_follow(watched: Watched, sweep_page: Path) -> None:
    page = watched.open(sweep_page)
    table = page.locator("table[data-page-rows]")
    heads = table.locator("thead th")
    place = heads.all_inner_texts().index("seed")
    column = table.locator(f"tbody tr td:nth-child({place + 1})")

    def seeds_after_click(first: str) -> list[str]:
        page.wait_for_timeout(300)  # two clicks at once are one double click
        heads.nth(place).click()
        script = "([n, first]) => document.querySelector(`tbody tr td:nth-child(${n})`).innerText === first"
        page.wait_for_function(script.replace("tbody", "table[data-page-rows] tbody"), arg=[place + 1, first])
        return column.all_inner_texts()

    ascending, descending = seeds_after_click("0"), seeds_after_click("1")
    assert len(ascending) == 10 and ascending == sorted(ascending, key=int)
    assert descending == sorted(descending, key=int, reverse=True)
    page.locator("input[type=search]").fill("diverged")
    page.wait_for_function("document.querySelector('.dt-info').innerText.includes(' 6 entries')")
    signal = "(view) => { try { return view.signal('chosen') } catch { return 0 } }"
    chosen = page.evaluate(f"[...jaxaeViews.values()].map({signal}).find(Boolean)")
    assert len(chosen) == 6


def test_a_part_of_an_axis_chooses_runs_everywhere(watched: Watched, sweep_page: Path) -> None:
    page = watched.open(sweep_page)
    chart = page.locator(".wide .chart").first
    chart.scroll_into_view_if_needed()
    box = chart.locator("svg.marks").bounding_box()
    assert box is not None
    # Around the upper end of the first axis.
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.45, steps=5)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.dt-info').innerText.includes('filtered from 12')")
    rows = page.evaluate("JSON.parse(document.getElementById('data').textContent).parallel")
    # The axes are in the order of the rows of one run; only the largest value lies in the upper half.
    upper = {row["run"] for row in rows if row["axis"] == rows[0]["axis"] and row["place"] > 0.5}
    signal = "(view) => { try { return view.signal('chosen') } catch { return 0 } }"
    chosen = page.evaluate(f"[...jaxaeViews.values()].map({signal}).find(Boolean)")
    assert set(chosen) == upper and 0 < len(upper) < 12
    assert f"of {len(upper)} entries" in page.locator(".dt-info").inner_text()


def test_keys_and_a_screen_reader_reach_everything(watched: Watched, sweep_page: Path) -> None:
    page = watched.open(sweep_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    # Charts and images have a text, headings do not leave out a level.
    assert page.evaluate(
        "[...document.querySelectorAll('.chart')].every((e) => e.getAttribute('aria-label'))"
    )
    assert page.evaluate("[...document.querySelectorAll('img')].every((e) => e.alt)")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((e) => +e.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert page.evaluate("[...document.querySelectorAll('button')].every((e) => e.innerText || e.ariaLabel)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast_in_both_themes(scheme: str, chromium: Any, run_page: Path) -> None:
    watched = Watched(chromium, color_scheme=scheme)
    page = watched.open(run_page)
    ratios = page.evaluate(
        """() => {
          const parse = (c) => c.match(/[\\d.]+/g).map(Number);
          const light = (c) => { const [r, g, b] = parse(c).map((v) => { v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
            return 0.2126*r + 0.7152*g + 0.0722*b };
          const back = (e) => { for (; e; e = e.parentElement) {
            const c = getComputedStyle(e).backgroundColor;
            if (parse(c)[3] !== 0) return c } return 'rgb(255,255,255)' };
          const texts = 'h1,h2,h3,p,td,th,dt,dd,figcaption,li,caption,summary,footer';
          return [...document.querySelectorAll(texts)].map((e) => {
            const [a, b] = [light(getComputedStyle(e).color), light(back(e))].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05) });
        }"""
    )
    # WCAG 2.2, success criterion 1.4.3.
    assert min(ratios) >= 4.5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    watched.close()
    assert watched.errors == []


def test_a_copied_command_is_that_of_the_page(watched: Watched, run_page: Path) -> None:
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = watched.open(run_page)
    box = page.locator(".command").first
    box.locator("button").click()
    page.wait_for_function("document.querySelector('.command button').innerText !== 'copy'")
    assert box.locator("button").inner_text() in ("copied", "selected")
