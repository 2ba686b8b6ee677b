"""Sparsity against scipy's entropy, closed gradients and counting."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxae
from jaxae import keys
from jaxae.autoencoders.winners import keep_largest, largest, num_kept
from jaxae.maths.divergences import bernoulli_kl
from jaxae.specs.pytree import replace
from jaxae.types import Batch
from tests import small

BATCH = Batch(jnp.asarray(small.images(20) / 255, jnp.float32))


def test_the_kl_of_shares_is_scipys_and_its_gradient_the_closed_one() -> None:
    with jax.enable_x64():
        rho, rho_hat = 0.05, jnp.linspace(0.01, 0.99, 50)
        expected = [stats.entropy([rho, 1 - rho], [other, 1 - other]) for other in np.asarray(rho_hat)]
        np.testing.assert_allclose(bernoulli_kl(rho, rho_hat), expected, rtol=1e-8)
        gradient = jax.grad(lambda other: bernoulli_kl(rho, other).sum())(rho_hat)
        np.testing.assert_allclose(
            gradient, -rho / rho_hat + (1 - rho) / (1 - rho_hat), rtol=1e-8, atol=1e-12
        )


def test_kl_sparsity_is_that_of_the_batchs_mean_code() -> None:
    autoencoder = small.member("KLSparseAE")
    variables = autoencoder.init(keys.root(0), BATCH)
    mean = np.asarray(autoencoder.encode(variables, BATCH)).mean(axis=0)
    rho = autoencoder.rho
    expected = sum(stats.entropy([rho, 1 - rho], [share, 1 - share]) for share in mean)
    terms, _ = autoencoder.terms(variables, BATCH, keys.root(1))
    np.testing.assert_allclose(terms["sparsity"], expected, rtol=1e-5)


def test_small_batches_are_penalised_more() -> None:
    """Jensen: the KL is convex in the mean activation, so the mean over half-batches is above the whole's."""
    autoencoder = small.member("KLSparseAE")
    variables = autoencoder.init(keys.root(0), BATCH)

    def sparsity(x: jax.Array) -> float:
        return float(autoencoder.terms(variables, Batch(x), keys.root(1))[0]["sparsity"][0])

    assert np.mean([sparsity(BATCH.x[:10]), sparsity(BATCH.x[10:])]) > sparsity(BATCH.x)


def test_a_saturated_unit_has_a_finite_penalty() -> None:
    autoencoder = small.member("KLSparseAE")
    variables = autoencoder.init(keys.root(0), BATCH)
    variables.params["encoder"]["Dense_1"]["bias"] = jnp.asarray([-200.0, 200.0, 0.0])
    terms, _ = autoencoder.terms(variables, BATCH, keys.root(1))
    assert bool(jnp.isfinite(terms["sparsity"]).all())


def test_codes_that_are_no_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="sigmoid"):
        jaxae.KLSparseAE(activation="relu").check()


def test_l1_is_the_sum_of_absolute_codes_and_the_reconstruction_is_above_0() -> None:
    autoencoder = small.member("L1SparseAE")
    variables = autoencoder.init(keys.root(0), BATCH)
    z = np.asarray(autoencoder.encode(variables, BATCH))
    terms, _ = autoencoder.terms(variables, BATCH, keys.root(1))
    np.testing.assert_allclose(terms["sparsity"], np.abs(z).sum(axis=1), rtol=1e-6)
    assert (z == 0).any() and (z >= 0).all()
    assert float(autoencoder.image(autoencoder.decode(variables, z)).min()) > 0


@pytest.mark.parametrize("k", [1, 3, 7])
def test_the_k_largest_stay_and_the_rest_is_0(k: int) -> None:
    code = np.random.RandomState(0).randn(11, 7).astype(np.float32)
    kept = np.asarray(keep_largest(jnp.asarray(code), k))
    for row, before in zip(kept, code, strict=True):
        assert (row != 0).sum() == k
        np.testing.assert_array_equal(np.sort(row[row != 0]), np.sort(before)[-k:])
    assert (np.asarray(keep_largest(jnp.ones((2, 5)), 2)) != 0).sum(axis=1).tolist() == [2, 2], "ties too"


def test_encode_may_keep_more_than_training_does() -> None:
    autoencoder = jaxae.TopKAE(latent_dim=9, k=2, k_encode=4, data_shape=(4, 4, 1))
    variables = autoencoder.init(keys.root(0), BATCH)
    assert (np.asarray(autoencoder.encode(variables, BATCH)) != 0).sum(axis=1).tolist() == [4] * 20


def test_each_unit_wins_a_share_of_the_batch() -> None:
    """The gradient of the distortion reaches a unit's features through its winners only."""
    autoencoder = jaxae.WinnerTakeAllAE(
        latent_dim=6, lifetime=0.15, data_shape=(4, 4, 1), activation="softplus"
    )
    variables = autoencoder.init(keys.root(0), BATCH)
    features = autoencoder.features(variables.params, BATCH.x)

    def loss(features: jax.Array) -> jax.Array:
        object.__setattr__(autoencoder, "features", lambda params, x: features)
        return autoencoder.terms(variables, BATCH, keys.root(1))[0]["distortion"].sum()

    reached = np.asarray(jax.grad(loss)(features)) != 0
    assert reached.sum(axis=0).tolist() == [3] * 6  # 15 % of 20
    winners = np.sort(np.asarray(features), axis=0)[-3:].min(axis=0)
    np.testing.assert_array_equal(reached, np.asarray(features) >= winners)


