"""Every protocol has a class of a user's own, and what mypy and `isinstance` say of them."""

import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae import protocols
from jaxae.specs.pytree import is_protocol, is_spec
from tests.outside import cases, members, parts

ROOT = Path(jaxae.__file__).parents[1]
PROTOCOLS = {name: value for name, value in vars(protocols).items() if is_protocol(value)}
# What jaxae gives to a class, and what measures a run: no part of an experiment.
NOT_SPECS = {"TrainingData", "TokenSource", *(name for name in PROTOCOLS if name.endswith("Measure"))}


def lists() -> dict[str, tuple[Any, ...]]:
    """Name of a protocol -> the members that `members` lists under it as its type."""
    hints = typing.get_type_hints(members)
    found = {name: typing.get_args(hint)[0] for name, hint in hints.items() if name.isupper()}
    return {protocol.__name__: getattr(members, name) for name, protocol in found.items()}


def test_every_protocol_has_a_class_outside_the_package() -> None:
    assert sorted(lists()) == sorted(PROTOCOLS), "add a class and its list to tests/outside/members.py"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_classes_fulfil_their_protocol_and_are_specs_of_a_user(name: str) -> None:
    for value in lists()[name]:
        assert isinstance(value, PROTOCOLS[name])
        assert type(value).__module__.startswith("tests.outside.")
        assert is_spec(value) != (name in NOT_SPECS)


def test_nothing_but_one_part_inherits_from_a_protocol() -> None:
    own = {type(value) for values in lists().values() for value in values}
    heirs = {cls for cls in own if any(base in cls.__mro__ for base in PROTOCOLS.values())}
    assert heirs == {parts.TiltedUniform}


def test_kinds_of_posteriors_and_priors_differ_by_what_they_know() -> None:
    names = "DensityPosterior", "ClosedKL", "FactorisedKL", "DiagonalPosterior"
    kinds = [PROTOCOLS[name] for name in names]
    known = {
        parts.SinhPosterior: (False, False, False, False),
        parts.LogisticPosterior: (True, False, False, False),
        parts.SharedNoise: (False, True, False, False),
        parts.LaplacePosterior: (True, True, True, False),
        parts.IsotropicGaussian: (True, True, True, True),
    }
    for cls, expected in known.items():
        assert tuple(isinstance(cls(), kind) for kind in kinds) == expected
    assert not isinstance(parts.LogisticPrior(), protocols.StandardPrior)
    assert not isinstance(parts.CountingCodebook(), protocols.FixedCodeDim)
    assert not isinstance(parts.TiltedUniform(), protocols.SampledLikelihood)


def test_every_class_is_part_of_an_experiment() -> None:
    used = {type(value) for case in cases.CASES.values() for value in cases.nodes(case)}
    used |= {cls for cls, _ in cases.TOKEN_MODELS.values()} | {parts.Parity, parts.WordPair}
    own = {type(value) for name, values in lists().items() if name not in NOT_SPECS for value in values}
    assert own <= used


@pytest.mark.slow
def test_mypy_is_content_with_every_signature(tmp_path: Path) -> None:
    """Strictly; a mistake of a signature is found, so the check is one."""
    done = checked(tmp_path, "members.py", "parts.py")
    assert done.returncode == 0, done.stdout
    assert not any("Any" in Path(file).read_text() for file in (members.__file__, parts.__file__))
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import jaxae\nfrom jax import Array\nfrom jaxae import protocols\n\n\n"
        "@jaxae.spec\nclass Wrong:\n    def corrupt(self, x: Array) -> Array:\n        return x\n\n\n"
        "CORRUPTIONS: tuple[protocols.Corruption, ...] = (Wrong(),)\n"
        "model = jaxae.DenoisingAE(corruption=Wrong())\n"
    )
    done = checked(tmp_path, wrong)
    assert done.returncode == 1 and done.stdout.count("error: ") == 2, done.stdout


def checked(cache: Path, *files: Path | str) -> subprocess.CompletedProcess:
    """mypy --strict on files, with a cache of its own; jaxae is read as an installed package is."""
    names = [str(ROOT / "tests/outside" / name) if isinstance(name, str) else str(name) for name in files]
    options = ["--strict", "--follow-imports=silent", "--ignore-missing-imports", "--config-file="]
    command = [sys.executable, "-m", "mypy", *options, "--cache-dir", str(cache / "cache"), *names]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
