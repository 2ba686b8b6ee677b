"""The configs' expected numbers: each config under three seeds, as `jaxae train` runs it.

    JAXAE_DATA=FOLDER python experiments/first_run/study.py [CONFIG ...]

Writes results.json (test scores, seeds, seconds, where it was run) and the figures of the default
experiment's first seed beside this file. About two minutes on two cores, three more for vae_mnist.
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
    """One config under every seed: its test scores, best epochs and seconds."""
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
    """Runs the configs asked for, and keeps the results of the others."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for config in sys.argv[1:] or CONFIGS:
        results[config] = study(config)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
