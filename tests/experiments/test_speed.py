"""The benchmark of experiments/speed: its formulas, its figures and its tables."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.nets import conv_layers
from jaxae.runs.experiment import as_arrays
from jaxae.training import step
from jaxae.types import Batch

SPEED = Path(__file__).resolve().parents[2] / "experiments" / "speed"
sys.path.insert(0, str(SPEED))

import compare  # noqa: E402
import contender_jaxae  # noqa: E402
import contenders  # noqa: E402
import speed_data  # noqa: E402
import speed_engine  # noqa: E402
import speed_table  # noqa: E402
import speed_worker  # noqa: E402
import works  # noqa: E402
from works import flops  # noqa: E402

SHAPES = {"mnist": (28, 28, 1), "digits": (8, 8, 1), "activations": (512,), "blobs32": (32, 32, 3)}
SHAPES["blobs64"] = (64, 64, 3)
# One work of each kind: the others differ in their sizes only.
NAMES = "a-vae-100 b-iwae-50 c-contractive d-sparse d-dictionary e-conv-28 e-residual-32 f-vq-28 g-tiny-1"
COUNTED = [(works.WORKS[name], variant) for name in NAMES.split() for variant in works.WORKS[name].variants]
IDS = [f"{work.name} {name}" for work, name in COUNTED]
SLOW = "e-residual-32 ", "f-vq-28 "  # seconds to trace
TRACED = [
    pytest.param(*each, id=name, marks=pytest.mark.slow if name in SLOW else ())
    for each, name in zip(COUNTED, IDS, strict=True)
]
# XLA counts elementwise operations too, and a product that a penalty repeats.
MOST = {"c-contractive closed": 1.45, "c-contractive hutchinson": 1.35, "d-dictionary ": 3.0}


def test_operations_by_hand() -> None:
    """784-400 forward and the weights' gradient; 400-10 has the gradient of its input too."""
    assert flops.of_step(flops.dense(100, 784, 400, 10, first=True)) == 2 * 100 * (2 * 784 * 400 + 3 * 4000)
    assert flops.of_step(flops.conv(2, 14, 4, 1, 32)) == 3 * 2 * 2 * 14 * 14 * 16 * 32
    assert flops.of_step(flops.upsampling(2, 7, 64, 32)) == 3 * 2 * 2 * 7 * 7 * 16 * 64 * 32


@pytest.mark.parametrize(("work", "variant"), TRACED)
def test_operations_are_those_that_xla_counts(work: works.Work, variant: str) -> None:
    experiment = as_arrays(contender_jaxae.experiment(work, variant, 1))
    experiment = jaxae.specs.pytree.replace(experiment, "model.data_shape", SHAPES[work.data])
    x = jax.ShapeDtypeStruct((work.batch_size, *SHAPES[work.data]), jnp.float32)
    batch = Batch(x, jax.ShapeDtypeStruct((work.batch_size,), jnp.int32))
    variables = jax.eval_shape(experiment.model.init, keys.root(0), batch)
    arguments = experiment, batch, keys.root(0), jax.ShapeDtypeStruct((), jnp.int32)
    with conv_layers.in_whole_batches():  # XLA counts the operations of a loop once
        lowered = jax.jit(jax.grad(step.loss, has_aux=True)).lower(*variables, *arguments)
    flops = work.flops(variant)
    assert flops is not None
    assert 1 <= lowered.cost_analysis()["flops"] / flops < MOST.get(f"{work.name} {variant}", 1.15)


@pytest.mark.parametrize(("work", "variant"), COUNTED, ids=IDS)
def test_operations_are_those_that_torch_counts(work: works.Work, variant: str) -> None:
    torch = pytest.importorskip("torch")
    counter = pytest.importorskip("torch.utils.flop_counter")
    peer = work.variants[variant].torch
    assert peer is not None
    shape = SHAPES[work.data]
    shape = (shape[2], *shape[:2]) if work.images else (int(np.prod(shape)),)
    with contextlib.nullcontext() if "vq" in work.name else torch.device("meta"):
        model, x = peer.build(), torch.zeros(work.batch_size, *shape)
        with counter.FlopCounterMode(display=False) as counted:
            model(x).backward()
    assert counted.get_total_flops() == work.flops(variant)


def cost(seconds: float, others: float = 0.0, loss: float = 100.0) -> dict[str, Any]:
    times = {"seconds": 2 * seconds, "cpu_seconds": seconds, "others": others}
    return {**times, "lanes": 1, "loss": loss, "peak_mib": 300.0}


def rounds(*ours_and_theirs: tuple[float, float]) -> list[dict[str, Any]]:
    return [{"fused": cost(theirs, loss=110.0), "jaxae": cost(ours)} for ours, theirs in ours_and_theirs]


def test_figures_of_a_contender_are_medians_and_ratios_within_rounds() -> None:
    work = works.WORKS["a-vae-100"]  # 60 steps of 0.328 GFLOP
    measured = rounds((0.06, 0.12), (0.12, 0.36), (0.18, 0.18))
    arguments = work, "fused", "cpu_seconds", {"fused": cost(3.0), "jaxae": cost(4.0)}, measured
    found = speed_engine.summarise(*arguments, best_rate=328.0)
    assert found["step_ms"] == pytest.approx(3.0) and found["step_ms_range"] == pytest.approx([2, 6])
    assert found["ratio"] == pytest.approx(2.0) and found["ratio_range"] == pytest.approx([1, 3])
    assert found["gflops"] == pytest.approx(328.0 / 3, rel=1e-3)
    assert found["roofline"] == pytest.approx(1 / 3, rel=1e-3)
    assert found["start_seconds"] == pytest.approx(2.82)
    assert not found["same_loss"]  # 110 against 100, where the seed explains 5 %


