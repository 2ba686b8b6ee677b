"""Plans hold the numbers of held-out rows, however they were written, and old ids stay."""

from pathlib import Path

import numpy as np

import jaxae
from jaxae.runs import opening
from jaxae.sweeps.plan import Program, plan
from tests import small


def programs_of(settings: list[dict[str, object]], data: jaxae.DataSpec) -> list[Program]:
    base = small.experiment(jaxae.AE(**small.NETS, latent_dim=2), data=data)
    return plan(base, settings, [0], opening.load_data)


def test_named_data_have_their_numbers_and_the_same_runs_as_with_them() -> None:
    (plain,) = programs_of([{}], jaxae.DataSpec())
    (written,) = programs_of([{}], jaxae.DataSpec(num_validation=200, num_test=300))
    assert (plain.example.data.num_validation, plain.example.data.num_test) == (200, 300)
    assert plain.id == written.id and plain.runs[0].id == written.runs[0].id


def test_shares_of_own_rows_become_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", small.images())
    own = jaxae.DataSpec(name=str(tmp_path / "x.npy"))
    settings: list[dict[str, object]] = [
        {},
        {"data.num_test": 9},
        {"data.num_test": 0.2},
        {"data.num_test": 18},
    ]
    programs = programs_of(settings, own)
    assert [program.dataset.num_rows["test"] for program in programs] == [9, 18]
    # A share and its number are one run.
    assert [len(program.runs) for program in programs] == [1, 1]
    assert all(program.example.data.num_validation == 9 for program in programs)


def test_the_default_follows_the_swept_data(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", small.images().reshape(90, 2, 8, 1)[:, :, :4].repeat(2, 1).repeat(2, 2))
    names = ["digits", str(tmp_path / "x.npy")]
    programs = programs_of([{"data.name": name} for name in names], jaxae.DataSpec())
    assert [program.example.data.num_test for program in programs] == [300, 9]
