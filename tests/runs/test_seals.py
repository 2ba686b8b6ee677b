"""Digests in the files of runs and sweeps: a changed number is noticed, an edit can be accepted."""

import json
import random
import shutil
import string
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs import directory, edits, seals, status
from tests import small
from tests.cli.calling import call

VALUES = [
    {},
    {"a": 1},
    {"loss": 27.4, "text": 'a "quoted" } , "digest": "0123456789abcdef"}'},
    {"nested": {"digest": "0123456789abcdef"}},
    {"a": [1, {"b": None}], "é": "\u2028\x1b"},
]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("value", VALUES, ids=str)
def test_a_sealed_object_is_read_back(value: dict[str, Any], indent: int | None) -> None:
    text = seals.seal(json.dumps(value, indent=indent))
    assert seals.loads(text, required=True) == value
    # Any JSON parser reads it; the digest is the last entry.
    assert list(json.loads(text)) == [*value, "digest"]


def test_a_digest_is_the_start_of_the_sha256_of_the_text_before_it() -> None:
    """By hand: `printf '{"loss": 27.4' | sha256sum`."""
    assert seals.seal('{"loss": 27.4}') == '{"loss": 27.4, "digest": "99be7ce6c65a89bf"}'


def test_each_changed_character_of_a_number_is_noticed() -> None:
    text = seals.seal('{"epoch": 12, "train": {"loss": -32.75}, "best": true}')
    refused = 0
    for place, old in enumerate(text):
        for new in set(string.digits + "-.e ") - {old}:
            changed = text[:place] + new + text[place + 1 :]
            try:
                assert seals.loads(changed, required=True) == {
                    "epoch": 12,
                    "train": {"loss": -32.75},
                    "best": True,
                }
            except ValueError:
                refused += 1
    # What is accepted are changes of the white space around the digest.
    assert refused > 0.97 * len(text) * 12


def test_no_removed_span_gives_another_value() -> None:
    """Also a span that takes the digest away."""
    value = {"epoch": 12, "train": {"loss": -32.75}, "history": [1.5, 2.5]}
    text = seals.seal(json.dumps(value))
    for first in range(len(text)):
        for last in range(first + 1, len(text) + 1):
            try:
                found = seals.loads(text[:first] + text[last:], required=True)
            except ValueError:
                continue
            assert found == value


def test_old_files_have_no_digest_and_are_read() -> None:
    assert seals.loads('{"a": 1}', required=False) == {"a": 1}
    with pytest.raises(seals.Unsealed, match="has no digest"):
        seals.loads('{"a": 1}', required=True)


