"""The parts of a VAE's loss by hand."""

import jax.numpy as jnp
import numpy as np

import jaxae
from jaxae import keys, schedules
from jaxae.specs.pytree import replace
from jaxae.types import Batch
from tests import small

BATCH = Batch(jnp.asarray(small.images(9) / 255, jnp.float32), jnp.asarray(small.labels(9)))


def test_a_capacity_costs_the_distance_of_the_rate_from_it_at_the_steps_value() -> None:
    autoencoder = small.member("VAE with a capacity")
    variables = autoencoder.init(keys.root(0), BATCH)
    for step, capacity in ((0, 0.2), (2, 0.92), (5, 2.0), (50, 2.0)):
        terms, _ = schedules.at(autoencoder, step).terms(variables, BATCH, keys.root(1))
        np.testing.assert_allclose(terms["capacity_gap"], np.abs(terms["rate"] - capacity), rtol=1e-5)
    weights = autoencoder.weights(jnp.asarray(3))
    assert weights["rate"] == 0 and weights["capacity_gap"] == 1


def test_free_bits_are_free_for_each_dimension_on_the_average_over_the_batch() -> None:
    autoencoder = replace(small.member("VAE with free bits"), "free_bits", 0.05)
    variables = autoencoder.init(keys.root(0), BATCH)
    each = np.asarray(autoencoder.posterior.kl_per_dim(autoencoder.infer(variables, BATCH)))
    terms, _ = autoencoder.terms(variables, BATCH, keys.root(1))
    np.testing.assert_allclose(terms["free_rate"], np.maximum(each.mean(axis=0), 0.05).sum(), rtol=1e-5)
    np.testing.assert_allclose(terms["rate"], each.sum(axis=1), rtol=1e-5)


def test_a_condition_reaches_encoder_and_decoder() -> None:
    autoencoder = small.member("VAE, conditional")
    variables = autoencoder.init(keys.root(0), BATCH)
    other = BATCH._replace(y=(BATCH.y + 1) % 3)
    assert not np.allclose(autoencoder.encode(variables, BATCH), autoencoder.encode(variables, other))
    z = jnp.zeros((9, 3))
    first, second = (autoencoder.decode(variables, z, y)["logits"] for y in (BATCH.y, other.y))
    assert not np.allclose(first, second)
    again = autoencoder.decode(variables, z, jnp.roll(BATCH.y, 3))["logits"]
    np.testing.assert_array_equal(first, again), "the same labels in the same places"


def test_warm_up_reaches_one_at_its_end_and_stays() -> None:
    autoencoder = jaxae.VAE(beta=jaxae.schedules.Linear(start=0.0, end=1.0, steps=10.0))
    rates = [float(autoencoder.weights(jnp.asarray(step))["rate"]) for step in (0, 5, 10, 11, 1000)]
    assert rates == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_distortion_is_minus_the_mean_log_likelihood_of_the_draws() -> None:
    autoencoder = small.member("VAE with 3 samples and a warm-up")
    variables = autoencoder.init(keys.root(0), BATCH)
    z, _ = autoencoder.posterior.sample(autoencoder.infer(variables, BATCH), keys.root(1), 3)
    each = []
    for codes in z:
        logits = np.asarray(autoencoder.decode(variables, codes)["logits"], np.float64)
        x = np.asarray(BATCH.x, np.float64)
        each.append((x * logits - np.logaddexp(0, logits)).sum(axis=(1, 2, 3)))
    terms, _ = schedules.at(autoencoder, 0).terms(variables, BATCH, keys.root(1))
    np.testing.assert_allclose(terms["distortion"], -np.mean(each, axis=0), rtol=1e-5)
