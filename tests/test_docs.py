"""The documentation stays true: its snippets run, and what is made from the code is that of the code."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jaxae import protocols
from jaxae.specs import public
from jaxae.specs.pytree import is_protocol

DOCS = Path(__file__).parents[1] / "docs"
SNIPPETS = re.compile(r"^```(python|sh)\b[^\n]*\n(.*?)^```", re.M | re.S)
PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in [*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md"), *DOCS.glob("howto/*.md")]
    if SNIPPETS.search(page.read_text())
)


def script(name: str) -> Any:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def program(text: str) -> str:
    """The snippets of a page in their order, as one program, which calls most of the commands itself.

    Only a new process can divide a CPU into devices. `tests/cli` starts processes for commands of all kinds.
    """
    lines = ["import subprocess as _subprocess, sys as _sys", "from jaxae.cli.main import run as _run"]
    for language, code in SNIPPETS.findall(text):
        if language == "python":
            lines.append(code)
            continue
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "jaxae", line
                exit_code = f"_run({words[1:]!r})"
                if "--devices" in words:
                    process = f"[_sys.executable, '-W', 'error', '-m', 'jaxae', *{words[1:]!r}]"
                    exit_code = f"_subprocess.run({process}).returncode"
                lines.append(f"assert {exit_code} == 0, {line!r}")
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run_in_order(page: str, tmp_path: Path) -> None:
    code = program((DOCS / page).read_text())
    # By -c, not from a file: a process that a page starts would run the whole file again.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_there_are_pages_with_snippets() -> None:
    assert "tutorials/first_run.md" in PAGES and len(PAGES) >= 15


@pytest.fixture(scope="module")
def page() -> str:
    return script("capabilities").page()


def test_the_table_of_capabilities_is_that_of_the_docstrings(page: str) -> None:
    assert (DOCS / "capabilities.md").read_text() == page, "run: make pages"


def test_every_protocol_stands_in_the_table_with_what_it_gives(page: str) -> None:
    rows = [line.replace("\\|", "/").split("|") for line in page.splitlines() if line.startswith("| `")]
    assert all(len(row) == 5 and all(cell.strip() for cell in row[1:4]) for row in rows)
    names = [row[1].split("`")[1] for row in rows]
    assert sorted(names) == sorted(name for name, value in vars(protocols).items() if is_protocol(value))


def test_the_page_of_the_command_line_is_that_of_the_options() -> None:
    commands = script("command_line")
    assert commands.PAGE.read_text() == commands.page(), "run: make pages"


def test_each_autoencoder_has_its_page() -> None:
    pages = script("autoencoders")
    members = [*pages.MEMBERS, pages.PRIOR]
    assert (pages.FOLDER / "index.md").read_text() == pages.overview(), "run: make pages"
    for member in members:
        assert (pages.FOLDER / f"{member.page}.md").read_text() == pages.page(member), "run: make pages"
    written = {file.stem for file in pages.FOLDER.glob("*.md")} - {"index"}
    assert written == {member.page for member in members}
    models = {cls.__name__ for cls in public.classes() if _is_model(cls)}
    assert models == {member.name for member in members}


def _is_model(cls: Any) -> bool:
    return callable(getattr(cls, "terms", None)) and not is_protocol(cls)


def test_every_public_name_has_its_place_in_the_reference() -> None:
    text = "\n".join(file.read_text() for file in (DOCS / "reference").glob("*.md"))
    described = set(re.findall(r"^::: (\S+)", text, re.M))
    # Classes of the protocols are on the page of their modules; other public modules are lists of names.
    modules = {"distributions", "plots", "protocols", "schedules", "tokens"}
    names = {f"jaxae.{name}" for name in public.NAMES if name not in modules}
    on_pages_of_modules = {f"jaxae.{name}" for name in vars(protocols)}
    assert names - described <= on_pages_of_modules


def test_every_page_is_in_the_navigation() -> None:
    navigation = (DOCS.parent / "mkdocs.yml").read_text().partition("\nnav:")[2]
    named = set(re.findall(r"[\w/]+\.md", navigation))
    pages = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md") if "experiments" not in file.parts}
    assert pages == named
