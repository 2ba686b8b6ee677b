"""Measure what the files of a run cost: history, status and checkpoints, as a share of an epoch.

    python experiments/speed/bookkeeping.py [--rows 60000] [--epochs 5]

The default VAE on random images of MNIST's size is trained in turns as a run without a directory, and as a
run with a directory that saves a checkpoint after every epoch. The rounds alternate, on one core, and
processor seconds are compared. A tiny run on 500 rows shows the cost of an epoch's files in milliseconds.
Each part is also measured alone. Takes two minutes.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import sections

import jaxae
from jaxae.data.own.given_rows import GivenRows
from jaxae.runs import directory, execution, opening, status
from jaxae.training import ahead, checkpoint

# Rows and widths of each case: an epoch of MNIST with the default VAE, and an epoch of milliseconds.
CASES = {"default VAE, an epoch of MNIST": (60_000, 400), "tiny VAE, 500 rows": (500, 32)}


def epoch_seconds(rows: int, width: int, epochs: int, folder: Path | None) -> tuple[list[float], Any]:
    """Train a run; return the processor seconds of each epoch after the first, and the last carry."""
    nets: dict[str, Any] = {name: jaxae.MLP(widths=(width,)) for name in ("encoder", "decoder")}
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(num_validation=0, num_test=0, binarize="dynamic"),
        model=jaxae.VAE(**nets, latent_dim=20),
        batch_size=100,
        epochs=epochs,
        checkpoint_every=1,
    )
    x = np.random.RandomState(0).randint(0, 256, (rows, 28, 28, 1)).astype(np.uint8)
    run = opening.prepare(experiment, 0, GivenRows(x))
    if folder is not None:
        run = opening.start(run, folder, "bookkeeping", [])
    times = [time.process_time()]

    def note(result: Any, saved: bool) -> bool:
        # The scores are compiled in a thread, whose time is not that of an epoch.
        ahead.wait()
        times.append(time.process_time())
        return False

    outcome = execution.train(run, note)
    return list(np.diff(times)[1:]), outcome.carry


def milliseconds(act: Callable[[], Any], repeats: int = 10) -> float:
    """Return the median processor milliseconds of a call, after a first one."""
    act()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        act()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def parts(carry: Any, folder: Path) -> dict[str, float]:
    """Measure each write of an epoch alone, in processor milliseconds."""
    line = {
        "epoch": 1,
        "step": 600,
        "train": {"loss": 1.0},
        "validation": None,
        "best_epoch": 0,
        "seconds": 1.0,
    }
    directory.append_history(folder, line)
    numbers = iter(range(1, 1000))
    return {
        "history line": milliseconds(lambda: directory.append_history(folder, line)),
        "status, at most once a second": milliseconds(lambda: status.update(folder, epoch=1)),
        "checkpoint": milliseconds(lambda: checkpoint.save(folder / "checkpoints", next(numbers), carry)),
        "digests in the checkpoint": milliseconds(lambda: checkpoint.digests(carry)),
    }


def measured(rows: int, width: int, epochs: int, rounds: int) -> dict[str, Any]:
    """Measure one case in alternating rounds."""
    without: list[float] = []
    saved: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            without += epoch_seconds(rows, width, epochs, None)[0]
            times, carry = epoch_seconds(rows, width, epochs, Path(name) / f"run{number}")
            saved += times
        size = sum(leaf.nbytes for leaf in map(np.asarray, jax.tree.leaves(carry)))
        (Path(name) / "parts").mkdir()
        single = parts(carry, Path(name) / "parts")
    return summary(without, saved) | {
        "rows": rows,
        "width": width,
        "state_mib": size / 2**20,
        "parts": single,
    }


def summary(without: list[float], saved: list[float]) -> dict[str, float]:
    """Return medians in milliseconds an epoch, and the overhead as a share of an epoch without files."""
    plain, full = statistics.median(without), statistics.median(saved)
    return {"without_ms": 1e3 * plain, "with_ms": 1e3 * full, "overhead": (full - plain) / plain}


def row_of(name: str, case: dict[str, Any]) -> list[Any]:
    """Return the row of a case.

    The last two cells are the parts as a share of an epoch, if each epoch is saved, and if each tenth is (the
    default). The difference of whole epochs is too small to measure on a machine that is not quiet.
    """
    single = list(case["parts"].values())
    cells = [name, case["state_mib"], case["without_ms"], case["with_ms"], *single[:3]]
    shares = [(single[0] + single[1] + single[2] / every) / case["without_ms"] for every in (1, 10)]
    return [*cells, *(f"{100 * share:.1f} %" for share in shares)]


def main() -> None:
    """Measure all cases and write the section."""
    parser = sections.parser(__doc__ or "")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000, help="of the first case; fewer to try it out")
    options = parser.parse_args()
    sections.pin()
    cases = {
        name: measured(min(rows, options.rows), width, options.epochs, options.rounds)
        for name, (rows, width) in CASES.items()
    }
    head = ["case", "state, MiB", "epoch without files, ms", "with files, ms", "history, ms", "status, ms"]
    head += ["checkpoint, ms", "share, each epoch saved", "each tenth (default)"]
    notes = "Processor milliseconds on one core, medians of alternating rounds; every epoch is saved."
    body = sections.table(head, [row_of(name, case) for name, case in cases.items()])
    results = {"cases": cases, "epochs": options.epochs, "rounds": options.rounds}
    sections.write(options.out, __file__, "Cost of a run's files", notes, body, results)


if __name__ == "__main__":
    main()
