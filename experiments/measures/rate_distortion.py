"""Measure rate against distortion of VAEs on the digits over beta, in one sweep with five seeds.

    python experiments/measures/rate_distortion.py

The likelihood is fixed, so that distortion + rate is minus the ELBO. At beta = 1 the curve therefore touches
a line of slope -1 (Alemi et al., 2018, arXiv 1711.00464). Writes rate_distortion.json and .png next to this
file. Takes a few minutes.
"""

import json
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

import jaxae
from jaxae.plots.canvas import save
from jaxae.runs import provenance

HERE = Path(__file__).parent
BETAS = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
SEEDS = 5


def main() -> None:
    """Train the sweep, print and write the points, and draw the curve."""
    experiment = jaxae.load_config("vae_digits")
    with tempfile.TemporaryDirectory() as folder:
        results = jaxae.sweep(experiment, {"model.beta": BETAS}, seeds=SEEDS, run_dir=f"{folder}/sweep")
        table = results.table
    lines = []
    for beta in BETAS:
        rows = table[table["model.beta"] == beta]
        point = {"beta": beta, "seeds": len(rows)}
        for name in ("rate", "distortion", "elbo"):
            column = rows[f"test.{name}"]
            point |= {name: float(column.mean()), f"{name}_standard_deviation": float(column.std())}
        lines.append(point)
        print("  ".join(f"{key} {value:.4g}" for key, value in point.items()))
    found = {
        "points": lines,
        "unit": "nats an example, test split, a density of pixels in [0, 1]",
        **provenance.of_study(__file__),
    }
    (HERE / "rate_distortion.json").write_text(json.dumps(found, indent=2) + "\n")
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(
        [line["rate"] for line in lines],
        [line["distortion"] for line in lines],
        xerr=[line["rate_standard_deviation"] for line in lines],
        yerr=[line["distortion_standard_deviation"] for line in lines],
        marker="o",
        markersize=4,
    )
    for line in lines:
        axes.annotate(f"beta {line['beta']:g}", (line["rate"], line["distortion"]), fontsize=8)
    axes.set(xlabel="rate, nats", ylabel="distortion, nats", title="VAE on the digits, test split")
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, HERE / "rate_distortion.png")


if __name__ == "__main__":
    main()
