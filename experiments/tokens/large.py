"""Measure the seconds per train step and the memory of a VQ-VAE from 256x256x3 to 32x32 tokens of 2048 codes.

    python experiments/tokens/large.py [--batch-size 4] [--steps 3]

Rows are noise, because the cost of a step does not depend on them. The first step compiles and is not
counted. Writes large.json next to this file. Takes a few minutes on two cores.
"""

import argparse
import json
import resource
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
from jaxae.training import step
from jaxae.types import Batch

HERE = Path(__file__).parent
SHAPE = (256, 256, 3)
VQVAE = jaxae.VQVAE(
    encoder=jaxae.GridEncoder(channels=(32, 64, 128)),
    decoder=jaxae.GridDecoder(channels=(128, 64, 32)),
    grid=(32, 32),
    code_dim=32,
    quantiser=jaxae.EMACodebook(num_codes=2048),
    data_shape=SHAPE,
)


def timed(batch_size: int, steps: int) -> dict[str, Any]:
    """Measure the seconds of each step, after a first one that compiles."""
    x = np.random.RandomState(0).randint(0, 256, (batch_size, *SHAPE)).astype(np.uint8)
    rows = Batch(jnp.asarray(x), jnp.zeros(batch_size, jnp.int32))
    experiment = as_arrays(jaxae.Experiment(model=VQVAE))
    state = jax.jit(step.create)(experiment, keys.root(0), Batch(rows.x / 255, rows.y))
    advance: Any = jax.jit(step.train_step, donate_argnums=2)
    seconds, losses = [], []
    for number in range(steps + 1):
        start = time.perf_counter()
        state, info = advance(experiment, keys.root(number + 1), state, rows, jnp.float32(255))
        losses.append(float(info.loss))
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.variables.params)),
        "seconds_of_the_first_step": seconds[0],
        "seconds_a_step": seconds[1:],
        "losses": losses,
    }


def main() -> None:
    """Measure the steps, print them, and write large.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3)
    asked = parser.parse_args()
    found = timed(asked.batch_size, asked.steps)
    result = {
        "shape": SHAPE,
        "grid": VQVAE.grid,
        "num_codes": VQVAE.num_codes,
        "batch_size": asked.batch_size,
        **found,
        "peak_gib_of_the_process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        **provenance.of_study(__file__),
    }
    print(json.dumps(result, indent=2))
    (HERE / "large.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
