"""Stop every member of the contract test after every epoch, continue it, and compare with an untouched run.

    python experiments/reliability/members.py [--member NAME] [--dtype float32]

Each member is trained for three epochs. It is stopped after epoch 1 and after epoch 2, and continued from its
checkpoint: alone, and as a lane of a sweep beside one that diverges. State, history and scores must equal
those of the run or lane that nobody stopped, to the bit, and the lane's state and history those of the run.
Writes members_DTYPE.json next to this file. Takes half a minute per member.
"""

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import soaking

import jaxae
from jaxae.errors import Interrupted
from jaxae.sweeps.groups import group_training

sys.path.insert(0, str(soaking.HERE.parents[1]))

from tests import small

X, Y = small.images(), small.labels(90)
RATE = "optimizer.learning_rate"


def alone(experiment: Any, folder: Path, stop: int | None) -> dict[str, Any]:
    """Train a run, stopped after an epoch and continued; None lets it run."""
    jaxae.fit(
        experiment, X, Y, run_dir=folder, progress=False, callbacks=lambda epoch, saved: epoch.epoch == stop
    )
    result = jaxae.resume(folder, X, Y, progress=False)
    return outcome(result)


def beside(experiment: Any, folder: Path, stop: int | None) -> dict[str, Any]:
    """Train a run as a lane beside one that diverges, stopped after an epoch and continued."""
    over = [{RATE: experiment.optimizer.learning_rate}, {RATE: 1e30}]
    how: dict[str, Any] = {"seeds": 1, "x": X, "y": Y, "run_dir": folder, "layout": "map", "progress": False}
    with contextlib.suppress(Interrupted, KeyboardInterrupt):
        jaxae.sweep(experiment, over, callbacks=lambda progress: progress.epoch == stop, **how)
    results = jaxae.sweep(experiment, over, **how)
    healthy, ill = results.rows
    # A member whose updates do not depend on the rate's size may survive it; that is counted.
    return {**outcome(results.load(healthy["run"])), "beside": ill["status"]}


def outcome(result: Any) -> dict[str, Any]:
    """Return what must be equal: the best state, the history without times, the scores of the test rows."""
    return {
        "state": soaking.checkpoint.digests(result.variables),
        "history": soaking.without_times(result.history),
        "scores": result.scores["test"],
    }


def study(name: str, dtype: str, folder: Path) -> dict[str, Any]:
    """Stop and continue one member after each epoch, alone and as a lane."""
    experiment = small.experiment(small.member(name), compute_dtype=dtype, clip_norm=None)
    ways = {"alone": alone, "lane": beside}
    expected = {kind: train(experiment, folder / kind, None) for kind, train in ways.items()}
    row: dict[str, Any] = {"member": name, "dtype": dtype, "continued": 0, "equal": 0, "differs": []}
    row["beside"] = expected["lane"].pop("beside")
    # Scores of a lane are computed by another program than those of a run: they are equal up to rounding.
    row["lane_is_run"] = all(
        expected["lane"][part] == expected["alone"][part] for part in ("state", "history")
    )
    for stop in range(1, experiment.epochs):
        for kind, train in ways.items():
            found = train(experiment, folder / f"{kind}{stop}", stop)
            parts = [part for part in expected[kind] if found[part] != expected[kind][part]]
            row["continued"] += 1
            row["equal"] += not parts
            row["differs"] += [{"kind": kind, "stop": stop, "parts": parts}] if parts else []
    return row


def main() -> None:
    """Run the study; exit with 1 if a continued run differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--member", action="append", choices=list(small.MEMBERS), help="(default: all)")
    parser.add_argument(
        "--dtype", default="float32", choices=["float32", "float64"], help="(default: float32)"
    )
    asked = parser.parse_args()
    told: list[dict[str, Any]] = []
    # A group reports, and can be stopped, after each chunk of epochs: make each chunk one epoch.
    group_training.CHUNK_SECONDS = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.member or small.MEMBERS:
            inner = Path(folder) / "member"
            with contextlib.redirect_stderr(io.StringIO()):
                told.append(study(name, asked.dtype, inner))
            shutil.rmtree(inner)
            print(told[-1], flush=True)
    broken = [row for row in told if row["differs"] or not row["lane_is_run"]]
    counts = {"members": len(told), "continued": sum(row["continued"] for row in told), "broken": len(broken)}
    if not asked.member:
        soaking.write(f"members_{asked.dtype}", __file__, {**counts, "rows": told})
    print(counts)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
