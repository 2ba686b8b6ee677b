"""Measure the seconds per run and epoch of the layouts map, vmap and devices, and the choice of `auto`.

    python experiments/sweep/layouts.py [--models tiny small wide] [--lanes 1 4 16 64] [--rounds 3]

Models: tiny 64-32-2, middle 64-256-10, small 784-400-20 and wide 784-2000-2000-50 on random images (the time
does not depend on their content). Layouts take turns, the best of the rounds counts, and compiling is not
included. Each model and number of lanes runs in a separate process. A CPU is split into one device per core,
as `jaxae sweep` does. Layouts whose lanes do not fit into memory are left out. Writes layouts.json next to
this file.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LAYOUTS = ("map", "vmap", "devices:map", "devices:vmap")
MODELS = {  # name -> (widths, latent_dim, rows, epochs that are timed)
    "tiny": ((32,), 2, 1297, 40),
    "middle": ((256,), 10, 1297, 20),
    "small": ((400,), 20, 6000, 1),
    "wide": ((2000, 2000), 50, 2000, 1),
}


def program(model: str, num_lanes: int) -> Any:
    """Return the program of a sweep over `num_lanes` seeds."""
    import numpy as np

    import jaxae
    from jaxae.data import from_arrays
    from jaxae.sweeps.plan import plan

    widths, latent_dim, num_rows, epochs = MODELS[model]
    side = 8 if model in ("tiny", "middle") else 28
    x = np.random.default_rng(0).integers(0, 256, (num_rows + 200, side, side), dtype=np.uint8)
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(name="arrays", binarize="dynamic", num_validation=200, num_test=0),
        model=jaxae.VAE(
            encoder=jaxae.MLP(widths=widths), decoder=jaxae.MLP(widths=widths[::-1]), latent_dim=latent_dim
        ),
        epochs=1 + epochs,
    )
    (made,) = plan(experiment, [{}], range(num_lanes), lambda data: from_arrays(x, None, data))
    return made


def measure(model: str, num_lanes: int, rounds: int) -> dict[str, Any]:
    """Measure the seconds per run and epoch of each layout, and name the layout that `auto` picks."""
    import jax

    from jaxae.sweeps.groups import group_training as groups
    from jaxae.sweeps.groups import layouts
    from jaxae.sweeps.store import Group
    from jaxae.training import loop

    made, works = program(model, num_lanes), {}
    auto = layouts.choose("auto", num_lanes, made.num_parameters, made.lane_bytes)
    for name in LAYOUTS:
        layout = layouts.choose(name, num_lanes, made.num_parameters, made.lane_bytes, num_lanes)
        if (num_lanes == 1 and name != "map") or layout.width * made.lane_bytes > layouts.memory_budget():
            continue
        names = [run.id for run in made.runs]
        works[str(layout)] = groups.prepare(made, Group(name, made.id, names, *layout, False))
    seconds: dict[str, list[float]] = {name: [] for name in works}
    epochs = made.example.epochs - 1
    for number in range(rounds + 1):  # the first one compiles
        for name, work in works.items():
            parts = made.dataset.train, made.dataset.validation
            rows = layouts.place_rows(work.layout, tuple(loop.to_device(part) for part in parts))
            lanes = groups.advance(work, groups.begin(work), rows, 1, 1)
            jax.block_until_ready(lanes)
            start = time.perf_counter()
            lanes = jax.block_until_ready(groups.advance(work, lanes, rows, 2, 1 + epochs))
            if number:
                seconds[name].append((time.perf_counter() - start) / num_lanes / epochs)
            del lanes
    best = {name: min(values) for name, values in seconds.items()}
    return {
        "model": model,
        "parameters": made.num_parameters,
        "lanes": num_lanes,
        "milliseconds_a_run_and_epoch": {name: round(1000 * value, 3) for name, value in best.items()},
        "auto": str(auto),
        "auto_against_best": round(best[str(auto)] / min(best.values()), 3) if str(auto) in best else None,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
    }


def main() -> None:
    """Measure each model and number of lanes in a separate process, and write layouts.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help="in this process, one line of JSON")
    parser.add_argument("--out", type=Path, default=HERE / "layouts.json")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.models[0], asked.lanes[0], asked.rounds)))
        return
    from jaxae.runs import provenance

    cores = len(os.sched_getaffinity(0))
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={cores}"
    rows = []
    for model in asked.models:
        for lanes in asked.lanes:
            words = ["--one", "--models", model, "--lanes", str(lanes), "--rounds", str(asked.rounds)]
            done = subprocess.run(
                [sys.executable, __file__, *words],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={**os.environ, "XLA_FLAGS": flags.strip()},
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
    told = {"rows": rows, **provenance.of_study(__file__)}
    asked.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
