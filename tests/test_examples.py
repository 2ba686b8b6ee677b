"""The examples in docstrings give what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "jaxae"
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if ">>>" in file.read_text()
)


# These examples train a model; README's does so with every suite.
TRAINING = {
    "jaxae",
    "jaxae.runs.api",
    "jaxae.runs.result",
    "jaxae.runs.opening",
    "jaxae.evaluation.measure_groups",
    "jaxae.exports.export_run",
    "jaxae.protocols.tracker",
    "jaxae.sklearn",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in TRAINING else ()) for name in MODULES]
)
def test_the_examples_of_a_module(name: str) -> None:
    module = importlib.import_module(name)
    assert any(each.examples for each in doctest.DocTestFinder().find(module))
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
