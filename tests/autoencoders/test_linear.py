"""The exact cases: a linear autoencoder is PCA, a linear VAE is probabilistic PCA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

import jaxae
from jaxae.data import load
from jaxae.runs.experiment import Experiment

L = 4
DIGITS = load(jaxae.DataSpec(name="digits", num_validation=0, num_test=0))
X = np.asarray(DIGITS.train.x, np.float64).reshape(-1, 64) / 16
LINEAR = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=()), "latent_dim": L}


def fitted(autoencoder: object, epochs: int, rate: float) -> jaxae.Result:
    """Training to convergence on all 1,797 digits, in three batches an epoch."""
    experiment = Experiment(
        data=jaxae.DataSpec(name="digits", num_validation=0, num_test=0),
        model=autoencoder,  # type: ignore[arg-type]
        optimizer=jaxae.Adam(learning_rate=jaxae.schedules.Cosine(start=rate, end=0.0, steps=3.0 * epochs)),
        batch_size=len(X) // 3,
        epochs=epochs,
    )
    return jaxae.fit(experiment)


def test_linear_autoencoder_reaches_the_error_and_the_subspace_of_pca() -> None:
    pca = PCA(L).fit(X)
    pca_error = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum(axis=1).mean()
    result = fitted(jaxae.AE(**LINEAR), epochs=1500, rate=0.02)
    error = ((X - result.reconstruct(DIGITS.train.x).reshape(-1, 64)) ** 2).sum(axis=1).mean()
    print(
        f"squared error: PCA {pca_error:.6f}, linear autoencoder {error:.6f}, ratio {error / pca_error:.6f}"
    )
    assert pca_error * (1 - 1e-6) <= error <= pca_error * 1.001
    # The subspace: cosines of the principal angles between the decoder's columns and the components.
    decoder, _ = np.linalg.qr(np.asarray(result.variables.params["decoder"]["Dense_0"]["kernel"]).T)
    cosines = np.linalg.svd(pca.components_ @ decoder, compute_uv=False)
    assert cosines.min() > 0.9999


def ppca() -> tuple[float, float]:
    """(mean log-likelihood in nats, noise std) of maximum-likelihood pPCA (Tipping & Bishop, 1999, eq. 8)."""
    eigenvalues = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    variance = eigenvalues[L:].mean()
    log_det = np.log(eigenvalues[:L]).sum() + (64 - L) * np.log(variance)
    return -0.5 * (64 * np.log(2 * np.pi) + log_det + 64), float(np.sqrt(variance))


@pytest.mark.slow
def test_linear_vae_reaches_the_log_likelihood_of_ppca() -> None:
    """Its optimum is pPCA's (Lucas et al., 2019, arXiv 1911.02469), where the ELBO is log p(x) exactly."""
    log_likelihood, std = ppca()
    vae = jaxae.VAE(**LINEAR, likelihood=jaxae.Gaussian(std=std))
    result = fitted(vae, epochs=4000, rate=0.05)
    # The posterior is the exact one at the optimum: every log-weight is log p(x), without noise.
    batch = jaxae.Batch(jnp.asarray(X.reshape(-1, 8, 8, 1), jnp.float32))
    log_weights = vae_log_weights(result, batch)
    elbo = float(log_weights.mean())
    print(f"pPCA {log_likelihood:.5f} nats, linear VAE's ELBO {elbo:.5f} nats, noise std {std:.4f}")
    assert elbo == pytest.approx(log_likelihood, abs=0.01)
    assert exact_log_likelihood(result, std) == pytest.approx(log_likelihood, abs=0.01)


def vae_log_weights(result: jaxae.Result, batch: jaxae.Batch) -> np.ndarray:
    autoencoder = result.experiment.model
    weights = jax.jit(lambda v, b, k: autoencoder.log_weights(v, b, k, 16))  # type: ignore[attr-defined]
    return np.asarray(weights(result.variables, batch, jax.random.key(1)), np.float64)


def exact_log_likelihood(result: jaxae.Result, std: float) -> float:
    """Mean log N(x; b, W W^T + std^2 I) of the trained decoder: another route than the encoder's."""
    layer = jax.device_get(result.variables.params["decoder"]["Dense_0"])
    weights, bias = np.asarray(layer["kernel"], np.float64), np.asarray(layer["bias"], np.float64)
    covariance = weights.T @ weights + std**2 * np.eye(64)
    difference = X - bias
    mahalanobis = (difference * np.linalg.solve(covariance, difference.T).T).sum(axis=1).mean()
    return -0.5 * (64 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + mahalanobis)
