"""Runs that several tests look at; none of them writes to their directories."""

from pathlib import Path

import pytest

import jaxae
from jaxae.runs.result import Result
from tests.tokens import making


@pytest.fixture(scope="package")
def vq(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A tokenizer."""
    return making.tokenizer(tmp_path_factory.mktemp("tokenizer") / "vq")


@pytest.fixture(scope="package")
def vq_path(vq: Result) -> Path:
    """Where it lies."""
    assert vq.run.path is not None
    return vq.run.path


@pytest.fixture(scope="package")
def prior(vq_path: Path) -> Result:
    """A prior over its tokens, told labels."""
    return jaxae.fit(
        making.experiment(vq_path, condition=jaxae.tokens.Labels()), run_dir=vq_path.parent / "prior"
    )
