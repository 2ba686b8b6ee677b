"""Trained runs and sweeps for tests of pages, small and hostile."""

from pathlib import Path
from typing import Any

import numpy as np

import jaxae
from jaxae.runs.result import Result

# A name and a label that would do harm if a page took them for HTML or for a script.
HOSTILE = (
    "<script>window.hacked=1</script>'\"</script><img src=x onerror=window.hacked=1>\u202e\u200f😀{{7*7}}"
)
LONG = "ab<b>c" * 1_666


def run(folder: Path, seed: int = 0, epochs: int = 3, **notes: object) -> Path:
    """A VAE of two dimensions on the digits."""
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(num_validation=100, num_test=100),
        model=jaxae.VAE(encoder=jaxae.MLP(widths=(16,)), decoder=jaxae.MLP(widths=(16,)), latent_dim=2),
        epochs=epochs,
    )
    jaxae.fit(experiment, seed=seed, run_dir=folder, progress=False, **notes)  # type: ignore[arg-type]
    return folder


def sweep(folder: Path, seeds: int = 2) -> Path:
    """Six settings of a VAE, of which those of the largest learning rate diverge."""
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(num_validation=100, num_test=100),
        model=jaxae.VAE(encoder=jaxae.MLP(widths=(8,)), decoder=jaxae.MLP(widths=(8,)), latent_dim=2),
        epochs=3,
    )
    over = {"model.beta": [0.5, 1.0, 4.0], "optimizer.learning_rate": [1e-3, 1e18]}
    jaxae.sweep(experiment, over, seeds=seeds, run_dir=folder, progress=False)
    return folder


def labelled() -> Result:
    """A VAE on rows of the user's, whose labels have hostile names."""
    rows = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), np.uint8)
    names = np.array([HOSTILE, f"{HOSTILE} too"])[np.arange(300) % 2]
    nets: dict[str, Any] = {name: jaxae.MLP(widths=(8,)) for name in ("encoder", "decoder")}
    experiment = jaxae.Experiment(model=jaxae.VAE(**nets, latent_dim=2), epochs=1, batch_size=50)
    return jaxae.fit(experiment, x=rows, y=names, progress=False)
