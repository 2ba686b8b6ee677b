"""Divergences between distributions over codes: closed forms, and the MMD of samples.

Shapes: L latent dimensions; a leading ... is any batch.
"""

from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import xlogy
from jax.typing import ArrayLike

Kernel = Literal["rbf", "imq"]


def gaussian_kl(mean: Array, log_var: Array) -> Array:
    """Compute KL(N(mean, diag exp log_var) || N(0, I)); [..., L] -> [...], nats.

    The formula is 1/2 sum_l (exp(log_var_l) + mean_l^2 - 1 - log_var_l). Kingma & Welling, 2014, appendix B
    (arXiv 1312.6114).

    Args:
        mean: Means, [..., L].
        log_var: Logarithms of the variances, [..., L].

    Returns:
        [...], nats.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.divergences import gaussian_kl
        >>> float(gaussian_kl(jnp.zeros(2), jnp.zeros(2)))  # N(0, I) itself
        0.0
        >>> float(gaussian_kl(jnp.ones(2), jnp.zeros(2)))  # |mean|^2 / 2
        1.0
    """
    return gaussian_kl_per_dim(mean, log_var).sum(axis=-1)


def gaussian_kl_per_dim(mean: Array, log_var: Array) -> Array:
    """Compute KL(N(mean_l, exp log_var_l) || N(0, 1)) of each latent dimension; [..., L] -> [..., L], nats.

    Args:
        mean: Means, [..., L].
        log_var: Logarithms of the variances, [..., L].

    Returns:
        [..., L], nats. Their sum over L is `gaussian_kl`.
    """
    # expm1, because exp(log_var) - 1 cancels near log_var = 0: where the posterior has collapsed to the
    # prior.
    return 0.5 * (mean**2 + jnp.expm1(log_var) - log_var)


def gaussian_kl_between(mean: Array, log_var: Array, prior_mean: Array, prior_log_var: Array) -> Array:
    """Compute KL(N(mean, diag exp log_var) || N(prior_mean, diag exp prior_log_var)); [..., L] -> [...].

    The unit is nats. Shifting and scaling both distributions does not change the divergence. Here they are
    transformed so that the second one becomes N(0, I).

    Args:
        mean: Means of the first distribution, [..., L].
        log_var: Logarithms of its variances, [..., L].
        prior_mean: Means of the second distribution, [..., L].
        prior_log_var: Logarithms of its variances, [..., L].

    Returns:
        [...], nats.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.divergences import gaussian_kl_between
        >>> mean, log_var = jnp.array([3.0]), jnp.array([0.0])
        >>> float(gaussian_kl_between(mean, log_var, mean, log_var))
        0.0
    """
    whitened = (mean - prior_mean) * jnp.exp(-0.5 * prior_log_var)
    return gaussian_kl(whitened, log_var - prior_log_var)


def gaussian_kl_full(mean: Array, scale_tril: Array) -> Array:
    """Compute KL(N(mean, T T') || N(0, I)); [..., L], [..., L, L] -> [...], nats.

    The formula is 1/2 (|T|_F^2 + |mean|^2 - L) - log det T with T = `scale_tril`.

    Args:
        mean: Means, [..., L].
        scale_tril: T, the Cholesky factor of the covariance, [..., L, L]: lower triangular with a positive
            diagonal.

    Returns:
        [...], nats.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.divergences import gaussian_kl_full
        >>> float(gaussian_kl_full(jnp.array([2.0, 0.0]), jnp.eye(2)))  # |mean|^2 / 2
        2.0
    """
    variances = jnp.sum(scale_tril**2, axis=-1)  # the diagonal of T T'
    log_det = jnp.log(jnp.diagonal(scale_tril, axis1=-2, axis2=-1)).sum(axis=-1)
    return 0.5 * jnp.sum(variances + mean**2 - 1.0, axis=-1) - log_det


def bernoulli_kl(share: ArrayLike, other: Array) -> Array:
    """Compute KL(Bernoulli(share) || Bernoulli(other)), elementwise; [...] -> [...], nats.

    The formula is share log(share / other) + (1 - share) log((1 - share) / (1 - other)).

    Args:
        share: Probability of 1 under the first distribution, in [0, 1]: a number, or an array that broadcasts
            with `other`.
        other: Probability of 1 under the second distribution, [...], in (0, 1).

    Returns:
        [...], nats.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.divergences import bernoulli_kl
        >>> float(bernoulli_kl(0.5, jnp.array(0.5)))
        0.0
        >>> round(float(bernoulli_kl(1.0, jnp.array(0.5))), 4)  # log 2
        0.6931
    """
    share = jnp.asarray(share)
    # xlogy gives 0 log 0 = 0, so that a share of 0 or 1 has a finite divergence.
    return xlogy(share, share / other) + xlogy(1.0 - share, (1.0 - share) / (1.0 - other))


def mmd(x: Array, y: Array, kernel: Kernel) -> Array:
    """Compute the unbiased estimate of the squared maximum mean discrepancy; [N, L], [M, L] -> f32[].

    The formula is mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j). Its expectation
    is 0 if both samples have the same distribution, so the estimate may be negative. Gretton et al., 2012,
    JMLR 13, lemma 6.

    Args:
        x: One sample, [N, L] with N >= 2.
        y: The other sample, [M, L] with M >= 2.
        kernel: "rbf" or "imq"; see `kernel_matrix`.

    Returns:
        f32[], without a unit.

    Raises:
        ValueError: If a sample has fewer than two rows, so that it has no pairs.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"mmd: got samples of {len(x)} and {len(y)} rows, expected at least 2 each")
    return _mean_off_diagonal(kernel_matrix(x, x, kernel)) + (
        _mean_off_diagonal(kernel_matrix(y, y, kernel)) - 2.0 * kernel_matrix(x, y, kernel).mean()
    )


def kernel_matrix(x: Array, y: Array, kernel: Kernel) -> Array:
    """Compute the kernel k(x_i, y_j) of all pairs; [N, L], [M, L] -> [N, M].

    The scale is C = 2 L, the expected squared distance of two draws from N(0, I). The kernel rbf is exp(-|x -
    y|^2 / C). The kernel imq is C / (C + |x - y|^2). Its tails are heavier, so codes that are far from the
    prior still get a gradient (Tolstikhin et al., 2018).

    Args:
        x: [N, L].
        y: [M, L].
        kernel: "rbf" or "imq".

    Returns:
        [N, M], in (0, 1].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.maths.divergences import kernel_matrix
        >>> kernel_matrix(jnp.zeros((1, 1)), jnp.array([[0.0], [2.0**0.5]]), "imq").round(4).tolist()
        [[1.0, 0.5]]
    """
    scale = 2.0 * x.shape[-1]
    # |x|^2 - 2 x.y + |y|^2 as one matrix product is ten times as fast as the differences of all pairs. Its
    # rounding error is relative to |x|^2, so an accelerator must multiply in full float32.
    inner = jnp.matmul(x, y.T, precision="highest")
    distances = (x**2).sum(axis=-1)[:, None] + (y**2).sum(axis=-1)[None] - 2.0 * inner
    return jnp.exp(-distances / scale) if kernel == "rbf" else scale / (scale + distances)


def _mean_off_diagonal(matrix: Array) -> Array:
    """Return the mean of a square matrix without its diagonal."""
    size = len(matrix)
    # k(x_i, x_i) = 1 for every i: including the diagonal would bias the estimate upwards.
    return (matrix.sum() - jnp.trace(matrix)) / (size * (size - 1))
