"""Every kind of result gets its figures."""

from pathlib import Path

import pytest

import jaxae
from jaxae.report.pages import draw
from tests import small

FIGURES = {"curves.png", "codes.png", "reconstructions.png"}


@pytest.mark.parametrize("name", ["AE", "VAE", "VAE, conditional", "Stacked"])
def test_figures_of(name: str, tmp_path: Path) -> None:
    experiment = small.experiment(small.member(name), epochs=1)
    result = jaxae.fit(experiment, small.images(), small.labels(90))
    drawn = {path.name for path in draw(result, tmp_path / "figures")}
    assert drawn == FIGURES | ({"samples.png"} if name.startswith("VAE") else set())
    assert all((tmp_path / "figures" / figure).read_bytes().startswith(b"\x89PNG") for figure in drawn)
