"""Pages of docs/ that are made from the code are those of the code."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from jaxae import protocols
from jaxae.specs.pytree import is_protocol

DOCS = Path(__file__).parents[1] / "docs"


def script(name: str) -> Any:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    return script("capabilities").page()


def test_the_table_of_capabilities_is_that_of_the_docstrings(page: str) -> None:
    assert (DOCS / "capabilities.md").read_text() == page, "run: python docs/capabilities.py"


def test_every_protocol_stands_in_the_table_with_what_it_gives(page: str) -> None:
    rows = [line.replace("\\|", "/").split("|") for line in page.splitlines() if line.startswith("| `")]
    assert all(len(row) == 5 and all(cell.strip() for cell in row[1:4]) for row in rows)
    names = [row[1].split("`")[1] for row in rows]
    assert sorted(names) == sorted(name for name, value in vars(protocols).items() if is_protocol(value))
