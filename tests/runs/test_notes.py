"""Names, tags and notes: kept in a file that may be edited, and in no digest."""

import json
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import notes
from jaxae.runs.notes import Notes
from jaxae.runs.run_record import fingerprint
from tests import small

X = small.images()


def test_a_run_keeps_its_notes_and_no_number_depends_on_them(tmp_path: Path) -> None:
    experiment = small.experiment(small.member("AE"))
    plain = jaxae.fit(experiment, X, run_dir="plain")
    noted = jaxae.fit(experiment, X, run_dir="noted", name="wide", tags=["a", "b", "a"], note="two\nlines")
    assert not Path("plain/notes.json").exists()
    assert notes.read(Path("noted")) == Notes("wide", ("a", "b"), "two\nlines")
    assert fingerprint(Path("plain")) == fingerprint(Path("noted")) and plain.scores == noted.scores


@pytest.mark.parametrize(
    "given, message",
    [
        ({"name": ""}, "name: got '', expected one line of 1 to 100 characters"),
        ({"name": "a\nb"}, "name: got 'a\\nb', expected one line"),
        ({"name": 3}, "name: got 3, expected one line"),
        ({"tags": ["a,b"]}, "tags: got 'a,b', expected no comma; give each tag by itself"),
        ({"tags": 3}, "tags: got 3, expected texts"),
        ({"tags": [3]}, "tags: got 3, expected one line of 1 to 50 characters"),
        ({"note": 3}, "note: expected a text"),
        ({"tags": "a", "run_dir": None}, "tags: is kept in the run's directory; give run_dir as well"),
    ],
)
def test_a_mistake_in_the_notes_is_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(jaxae.JaxaeError) as caught:
        notes.check(**given)
    assert str(caught.value).startswith(message)


def test_fit_and_sweep_refuse_notes_without_a_directory() -> None:
    experiment = small.experiment(small.member("AE"))
    for call in (jaxae.fit, jaxae.sweep):
        with pytest.raises(jaxae.JaxaeError, match="give run_dir as well"):
            call(experiment, x=X, name="wide")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tags": 3, "name": [], "note": {}}', '{"tags": [1]}'])
def test_an_edited_file_that_is_damaged_has_no_notes(text: str, tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text(text)
    assert notes.read(tmp_path) == Notes()


def test_changes_add_tags_and_replace_texts(tmp_path: Path) -> None:
    notes.write(tmp_path, Notes("a", ("x",), "old"))
    assert notes.change(tmp_path, Notes(None, ("y",), "new"), ["x"]) == Notes("a", ("y",), "new")
    assert json.loads((tmp_path / "notes.json").read_text()) == {"name": "a", "tags": ["y"], "note": "new"}
