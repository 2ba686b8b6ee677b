import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.errors import JaxaeError
from jaxae.runs.experiment import as_arrays
from jaxae.training import checkpoint, loop
from jaxae.types import Batch
from tests import small

STATE = {
    "params": {
        "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bias": np.array([np.nan, np.inf, -0.0]),
    },
    "step": np.int32(2**31 - 1),
    "half": np.asarray(jnp.asarray([1.0, 2.5], jnp.bfloat16)),
    "bytes": np.arange(256, dtype=np.uint8),
    "flags": np.array([True, False]),
}
STATE["params"]["bias"] = STATE["params"]["bias"].astype(np.float32)


def abstract(state: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype), state)


def filled(number: float) -> Any:
    """A state of the same structure with other numbers."""
    return jax.tree.map(lambda leaf: np.full_like(leaf, number), STATE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


@pytest.fixture(autouse=True)
def _told_logging() -> Iterator[None]:
    """Orbax's silence is this process's: it must not outlive a test."""
    level = logging.getLogger("absl").level
    yield
    logging.getLogger("absl").setLevel(level)


def test_a_state_comes_back_to_the_bit(folder: Path) -> None:
    checkpoint.save(folder, 3, STATE)
    restored = checkpoint.restore(folder, abstract(STATE))
    assert restored is not None and restored.epoch == 3
    assert small.same_bits(restored.state, STATE)


def test_a_runs_carry_comes_back_to_the_bit_with_its_optimizer_state(folder: Path) -> None:
    experiment = as_arrays(small.experiment(ema_decay=0.9))
    carry = loop.begin(experiment, keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    carry = jax.tree.map(lambda leaf: leaf + 1, carry)
    checkpoint.save(folder, 1, carry)
    restored = checkpoint.restore(folder, jax.eval_shape(lambda: carry))
    assert restored is not None and small.same_bits(restored.state, carry)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(restored.state)} == {"float32", "int32"}


def test_there_is_none_before_the_first(folder: Path) -> None:
    assert checkpoint.restore(folder, abstract(STATE)) is None and checkpoint.epochs(folder) == []
    folder.mkdir()
    assert checkpoint.restore(folder, abstract(STATE)) is None


def test_the_newest_ones_are_kept_and_the_newest_is_read(folder: Path) -> None:
    for epoch in (1, 2, 10, 9, 30):
        checkpoint.save(folder, epoch, filled(epoch))
    assert checkpoint.epochs(folder) == [10, 30]
    restored = checkpoint.restore(folder, abstract(STATE))
    assert restored is not None and restored.epoch == 30 and small.same_bits(restored.state, filled(30))


def test_another_rule_for_what_is_kept_is_one_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tenth epoch, and the newest one."""
    monkeypatch.setattr(checkpoint, "kept", lambda saved: [*(n for n in saved if n % 10 == 0), saved[-1]])
    for epoch in (8, 9, 10, 15, 20, 21):
        checkpoint.save(folder, epoch, filled(epoch))
    assert checkpoint.epochs(folder) == [10, 20, 21]


def test_resuming_warns_of_damaged_checkpoints_and_sets_them_aside(saved: Path, tmp_path: Path) -> None:
    folder, warnings = shutil.copytree(saved, tmp_path / "damaged"), []
    (folder / "9").mkdir()
    restored = checkpoint.resume(folder, abstract(STATE), "", warnings.append)
    assert restored is not None and restored.epoch == 2 and small.same_bits(restored.state, STATE)
    (line,) = warnings
    assert line.startswith(f"checkpoint {folder / '9'} is damaged (")
    assert line.endswith("; using epoch 2 instead")
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2", "9.bad-1"]
    assert checkpoint.resume(tmp_path / "nothing", abstract(STATE), "", warnings.append) is None


def test_saving_an_epoch_again_replaces_it(folder: Path) -> None:
    for number in (5, 6):
        checkpoint.save(folder, 3, filled(number))
    restored = checkpoint.restore(folder, abstract(STATE))
    assert restored is not None and small.same_bits(restored.state, filled(6))


def files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints 1 (all ones) and 2 (STATE)."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    checkpoint.save(folder, 1, filled(1))
    checkpoint.save(folder, 2, STATE)
    return folder


def never_wrong(folder: Path) -> int:
    """Asserts that what is restored is one of the two states that were saved; returns its epoch."""
    damaged: list[str] = []
    restored = checkpoint.restore(folder, abstract(STATE), "", damaged.append)
    assert restored is not None
    assert small.same_bits(restored.state, {1: filled(1), 2: STATE}[restored.epoch])
    assert len(damaged) == 2 - restored.epoch
    return restored.epoch


def test_a_flipped_bit_in_any_file_never_gives_other_numbers(saved: Path, tmp_path: Path) -> None:
    """Every file of a checkpoint in turn, a bit in the middle and one at the end."""
    read_from = []
    names = [file.relative_to(saved) for file in files(saved / "2")]
    for name in names:
        for place in (0.5, 1.0):
            folder = shutil.copytree(saved, tmp_path / "damaged")
            data = bytearray((folder / name).read_bytes())
            if data:
                data[min(int(len(data) * place), len(data) - 1)] ^= 4
                (folder / name).write_bytes(data)
            read_from.append(never_wrong(folder))
            shutil.rmtree(folder)
    assert len(names) > 8 and read_from.count(1) > 4, "the damage must have been met"


def test_a_flipped_bit_in_array_data_is_found_by_the_digest_alone(folder: Path, monkeypatch: Any) -> None:
    """Orbax reads it without a word: without digests these would be silently other numbers."""
    random = {"w": np.random.RandomState(0).rand(200, 200).astype(np.float32)}  # does not compress
    checkpoint.save(folder, 1, random)
    largest = max(files(folder / "1"), key=lambda file: file.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    with pytest.raises(
        JaxaeError, match=r"1 is damaged \(digest of \['w'\] differs\), and there is no older"
    ):
        checkpoint.restore(folder, abstract(random))
    monkeypatch.setattr(checkpoint, "digests", lambda state: {})
    restored = checkpoint.restore(folder, abstract(random))
    assert restored is not None and not small.same_bits(restored.state, random)


@pytest.mark.slow
def test_a_truncated_or_deleted_file_never_gives_other_numbers(saved: Path, tmp_path: Path) -> None:
    read_from = []
    for name in [file.relative_to(saved) for file in files(saved / "2")]:
        for damage in ("delete", "empty", "halve"):
            folder = shutil.copytree(saved, tmp_path / "damaged")
            file = folder / name
            if damage == "delete":
                file.unlink()
            else:
                file.write_bytes(file.read_bytes()[: 0 if damage == "empty" else file.stat().st_size // 2])
            read_from.append(never_wrong(folder))
            shutil.rmtree(folder)
    assert read_from.count(1) > 5


def test_an_empty_directory_with_a_higher_number_is_passed_over(saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "damaged")
    (folder / "9").mkdir()
    damaged: list[str] = []
    restored = checkpoint.restore(folder, abstract(STATE), "", damaged.append)
    assert restored is not None and restored.epoch == 2 and len(damaged) == 1
    assert damaged[0].startswith(f"checkpoint {folder / '9'} is damaged (")
    # Two of them must not push out what is whole when the next one is saved.
    (folder / "8").mkdir()
    checkpoint.save(folder, 3, filled(3))
    assert checkpoint.epochs(folder) == [2, 3, 8, 9]
    checkpoint.set_aside(folder, 3)
    assert checkpoint.epochs(folder) == [2, 3]
    assert sorted(path.name for path in folder.iterdir()) == ["2", "3", "8.bad-1", "9.bad-1"]


def test_what_is_set_aside_twice_is_kept_twice(folder: Path) -> None:
    for _ in range(2):
        (folder / "4").mkdir(parents=True)
        checkpoint.set_aside(folder, 3)
    assert sorted(path.name for path in folder.iterdir()) == ["4.bad-1", "4.bad-2"]


def test_what_a_killed_save_left_is_neither_read_nor_kept(saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "damaged")
    shutil.copytree(folder / "2", folder / "3.orbax-checkpoint-tmp")
    shutil.copytree(folder / "2", folder / "3.orbax-checkpoint-tmp-12345")
    for name in ("-1", "07", "3a", "٣", "note"):
        (folder / name).mkdir()
    assert never_wrong(folder) == 2
    checkpoint.save(folder, 3, STATE)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["2", "3", "-1", "07", "3a", "٣", "note"])


@pytest.mark.parametrize(
    "name, wanted, had",
    [
        ("step", np.int16, "int32"),
        ("step", np.float32, "int32"),
        ("bytes", np.int32, "uint8"),
        ("half", np.float32, "bfloat16"),
    ],
)
def test_a_checkpoint_of_other_types_says_so(name: str, wanted: Any, had: str, saved: Path) -> None:
    """Orbax casts a wrong dtype without a word."""
    other = {**STATE, name: np.asarray(STATE[name]).astype(wanted)}
    message = f"2 has dtype {had} in {name}, but the run computes in {np.dtype(wanted).name}"
    with pytest.raises(JaxaeError, match=message):
        checkpoint.restore(saved, abstract(other))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "flags": np.array([[True, False]])},
        lambda state: {**state, "more": np.zeros(2)},
        lambda state: {name: leaf for name, leaf in state.items() if name != "step"},
        lambda state: {**state, "bytes": state["bytes"][:-1]},
    ],
)
def test_another_structure_or_shape_is_refused(change: Any, saved: Path) -> None:
    with pytest.raises(JaxaeError, match="2 is damaged"):
        checkpoint.restore(saved, abstract(change(STATE)))


def test_a_checkpoint_of_another_run_is_refused(folder: Path) -> None:
    checkpoint.save(folder, 1, STATE, "one")
    assert checkpoint.restore(folder, abstract(STATE), "one") is not None
    with pytest.raises(
        JaxaeError, match="1 was saved with another experiment, seed or data than record.json says"
    ):
        checkpoint.restore(folder, abstract(STATE), "another")


def test_an_earlier_identity_counts_up_to_its_last_epoch(folder: Path) -> None:
    """A run that was extended has checkpoints from before, some of which the longer run would not have."""
    for epoch in (1, 2):
        checkpoint.save(folder, epoch, filled(epoch), "short")
    warnings: list[str] = []
    restored = checkpoint.restore(folder, abstract(STATE), "long", warnings.append, {"short": 1})
    assert restored is not None and restored.epoch == 1
    assert "2 was saved with another experiment" in warnings[0]
    newest = checkpoint.restore(folder, abstract(STATE), "long", warnings.append, {"short": 2})
    assert newest is not None and newest.epoch == 2


def test_digests_see_dtype_shape_and_bytes() -> None:
    arrays = [
        np.zeros(4, np.float32),
        np.zeros(4, np.int32),
        np.zeros((2, 2), np.float32),
        np.array([0, 0, 0, -0.0], np.float32),
    ]
    assert len({checkpoint.digests({"a": array})["['a']"] for array in arrays}) == 4
    transposed = np.arange(6.0).reshape(2, 3).T
    assert checkpoint.digests(transposed) == checkpoint.digests(np.ascontiguousarray(transposed))


def test_a_save_that_fails_keeps_what_was_saved_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a full disk does, at every file that is written in turn."""
    checkpoint.save(folder, 1, STATE)
    real, failures = os.rename, 0

    def rename(old: Any, new: Any, **kwargs: Any) -> None:
        if "checkpoints" in str(new) and str(new).endswith("/2"):
            raise OSError(errno.ENOSPC, "No space left on device", str(new))
        real(old, new, **kwargs)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(Path, "rename", lambda self, target: rename(str(self), str(target)))
    try:
        checkpoint.save(folder, 2, filled(2))
    except Exception:
        failures += 1
    assert failures == 1, "the disk must have been full"
    restored = checkpoint.restore(folder, abstract(STATE))
    assert restored is not None and restored.epoch == 1 and small.same_bits(restored.state, STATE)


def test_what_is_told_of_a_checkpoint_is_plain_json(saved: Path) -> None:
    told = json.loads((saved / "2" / "digests" / "metadata").read_text())
    assert told["leaves"] == checkpoint.digests(STATE) and told["run"] == ""


def test_only_what_orbax_failed_with_is_not_logged_late(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(saved, tmp_path / "damaged")
    for path in folder.iterdir():
        shutil.rmtree(path / "state")
    with pytest.raises(JaxaeError):
        checkpoint.restore(folder, abstract(STATE))
    logger = logging.getLogger("asyncio")
    for place in ("orbax/handler.py", "mine.py"):
        logger.error("Task exception was never retrieved\nfuture: <Task coro=<f() at %s>>", place)
    assert [record.getMessage().count("mine.py") for record in caplog.records] == [1]
