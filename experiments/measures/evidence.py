"""Estimate log p(x) of digits in three ways for 2-D latents: grid, importance sampling, annealing.

    python experiments/measures/evidence.py

The grid is taken as exact, and the gap of each bound is predicted. For k = 1 the gap is KL(q || p(z|x)),
from the grid. For larger k it follows from the mean logarithm of the mean of k weights, which NumPy draws
from tables on the grid. For annealing it follows from the spread of the weights. Writes evidence.json next to
this file. Takes a quarter of an hour on two cores.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxae
from jaxae import keys
from jaxae.estimators.annealing import annealed
from jaxae.estimators.importance import importance
from jaxae.estimators.quadrature import log_evidence
from jaxae.estimators.terms import map_rows
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.runs import provenance
from jaxae.types import Batch, Examples

HERE = Path(__file__).parent
KS, REPEATS, NUM_ROWS, TABULATED = (1, 10, 100, 1000, 5000), 100, 50, 4_000_000
WIDTH, NUM = 8.0, 1201  # the grid has NUM points from -WIDTH to WIDTH in each dimension
NETS: dict[str, Any] = {"encoder": jaxae.MLP(widths=(64,)), "decoder": jaxae.MLP(widths=(64,))}


def trained() -> tuple[Any, Any, Examples]:
    """Train a VAE with two latent dimensions; return the model, its variables and test rows."""
    vae = jaxae.VAE(**NETS, latent_dim=2, likelihood=jaxae.Gaussian(std=0.3))
    result = jaxae.fit(jaxae.Experiment(model=vae, optimizer=jaxae.Adam(learning_rate=2e-3), epochs=100))
    test, model = result.run.dataset.test, result.experiment.model
    return model, result.variables, Examples(jnp.asarray(test.x[:NUM_ROWS]), (), test.scale)


def tables(autoencoder: Any, variables: Any, rows: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate the posterior and the log-weights of each row on the grid.

    Returns q(z|x) times the area of a cell and log w = log p(x, z) - log q(z|x), both f64[N, G * G].
    """
    axis = jnp.linspace(-WIDTH, WIDTH, NUM)
    step = float(axis[1] - axis[0])

    def measure(batch: Batch, _: Any) -> Any:
        def along(first: Any) -> Any:
            z = jnp.stack([jnp.full(NUM, first), axis], axis=1)[:, None]
            log_q = autoencoder.posterior.log_prob(autoencoder.infer(variables, batch), z)
            joint = autoencoder.log_likelihood(variables, batch, z) + autoencoder.log_prior(variables, z)
            return log_q[:, 0], (joint - log_q)[:, 0]

        log_q, log_w = jax.lax.map(along, axis)
        return log_q[None], log_w[None]

    log_q, log_w = jax.device_get(jax.jit(lambda rows: map_rows(measure, rows, keys.root(0), 1))(rows))
    q = np.exp(log_q.reshape(len(log_q), -1).astype(np.float64)) * step**2
    assert np.abs(q.sum(axis=1) - 1).max() < 1e-3, "the grid holds q"
    return q, log_w.reshape(len(log_w), -1).astype(np.float64)


