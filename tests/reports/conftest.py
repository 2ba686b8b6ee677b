"""Runs, a sweep and their pages, made once for the tests of this folder."""

from pathlib import Path

import pytest

import jaxae
from tests.reports import making


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs: one with hostile notes, one that is plain."""
    folder = tmp_path_factory.mktemp("runs")
    hostile = making.run(
        folder / "a",
        name=making.HOSTILE.replace("\u202e", "").replace("\u200f", "")[:100],
        note=making.HOSTILE + making.LONG[:9_000],
        tags=["<b>tag</b>"],
    )
    return hostile, making.run(folder / "b", seed=1, epochs=4)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of six settings and two seeds, half of which diverges."""
    return making.sweep(tmp_path_factory.mktemp("sweep") / "s")


@pytest.fixture(scope="session")
def run_page(runs: tuple[Path, Path]) -> Path:
    """The page of the hostile run."""
    return jaxae.report(runs[0])


@pytest.fixture(scope="session")
def sweep_page(swept: Path) -> Path:
    """The page of the sweep."""
    return jaxae.report(swept)


@pytest.fixture(scope="session")
def comparison_page(runs: tuple[Path, Path]) -> Path:
    """The page of both runs."""
    return jaxae.report(*runs, output=runs[0].parent / "both.html")
