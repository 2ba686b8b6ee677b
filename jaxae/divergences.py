"""Divergences between distributions over the code, in closed form. L latent; a leading ... is any batch."""

import jax.numpy as jnp
from jax import Array


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
