"""Where a number comes from: commits and diffs of git trees, and no failure without git."""

import os
import subprocess
from pathlib import Path

import jax
import pytest

import jaxae
from jaxae.runs import directory, provenance, seals
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


def recorded(group: str, name: str, value: object) -> dict[str, dict[str, object]]:
    """The present environment with another value of one name."""
    environment = provenance.environment()
    return {**environment, group: {**environment[group], name: value}}


@pytest.mark.parametrize(
    "group, name",
    [
        ("versions", "jax"),
        ("versions", "python"),
        ("device", "platform"),
        ("device", "kind"),
        ("device", "processor"),
        ("device", "divided_over"),
        ("flags", "XLA_FLAGS"),
        ("flags", "matmul_precision"),
        ("flags", "threefry_partitionable"),
    ],
)
def test_whatever_changes_bits_is_a_difference(group: str, name: str) -> None:
    now = provenance.environment()[group][name]
    assert provenance.differences(recorded(group, name, "other")) == [f"{name} other -> {now}"]


def test_the_flags_of_xla_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    jax.devices()  # XLA reads its flags when it starts, and would end the process at these
    monkeypatch.setenv("XLA_FLAGS", " --xla_a=1  --xla_b=2 ")
    assert provenance.environment()["flags"]["XLA_FLAGS"] == "--xla_a=1 --xla_b=2"


def test_what_changes_no_bits_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    for group, name, value in [
        ("device", "count", 99),
        ("flags", "x64", True),
        ("versions", "jaxae", "0.1.0"),
    ]:
        assert provenance.differences(recorded(group, name, value)) == []
    environment = provenance.environment()
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {provenance.FORCED}=8")
    assert provenance.differences(environment) == []


@pytest.mark.parametrize("group, name", [("flags", "XLA_FLAGS"), ("device", "processor")])
def test_a_run_that_goes_on_under_other_flags_or_elsewhere_warns(
    group: str, name: str, capsys: pytest.CaptureFixture
) -> None:
    run = Path("run")
    jaxae.fit(small.experiment(), small.images(), run_dir=run, callbacks=lambda epoch, saved: True)
    record = seals.read(run / "record.json")
    record[group][name] = "other"
    directory.write_json(run / "record.json", record)
    capsys.readouterr()
    jaxae.resume(run, small.images(), progress=False)
    warning = f"jaxae: warning: not bitwise equal to an uninterrupted run: {name} other -> "
    told = capsys.readouterr().err
    assert told.startswith(warning) and told.count("\n") == 1
    assert "not bitwise equal" in (run / "log.txt").read_text()
