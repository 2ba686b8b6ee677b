"""Divergences between distributions over the code, in closed form. L latent; a leading ... is any batch."""

from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import xlogy
from jax.typing import ArrayLike

Kernel = Literal["rbf", "imq"]


def gaussian_kl(mean: Array, log_var: Array) -> Array:
    """KL(N(mean, diag exp log_var) || N(0, I)); [..., L] -> [...], nats.

    1/2 sum_l (exp(log_var_l) + mean_l^2 - 1 - log_var_l), with log_var the logarithm of the variance.
    Kingma & Welling, 2014, appendix B (arXiv 1312.6114).
    """
    return gaussian_kl_per_dim(mean, log_var).sum(axis=-1)


def gaussian_kl_per_dim(mean: Array, log_var: Array) -> Array:
    """KL(N(mean_l, exp log_var_l) || N(0, 1)) of each latent dimension; [..., L] -> [..., L], nats."""
    # expm1, since exp(log_var) - 1 cancels where the posterior has collapsed onto the prior.
    return 0.5 * (mean**2 + jnp.expm1(log_var) - log_var)


def gaussian_kl_between(mean: Array, log_var: Array, prior_mean: Array, prior_log_var: Array) -> Array:
    """KL(N(mean, diag exp log_var) || N(prior_mean, diag exp prior_log_var)); [..., L] -> [...], nats.

    The divergence does not change when both are shifted and scaled so that the prior is N(0, I).
    """
    whitened = (mean - prior_mean) * jnp.exp(-0.5 * prior_log_var)
    return gaussian_kl(whitened, log_var - prior_log_var)


def gaussian_kl_full(mean: Array, scale_tril: Array) -> Array:
    """KL(N(mean, T T') || N(0, I)); [..., L], [..., L, L] -> [...], nats.

    1/2 (|T|_F^2 + |mean|^2 - L) - log det T. T = `scale_tril` is lower triangular with a positive
    diagonal: the Cholesky factor of the covariance.
    """
    variances = jnp.sum(scale_tril**2, axis=-1)  # the diagonal of T T'
    log_det = jnp.log(jnp.diagonal(scale_tril, axis1=-2, axis2=-1)).sum(axis=-1)
    return 0.5 * jnp.sum(variances + mean**2 - 1.0, axis=-1) - log_det


def bernoulli_kl(share: ArrayLike, other: Array) -> Array:
    """KL(Bernoulli(share) || Bernoulli(other)), elementwise; shares in (0, 1) -> [...], nats.

    share log(share / other) + (1 - share) log((1 - share) / (1 - other)).
    """
    share = jnp.asarray(share)
    return xlogy(share, share / other) + xlogy(1.0 - share, (1.0 - share) / (1.0 - other))


def mmd(x: Array, y: Array, kernel: Kernel) -> Array:
    """The squared maximum mean discrepancy of two samples, without bias; [N, L], [M, L] -> f32[].

    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j). Its expectation is 0 where
    both have one distribution, so it may be below 0. Gretton et al., 2012, JMLR 13, lemma 6.

    Raises: ValueError for a sample of one, whose mean over pairs is of nothing.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"mmd: got samples of {len(x)} and {len(y)} rows, expected at least 2 each")
    return _mean_of_others(kernel_matrix(x, x, kernel)) + (
        _mean_of_others(kernel_matrix(y, y, kernel)) - 2.0 * kernel_matrix(x, y, kernel).mean()
    )


def kernel_matrix(x: Array, y: Array, kernel: Kernel) -> Array:
    """k(x_i, y_j); [N, L], [M, L] -> [N, M]. The scale is that of two draws from N(0, I): C = 2 L.

    rbf: exp(-|x - y|^2 / C). imq: C / (C + |x - y|^2), whose tails are heavier, so that codes far from
    the prior still feel it (Tolstikhin et al., 2018).
    """
    scale = 2.0 * x.shape[-1]
    # A product of matrices is ten times as fast as all pairs; its rounding is that of |x|^2.
    inner = jnp.matmul(x, y.T, precision="highest")
    distances = (x**2).sum(axis=-1)[:, None] + (y**2).sum(axis=-1)[None] - 2.0 * inner
    return jnp.exp(-distances / scale) if kernel == "rbf" else scale / (scale + distances)


def _mean_of_others(matrix: Array) -> Array:
    """The mean of a square matrix without its diagonal."""
    size = len(matrix)
    return (matrix.sum() - jnp.trace(matrix)) / (size * (size - 1))