def test_costs_of_a_sweep_are_for_one_run() -> None:
    work = works.WORKS["g-tiny-64"]  # 5 epochs of 12 steps
    costs = [{"torch_lanes": {**cost(0.6), "lanes": 4}, "jaxae_lanes": {**cost(0.6), "lanes": 64}}]
    found = speed_engine.summarise(work, "torch_lanes", "cpu_seconds", costs[0], costs, None)
    assert found["step_ms"] == pytest.approx(600 / 60 / 4) and found["ratio"] == pytest.approx(16)


def test_a_round_that_was_disturbed_is_dropped_for_all() -> None:
    calm, busy = {"a": cost(1.0)}, {"a": cost(1.0, others=0.5)}
    assert speed_engine.quiet([calm, busy, calm, calm]) == [calm] * 3
    assert speed_engine.quiet([calm, busy, busy]) == [calm, busy, busy]


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The result of a work of which one contender is not installed, by workers without a process."""

    class Fake:
        import_seconds = 1.0

        def __init__(self, work: works.Work, entry: str, *rest: Any) -> None:
            self.entry = entry

        def ask(self, command: str) -> dict[str, Any]:
            if command == "products":
                return {"square": 400.0, "work": 300.0}
            return cost(0.18 if self.entry == "flax" else 0.06)

        def close(self) -> None:
            pass

    monkeypatch.setattr(speed_engine, "Worker", Fake)
    monkeypatch.setattr(contenders.importlib.util, "find_spec", lambda name: None if name == "torch" else 1)
    work, entries = works.WORKS["a-vae-100"], ["fused", "flax", "jaxae"]
    options = {"seed": 0, "rounds": 3, "minutes": 1, "rows": SPEED / "rows.npy"}
    said: list[str] = []
    part = speed_engine.measure(work, entries, 1, **options, say=said.append)  # type: ignore[arg-type]
    assert "fused left out: torch is not installed" in said[0]
    facts = {"device": {"processor": "a processor"}, "versions": {"jax": "1"}, "command": ["python"]}
    return {"rows": 6_000, "cores": 2, "seed": 0, "date": "today", "commit": None, **facts} | {
        "threads": {"1": part}
    }


def test_the_table_has_a_row_for_each_contender_and_names_those_left_out(result: dict[str, Any]) -> None:
    text = speed_table.readme({"a-vae-100": json.loads(json.dumps(result))})
    assert "## a-vae-100: VAE 784-400-20, batch 100" in text
    assert "| 3 (3-3) | 3.00 (3.00-3.00) | 27% | 1.0 | 300 | 100 |" in text
    assert "| **jaxae**, as `jaxae train` runs it | 1 (1-1) |  | 82% | 1.0 | 300 | 100 |" in text
    assert "Left out: fused (torch is not installed (pip install 'jaxae[bench]'))." in text
    assert "Products on 1024 x 1024: xla 400 GFLOP/s." in text and "3 of 3 rounds." in text


def test_results_of_earlier_works_stay_on_the_page(result: dict[str, Any], tmp_path: Path) -> None:
    compare.write(tmp_path, "a-vae-100", result)
    compare.write(tmp_path, "a-vae-1000", result)
    text = (tmp_path / "README.md").read_text()
    assert text.index("## a-vae-100:") < text.index("## a-vae-1000:")


def test_a_worker_answers_after_the_last_epoch_of_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = io.StringIO()
    served = speed_worker.Served(works.WORKS["g-tiny-64"], "xla", replies)
    monkeypatch.setattr(sys, "stdin", io.StringIO("round\nround\n"))
    served.wait()
    for number in range(5):
        served(float(number), lanes=64, cpu_elsewhere=100.0)
    (answer,) = map(json.loads, replies.getvalue().splitlines())
    assert answer["loss"] == 4.0 and answer["lanes"] == 64 and answer["peak_mib"] > 10
    assert 500 <= answer["cpu_seconds"] < 510


def test_works_are_chosen_by_letter_or_name() -> None:
    assert [work.name for work in works.chosen(["b", "a-vae-100"])] == ["a-vae-100", "b-iwae-50"]
    assert len(works.chosen([])) == len(works.WORKS)
    with pytest.raises(SystemExit, match="'z', expected one of a, b"):
        works.chosen(["z"])


def test_contenders_and_rows_of_all_works_exist() -> None:
    for work in works.WORKS.values():
        assert set(work.contenders) <= set(contenders.CONTENDERS) and work.data in speed_data.NAMES
        assert speed_engine.ours(work, work.entries()[0])
    assert speed_data.rows("blobs32", 3).shape == (3, 32, 32, 3)
    assert speed_data.rows("activations", 3).shape == (3, 512)


@pytest.mark.slow
def test_the_script_measures_a_sweep_and_writes_its_table(tmp_path: Path) -> None:
    words = ["--works", "g-tiny-1", "--threads", "1", "--rounds", "1", "--out", str(tmp_path)]
    command = [sys.executable, str(SPEED / "compare.py"), *words, "--contenders", "jaxae_lanes"]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "results" / "g-tiny-1.json").read_text())
    summary = result["threads"]["1"]["summary"]["jaxae_lanes"]
    assert summary["step_ms"] > 0 and np.isfinite(summary["loss"]) and summary["peak_mib"] > 100
    assert "as `jaxae sweep` runs it" in (tmp_path / "README.md").read_text()