@pytest.mark.parametrize("text, required", [
    ('{"format": 3, "a": 1}', True),
    ('{\n  "format": 12\n}', True),
    ('{"format": 2}', False),
    ('{"a": 1, "format": 3}', False),
    ("[]", False),
    ("", False),
])  # fmt: skip
def test_the_format_of_the_record_says_whether_digests_are_required(
    text: str, required: bool, tmp_path: Path
) -> None:
    (tmp_path / "record.json").write_text(text)
    assert seals.are_required(tmp_path) is required


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs and a sweep of four runs."""
    folder = tmp_path_factory.mktemp("sealed")
    experiment = small.experiment()
    jaxae.fit(experiment, small.images(), run_dir=folder / "run", progress=False)
    over = {"model.beta": [0.5, 2.0]}
    jaxae.sweep(experiment, over, seeds=2, x=small.images(), run_dir=folder / "sweep", progress=False)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def negate(path: Path, name: str) -> None:
    """Change the sign of a number in a file."""
    text = path.read_text()
    assert f'"{name}": ' in text
    path.write_text(
        text.replace(f'"{name}": -', f'"{name}": ', 1)
        if f'"{name}": -' in text
        else text.replace(f'"{name}": ', f'"{name}": -', 1)
    )


def group_of(sweep: Path) -> Path:
    return next((sweep / "groups").iterdir())


@pytest.mark.parametrize(
    "file, name", [("history.jsonl", "loss"), ("scores.json", "elbo"), ("record.json", "seed")]
)
def test_a_changed_number_of_a_run_is_refused(file: str, name: str, here: Path) -> None:
    negate(here / "run" / file, name)
    with pytest.raises(
        JaxaeError, match=rf"run/{file}.*was changed after jaxae wrote it.*jaxae accept .*run"
    ):
        jaxae.load(here / "run", small.images())


@pytest.mark.parametrize("file, name", [("rows.jsonl", "test.elbo"), ("runs.json", "epochs")])
def test_a_changed_number_of_a_sweep_is_refused(file: str, name: str, here: Path) -> None:
    negate(group_of(here / "sweep") / file, name)
    with pytest.raises(JaxaeError, match=rf"{file}.*was changed after jaxae wrote it.*jaxae accept .*sweep"):
        jaxae.load_sweep(here / "sweep", small.images()).load("best")


@pytest.mark.parametrize("change", ["removed", "repeated", "swapped"])
def test_rows_that_are_missing_are_noticed(change: str, here: Path) -> None:
    file = group_of(here / "sweep") / "rows.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(
        "".join({"removed": lines[1:], "repeated": [*lines, lines[0]], "swapped": lines[::-1]}[change])
    )
    with pytest.raises(JaxaeError, match=r"rows.jsonl: has \d rows, expected a row for each of the 4 runs"):
        jaxae.load_sweep(here / "sweep")
    called = call("ls", "sweep")
    assert called.code == 2 and "expected a row for each of the 4 runs" in called.err, called


def test_lists_name_the_damaged_file(here: Path) -> None:
    negate(here / "run" / "scores.json", "elbo")
    negate(group_of(here / "sweep") / "rows.jsonl", "test.elbo")
    assert jaxae.list_runs(here).set_index("path").loc[str(here / "run"), "status"] == "unreadable"
    called = call("ls", "sweep")
    assert called.code == 2 and "rows.jsonl" in called.err and called.err.count("\n") == 1


def test_a_damaged_status_does_not_inform(here: Path) -> None:
    replace(here / "run" / "status.json", '"epoch": ', '"epoch": 1')
    assert status.read(here / "run")["epoch"] == status.last_line(here / "run")["epoch"]  # type: ignore[index]


def test_an_edit_can_be_accepted_and_is_recorded(here: Path) -> None:
    run = here / "run"
    replace(run / "scores.json", '"epochs_run"', '"mine": 1.5, "epochs_run"')
    replace(run / "history.jsonl", '"seconds": ', '"seconds": 1')
    called = call("accept", "run")
    assert (called.code, called.err) == (0, "")
    assert called.out == "accepted run/history.jsonl\naccepted run/scores.json\n"
    assert jaxae.load(run, small.images()).scores["mine"] == 1.5
    edited = edits.lines(seals.read(run / "record.json"))
    assert [line.partition(" ")[0] for line in edited] == ["history.jsonl", "scores.json"]
    assert call("accept", "run").out == "run: no file was edited\n"


def test_a_file_that_another_program_wrote_again_has_one_digest(here: Path) -> None:
    """Such as `jq`, which changes the white space but not the entries."""
    file = here / "run" / "scores.json"
    before = seals.read(file)
    file.write_text(json.dumps(json.loads(file.read_text()), separators=(",", ":")))
    assert edits.accept(here / "run") == [file]
    assert seals.read(file) == before and file.read_text().count('"digest"') == 1


def test_edited_rows_of_a_sweep_can_be_accepted(here: Path) -> None:
    negate(group_of(here / "sweep") / "rows.jsonl", "test.elbo")
    [file] = edits.accept(here / "sweep")
    assert file == group_of(here / "sweep") / "rows.jsonl"
    assert any(row["test.elbo"] > 0 for row in jaxae.load_sweep(here / "sweep"))


def test_nothing_is_accepted_that_is_no_json(here: Path) -> None:
    replace(here / "run" / "scores.json", '"epochs_run"', '"mine": 1.5, "epochs_run"')
    with open(here / "run" / "history.jsonl", "a") as file:
        file.write("{nope\n")
    before = (here / "run" / "scores.json").read_text()
    with pytest.raises(JaxaeError, match=r"history.jsonl: is not valid JSON"):
        edits.accept(here / "run")
    # Also after a line that could be accepted.
    replace(here / "run" / "history.jsonl", '"seconds": ', '"seconds": 1')
    with pytest.raises(JaxaeError, match=r"history.jsonl: is not valid JSON"):
        edits.accept(here / "run")
    assert (here / "run" / "scores.json").read_text() == before
    with pytest.raises(JaxaeError, match="holds no run and no sweep"):
        edits.accept(here)


def test_an_edited_record_is_another_run_also_when_accepted(here: Path) -> None:
    """The checkpoints know the experiment that they belong to."""
    replace(here / "run" / "record.json", '"beta": 1.0', '"beta": 2.0')
    edits.accept(here / "run")
    with pytest.raises(JaxaeError, match="another experiment, seed or data"):
        jaxae.load(here / "run", small.images())


def test_the_tables_have_digests_for_sha256sum(here: Path) -> None:
    sums = dict(
        reversed(line.split("  ")) for line in (here / "sweep" / "SHA256SUMS").read_text().splitlines()
    )
    assert sums.keys() == {"results.csv", "results.jsonl", "summary.csv"}
    assert all(directory.digest_of(here / "sweep" / name) == digest for name, digest in sums.items())


def test_scores_of_a_damaged_checkpoint_are_not_those_of_the_older_one(
    here: Path, capsys: pytest.CaptureFixture
) -> None:
    run = here / "run"
    checkpoints = sorted(int(path.name) for path in (run / "checkpoints").iterdir())
    shutil.rmtree(run / "checkpoints" / str(checkpoints[-1]) / "state")
    result = jaxae.load(run, small.images())
    assert result.scores == {} and len(result.history) == checkpoints[0]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "using epoch" in told[0]
    assert f"the scores of epoch {checkpoints[-1]} are not those of epoch {checkpoints[0]}" in told[1]


@pytest.mark.parametrize("name", ["history.jsonl", "scores.json", "record.json"])
def test_a_file_with_other_content_is_named_in_one_line(name: str, here: Path) -> None:
    """Random bytes, and another file of the same run, whose digest is right."""
    file = here / "run" / name
    for content in (random.Random(0).randbytes(300) + b"\n", (here / "run" / "status.json").read_bytes()):
        file.write_bytes(content)
        try:
            assert jaxae.load(here / "run", small.images()).scores == {}
        except JaxaeError as error:
            assert "\n" not in str(error) and name in str(error)
