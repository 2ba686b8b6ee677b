"""README stays true: each block of code in it runs, and prints what README shows."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jaxae.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```\n+```\n(.*?)```", TEXT, re.S)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines() if line]
SWEEP = re.findall(r"```\n(beta .*?)```", TEXT, re.S)
NUMBER = re.compile(r"-?\d+\.\d+")


def test_the_block_of_python_prints_what_readme_shows(tmp_path: Path) -> None:
    ((code, shown),) = PYTHON
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert NUMBER.sub("#", done.stdout) == NUMBER.sub("#", shown)
    # Other versions of jax round otherwise, and 30 epochs make more of it.
    printed, expected = ([float(each) for each in NUMBER.findall(text)] for text in (done.stdout, shown))
    assert printed == pytest.approx(expected, abs=0.5)


@pytest.mark.slow
@pytest.mark.timeout(900)  # all of them, on both cores
def test_commands_run_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(SHELL) >= 4
    for line in SHELL:
        program, *arguments = shlex.split(line)
        assert program == "jaxae"
        assert run(arguments) == 0, line
        printed = capfd.readouterr()
        messages = printed.err.splitlines()
        assert all(each.endswith("their iwelbo is not reliable") for each in messages), line
    (shown,) = SWEEP
    heads = shown.splitlines()[0].split()
    assert all(name in printed.out for name in heads)
    assert len(re.findall(r"^\S+ +\d+ +3 ", printed.out, re.M)) == len(shown.splitlines()) - 1


def test_everything_that_readme_names_is_there() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / name).exists(), name
    places = re.findall(r"`((?:jaxae|configs|experiments|tests)/[\w/.]*)`", TEXT)
    assert places and all((ROOT / name).exists() for name in places)


def test_make_targets_of_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)|`make (\w+)`", TEXT, re.M)
    assert len(targets) >= 3
    for target in map("".join, targets):
        assert f"\n{target}:" in makefile


def test_readme_is_one_screen() -> None:
    """500 words or a few more, with Python near the top, of about a dozen lines."""
    lines = [line for line in PYTHON[0][0].splitlines() if len(line.strip()) > 1]
    assert len(lines) <= 12
    assert TEXT[: TEXT.index("```python")].count("\n") < 30
    assert len(TEXT.split()) <= 560
