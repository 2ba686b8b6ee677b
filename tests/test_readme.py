"""README stays true: every block of code in it runs, in order, in a directory of its own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jaxae.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.S)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines() if line]


# The quick tour with every suite; the others, and the commands, take minutes all together.
@pytest.mark.parametrize(
    "number", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, len(PYTHON)))]
)
def test_python_blocks_run_without_a_warning(number: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PYTHON[number]], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
@pytest.mark.timeout(900)  # all of them, 212 s with others on both cores
def test_commands_run_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(SHELL) >= 7
    for line in SHELL:
        program, *arguments = shlex.split(line)
        assert program == "jaxae"
        assert run(arguments) == 0, line
        told = capfd.readouterr().err.splitlines()
        assert all(each.endswith("their iwelbo is not to be believed") for each in told), line
    record = "runs/first/record.json"
    assert record in TEXT and run(["train", record, "--epochs", "2"]) == 0


def test_everything_that_readme_names_is_there() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / name).exists(), name
    rooms = re.findall(r"`((?:jaxae|configs|experiments|tests)/[\w/.]*)`", TEXT)
    assert rooms and all((ROOT / name).exists() for name in rooms)


def test_make_targets_of_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", TEXT, re.M):
        assert f"\n{target}:" in makefile


def test_the_quick_tour_is_short() -> None:
    """A ten-liner (blank lines and brackets not counted); nets and models about 30 lines."""
    lines = [[line for line in block.splitlines() if len(line.strip()) > 1] for block in PYTHON]
    assert len(lines[0]) <= 14 and all(len(block) <= 32 for block in lines)
