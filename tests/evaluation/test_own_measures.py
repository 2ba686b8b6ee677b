"""Measures that a user has written, on a stand-in for a subject: what they may return, and each mistake."""

import types
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae.errors import JaxaeError, NotApplicable
from jaxae.evaluation import measure_groups
from jaxae.evaluation.attempts import Measured, add
from jaxae.evaluation.own_measures import draw
from jaxae.evaluation.subject import Row
from jaxae.protocols import Autoencoder, JointDensity

SUBJECT: Any = types.SimpleNamespace(
    model=jaxae.AE(),
    member="AE",
    rows=types.SimpleNamespace(x=np.zeros((7, 2))),
    result=types.SimpleNamespace(experiment=jaxae.Experiment()),
)
ROW = Row("own", 2.0, 0.5, "bits", 3, "counted")


def spread(subject: Any) -> Any:
    """Spread of the codes.

    In no unit.
    """
    return jnp.float32(0.5)


class Clusters:
    """Clusters of codes."""

    requires: tuple[type, ...] = (Autoencoder,)

    def __init__(self, result: Any = 1, name: str = "Clusters") -> None:
        self.result, self.name = result, name

    def rows(self, subject: Any) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def plot(self, subject: Any, path: Path) -> None:
        path.write_text(self.name)


class Density(Clusters):
    requires = (JointDensity,)


class NeedsArguments:
    def __init__(self, number: int) -> None:
        pass

    def rows(self, subject: Any) -> int:
        return 1


def measured(*measures: Any) -> Measured:
    """The rows of measures, added as `jaxae.measure` adds them."""
    found = Measured()
    for name, group in measure_groups.select(measures).items():
        add(found, name, group(SUBJECT))
    return found


@pytest.mark.parametrize(
    "result, rows",
    [
        (1, [("Clusters", 1.0, None)]),
        (np.float64(0.25), [("Clusters", 0.25, None)]),
        ((0.5, 0.1), [("Clusters", 0.5, 0.1)]),
        ({"a": 1.0, "b": (2.0, jnp.float32(0.25))}, [("a", 1.0, None), ("b", 2.0, 0.25)]),
        (ROW, [("own", 2.0, 0.5)]),
        ([ROW, ROW._replace(measure="other")], [("own", 2.0, 0.5), ("other", 2.0, 0.5)]),
    ],
)
def test_what_a_measure_may_return(result: Any, rows: list[Any]) -> None:
    found = measured(Clusters(result))["Clusters"]
    assert [(row.measure, row.value, row.standard_error) for row in found] == rows
    assert ROW in found or (found[0].num, found[0].how) == (7, "Clusters of codes.")


def test_a_function_and_a_class_are_measures_in_the_given_order() -> None:
    found = measured(Clusters, spread)
    assert list(found) == ["Clusters", "spread"]
    assert found["spread"] == [Row("spread", 0.5, None, "", 7, "Spread of the codes.")]


def test_a_measure_that_fails_or_does_not_apply_loses_no_other() -> None:
    found = measured(
        Clusters(ValueError("no\nclusters"), "fails"),
        Density(name="density"),
        Clusters(NotApplicable("no labels"), "refuses"),
        Clusters("text", "text"),
        Clusters(float("nan"), "nan"),
        spread,
    )
    assert list(found) == ["spread"]
    assert str(found.failed["fails.fails"]) == "no\nclusters"
    assert "expected a number, a pair" in str(found.failed["text.text"])
    assert found.absent["density"].startswith("AE is no JointDensity: it has no ")
    assert found.absent["refuses.refuses"] == "no labels"
    assert found.absent["nan.nan"] == "the value is nan"


def test_a_figure_is_drawn_of_a_measure_with_values(tmp_path: Path) -> None:
    groups = measure_groups.select(["health", spread, Clusters(name="one"), Clusters(name="two")])
    found = Measured({"one": [ROW]})
    assert draw(SUBJECT, groups, tmp_path, found) == [tmp_path / "one.png"]
    assert (tmp_path / "one.png").read_text() == "one" and not found.failed


@pytest.mark.parametrize(
    "measures, message",
    [
        (["spread"], "measures: unknown group 'spread'; "),
        ([spread, spread], "measures: 'spread' is given twice; give the measure another `name`"),
        ([Clusters(name="health")], "measures: 'health' is the name of a group of jaxae"),
        ([Clusters(name="failed")], "measures: 'failed' is reserved"),
        ([Clusters(name="a b")], "measures: 'a b' is no name of letters, digits and _"),
        ([3], "measures: got an object of int, expected a name, a function of a subject"),
        ([dict], "measures: got an object of dict"),
        ([NeedsArguments], "measures: NeedsArguments needs arguments"),
    ],
)
def test_a_mistake_is_one_line(measures: list[Any], message: str) -> None:
    with pytest.raises(JaxaeError) as raised:
        measure_groups.select(measures)
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)
