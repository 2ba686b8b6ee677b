"""Figures of measures name what they show: values, rates, labels and corners."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxae.evaluation import measure_figures
from jaxae.evaluation.health_measures import rate_per_dimension
from jaxae.evaluation.subject import Settings
from jaxae.plots import pictures
from jaxae.types import Examples

FILE = Path("figure.png")
CODES = np.random.RandomState(0).normal(size=(40, 3)).astype(np.float32) * [1.0, 3.0, 2.0]
LABELS = np.arange(40, dtype=np.int32) % 4


class Subject(SimpleNamespace):
    """What the figures need of a subject. An image is its code: the first pixels are the dimensions."""

    def decode(self, codes: np.ndarray, y: Any = None) -> np.ndarray:
        images = np.zeros((len(codes), 4, 4, 1))
        images[:, 0, : codes.shape[1], 0] = codes
        return images


def subject(rates: np.ndarray | None = None, classes: tuple[str, ...] = ()) -> Any:
    rows = Examples(np.zeros((40, 4, 4, 1), np.float32), LABELS, np.float32(1.0))
    return Subject(
        codes=CODES,
        train_codes=CODES,
        rows=rows,
        train=rows,
        settings=Settings(),
        is_image=True,
        is_conditional=False,
        display_range=(0.0, 1.0),
        result=SimpleNamespace(run=SimpleNamespace(dataset=SimpleNamespace(classes=classes))),
        cache={rate_per_dimension.__wrapped__: rates},  # type: ignore[attr-defined]
    )


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments of `pictures.beside` and `pictures.image_grid` after the path."""
    given: list[Any] = []
    for name in ("beside", "image_grid"):
        monkeypatch.setattr(pictures, name, lambda path, *arguments: given.append(arguments))
    return given


def test_traversals_name_the_range_and_the_rate_of_a_dimension(shown: list[Any]) -> None:
    assert measure_figures._plot_traversals(subject(np.array([0.5, 0.01, 1.25])), FILE)
    ((strips, names, title, _),) = shown
    low, high = np.quantile(CODES[:, 2], [0.05, 0.95])
    assert names[0] == f"z3: {low:.2g} to {high:.2g}, 1.2 nats" and names[2].startswith("z2: ")
    np.testing.assert_allclose(strips[0][[0, -1], 0, 2, 0], [low, high], rtol=1e-5)
    assert title == "one unit moved through 90 % of the test codes; nats: rate of the dimension"


def test_without_rates_the_dimensions_that_vary_most_come_first(shown: list[Any]) -> None:
    assert measure_figures._plot_traversals(subject(), FILE)
    ((_, names, title, _),) = shown
    assert [name.partition(":")[0] for name in names] == ["z2", "z3", "z1"]
    assert "nats" not in title + "".join(names)


def test_attributes_lead_to_every_other_label(shown: list[Any]) -> None:
    assert measure_figures._plot_attributes(subject(classes=("cat", "dog", "owl")), FILE)
    ((strips, names, title, _, columns),) = shown
    assert names == ["to dog", "to owl", "to 3"] and title.startswith("from label cat, ")
    assert columns == ["-0.5", "-0.25", "0", "0.25", "0.5", "0.75", "1", "1.25", "1.5"]
    start, step = CODES[0], CODES[LABELS == 2].mean(axis=0) - CODES[LABELS == 0].mean(axis=0)
    np.testing.assert_allclose(strips[1][2, 0, :3, 0], start, rtol=1e-5)
    np.testing.assert_allclose(strips[1][-1, 0, :3, 0], start + 1.5 * step, rtol=1e-5)


def test_corners_of_analogies_are_marked(shown: list[Any]) -> None:
    assert measure_figures._plot_analogies(subject(), FILE)
    ((images, columns, _, _, corners),) = shown
    codes = images[:, 0, :3, 0]
    a, b, c, d = (codes[number] for number in corners)
    assert list(corners.values()) == ["a", "b", "c", "d"] and columns == 7
    np.testing.assert_allclose(a, CODES[0], rtol=1e-6)  # rows 0 and 4 have one label, row 1 another one
    np.testing.assert_allclose([b, c, d], [CODES[4], CODES[1], CODES[1] + CODES[4] - CODES[0]], rtol=1e-5)
