"""Compare Optuna's TPE with random search at equal budget: 64 trials each, paired over 5 seeds.

    python experiments/sweep/search.py [--trials 64] [--seeds 5]

Five hyperparameters of a VAE on digits are searched (learning rate, beta, two decays of Adam, batch size). A
trial is one run of 30 epochs, and its score is the validation ELBO. Reported are the best of each search, the
median of a random search's trials, and the paired differences to both. Writes search.json next to this file.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import jaxae
from jaxae.runs import provenance
from jaxae.sweeps.tables.statistics import student_interval

HERE = Path(__file__).parent
EXPERIMENT = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.VAE(
        encoder=jaxae.MLP(widths=(64,)),
        decoder=jaxae.MLP(widths=(64,)),
        latent_dim=8,
        likelihood=jaxae.Gaussian(std=0.15),
    ),
    epochs=30,
)
OVER = {
    "optimizer.learning_rate": jaxae.LogUniform(1e-5, 1e-1),
    "model.beta": jaxae.LogUniform(0.1, 10.0),
    "optimizer.b1": jaxae.Uniform(0.0, 0.99),
    "optimizer.b2": jaxae.Uniform(0.9, 0.9999),
    "batch_size": jaxae.Choice((25, 100)),
}
SCORE = "validation.elbo"


def search(sampler: str, trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """Search once, and return its scores.

    These are the best trial by validation, its test ELBO, and the median of all trials.
    """
    results = jaxae.search(
        EXPERIMENT,
        OVER,
        trials=trials,
        lanes=16,
        sampler=sampler,
        seed=seed,
        score=SCORE,
        run_dir=folder / f"{sampler}-{seed}",
        keep=False,
        progress=False,
    )
    scored = [row for row in results if row["status"] != "diverged" and row[SCORE] is not None]
    best = max(scored, key=lambda row: row[SCORE])
    return {
        "sampler": sampler,
        "seed": seed,
        "best": best[SCORE],
        "test_elbo_of_the_best": best["test.elbo"],
        "median": float(np.median([row[SCORE] for row in scored])),
        "failed": len(results) - len(scored),
        "setting": {name: best[name] for name in OVER},
    }


def main() -> None:
    """Search with every seed, and write search.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for seed in range(asked.seeds):
            for sampler in ("random", "tpe"):
                rows.append(search(sampler, asked.trials, seed, Path(folder)))
                print(rows[-1], flush=True)
    random, tpe = ([row for row in rows if row["sampler"] == name] for name in ("random", "tpe"))
    differences = [t["best"] - r["best"] for t, r in zip(tpe, random, strict=True)]
    over_median = [t["best"] - r["median"] for t, r in zip(tpe, random, strict=True)]
    told = {
        **provenance.of_study(__file__),
        "command": f"python experiments/sweep/search.py --trials {asked.trials} --seeds {asked.seeds}",
        "unit": "nats an example, validation ELBO",
        "tpe_best_minus_random_best": dict(
            zip(("mean", "low", "high"), student_interval(differences), strict=True)
        ),
        "tpe_best_minus_random_median": dict(
            zip(("mean", "low", "high"), student_interval(over_median), strict=True)
        ),
        "searches": rows,
    }
    (HERE / "search.json").write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps({name: told[name] for name in told if name.startswith("tpe")}, indent=2))


if __name__ == "__main__":
    main()
