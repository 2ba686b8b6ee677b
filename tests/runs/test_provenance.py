"""Where a number comes from: commits and diffs of git trees, and no failure without git."""

import subprocess
from pathlib import Path

import pytest

import jaxae
from jaxae.runs import provenance, seals
from tests import small


def git(*arguments: str) -> str:
    options = "-c", "user.name=a", "-c", "user.email=a@b"
    return subprocess.run(["git", *options, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git tree of one commit, as the working directory; jaxae's own is not dirty."""
    monkeypatch.setattr(provenance, "jaxae_commit", lambda: "0" * 40)
    git("init", "-q")
    (tmp_path / "net.py").write_text("width = 3\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    git("add", ".")
    git("commit", "-qm", "one")
    return tmp_path


def test_a_tree_has_its_commit_and_says_where_it_is_dirty(tree: Path) -> None:
    head = git("rev-parse", "HEAD").strip()
    assert provenance.commit() == head and provenance.uncommitted() == {}
    (tree / "new.py").write_text("untracked\n")
    assert provenance.commit() == head
    (tree / "net.py").write_text("width = 4\n")
    (tree / "data.bin").write_bytes(bytes(256))
    (tree / "inner").mkdir()
    assert provenance.commit() == provenance.commit(tree / "inner") == f"{head}-dirty"
    (text,) = provenance.uncommitted().values()
    assert "-width = 3\n+width = 4\n" in text and "Binary files" in text and len(text) < 1000


def test_a_long_diff_is_cut(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "MAX_DIFF_BYTES", 300)
    (tree / "net.py").write_text("é = 1\n" * 1000)
    text = provenance.uncommitted()["uncommitted.diff"]
    assert text.encode()[:200] in git("diff", "HEAD").encode() and len(text.encode()) < 400
    assert "... cut here: " in text


def test_outside_of_git_and_before_the_first_commit_there_is_none(tmp_path: Path) -> None:
    assert provenance.commit() is None
    git("init", "-q")
    assert provenance.commit() is None and "uncommitted.diff" not in provenance.uncommitted()


def test_without_git_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    provenance.jaxae_commit.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is provenance.jaxae_commit() is None and provenance.uncommitted() == {}
    provenance.jaxae_commit.cache_clear()


def test_a_tree_that_does_not_track_jaxae_is_not_its_own(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where jaxae is installed into an environment inside of a project."""
    monkeypatch.undo()
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)
    provenance.jaxae_commit.cache_clear()
    (tmp_path / "__init__.py").write_text("")
    assert provenance.jaxae_commit() is None
    git("-C", str(tmp_path), "add", "__init__.py")
    git("-C", str(tmp_path), "commit", "-qm", "two")
    provenance.jaxae_commit.cache_clear()
    assert provenance.jaxae_commit() == git("-C", str(tmp_path), "rev-parse", "HEAD").strip()
    provenance.jaxae_commit.cache_clear()


def test_a_run_keeps_the_diff_that_it_was_made_with(tree: Path) -> None:
    (tree / "net.py").write_text("width = 4\n")
    jaxae.fit(small.experiment(epochs=1), small.images(), run_dir="run")
    record = seals.read(Path("run/record.json"))
    assert record["commit"].endswith("-dirty") and record["jaxae_commit"] == "0" * 40
    assert record["uncommitted"] == ["code/uncommitted.diff"]
    assert "+width = 4\n" in Path("run/code/uncommitted.diff").read_text()
    assert "code" not in record, "of jaxae's own classes there is none"
