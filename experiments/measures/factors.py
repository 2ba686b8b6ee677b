"""Disentanglement on sprites: VAE, beta-VAE and beta-TC-VAE, by the command that measures everything.

    python experiments/measures/factors.py

20,000 sprites, ten latent units, 40 epochs, one seed each: a demonstration of the measures, not a comparison
of the members. Writes factors.csv and factors.md beside this file. Half an hour on two cores.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DATA = ["--data.name", "sprites", "--data.num_validation", "500", "--data.num_test", "500"]
NETS = ["--autoencoder.likelihood", "Bernoulli", "--epochs", "40"]
RUNS = {
    "vae": ["vae_digits"],
    "beta_4": ["vae_digits", "--autoencoder.beta", "4"],
    "beta_tc_4": ["beta_tc_digits", "--autoencoder.beta", "4"],
}


def main() -> None:
    """Trains, measures, writes."""
    jaxae = str(Path(sys.executable).parent / "jaxae")
    with tempfile.TemporaryDirectory() as folder:
        for name, (config, *options) in RUNS.items():
            call = [jaxae, "train", config, *DATA, *NETS, *options, "--run-dir", f"{folder}/{name}"]
            subprocess.run(call, cwd=ROOT, check=True)
        tables = [f"{HERE}/factors{suffix}" for suffix in (".csv", ".md")]
        call = [jaxae, "evaluate", *(f"{folder}/{name}" for name in RUNS), "--table", *tables]
        groups = "likelihood,health,reconstruction,codes,disentanglement,generation"
        subprocess.run([*call, "--measures", groups], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
