"""A small config, the command line called in this process, and one finished run to copy."""

import shutil
from pathlib import Path

import pytest

from tests.cli.calling import CONFIG, Called, call


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`small.py` lies in the working directory, which is a new one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text(CONFIG)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Called]:
    """A run of `small.py` to its end, and what was printed; not to be written to."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "small.py").write_text(CONFIG)
        called = call("train", "small.py", "--run-dir", "run")
    assert called.code == 0, called
    return folder / "run", called


@pytest.fixture
def run(trained: tuple[Path, Called], tmp_path: Path) -> Path:
    """A finished run in the working directory, by its relative name."""
    shutil.copytree(trained[0], tmp_path / "run")
    return Path("run")
