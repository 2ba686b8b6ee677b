"""Measure pages and the explorer in a browser, and take their screenshots.

    python experiments/pages/measure_pages.py [--runs 40 2000] [--drags 300]

For each page: seconds to write it, its size, seconds until charts and tables can be used, and seconds from a
word in the search box of the table to the charts that follow it. For the explorer: milliseconds from a move
of the pointer over the map to the image that belongs to it. Needs the extras `report` and `explore`, and
Chromium (`make browser`). Writes pages.json and README.md here, and the screenshots to docs/pictures. Takes
ten minutes.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import jaxae
from jaxae.runs import provenance

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PICTURES = ROOT / "docs" / "pictures"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
TALL = 2_600  # pixels of a page that a screenshot shows
# One move of the pointer after another; each waits for the image that it causes.
DRAGS = """async (num) => {
  const map = document.querySelector("[aria-label='map of the codes']");
  const image = document.querySelector("img[alt='decoded image']");
  const box = map.getBoundingClientRect(), found = [];
  for (let i = 0; i < num; i++) {
    const angle = 0.37 * i, start = performance.now();
    map.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, buttons: 1,
      clientX: box.left + box.width * (0.5 + 0.4 * Math.cos(angle)),
      clientY: box.top + box.height * (0.5 + 0.4 * Math.sin(angle))}));
    await new Promise((done) => image.addEventListener("load", done, {once: true}));
    found.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 40));
  }
  return found;
}"""


def vae(latent_dim: int = 10) -> Any:
    """Return the VAE of configs/vae_digits.py."""
    nets: dict[str, Any] = {name: jaxae.MLP(widths=(256,)) for name in ("encoder", "decoder")}
    return jaxae.VAE(**nets, latent_dim=latent_dim)


def made(folder: Path, num_runs: list[int]) -> dict[str, tuple[Path, ...]]:
    """Train two runs and the sweeps; return the sources of each page."""
    for name, latent_dim in (("first", 10), ("second", 4)):
        experiment = jaxae.Experiment(model=vae(latent_dim), epochs=50)
        jaxae.fit(experiment, run_dir=folder / name, progress=False, note="A run for a screenshot.")
    measured = [
        sys.executable,
        "-m",
        "jaxae",
        "evaluate",
        str(folder / "first"),
        "--measures",
        "likelihood,health",
    ]
    subprocess.run(measured, check=True, capture_output=True)
    sources: dict[str, tuple[Path, ...]] = {
        "run": (folder / "first",),
        "comparison": (folder / "first", folder / "second"),
    }
    for num in num_runs:
        betas = [0.25, 1.0, 2.0, 4.0]
        rates = [float(f"{value:.2g}") for value in np.geomspace(3e-4, 3e-2, max(4, num // 40 - 1))]
        # The last learning rate diverges, so that pages have failed runs.
        over = {"model.beta": betas, "optimizer.learning_rate": [*rates, 100.0]}
        small: Any = {name: jaxae.MLP(widths=(32,)) for name in ("encoder", "decoder")}
        experiment = jaxae.Experiment(model=jaxae.VAE(**small, latent_dim=4), epochs=30)
        seeds = num // (len(betas) * (len(rates) + 1))
        jaxae.sweep(
            experiment, over, seeds=seeds, run_dir=folder / f"sweep-{num}", progress=False, keep=False
        )
        sources[f"sweep of {num:,} runs"] = (folder / f"sweep-{num}",)
    return sources


def measure_page(browser: Any, page: Path) -> dict[str, float]:
    """Return the size of a page and the seconds until it can be used, the median of three openings."""
    ready, searched = [], []
    for _ in range(3):
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector("html[data-ready=true]", timeout=120_000)
        ready.append(time.perf_counter() - start)
        if tab.locator("input[type=search]").count():
            searched.append(
                tab.evaluate(
                    """async () => {
                      const box = document.querySelector("input[type=search]"), start = performance.now();
                      box.value = "diverged";
                      box.dispatchEvent(new Event("input", {bubbles: true}));
                      const isChosen = (view) => {
                        try { return view.signal("chosen"); } catch { return false; }
                      };
                      while (![...jaxaeViews.values()].some(isChosen))
                        await new Promise((done) => setTimeout(done, 5));
                      await Promise.all([...jaxaeViews.values()].map((view) => view.runAsync()));
                      return (performance.now() - start) / 1000;
                    }"""
                )
            )
        tab.close()
    found = {"MB": page.stat().st_size / 1e6, "seconds to use": float(np.median(ready))}
    return found | ({"seconds to filter": float(np.median(searched))} if searched else {})


def shoot(
    browser: Any, page: str, name: str, prepare: Any = None, wait: str = "html[data-ready=true]"
) -> None:
    """Take screenshots of a page at the width of a desktop and of a phone."""
    for size, (width, height) in SIZES.items():
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        tab.goto(page)
        tab.wait_for_selector(wait, timeout=120_000)
        if prepare:
            prepare(tab)
        tab.wait_for_timeout(500)
        whole = min(TALL, tab.evaluate("document.documentElement.scrollHeight"))
        tab.screenshot(
            path=PICTURES / f"{name}_{size}.png",
            clip={"x": 0, "y": 0, "width": width, "height": whole},
            full_page=True,
        )
        tab.close()


def served(run: Path) -> Iterator[str]:
    """Yield the address of an explorer of a run, and end it."""
    command = [sys.executable, "-m", "jaxae", "explore", str(run), "--port", "0", "--open", "False"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://localhost:\d+/", line)
    assert found, line
    try:
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def open_map(tab: Any) -> None:
    """Show the map of codes."""
    tab.get_by_role("tab", name="map").click()
    tab.locator("[aria-label='map of the codes']").wait_for()


def measure_explorer(browser: Any, run: Path, drags: int) -> dict[str, float]:
    """Return the delay of the image behind the pointer, in milliseconds."""
    for address in served(run):
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(address)
        tab.wait_for_selector("img[alt='decoded image']")
        open_map(tab)
        tab.evaluate(DRAGS, 30)
        delays = tab.evaluate(DRAGS, drags)
        tab.close()
        shoot(browser, address, "explorer", open_map, "img[alt='decoded image']")
    return {
        name: float(np.percentile(delays, share))
        for name, share in (("median", 50), ("95 %", 95), ("largest", 100))
    }


def readme(found: dict[str, Any]) -> str:
    """Return the README of the results."""
    names = list(dict.fromkeys(name for values in found["pages"].values() for name in values))
    rows = [
        " | ".join([f"| {page}", *(f"{values[name]:.2f}" if name in values else "" for name in names)]) + " |"
        for page, values in found["pages"].items()
    ]
    head = [" | ".join(["| page", *names]) + " |", "|---" * (len(names) + 1) + "|"]
    delay = found["explorer"]
    device = found["device"]
    return "\n".join(
        [
            "# Pages and the explorer, measured in a browser",
            "",
            "Written by `make pages_study`, do not edit; `pages.json` has all figures.",
            "",
            *head,
            *rows,
            "",
            "*Seconds to write*: the page of trained runs. *Seconds to use*: from the address to charts and "
            "tables that answer. *Seconds to filter*: from a word in the search box to all charts. Medians "
            "of three.",
            "",
            "The explorer of the VAE of the digits (one hidden layer of 256 units, 10 latent dimensions): "
            f"from a move of the pointer over the map to the image {delay['median']:.1f} ms (median), "
            f"{delay['95 %']:.1f} ms (95th percentile), {delay['largest']:.1f} ms (largest of "
            f"{found['drags']}).",
            "",
            f"{device['processor']}, {found['cores']} cores; {found['browser']}; "
            + ", ".join(f"{name} {found['versions'][name]}" for name in ("python", "jaxae", "jax"))
            + f"; {found['date']}; commit {found['commit']}.",
            "",
        ]
    )


def main() -> None:
    """Make the runs, measure the pages and the explorer, and write the results."""
    import os

    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[40, 2_000], help="runs of each sweep")
    parser.add_argument("--drags", type=int, default=300)
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    found: dict[str, Any] = {"pages": {}, "drags": options.drags, "cores": len(os.sched_getaffinity(0))}
    # Relative names, so that screenshots show those of a user and not a temporary folder.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        found["browser"] = f"Chromium {browser.version}"
        for name, sources in made(Path("runs"), options.runs).items():
            start = time.perf_counter()
            page = jaxae.report(*sources, output=Path(f"{name.replace(' ', '-')}.html"))
            seconds = time.perf_counter() - start
            found["pages"][name] = {"seconds to write": seconds, **measure_page(browser, page)}
            print(name, found["pages"][name], flush=True)
            if not name.startswith("sweep of") or name.startswith("sweep of 40 "):
                shoot(browser, page.resolve().as_uri(), f"{name.partition(' ')[0]}_page")
        found["explorer"] = measure_explorer(browser, Path("runs/first"), options.drags)
        print(found["explorer"])
        browser.close()
    found |= provenance.of_study(__file__)
    (HERE / "pages.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "README.md").write_text(readme(found))


def _chromium() -> str:
    import shutil

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no Chromium; `make browser` installs it")
    return path


if __name__ == "__main__":
    main()
