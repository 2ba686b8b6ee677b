"""Compare MNIST codes of 1000 units by a linear probe: contractive, denoising and KL-sparse against vanilla.

    JAXAE_DATA=FOLDER python experiments/family/codes.py

All members have one architecture (784-1000 sigmoid, tied, Bernoulli), one optimiser and one number of steps.
The strength of each penalty is chosen on validation rows, with another seed and half of the steps. Each
member is then trained with three seeds and probed on the test rows. Writes codes.json next to this file.
Takes half an hour on two cores.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from probe import classified

import jaxae
from jaxae.runs import provenance
from jaxae.specs.pytree import replace

HERE = Path(__file__).parent
RESULTS = HERE / "codes.json"
EPOCHS, TRIAL_EPOCHS, SEEDS = 20, 10, 3
LAYER: dict[str, Any] = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=())}
UNITS: dict[str, Any] = {
    **LAYER,
    "latent_dim": 1000,
    "activation": "sigmoid",
    "tied": True,
    "reconstruction": jaxae.Bernoulli(),
}
# member -> (spec, field of its strength, values to choose from)
MEMBERS: dict[str, tuple[Any, str, tuple[float, ...]]] = {
    "vanilla": (jaxae.AE(**UNITS), "", ()),
    "contractive": (jaxae.ContractiveAE(**UNITS), "contraction_weight", (0.1, 0.3, 1.0)),
    "denoising": (jaxae.DenoisingAE(**UNITS), "corruption.rate", (0.25, 0.5, 0.7)),
    "kl_sparse": (jaxae.KLSparseAE(**UNITS, rho=0.1), "sparsity_weight", (0.1, 0.3, 1.0)),
}


def experiment(member: Any, epochs: int) -> jaxae.Experiment:
    """Return the experiment that trains the member with the common budget."""
    return jaxae.Experiment(
        data=jaxae.DataSpec(name="mnist", num_validation=10_000),
        model=member,
        optimizer=jaxae.Adam(learning_rate=1e-3),
        batch_size=100,
        epochs=epochs,
        checkpoint_every=epochs,
        validate_every=epochs,
    )


def measured(member: Any, epochs: int, seed: int, split: str) -> dict[str, float]:
    """Train a member and measure its codes on `split`.

    Returns the probe's error in %, the mean code, and the share of code values that are saturated (below 0.05
    or above 0.95).
    """
    result = jaxae.fit(experiment(member, epochs), seed=seed)
    train, held_out = result.train, getattr(result, split)
    codes, others = result.encode(train), result.encode(held_out)
    error = classified(codes, train.y, others, held_out.y, inverse_strength=0.1, tolerance=1e-3)
    saturated = float(((others < 0.05) | (others > 0.95)).mean())
    return {"seed": seed, "error": error, "mean_code": float(others.mean()), "saturated": saturated}


def study(name: str) -> dict[str, Any]:
    """Choose a member's strength on validation rows, then measure every seed on test rows."""
    member, field, values = MEMBERS[name]
    tried = {
        value: measured(replace(member, field, value), TRIAL_EPOCHS, 100, "validation") for value in values
    }
    print(name, tried, flush=True)
    best = min(values, key=lambda value: tried[value]["error"], default=None)
    chosen = member if best is None else replace(member, field, best)
    rows = [measured(chosen, EPOCHS, seed, "test") for seed in range(SEEDS)]
    print(name, best, rows, flush=True)
    validation = {str(value): row for value, row in tried.items()}
    return {"field": field, "chosen": best, "validation": validation, "test": rows}


def main() -> None:
    """Study all members, and write the results after each."""
    results: dict[str, Any] = {
        "epochs": {"chosen_with": TRIAL_EPOCHS, "tested_with": EPOCHS},
        **provenance.of_study(__file__),
    }
    for name in MEMBERS:
        results[name] = study(name)
        mean = np.mean([row["error"] for row in results[name]["test"]])
        print(name, f"{mean:.2f} %", flush=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
