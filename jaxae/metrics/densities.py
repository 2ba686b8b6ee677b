"""Densities fitted to codes after training, so that any autoencoder can be sampled (Ghosh et al., 2020).

A plain autoencoder's codes follow no known distribution: draws from N(0, I) fall where no code is. N
examples, L latent.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxae.errors import JaxaeError


class CodeDensity(NamedTuple):
    """A mixture of Gaussians over codes (scikit-learn's GaussianMixture)."""

    mixture: Any

    def sample(self, num: int, seed: int = 0) -> np.ndarray:
        """z, f32[num, L], in a random order."""
        self.mixture.set_params(random_state=seed)
        codes, _ = self.mixture.sample(num)
        return np.random.RandomState(seed).permutation(codes).astype(np.float32)

    def log_prob(self, codes: Any) -> np.ndarray:
        """log p(z), [N, L] -> float64[N], nats."""
        return self.mixture.score_samples(np.asarray(codes, np.float64))


def fit_density(codes: Any, num_components: int = 10, seed: int = 0) -> CodeDensity:
    """A mixture with full covariances, by expectation maximisation; codes [N, L] of training examples.

    Ghosh, Sajjadi, Vergari, Black & Scholkopf, 2020 (arXiv 1903.12436), section 4: ten components.
    Raises: JaxaeError for fewer codes than components.
    """
    from sklearn.mixture import GaussianMixture

    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) < num_components:
        raise JaxaeError(
            f"codes: got shape {codes.shape}, expected (N, L) with N >= {num_components} components"
        )
    mixture = GaussianMixture(num_components, random_state=seed, reg_covar=1e-6)
    return CodeDensity(mixture.fit(codes))
