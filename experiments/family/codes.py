"""MNIST codes of 1000 units by a linear probe: contractive, denoising and KL-sparse against vanilla.

    JAXAE_DATA=FOLDER python experiments/family/codes.py

One architecture (784-1000 sigmoid, tied, Bernoulli), one optimiser, one number of steps for all. Each
member's own strength is chosen by the validation rows with one seed; then three seeds of it, probed on the
test rows. Writes codes.json beside this file. Under an hour on two cores.
"""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
from probe import classified

import jaxae
from jaxae import provenance
from jaxae.pytree import replace

HERE = Path(__file__).parent
RESULTS = HERE / "codes.json"
EPOCHS, SEEDS, STRENGTHS = 20, 3, (0.1, 1.0, 10.0)  # the probe's inverse strengths, chosen by validation rows
LAYER: dict[str, Any] = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=())}
UNITS: dict[str, Any] = {
    **LAYER,
    "latent_dim": 1000,
    "activation": "sigmoid",
    "tied": True,
    "reconstruction": jaxae.Bernoulli(),
}
# member -> (spec, the name of its strength, values to choose from)
MEMBERS: dict[str, tuple[Any, str, tuple[float, ...]]] = {
    "vanilla": (jaxae.AE(**UNITS), "", ()),
    "contractive": (jaxae.ContractiveAE(**UNITS), "contraction_weight", (0.1, 0.3, 1.0)),
    "denoising": (jaxae.DenoisingAE(**UNITS), "corruption.rate", (0.25, 0.5, 0.7)),
    "kl_sparse": (jaxae.KLSparseAE(**UNITS, rho=0.1), "sparsity_weight", (0.1, 0.3, 1.0)),
}


def experiment(member: Any) -> jaxae.Experiment:
    """The member under the common budget."""
    data = jaxae.Data(name="mnist", num_validation=10_000)
    optimizer = jaxae.Adam(learning_rate=1e-3)
    return jaxae.Experiment(
        data=data,
        autoencoder=member,
        optimizer=optimizer,
        batch_size=100,
        epochs=EPOCHS,
        checkpoint_every=EPOCHS,
    )


def errors(result: jaxae.Result, strengths: tuple[float, ...], split: str) -> list[float]:
    """The probe's error on `split` for each inverse strength, in %."""
    dataset = result.run.dataset
    train, held_out = dataset.train, getattr(dataset, split)
    codes, others = result.encode(train.x), result.encode(held_out.x)
    return [classified(codes, train.y, others, held_out.y, strength, 3000) for strength in strengths]


def study(name: str) -> dict[str, Any]:
    """One member: the choice on validation rows, and the seeds on test rows."""
    member, field, values = MEMBERS[name]
    tried = {}
    for value in values or (None,):
        candidate = member if value is None else replace(member, field, value)
        found = errors(jaxae.fit(experiment(candidate), seed=100), STRENGTHS, "validation")
        tried[str(value)] = dict(zip(map(str, STRENGTHS), found, strict=True))
        print(name, field, value, found, flush=True)
    best, strength = min(
        ((value, strength) for value in tried for strength in STRENGTHS),
        key=lambda pair: tried[pair[0]][str(pair[1])],
    )
    chosen = member if not values else replace(member, field, float(best))
    rows = []
    for seed in range(SEEDS):
        result = jaxae.fit(experiment(chosen), seed=seed)
        codes = result.encode(result.run.dataset.test.x)
        rows.append(
            {"seed": seed, "error": errors(result, (strength,), "test")[0], "mean_code": float(codes.mean())}
        )
        rows[-1]["saturated"] = float(((codes < 0.05) | (codes > 0.95)).mean())
        print(name, rows[-1], flush=True)
    return {"field": field, "chosen": best, "inverse_strength": strength, "validation": tried, "test": rows}


def main() -> None:
    """All members; each is written as it is done."""
    results: dict[str, Any] = {
        "epochs": EPOCHS,
        "date": datetime.date.today().isoformat(),
        **provenance.provenance(["python", "experiments/family/codes.py"]),
    }
    for name in MEMBERS:
        results[name] = study(name)
        mean = np.mean([row["error"] for row in results[name]["test"]])
        print(name, f"{mean:.2f} %", flush=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
