"""Measure the expected numbers of the configs: train each with three seeds, as `jaxae train` does.

    JAXAE_DATA=FOLDER python experiments/first_run/study.py [CONFIG ...]

Writes results.json next to this file, with test scores, seeds, seconds and the machine. Also draws the
figures of the default experiment's first seed there. Takes about two minutes on two cores, and three more for
vae_mnist.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jaxae
from jaxae.plots.pages import draw
from jaxae.runs import provenance

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
CONFIGS = ("vae_digits", "ae_digits", "vae_mnist")
SEEDS = (0, 1, 2)


def study(config: str) -> dict[str, Any]:
    """Train one config with every seed; return its test scores, best epochs and seconds."""
    rows = []
    for seed in SEEDS:
        start = time.perf_counter()
        result = jaxae.fit(jaxae.load_config(config), seed=seed)
        seconds = {
            "whole": time.perf_counter() - start,
            "training": sum(h["seconds"] for h in result.history),
        }
        rows.append(
            {"seed": seed, "epoch": result.scores["epoch"], **result.scores["test"], "seconds": seconds}
        )
        print(config, rows[-1], flush=True)
        if (config, seed) == ("vae_digits", 0):
            draw(result, HERE)
    return {"test": rows, **provenance.of_study(__file__)}


def main() -> None:
    """Study the configs named on the command line (default: all), and keep the results of the others."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for config in sys.argv[1:] or CONFIGS:
        results[config] = study(config)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
