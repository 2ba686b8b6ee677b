"""Measure memory, seconds and FLOP rate of IWELBO_5000 on MNIST's test images with a 784-400-40 VAE.

    JAXAE_DATA=FOLDER python experiments/measures/cost.py [--num-rows 10000] [--num-samples 5000]

The FLOP rate counts the decoder's matrix products only. It is compared with the rate of matrix products of
the same shapes alone, measured before and after in the same process. The model is trained for one epoch
first, so that the weights are not all alike. Writes cost.json next to this file. Takes five minutes on two
cores.
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
from jaxae.estimators.importance import importance
from jaxae.memory import MOST_ELSEWHERE
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.runs import provenance
from jaxae.types import Examples

HERE = Path(__file__).parent
SIZES = (40, 400, 784)  # widths of the decoder's layers, input first


def trained() -> tuple[Any, Any, Examples]:
    """Train the VAE for one epoch on dynamic MNIST; return the model, its variables and the test images."""
    nets: dict[str, Any] = {"encoder": jaxae.MLP(widths=(400,)), "decoder": jaxae.MLP(widths=(400,))}
    vae = jaxae.VAE(**nets, latent_dim=40)
    data = jaxae.DataSpec(name="mnist", binarize="dynamic")
    result = jaxae.fit(jaxae.Experiment(data=data, model=vae, epochs=1))
    test = result.run.dataset.test
    return result.experiment.model, result.variables, Examples(jnp.asarray(test.x), (), test.scale)


def matrix_rate() -> float:
    """Measure the FLOP per second of the decoder's two matrix products alone, the best of five.

    Each product has `MOST_ELSEWHERE` rows.
    """
    z, first, second = jnp.ones((MOST_ELSEWHERE, SIZES[0])), jnp.ones(SIZES[:2]), jnp.ones(SIZES[1:])

    @jax.jit
    def products(z: Any) -> Any:
        def again(_: Any, z: Any) -> Any:
            # Each product needs the last result, so that XLA cannot move it out of the loop.
            return z + 1e-9 * ((z @ first) @ second)[:, : SIZES[0]]

        return jax.lax.fori_loop(0, 50, again, z)

    products(z).block_until_ready()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        products(z).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 50 * flops(MOST_ELSEWHERE) / min(seconds)


def flops(num: int) -> float:
    """Return the FLOP of the matrix products that decode `num` codes."""
    return 2.0 * num * (SIZES[0] * SIZES[1] + SIZES[1] * SIZES[2])


def main() -> None:
    """Measure the cost, print it, and write cost.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-rows", type=int, default=10_000)
    parser.add_argument("--num-samples", type=int, default=5000)
    asked = parser.parse_args()
    autoencoder, variables, rows = trained()
    rows = rows._replace(x=rows.x[: asked.num_rows])
    before = matrix_rate()
    start = time.perf_counter()
    found = importance(autoencoder, variables, rows, keys.root(0), asked.num_samples)
    seconds = time.perf_counter() - start
    after = matrix_rate()
    rate = flops(asked.num_rows * asked.num_samples) / seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    mean, error = mean_and_error(found.iwelbo)
    result = {
        "num_rows": asked.num_rows,
        "num_samples": asked.num_samples,
        "seconds": seconds,
        "gflop_per_second": rate / 1e9,
        "matrix_product_gflop_per_second": [before / 1e9, after / 1e9],
        "share_of_matrix_product": rate / max(before, after),
        "peak_gib_of_the_process": peak,
        "iwelbo_nats": mean,
        "standard_error": error,
        "effective_sample_size": float(np.mean(found.effective_sample_size)),
        "unreliable": float(np.mean(found.pareto_k > 0.7)),
        **provenance.of_study(__file__),
    }
    print(json.dumps(result, indent=2))
    (HERE / "cost.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
