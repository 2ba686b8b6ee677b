"""Figures of a run for a paper: what they draw, what they say, and that they are vectors."""

from pathlib import Path

import numpy as np
import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs.result import Result


@pytest.fixture(scope="module")
def result() -> Result:
    model = jaxae.VAE(encoder=jaxae.MLP(widths=(8,)), decoder=jaxae.MLP(widths=(8,)), latent_dim=3)
    data = jaxae.DataSpec(num_validation=100, num_test=100)
    return jaxae.fit(jaxae.Experiment(data=data, model=model, epochs=3), progress=False)


def test_curves_draw_the_terms_that_are_asked_for(result: Result) -> None:
    plot = jaxae.plots.curves(result, ["loss", "rate"], size=(3.0, 2.0))
    assert [axes.get_title() for axes in plot.figure.axes] == ["loss", "rate"]
    assert list(plot.figure.get_size_inches()) == [6.0, 2.0]
    for axes, name in zip(plot.figure.axes, ("loss", "rate"), strict=True):
        drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
        assert drawn["train"] == [line["train"][name] for line in result.history]
        assert drawn["validation"] == [line["validation"][name] for line in result.history]
    assert "1,597 training rows" in plot.caption and "100 validation rows" in plot.caption
    assert "seed 0" in plot.caption
    with pytest.raises(JaxaeError, match="terms: the run has no 'rats'; did you mean 'rate'"):
        jaxae.plots.curves(result, "rats")


def test_codes_say_how_they_came_into_the_plane(result: Result) -> None:
    plot = jaxae.plots.codes(result)
    assert "100 held-out rows, 3 dimensions projected by PCA" in plot.caption
    (dots,) = plot.figure.axes[0].collections
    assert len(dots.get_offsets()) == 100
    assert "first principal component" in plot.figure.axes[0].get_xlabel()


def test_images_are_as_wide_as_a_column_and_say_what_they_are(result: Result) -> None:
    plot = jaxae.plots.reconstructions(result, 10)
    numbers = [float(text.get_text()) for text in plot.figure.axes[0].texts]
    assert len(numbers) == 10 and numbers == sorted(numbers)
    assert "the first 10 held-out rows" in plot.caption
    assert plot.figure.get_size_inches()[0] == pytest.approx(3.35, abs=0.4)
    drawn = jaxae.plots.samples(result, 7, seed=3)
    assert "7 draws from the prior with seed 3" in drawn.caption and "not selected" in drawn.caption
    with pytest.raises(JaxaeError, match="num: got 0, expected 1 to 36"):
        jaxae.plots.reconstructions(result, 0)


def test_plots_are_written_as_vectors_and_other_names_are_refused(result: Result, tmp_path: Path) -> None:
    plot = jaxae.plots.codes(result)
    plot.save(tmp_path / "codes.pdf")
    plot.save(tmp_path / "codes.svg")
    assert (tmp_path / "codes.pdf").read_bytes().startswith(b"%PDF")
    assert "<path" in (tmp_path / "codes.svg").read_text()
    with pytest.raises(JaxaeError, match="expected a suffix of"):
        plot.save(tmp_path / "codes.doc")
    assert plot._repr_png_().startswith(b"\x89PNG")


def test_a_model_without_a_prior_or_images_says_so() -> None:
    x = np.random.default_rng(0).random((100, 6), np.float32)
    model = jaxae.AE(encoder=jaxae.MLP(widths=(4,)), decoder=jaxae.MLP(widths=(4,)), latent_dim=2)
    rows = jaxae.fit(jaxae.Experiment(model=model, epochs=1, batch_size=10), x=x, progress=False)
    with pytest.raises(JaxaeError, match="no prior"):
        jaxae.plots.samples(rows)
    with pytest.raises(JaxaeError, match=r"rows of shape \(6,\) are no images"):
        jaxae.plots.reconstructions(rows)


def test_figures_of_sweeps_have_captions(tmp_path: Path) -> None:
    model = jaxae.VAE(encoder=jaxae.MLP(widths=(4,)), decoder=jaxae.MLP(widths=(4,)), latent_dim=2)
    experiment = jaxae.Experiment(data=jaxae.DataSpec(num_test=100), model=model, epochs=2)
    results = jaxae.sweep(
        experiment, {"model.beta": [1.0, 2.0]}, seeds=2, run_dir=tmp_path / "s", progress=False
    )
    assert "dots: 4 runs; diamonds: means of 2 settings" in results.plot_rates().caption
    assert "a line for each of 4 runs" in results.plot_curves().caption
    (axes,) = results.plot_curves().figure.axes
    histories = results.histories(4).values()
    assert sorted(line.get_ydata()[-1] for line in axes.lines) == sorted(
        lines[-1]["validation"]["loss"] for lines in histories
    )