RATES = np.arange(1, 1001)  # thousandths


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 40, 64, 100, 125, 999, 1000])
def test_the_number_of_winners_is_the_ceiling_of_the_decimal(size: int) -> None:
    assert_exact_ceilings([size])


@pytest.mark.slow
def test_the_number_of_winners_is_the_ceiling_of_the_decimal_for_every_size() -> None:
    assert_exact_ceilings(range(1, 1001))


def assert_exact_ceilings(sizes: Sequence[int]) -> None:
    """Every rate k / 1000, traced and under vmap, against whole numbers."""
    rates = jnp.asarray(RATES / 1000, jnp.float32)
    of_all_rates = jax.vmap(num_kept, in_axes=(0, None))
    found = jax.jit(lambda rates: [of_all_rates(rates, size) for size in sizes])(rates)  # one program
    for size, kept in zip(sizes, found, strict=True):
        np.testing.assert_array_equal(kept, -(-RATES * size // 1000))


@pytest.mark.parametrize(
    "rate, size, expected", [(0.3, 100, 30), (0.15, 100, 15), (2 / 3, 3, 2), (1.0, 7, 7)]
)
def test_a_rate_that_is_not_traced_keeps_as_many(rate: float, size: int, expected: int) -> None:
    assert int(num_kept(rate, size)) == int(jax.jit(num_kept, static_argnums=1)(rate, size)) == expected


def test_a_lifetime_of_3_in_10_keeps_30_of_100_in_training() -> None:
    """Counted in what reaches the decoder, with the lifetime traced as in a run."""
    autoencoder = jaxae.WinnerTakeAllAE(
        latent_dim=2, lifetime=0.3, data_shape=(4, 4, 1), activation="softplus"
    )
    batch = Batch(jnp.asarray(small.images(100) / 255, jnp.float32))
    variables = autoencoder.init(keys.root(0), batch)
    seen = []

    def distortion(variables: Any, z: jax.Array, x: jax.Array) -> jax.Array:
        jax.debug.callback(lambda z: seen.append(np.asarray(z)), z)
        return z.sum(axis=1)

    def terms(lifetime: jax.Array) -> Any:
        traced = replace(autoencoder, "lifetime", lifetime)
        object.__setattr__(traced, "distortion", distortion)
        return traced.terms(variables, batch, keys.root(1))[0]

    jax.block_until_ready(jax.jit(terms)(jnp.float32(0.3)))
    jax.effects_barrier()
    assert (seen[0] != 0).sum(axis=0).tolist() == [30, 30]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_the_largest_are_those_of_a_stable_sort(axis: int, k: int) -> None:
    """Negative numbers, both zeros, infinities and ties included; k is traced."""
    random = np.random.RandomState(k)
    few = random.choice([-np.inf, -3.0, -1e-30, -0.0, 0.0, 1e-30, 0.5, 0.5, 7.0, np.inf], (200, 9, 9))
    for x in np.concatenate([few, random.randn(50, 9, 9)]).astype(np.float32):
        first = np.argsort(-x, axis=axis, kind="stable").take(np.arange(k), axis=axis)
        expected = np.zeros(x.shape, bool)
        np.put_along_axis(expected, first, True, axis=axis)
        np.testing.assert_array_equal(LARGEST(x, jnp.asarray(k), axis), expected)


LARGEST = jax.jit(largest, static_argnums=2)


def test_few_units_are_selected_as_by_bits() -> None:
    """Codes that are long enough for top_k, with ties, zeros of both signs and infinities."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(6, 90)).astype(np.float32)
    codes[1:4] = np.round(2 * codes[1:4]) / 2
    codes[3] = -np.abs(codes[3]) * (rng.random(90) < 0.5)
    codes[4, ::9] = np.inf
    codes[5] = np.where(rng.random(90) < 0.5, 0.0, -0.0)
    for k in (1, 3, 4):
        code = jnp.asarray(codes)
        expected = jnp.where(largest(code, k, axis=1), code, 0.0)
        np.testing.assert_array_equal(jax.jit(keep_largest, static_argnums=1)(code, k), expected)
        together = jax.vmap(lambda code, k=k: keep_largest(code, k))(code.reshape(2, 3, 90))
        np.testing.assert_array_equal(together.reshape(6, 90), expected)
    gradient = jax.grad(lambda code: (keep_largest(code, 3) ** 2).sum())(jnp.asarray(codes[:1]))
    np.testing.assert_array_equal(gradient, 2 * keep_largest(jnp.asarray(codes[:1]), 3))
    # A run whose code is not a number must not look healthy.
    assert np.isnan(keep_largest(jnp.asarray(codes[:1]).at[0, 7].set(jnp.nan), 3)).any()
