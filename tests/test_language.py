"""The package is written plainly; `python -m tests.plain_language` prints the figures."""

import subprocess

import pytest

from tests import plain_language
from tests.plain_language import PHRASES, ROOT, Finding, Module

ALLOWED: set[str] = set()  # texts of findings that may stay, each with its reason


@pytest.fixture(scope="module")
def package() -> list[Module]:
    return plain_language.modules()


def lines(findings: list[Finding]) -> str:
    return "\n".join(str(each) for each in findings if each.text not in ALLOWED)


def test_first_lines_start_with_a_verb(package: list[Module]) -> None:
    assert lines(plain_language.first_lines(package)) == ""


def test_public_functions_describe_their_arguments_and_what_they_return(package: list[Module]) -> None:
    assert lines(plain_language.sections(package)) == ""


@pytest.mark.parametrize("name", PHRASES)
def test_phrases_are_as_rare_as_in_the_libraries_that_are_our_models(
    name: str, package: list[Module]
) -> None:
    findings, (_, their_most) = plain_language.phrases(package)[name], PHRASES[name]
    assert 1000 * len(findings) / plain_language.words(package) <= 2 * their_most, lines(findings)


def test_there_are_enough_docstrings_and_comments(package: list[Module]) -> None:
    docstrings, comments = plain_language.shares(package)
    assert docstrings >= 0.4 and comments >= 0.08


def test_subjects_of_the_last_commits_are_short() -> None:
    log = subprocess.run(
        ["git", "log", "-20", "--no-merges", "--format=%s"], cwd=ROOT, capture_output=True, text=True
    )
    if log.returncode:
        pytest.skip("this is no clone of the repository")
    assert [subject for subject in log.stdout.splitlines() if len(subject) > 72] == []


def test_findings_are_found() -> None:
    """The counts would find a text that breaks each rule."""
    source = '''
def save(path: str, value: int) -> int:
    """What is told of a value, begun anew beside it."""  # as many of its own
'''
    file = plain_language.PACKAGE / "types.py"
    module = plain_language.parse(file, source)
    assert [each.text for each in plain_language.first_lines([module])] == ["save: starts with 'What'"]
    assert [each.text for each in plain_language.sections([module])] == [
        "save: no section Args",
        "save: no section Returns",
    ]
    names = {name for name, found in plain_language.phrases([module]).items() if found}
    assert names == {"what, as a noun", "told, tells", "beside", "begun, anew", "of its own", "so many"}
