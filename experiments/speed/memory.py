"""Measure the peak memory of training and of scoring for convolutional VAEs on images of three sizes.

    python experiments/speed/memory.py

Each size of image and number of test rows runs in a fresh process. It trains the default `ConvEncoder` and
`ConvDecoder` for two steps on noise, in batches of 32, then computes the scores of the test rows (IWELBO of
64 draws included). The peak of a phase is the highest resident memory of the process during the phase, minus
the resident memory before both phases. The compiler's memory is part of it. The planned figure is XLA's
memory plan of the largest program of the phase, without its arguments. Runs on Linux with glibc only. Writes
memory.json and memory.md next to this file. Takes half an hour on two cores.
"""

import argparse
import ctypes
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import jaxae
from jaxae import memory
from jaxae.data.own.given_rows import GivenRows
from jaxae.estimators import blocks, scores
from jaxae.runs import execution, opening, provenance, run_types
from jaxae.runs.experiment import as_arrays
from jaxae.training import loop

HERE = Path(__file__).parent
SHAPES = (28, 28, 1), (64, 64, 3), (128, 128, 3)
ROWS = 10, 100, 1000
BATCH_SIZE, STEPS, MIB = 32, 2, 2**20


def resident(name: str) -> float:
    """Return VmRSS (resident memory now) or VmHWM (the highest since `reset`), in MiB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def reset() -> float:
    """Start a phase: reset the highest resident memory, and return the present resident memory in MiB."""
    ctypes.CDLL(None).malloc_trim(0)  # returns freed memory that glibc keeps for later allocations
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def measured(shape: tuple[int, ...], num_rows: int) -> dict[str, Any]:
    """Measure both phases of one case, in MiB."""
    nets: dict[str, Any] = {"encoder": jaxae.ConvEncoder(), "decoder": jaxae.ConvDecoder()}
    data = jaxae.DataSpec(num_validation=0, num_test=num_rows)
    experiment = jaxae.Experiment(
        model=jaxae.VAE(**nets), data=data, batch_size=BATCH_SIZE, epochs=1, checkpoint_every=1
    )
    x = np.random.RandomState(0).randint(0, 256, (STEPS * BATCH_SIZE + num_rows, *shape)).astype(np.uint8)
    prepared = opening.prepare(experiment, 0, GivenRows(x))
    before = reset()
    outcome = execution.train(prepared)
    training = resident("VmHWM") - before
    left = reset() - before
    found = execution.scores(prepared, outcome)
    scoring = resident("VmHWM") - before
    assert np.isfinite(list(found["test"].values())).all()
    return {
        "shape": shape,
        "test_rows": num_rows,
        "training_mib": round(training),
        "left_by_training_mib": round(left),
        "scoring_mib": round(scoring),
        **{name: round(size / MIB) for name, size in planned(prepared, outcome).items()},
    }


def planned(prepared: run_types.Run, outcome: run_types.Outcome) -> dict[str, float]:
    """Return the bytes that XLA plans for an epoch and for the larger of two scoring programs.

    Arguments are not counted.
    """
    experiment, dataset, key = as_arrays(prepared.experiment), prepared.dataset, prepared.key
    rows = loop.to_device(dataset.train), loop.to_device(dataset.validation)
    epoch = loop.run_epoch.lower(experiment, key, outcome.carry, *rows, np.int32(1)).compile()
    model, test = execution.last_autoencoder(prepared), dataset.test
    size = blocks.rows_of_block(test)
    batches = np.arange(size - size % BATCH_SIZE).reshape(-1, BATCH_SIZE) % len(test.x)
    numbers = key, np.int32(0), np.int32(len(batches))
    terms = scores._terms.lower(
        model, outcome.variables, blocks.take(test, batches), *numbers, at_once=1
    ).compile()
    block = blocks.take(test, np.arange(size) % len(test.x))
    at_once, last = scores.first_guess(block, 64), np.int32(size)
    arguments = model, outcome.variables, block, key, last
    _, rest = memory.fitting(scores._draws, *arguments, at_once=at_once, num_samples=64)
    return {
        "training_planned_mib": memory.bytes_taken(epoch),
        "scoring_planned_mib": max(memory.bytes_taken(terms), memory.bytes_taken(rest)),
    }


def alone(shape: tuple[int, ...], num_rows: int) -> dict[str, Any]:
    """Run `measured` in a fresh process."""
    case = ",".join(map(str, (*shape, num_rows)))
    done = subprocess.run(
        [sys.executable, __file__, "--case", case], check=True, capture_output=True, text=True
    )
    print(done.stdout.strip().splitlines()[-1], flush=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(cases: list[dict[str, Any]], commit: str) -> str:
    """Format memory.md."""
    lines = [
        "# Peak memory of training and of scoring\n",
        "Written by `python experiments/speed/memory.py`, do not edit; how it was measured stands there.",
        f"Convolutional VAEs with default nets, batches of {BATCH_SIZE}, scores with 64 draws a row; MiB.",
        "Peak: resident memory above what the process had before training, with the compiler's own.",
        f"Planned: by XLA, without arguments; chunks of scoring are chosen for {memory.BOUND // MIB} MiB.",
        "Left: what training has left resident, its state and compiled code; scoring's peak has it too.\n",
        "| image | test rows | training | left | scoring | training, planned | scoring, planned |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in cases:
        cells = [
            "x".join(map(str, case["shape"])),
            case["test_rows"],
            *(f"{case[name]:,}" for name in ("training_mib", "left_by_training_mib", "scoring_mib")),
            *(f"{case[name]:,}" for name in ("training_planned_mib", "scoring_planned_mib")),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", f"Commit {commit}.", ""])


def main() -> None:
    """Measure all cases, print them, and write memory.json and memory.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", help="height,width,channels,rows: one case in this process")
    asked = parser.parse_args()
    if asked.case:
        *shape, num_rows = map(int, asked.case.split(","))
        print(json.dumps(measured(tuple(shape), num_rows)))
        return
    cases = [alone(shape, num_rows) for shape in sorted(SHAPES, key=math.prod) for num_rows in ROWS]
    results = {"batch_size": BATCH_SIZE, "steps": STEPS, "cases": cases, **provenance.of_study(__file__)}
    (HERE / "memory.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "memory.md").write_text(table(cases, results["commit"]))


if __name__ == "__main__":
    main()
