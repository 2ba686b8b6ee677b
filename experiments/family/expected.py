"""Run every config by its command with seed 0, and record the process's seconds and the test scores.

    JAXAE_DATA=FOLDER python experiments/family/expected.py [CONFIG ...]

Writes expected.json next to this file, and the lines Expected and Time of each config's docstring.
tests/test_configs.py compares the two. Takes half an hour on two cores, of which all but three minutes are
MNIST's.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jaxae
from jaxae.runs import provenance

HERE = Path(__file__).parent
ROOT, RESULTS = HERE.parent.parent, HERE / "expected.json"
# A config's docstring reports the first of these scores that its run has.
TOLD = ("error_rate", "iwelbo_64", "elbo", "squared_error", "log_prob")


def run(config: str) -> dict[str, Any]:
    """Run a config's command; return the seconds of the process and of training, and the test scores."""
    with tempfile.TemporaryDirectory() as folder:
        of_tokens = config.startswith("token_prior")
        if of_tokens:
            train(tokenizer(config), f"{folder}/tokenizer", folder)
        named = ["--tokenizer", f"{folder}/tokenizer"] if of_tokens else []
        seconds = train(config, f"{folder}/run", folder, *named)
        result = jaxae.load(f"{folder}/run")
    training = sum(epoch["seconds"] for epoch in result.history)
    return {
        "seconds": {"whole": seconds, "training": training},
        "test": result.scores["test"],
        **provenance.of_study(__file__),
    }


def train(config: str, run_dir: str, folder: str, *options: str) -> float:
    """Run `jaxae train` on a config, and return its seconds."""
    call = ["jaxae", "train", f"configs/{config}.py", "--run-dir", run_dir, *options]
    start = time.perf_counter()
    cache = {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}  # an empty cache, as on a fresh machine
    subprocess.run(call, check=True, capture_output=True, cwd=ROOT, env={**os.environ, **cache})
    return time.perf_counter() - start


def tokenizer(config: str) -> str:
    """Return the name of the config that trains the tokenizer of a prior's config."""
    return config.replace("token_prior", "vq_vae")


def told(config: str, test: dict[str, float]) -> str:
    """Return the name of the score that a config's docstring reports."""
    weighted = config.startswith(("iwae", "two_layer"))
    return next(name for name in TOLD if name in test and (weighted or name != "iwelbo_64"))


def write(config: str, row: dict[str, Any]) -> None:
    """Write the lines Expected and Time of a config's docstring."""
    path = ROOT / "configs" / f"{config}.py"
    name = told(config, row["test"])
    number = row["test"][name]
    digits = 4 if name == "error_rate" else 3 if abs(number) < 1 else 2 if abs(number) < 10 else 1
    unit = {"squared_error": ", summed over pixels", "error_rate": " of labels"}.get(name, " nats")
    if "digits" in config and "elbo" in name:
        unit += " (a density of pixels in [0, 1])"
    seconds = row["seconds"]
    text = re.sub(
        r"(?m)^Expected: .*$", f"Expected:  test {name} {number:.{digits}f}{unit}", path.read_text()
    )
    training, whole = (f"{seconds[name]:.0f} s" for name in ("training", "whole"))
    line = f"Time:      about {training} of training, {whole} in all, on two cores"
    path.write_text(re.sub(r"(?m)^Time: .*$", line, text))


def main() -> None:
    """Run the configs named on the command line (default: all), and keep the results of the others."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for config in sys.argv[1:] or sorted(path.stem for path in (ROOT / "configs").glob("*.py")):
        rows[config] = run(config)
        write(config, rows[config])
        print(config, rows[config]["seconds"], rows[config]["test"], flush=True)
        RESULTS.write_text(json.dumps(dict(sorted(rows.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
