"""The identity of a run: what decides its numbers, and nothing else."""

from typing import Any

import pytest

from jaxae.runs import initial, run_record
from jaxae.runs.code import kept
from jaxae.specs.records import to_record
from tests import small

RECORD: dict[str, Any] = {
    "name": "run",
    "experiment": to_record(small.experiment()),
    "seed": 3,
    "data_hash": "a" * 64,
    "versions": {"jax": "0.10.2"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": to_record(small.experiment(batch_size=9))},
        {"seed": 4},
        {"data_hash": "b" * 64},
        {kept.KEY: {"digest": "c" * 64}},
        {initial.KEY: {"hash": "d" * 64}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_decides_the_numbers_is_part_of_the_identity(change: dict[str, Any]) -> None:
    assert run_record.digest({**RECORD, **change}) != run_record.digest(RECORD)


def test_names_and_versions_are_no_part_of_the_identity() -> None:
    """A run may be renamed, and goes on with other versions, with a warning."""
    changed = {**RECORD, "name": "other", "versions": {}, "device": {"kind": "other"}}
    assert run_record.digest(changed) == run_record.digest(RECORD)
