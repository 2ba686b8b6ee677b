"""Count how many of 512 codes are used, with and without revival of dead codes, and with a gradient codebook.

    JAXAE_DATA=FOLDER python experiments/tokens/collapse.py [--data digits mnist] [--epochs N]

Trains the configs vq_vae_digits (seeds 0, 1, 2) and vq_vae_mnist (seed 0), and changes nothing but the
quantiser. Codes are counted over all training rows, and over the test rows. Writes collapse.json and the
table of README.md next to this file. Takes a quarter of an hour on two cores, of which all but two minutes
are MNIST's.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import jax

import jaxae
from jaxae.estimators.codebook import token_counts
from jaxae.maths import quantisation
from jaxae.runs import provenance
from jaxae.runs.config import load_config
from jaxae.specs.pytree import replace
from jaxae.training.loop import to_device

HERE = Path(__file__).parent
RESULTS, README = HERE / "collapse.json", HERE / "README.md"
SEEDS = {"digits": (0, 1, 2), "mnist": (0,)}
K = 512
QUANTISERS: dict[str, Any] = {
    "moving averages, dead codes revived": jaxae.EMACodebook(num_codes=K),
    "moving averages, begun from a batch, no revival": jaxae.EMACodebook(num_codes=K, revive_below=0.0),
    "gradients, begun at random": jaxae.GradientCodebook(num_codes=K),
}
HEAD = "| data | table of 512 codes | epochs | usage | perplexity | usage of the test rows | squared error |"


def trained(data: str, name: str, seed: int, epochs: int | None) -> dict[str, Any]:
    """Train one run, and return its codebook usage, perplexity and test error."""
    experiment = replace(load_config(f"vq_vae_{data}"), "model.quantiser", QUANTISERS[name])
    experiment = experiment if epochs is None else replace(experiment, "epochs", epochs)
    result = jaxae.fit(experiment, seed=seed)
    rows = to_device(result.run.dataset.train)
    counts = jax.jit(token_counts)(result.experiment.model, result.variables, rows)
    return {
        "data": data,
        "quantiser": name,
        "seed": seed,
        "epochs": experiment.epochs,
        "usage": float(quantisation.usage(counts)),
        "perplexity": float(quantisation.perplexity(counts)),
        "test_usage": result.scores["test"]["codebook_usage"],
        "squared_error": result.scores["test"]["squared_error"],
        **provenance.of_study(__file__),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Format the means over seeds as Markdown; several seeds give the smallest and the largest value."""
    lines = [HEAD, "|" + "---|" * HEAD.count(" | ") + "---|"]
    for data in SEEDS:
        for name in QUANTISERS:
            of = [row for row in rows if (row["data"], row["quantiser"]) == (data, name)]
            if of:
                cells = [span(of, "usage", 3), span(of, "perplexity", 0)]
                cells += [span(of, "test_usage", 3), span(of, "squared_error", 2)]
                lines.append(f"| {data} | {name} | {of[0]['epochs']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def span(rows: list[dict[str, Any]], name: str, digits: int) -> str:
    """Format the smallest and the largest value, such as `0.981 to 0.996`."""
    values = sorted(row[name] for row in rows)
    ends = values[:1] if len(values) == 1 else [values[0], values[-1]]
    return " to ".join(f"{value:.{digits}f}" for value in ends)


def main() -> None:
    """Train on the data named on the command line (default: all), and keep the results of the others."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", choices=list(SEEDS), default=list(SEEDS))
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = [row for row in rows if row["data"] not in asked.data]
    for data in asked.data:
        for name in QUANTISERS:
            for seed in SEEDS[data]:
                rows.append(trained(data, name, seed, asked.epochs))
                print({key: rows[-1][key] for key in list(rows[-1])[:8]}, flush=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    found = re.sub(r"(?s)(?<=<!-- collapse -->\n).*(?=<!-- end -->)", table(rows) + "\n", README.read_text())
    README.write_text(found)


if __name__ == "__main__":
    main()
