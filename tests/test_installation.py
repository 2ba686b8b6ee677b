"""The scripts of `.ci` find a wheel with wrong files and a package without a pin, and end in time."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / ".ci"


@pytest.fixture(scope="module")
def environments() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module("environments")


@pytest.fixture
def wheel(environments: Any) -> dict[str, int]:
    """The sizes of the files that a wheel of this tree has."""
    distributions = sys.modules["distributions"]
    lines = distributions.mistakes_in_wheel({})
    assert len(lines) > 300 and all(line.startswith("missing in the wheel: jaxae/") for line in lines)
    return {line.partition(": ")[2]: 1 for line in lines}


def test_a_wheel_with_all_files_has_no_mistake(environments: Any, wheel: dict[str, int]) -> None:
    assert {"jaxae/py.typed", "jaxae/_configs/vae_digits.py", "jaxae/reports/assets/page.js"} <= set(wheel)
    assert sys.modules["distributions"].mistakes_in_wheel(wheel) == []


@pytest.mark.parametrize("name", ["jaxae/py.typed", "jaxae/_configs/vae_digits.py", "jaxae/cli/main.py"])
def test_a_missing_file_is_named(name: str, environments: Any, wheel: dict[str, int]) -> None:
    del wheel[name]
    assert sys.modules["distributions"].mistakes_in_wheel(wheel) == [f"missing in the wheel: {name}"]


def test_tests_and_large_files_are_named(environments: Any, wheel: dict[str, int]) -> None:
    wheel |= {"tests/small.py": 1, "jaxae/cli/main.py": 1_000_000}
    assert sys.modules["distributions"].mistakes_in_wheel(wheel) == [
        "in the wheel: tests/small.py",
        "larger than 100000 bytes: jaxae/cli/main.py",
    ]


def test_a_package_without_a_pin_is_named(environments: Any, tmp_path: Path) -> None:
    resolved = tmp_path / "pins.txt"
    resolved.write_text("jax==0.12.0.1\nScikit_Learn==1.9.1\n")
    environments.check_pins(resolved)
    resolved.write_text("jax==0.12.0.1\nleft-pad==1.0\n")
    with pytest.raises(environments.Failure, match=r"^constraints\.txt does not pin left-pad$"):
        environments.check_pins(resolved)


def test_without_time_an_environment_is_one_line(
    environments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(environments, "UNTIL", environments.time.time() + environments.LEAST - 1)
    assert not environments.report("lowest-3.11", "no uv", tmp_path / "no.whl", tmp_path)
    assert capsys.readouterr().out == "lowest-3.11: skipped, no time is left\n"


def test_an_environment_that_is_impossible_or_fails_is_one_line(
    environments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A missing interpreter is no failure, a command that fails is one. Nothing is left of either."""
    assert not environments.report("lowest-3.2", "no uv", tmp_path / "no.whl", tmp_path / "here")
    assert capsys.readouterr().out.startswith("lowest-3.2: skipped, no Python 3.2 (")
    version = f"lowest-{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci/interpreter").write_text(f"#!/bin/sh\necho {sys.executable}\n")
    (tmp_path / ".ci/interpreter").chmod(0o755)
    assert environments.report(version, "false", tmp_path / "no.whl", tmp_path / "here")
    assert capsys.readouterr().out.startswith(f"{version}: failed\nfalse pip compile")
    assert list((tmp_path / "here").iterdir()) == []


def test_an_unknown_environment_is_one_line() -> None:
    command = [sys.executable, str(SCRIPTS / "environments.py"), "newest-2.7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(
        "no environment newest-2.7; the names are lowest-3.11"
    )
    assert done.stderr.count("\n") == 1
