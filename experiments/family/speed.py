"""Measure the seconds and memory of training steps, to see the cost of the penalties and of the samples.

    python experiments/family/speed.py

The data are random images of MNIST's shape in batches of 100. The members take turns within one process.
Writes speed.json next to this file. Takes five minutes on two cores.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxae
from jaxae import keys
from jaxae.runs import provenance
from jaxae.runs.experiment import as_arrays
from jaxae.training import loop
from jaxae.types import Batch

HERE = Path(__file__).parent
SHAPE, BATCH, ROUNDS = (28, 28, 1), 100, 7
LAYER: dict[str, Any] = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=())}
UNITS: dict[str, Any] = {
    **LAYER,
    "latent_dim": 1000,
    "activation": "sigmoid",
    "tied": True,
    "reconstruction": jaxae.Bernoulli(),
}
CLASSICAL = {
    "vanilla": jaxae.AE(**UNITS),
    "contractive, closed": jaxae.ContractiveAE(**UNITS, method="closed"),
    "contractive, hutchinson": jaxae.ContractiveAE(**UNITS, method="hutchinson"),
    "contractive, exact": jaxae.ContractiveAE(**UNITS, method="exact"),
}
STEPS = {"contractive, exact": 1}  # steps in one call; 20 for all other members
SIZES = {"784-400-20": (400, 20), "784-200-50": (200, 50)}


def iwae(width: int, latent_dim: int, k: int) -> jaxae.IWAE:
    """Return an IWAE with layers 784-width-latent_dim and back, and a Bernoulli likelihood."""
    nets: dict[str, Any] = {"encoder": jaxae.MLP(widths=(width,)), "decoder": jaxae.MLP(widths=(width,))}
    return jaxae.IWAE(**nets, latent_dim=latent_dim, num_samples=k)


class Stepper:
    """Compiled training steps of one autoencoder, with their state."""

    def __init__(self, autoencoder: Any, steps: int) -> None:
        """Compile the steps."""
        autoencoder = jaxae.specs.pytree.replace(autoencoder, "data_shape", SHAPE)
        self.steps = steps
        self.experiment = as_arrays(jaxae.Experiment(model=autoencoder, batch_size=BATCH))
        x = np.random.default_rng(0).integers(0, 256, (steps, BATCH, *SHAPE), np.uint8)
        self.rows = Batch(jnp.asarray(x), jnp.zeros((steps, BATCH), jnp.int32))
        self.carry = loop.begin(self.experiment, keys.root(0), Batch(self.rows.x[0] / 255.0, self.rows.y[0]))
        self.seconds()

    def seconds(self) -> float:
        """Run one call, and return its mean seconds per step."""
        start = time.perf_counter()
        self.carry, info = loop.run_chunk(
            self.experiment, keys.root(0), self.carry, self.rows, jnp.float32(255)
        )
        jax.block_until_ready((self.carry, info))
        return (time.perf_counter() - start) / self.steps


def in_turns(members: dict[str, Any]) -> dict[str, float]:
    """Return the median over rounds of each member's seconds per step; the members take turns."""
    steppers = {name: Stepper(member, STEPS.get(name, 20)) for name, member in members.items()}
    rounds = [{name: stepper.seconds() for name, stepper in steppers.items()} for _ in range(ROUNDS)]
    return {name: float(np.median([each[name] for each in rounds])) for name in members}


def peak_memory(name: str) -> float:
    """Measure the peak resident MiB of a separate process that takes two training steps."""
    call = [sys.executable, __file__, "--memory", name]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def flops(width: int, latent_dim: int, k: int) -> int:
    """Return the operations of one example's matrix products in a forward pass.

    The encoder runs once and the decoder k times.
    """
    num_pixels = int(np.prod(SHAPE))
    encoder = num_pixels * width + width * 2 * latent_dim
    return 2 * (encoder + k * (latent_dim * width + width * num_pixels))


def samples() -> dict[str, Any]:
    """Compare IWAE with k = 50 and k = 1.

    Returns the seconds per step, their ratio, and the ratio of the operations of their matrix products.
    """
    found = {}
    for name, size in SIZES.items():
        seconds = in_turns({str(k): iwae(*size, k) for k in (1, 50)})
        expected, ratio = flops(*size, 50) / flops(*size, 1), seconds["50"] / seconds["1"]
        found[name] = {"seconds": seconds, "ratio": ratio, "flops_ratio": expected, "of_it": ratio / expected}
        print(name, found[name], flush=True)
    return found


def main() -> None:
    """Measure everything, and write speed.json."""
    if sys.argv[1:2] == ["--memory"]:
        stepper = Stepper(CLASSICAL[sys.argv[2]], 1)
        stepper.seconds()
        status = Path("/proc/self/status").read_text()  # getrusage would start at the parent's peak
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)  # type: ignore[index]
        return
    seconds = in_turns(CLASSICAL)
    classical = {
        name: {"seconds": each, "of_vanilla": each / seconds["vanilla"], "peak_mib": peak_memory(name)}
        for name, each in seconds.items()
    }
    print(classical, flush=True)
    results = {
        "contractive": classical,
        "jacobians_mib": BATCH * 1000 * np.prod(SHAPE).item() * 4 / 2**20,
        "iwae": samples(),
        **provenance.of_study(__file__),
    }
    (HERE / "speed.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
