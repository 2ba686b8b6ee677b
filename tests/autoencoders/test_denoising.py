"""Corruptions by counting, the loss by hand, and the linear denoiser against its closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxae
from jaxae import keys
from jaxae.specs.pytree import replace
from jaxae.types import Batch, Variables
from tests import small

X = jnp.asarray(0.1 + 0.8 * np.random.RandomState(0).rand(200, 50), jnp.float32)
RATE = 0.3


def test_masking_leaves_survivors_untouched_and_dropout_rescales_them() -> None:
    masked, chosen = jaxae.distributions.Masking(rate=RATE).corrupt(X, keys.root(0))
    dropped, same = jaxae.distributions.Dropout(rate=RATE).corrupt(X, keys.root(0))
    np.testing.assert_array_equal(masked, np.where(chosen, 0, X))
    np.testing.assert_array_equal(chosen, same)
    np.testing.assert_allclose(dropped * (1 - RATE), masked, rtol=1e-6)  # the bridge between the two


@pytest.mark.parametrize(
    "cls", [jaxae.distributions.Masking, jaxae.distributions.Dropout, jaxae.distributions.SaltAndPepper]
)
def test_as_many_components_are_chosen_as_the_rate_says(cls: type) -> None:
    _, chosen = cls(rate=RATE).corrupt(X, keys.root(1))
    error = (RATE * (1 - RATE) / X.size) ** 0.5
    assert abs(float(chosen.mean()) - RATE) < 5 * error


def test_salt_and_pepper_are_the_ends_of_the_range_in_equal_shares() -> None:
    noisy, chosen = jaxae.distributions.SaltAndPepper(rate=RATE, low=-1.0, high=2.0).corrupt(X, keys.root(2))
    np.testing.assert_array_equal(noisy[~chosen], X[~chosen])
    values, counts = np.unique(noisy[chosen], return_counts=True)
    assert values.tolist() == [-1, 2] and abs(counts[0] / counts.sum() - 0.5) < 5 * 0.5 / counts.sum() ** 0.5


def test_gaussian_noise_has_its_std_and_corrupts_everything() -> None:
    noisy, chosen = jaxae.distributions.GaussianNoise(std=0.2).corrupt(X, keys.root(3))
    assert bool(chosen.all()) and abs(float((noisy - X).std()) - 0.2) < 5 * 0.2 / (2 * X.size) ** 0.5


@pytest.mark.parametrize("reconstruction", [jaxae.SquaredError(), jaxae.Bernoulli(), jaxae.LearnedGaussian()])
def test_the_two_distortions_are_those_of_chosen_components_and_the_others(reconstruction: object) -> None:
    autoencoder = jaxae.DenoisingAE(
        corruption=jaxae.distributions.SaltAndPepper(),
        emphasis=jaxae.Emphasis(),
        latent_dim=3,
        data_shape=(4, 4, 1),
        reconstruction=reconstruction,
    )
    batch = Batch(jnp.asarray(small.images(7) / 255, jnp.float32))
    variables = autoencoder.init(keys.root(0), batch)
    flat = batch.x.reshape(7, -1)
    corrupted, chosen = autoencoder.corruption.corrupt(flat, keys.root(1))
    parameters = autoencoder.decode(
        variables, autoencoder.code(variables.params, corrupted.reshape(batch.x.shape))
    )
    each = np.asarray(autoencoder.reconstruction.distortion(parameters, batch.x, 0)).reshape(7, -1)
    terms, _ = autoencoder.terms(variables, batch, keys.root(1))
    np.testing.assert_allclose(terms["distortion_corrupted"], (each * chosen).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(terms["distortion_kept"], (each * ~chosen).sum(axis=1), rtol=1e-5)
    plain, _ = replace(autoencoder, "emphasis", None).terms(variables, batch, keys.root(1))
    np.testing.assert_allclose(plain["distortion"], each.sum(axis=1), rtol=1e-5)


def test_encode_sees_the_clean_input() -> None:
    autoencoder = small.member("DenoisingAE")
    batch = Batch(jnp.asarray(small.images(5) / 255, jnp.float32))
    variables = autoencoder.init(keys.root(0), batch)
    plain = jaxae.AE(encoder=autoencoder.encoder, latent_dim=3, data_shape=(4, 4, 1))
    assert small.same_bits(autoencoder.encode(variables, batch), plain.encode(variables, batch))


def test_the_linear_denoiser_is_wieners_and_its_residual_the_score_of_the_noisy_density() -> None:
    """x ~ N(0, C): the best r(y) is C S^-1 y and (r(y) - y) / s^2 = grad log N(y; 0, S), S = C + s^2 I."""
    std, covariance = 0.7, np.array([[1.0, 0.6, 0.0], [0.6, 1.5, 0.3], [0.0, 0.3, 0.5]])
    layer = jaxae.MLP(widths=())
    autoencoder = jaxae.DenoisingAE(
        encoder=layer,
        decoder=layer,
        latent_dim=3,
        data_shape=(3,),
        corruption=jaxae.distributions.GaussianNoise(std=std),
    )
    root = jnp.asarray(np.linalg.cholesky(covariance), jnp.float32)

    def loss(params: object, key: jax.Array) -> jax.Array:
        x_key, terms_key = jax.random.split(key)
        batch = Batch(jax.random.normal(x_key, (2000, 3)) @ root.T)
        terms, _ = autoencoder.terms(Variables(params), batch, terms_key)
        return terms["distortion"].mean()

    optimizer = optax.adam(optax.cosine_decay_schedule(0.03, 1500))

    def step(carry: tuple, number: jax.Array) -> tuple[tuple, None]:
        params, state = carry
        updates, state = optimizer.update(
            jax.grad(loss)(params, jax.random.fold_in(keys.root(5), number)), state
        )
        return (optax.apply_updates(params, updates), state), None

    params = autoencoder.init(keys.root(4), Batch(jnp.zeros((1, 3)))).params
    (params, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, jnp.arange(1500)))(
        (params, optimizer.init(params))
    )
    noisy = Batch(jnp.asarray(np.random.RandomState(1).randn(20, 3), jnp.float32))
    variables = Variables(params)
    denoised = autoencoder.image(autoencoder.decode(variables, autoencoder.encode(variables, noisy)))
    noise = std**2 * np.eye(3)
    wiener = np.asarray(noisy.x) @ np.linalg.inv(covariance + noise) @ covariance
    score = -np.asarray(noisy.x) @ np.linalg.inv(covariance + noise)
    np.testing.assert_allclose(denoised, wiener, atol=0.02)
    np.testing.assert_allclose((denoised - noisy.x) / std**2, score, atol=0.04)