def foretold(q: np.ndarray, log_w: np.ndarray, exact: np.ndarray, k: int) -> tuple[float, float]:
    """Predict log p(x) - E[IWELBO_k], the mean over rows, and the standard error of the prediction."""
    if k == 1:
        return float(np.mean(exact - (q * log_w).sum(axis=1))), 0.0
    random, gaps, errors = np.random.RandomState(k), [], []
    for row in range(len(q)):
        # Points of negligible probability are left out, which keeps the table short.
        inside = q[row] > 1e-12 * q[row].max()
        shares = np.cumsum(q[row][inside])
        where = np.searchsorted(shares / shares[-1], random.rand(max(1, TABULATED // k), k))
        log_weights = log_w[row][inside][where]
        top = log_weights.max(axis=1, keepdims=True)
        bounds = np.log(np.exp(log_weights - top).mean(axis=1)) + top[:, 0]
        gaps.append(exact[row] - bounds.mean())
        errors.append(bounds.std() / np.sqrt(len(bounds)))
    return float(np.mean(gaps)), float(np.sqrt(np.sum(np.square(errors))) / len(errors))


def over_keys(estimates: Iterable[Any]) -> tuple[float, float]:
    """Return the mean over rows and keys of the estimates, and its standard error over keys.

    Each key gives one estimate f32[N].
    """
    return mean_and_error([np.mean(np.asarray(estimate, np.float64)) for estimate in estimates])


def by_annealing(autoencoder: Any, variables: Any, rows: Examples) -> Any:
    """Return a function from a key to the log-weights f32[N, C] of annealed importance sampling.

    It runs 64 chains with 500 temperatures.
    """

    def measure(batch: Batch, key: Any) -> Any:
        found = annealed(autoencoder, variables, batch, key, num_chains=64, num_temperatures=500)
        return found.log_weights.T

    return jax.jit(lambda key: map_rows(measure, rows, key, 10))


def log_mean(log_weights: Any) -> np.ndarray:
    """Return the log of the mean weight, [N, C] -> [N].

    Its expectation is a lower bound of log p(x).
    """
    return np.asarray(jax.nn.logsumexp(log_weights, axis=1) - jnp.log(log_weights.shape[1]))


def lack(log_weights: Any) -> np.ndarray:
    """Estimate from the weights how far `log_mean` is below log p(x) on average, [N, C] -> [N].

    To first order the gap is Var(w) / (2 C E[w]^2).
    """
    weights = np.exp(np.asarray(log_weights, np.float64) - np.max(log_weights, axis=1, keepdims=True))
    return weights.var(axis=1, ddof=1) / weights.mean(axis=1) ** 2 / (2 * weights.shape[1])


def main() -> None:
    """Measure all estimates, print the table, and write evidence.json."""
    autoencoder, variables, rows = trained()
    grid = log_evidence(autoencoder, variables, rows, WIDTH, NUM)
    exact = np.asarray(grid.log_evidence, np.float64)
    q, log_w = tables(autoencoder, variables, rows)
    lines = []
    for k in KS:
        found = (importance(autoencoder, variables, rows, keys.root(seed), k) for seed in range(REPEATS))
        mean, error = over_keys(each.iwelbo for each in found)
        gap, gap_error = foretold(q, log_w, exact, k)
        lines.append(line(f"IWELBO, k = {k}", mean, error, exact.mean(), gap, gap_error))
    chains = by_annealing(autoencoder, variables, rows)
    log_weights = [np.asarray(chains(keys.root(seed))) for seed in range(REPEATS)]
    mean, error = over_keys(map(log_mean, log_weights))
    gap, gap_error = over_keys(map(lack, log_weights))
    name = "annealing, 64 chains, 500 temperatures"
    lines.append(line(name, mean, error, exact.mean(), gap, gap_error))
    result = {
        "exact": {"nats": float(exact.mean()), "error_of_grid": float(np.max(grid.error)), "rows": NUM_ROWS},
        "estimates": lines,
        **provenance.of_study(__file__),
    }
    (HERE / "evidence.json").write_text(json.dumps(result, indent=2) + "\n")


def line(name: str, mean: float, error: float, exact: float, gap: float, gap_error: float) -> dict[str, Any]:
    """Compare an estimate with the exact value and with the predicted gap.

    Returns one row of the table. `standard_errors_off` is the deviation from the prediction in standard
    errors.
    """
    whole = float(np.hypot(error, gap_error))
    off = (mean + gap - exact) / whole
    print(
        f"{name:<40} {mean:9.4f} ± {error:.4f}  lacks {exact - mean:.4f}, foretold {gap:.4f}, off {off:+.1f}"
    )
    return {
        "estimate": name,
        "nats": mean,
        "standard_error": error,
        "lacks": exact - mean,
        "foretold": gap,
        "foretold_standard_error": gap_error,
        "standard_errors_off": off,
    }


if __name__ == "__main__":
    main()
