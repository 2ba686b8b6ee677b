"""The rate's three parts: their sum, and the estimate of q(z) against all minibatches there are."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.autoencoders.beta_tc import log_batch_weights
from jaxae.types import Batch
from tests import small

BATCH = Batch(jnp.asarray(small.images(8) / 255, jnp.float32))


def test_the_parts_sum_to_the_sampled_rate_of_each_example() -> None:
    autoencoder = small.member("BetaTCVAE")
    variables = autoencoder.init(keys.root(0), BATCH)
    terms, _ = autoencoder.terms(variables, BATCH, keys.root(1))
    draw = autoencoder.draw(variables, BATCH, keys.root(1), 1)
    total = terms["mutual_information"] + terms["total_correlation"] + terms["dimension_kl"]
    np.testing.assert_allclose(total, autoencoder.rate(draw, closed=False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size, number", [(2, 2), (4, 9), (9, 9), (100, 60_000)])
def test_stratified_weights_sum_to_one_with_the_own_posterior_on_the_diagonal(size: int, number: int) -> None:
    weights = np.exp(np.asarray(log_batch_weights(size, number, "mss"), np.float64))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.diag(weights), 1 / number, rtol=1e-5)


def test_stratified_weights_are_unbiased_for_the_aggregate_posterior() -> None:
    """Over every ordered minibatch of 3 of 5 examples that begins with the one z was drawn from."""
    densities = np.random.RandomState(0).rand(5)  # q(z|x_n) at one z
    weights = np.exp(np.asarray(log_batch_weights(3, 5, "mss"), np.float64))[0]
    for own in range(5):
        others = [number for number in range(5) if number != own]
        batches = [(own, *rest) for rest in itertools.permutations(others, 2)]
        estimates = [weights @ densities[list(batch)] for batch in batches]
        # Stratified: of all batches with its example, an estimate's mean is q(z) itself.
        assert np.mean(estimates) == pytest.approx(densities.mean(), rel=1e-6)


def test_weighted_sampling_is_the_papers_biased_one() -> None:
    np.testing.assert_allclose(np.exp(log_batch_weights(4, 50, "mws")), 1 / 200, rtol=1e-5)


def test_independent_dimensions_have_no_total_correlation() -> None:
    """Every posterior alike: q(z) = q(z|x), which factorises, and tells nothing of x."""
    autoencoder = small.member("BetaTCVAE")
    variables = autoencoder.init(keys.root(0), BATCH)
    same = Batch(jnp.broadcast_to(BATCH.x[:1], BATCH.x.shape))
    terms, _ = autoencoder.terms(variables, same, keys.root(1))
    np.testing.assert_allclose(terms["total_correlation"], 0, atol=1e-4)
    np.testing.assert_allclose(terms["mutual_information"], 0, atol=1e-4)
