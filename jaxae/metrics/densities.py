"""Densities that are fitted to codes after training, so that every autoencoder can generate samples.

The codes of a plain autoencoder follow no known distribution, so draws from N(0, I) miss them. Ghosh et al.,
2020 (arXiv 1903.12436). Shapes: N examples, L latent dimensions.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxae.errors import JaxaeError


class CodeDensity(NamedTuple):
    """Mixture of Gaussians over codes (scikit-learn's GaussianMixture)."""

    mixture: Any

    def sample(self, num: int, seed: int = 0) -> np.ndarray:
        """Draw codes z ~ p(z), f32[num, L], in random order.

        Args:
            num: Number of codes.
            seed: Seed of the draws.

        Returns:
            f32[num, L].
        """
        self.mixture.set_params(random_state=seed)
        codes, _ = self.mixture.sample(num)
        # scikit-learn returns the draws sorted by component, so the first rows would all be from one of them.
        return np.random.RandomState(seed).permutation(codes).astype(np.float32)

    def log_prob(self, codes: Any) -> np.ndarray:
        """Compute log p(z); [N, L] -> float64[N], nats."""
        return self.mixture.score_samples(np.asarray(codes, np.float64))


def fit_density(codes: Any, num_components: int = 10, seed: int = 0) -> CodeDensity:
    """Fit a mixture of Gaussians with full covariances to codes, by expectation maximisation.

    Ghosh, Sajjadi, Vergari, Black & Scholkopf, 2020 (arXiv 1903.12436), section 4, use ten components.

    Args:
        codes: Codes of training examples, [N, L].
        num_components: Number of Gaussians.
        seed: Seed of the initial components.

    Returns:
        The fitted density.

    Raises:
        JaxaeError: If there are fewer codes than components, or `codes` is not [N, L].
    """
    from sklearn.mixture import GaussianMixture

    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) < num_components:
        raise JaxaeError(
            f"codes: got shape {codes.shape}, expected (N, L) with N >= {num_components} components"
        )
    # `reg_covar` keeps the covariance invertible if a latent dimension is constant.
    mixture = GaussianMixture(num_components, random_state=seed, reg_covar=1e-6)
    return CodeDensity(mixture.fit(codes))
