"""Digests and records keep their meaning when a class moves to another module."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import opening, run_record
from jaxae.specs import old_records, public
from jaxae.specs.records import class_name, from_record, to_record, unknown_classes
from jaxae.sweeps import plan
from jaxae.sweeps.define import grid
from tests import small

ARCHIVE = Path(__file__).parents[1] / "old_runs_01ae936.tar.xz"


@pytest.fixture(scope="module")
def old() -> dict[str, Any]:
    """The JSON files of the archive, by name."""
    with tarfile.open(ARCHIVE) as archive:
        files = [member for member in archive.getmembers() if member.name.endswith(".json")]
        return {file.name.removeprefix("./"): json.load(archive.extractfile(file)) for file in files}  # type: ignore[arg-type]


def digest_1(record: dict[str, Any]) -> str:
    """The fingerprint as commit 01ae936 computed it."""
    parts = [record[name] for name in ("experiment", "seed", "data_hash")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("name", ["whole", "interrupted", "tokenizer", "prior", "adversarial"])
def test_an_old_record_reads_and_keeps_its_fingerprint(name: str, old: dict[str, Any]) -> None:
    record = old[f"{name}/record.json"]
    experiment = from_record(record["experiment"], jaxae.Experiment)
    today = {**record, "experiment": json.loads(json.dumps(to_record(experiment)))}
    assert today["experiment"]["class"] == "jaxae.Experiment" != record["experiment"]["class"]
    assert run_record.digest(today) == run_record.digest(record) == digest_1(record)
    assert old_records.identity(today["experiment"]) == record["experiment"]
    assert old_records.current(record["experiment"]) == today["experiment"]


def test_runs_of_an_old_sweep_keep_their_ids(old: dict[str, Any]) -> None:
    groups = [value for name, value in old.items() if name.startswith("sweep/groups/")]
    recorded = {id_ for group in groups for id_, _, _ in group["runs"]}
    sweep = old["sweep/sweep.json"]
    base = from_record(sweep["experiment"], jaxae.Experiment)
    over = {"model.beta": [0.5, 1.0], "model.latent_dim": [2, 3]}
    programs = plan.plan(base, grid(over), [0], opening.load_data)
    assert {each.id for program in programs for each in program.runs} == recorded
    assert {program.id for program in programs} == {group["program"] for group in sweep["groups"]}


def test_a_class_that_moves_keeps_name_and_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = small.experiment()
    record = {"experiment": to_record(experiment), "seed": 0, "data_hash": "x"}
    before = run_record.digest(record), plan.run_id(experiment, 0, small.dataset(experiment), None)
    for cls in (jaxae.VAE, jaxae.MLP, jaxae.Adam, jaxae.Experiment, jaxae.DataSpec):
        monkeypatch.setattr(cls, "__module__", "jaxae.elsewhere")
    assert to_record(experiment) == record["experiment"]
    assert (run_record.digest(record), plan.run_id(experiment, 0, small.dataset(experiment), None)) == before


def test_a_record_of_format_2_with_names_that_changed_since_reads_and_keeps_its_digest() -> None:
    """Records of format 2 were written before `jaxae.Data` became `jaxae.DataSpec`."""
    experiment = small.experiment()
    today = to_record(experiment)
    before = json.loads(json.dumps(today).replace("jaxae.DataSpec", "jaxae.Data"))
    assert before != today
    assert from_record(before, jaxae.Experiment) == experiment
    assert old_records.identity(before) == old_records.identity(today)
    assert unknown_classes(before) == []


def test_a_field_that_was_added_later_is_in_digests_only_with_another_value_than_its_default() -> None:
    record = to_record(small.experiment())
    before = {name: value for name, value in record.items() if name != "steps"}
    assert from_record(before, jaxae.Experiment) == small.experiment()
    assert old_records.identity(before) == old_records.identity(record)
    assert from_record({**record, "steps": 3}, jaxae.Experiment).steps == 3
    assert "steps" in old_records.identity(to_record(small.experiment(steps=3)))
    assert old_records.is_added(small.experiment(), "steps")
    assert not old_records.is_added(small.experiment(steps=3), "steps")


@jaxae.spec
class OwnVQGAN(jaxae.VQGAN):
    """A user's class that extends one of jaxae, a field of which has another name now."""


def test_an_old_record_of_a_users_class_has_the_old_names_of_the_fields_that_it_extends() -> None:
    own = OwnVQGAN(generator_weight=0.3)
    today = to_record(own)
    before = {{"generator_weight": "deception_weight"}.get(name, name): part for name, part in today.items()}
    assert before != today
    assert from_record(before, jaxae.Autoencoder) == own


def test_every_class_that_a_record_held_at_format_1_has_a_public_name_today() -> None:
    for name in old_records.NAMES_1:
        cls = public.find(name)
        assert class_name(cls) == name
        assert unknown_classes([{"class": name}, {"class": old_records.NAMES_1[name]}]) == []


def test_options_that_are_newer_than_a_record_do_not_change_its_digest(old: dict[str, Any]) -> None:
    record = to_record(jaxae.DataSpec(num_validation=200, num_test=300))
    before = {name: record[name] for name in record if name not in ("columns", "label", "resize", "grey")}
    assert old_records.identity(record) == old_records.identity(before)
    assert old_records.current(before) == record
    assert from_record(before, jaxae.DataSpec) == jaxae.DataSpec(num_validation=200, num_test=300)
    for name, value in {"columns": ["a"], "label": "y", "resize": 8, "grey": True}.items():
        assert old_records.identity({**record, name: value})[name] == value
        changed = {"data": {**record, name: value}, "class": "jaxae.Experiment"}
        assert old_records.is_added(from_record(changed, jaxae.Experiment), f"data.{name}") is False
        assert old_records.is_added(jaxae.Experiment(), f"data.{name}")
    assert not old_records.is_added(jaxae.Experiment(), "data.name")
    assert not old_records.is_added(jaxae.Experiment(), "epochs")
