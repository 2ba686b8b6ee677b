"""Three estimators of one bound's gradient on a linear Gaussian model: by quadrature, and their noise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.maths import bounds
from jaxae.types import Batch, Variables
from tests import small

LAYER = jaxae.MLP(widths=())
X = Batch(jnp.asarray([[0.8]], jnp.float32))
PARAMS = {
    "encoder": {"Dense_0": {"kernel": jnp.asarray([[0.3, -0.2]]), "bias": jnp.asarray([0.1, -0.5])}},
    "decoder": {"Dense_0": {"kernel": jnp.asarray([[1.3]]), "bias": jnp.asarray([0.2])}},
}


def model(estimator: Any, k: int) -> Any:
    """In one dimension: p(z) = N(0, 1), p(x|z) = N(1.3 z + 0.2, 0.6^2), q(z|x) away from the posterior."""
    return jaxae.IWAE(
        encoder=LAYER,
        decoder=LAYER,
        latent_dim=1,
        data_shape=(1,),
        likelihood=jaxae.Gaussian(std=0.6),
        estimator=estimator,
        num_samples=k,
    )


def gradients(estimator: Any, k: int, num: int) -> dict[str, np.ndarray]:
    """Estimates of the gradient of minus the bound, f64[num, parameters] of encoder and decoder."""
    autoencoder = model(estimator, k)

    def loss(params: Any, key: jax.Array) -> jax.Array:
        return autoencoder.terms(Variables(params), X, key)[0]["negative_iwelbo"][0]

    found = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(PARAMS, jax.random.split(keys.root(1), num))
    flat = {part: [leaf.reshape(num, -1) for leaf in jax.tree.leaves(found[part])] for part in found}
    return {part: np.concatenate(leaves, axis=1).astype(np.float64) for part, leaves in flat.items()}


def exact(k: int) -> dict[str, np.ndarray]:
    """The gradient of minus the bound for k = 1 or 2, the expectation by Gauss-Hermite quadrature."""
    autoencoder = model("standard", k)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    grids = np.stack(np.meshgrid(*[nodes] * k, indexing="ij")).reshape(k, -1)
    probabilities = (
        np.prod(np.meshgrid(*[weights] * k, indexing="ij"), axis=0).reshape(-1) / weights.sum() ** k
    )

    def loss(params: Any) -> jax.Array:
        outputs = autoencoder.infer(Variables(params), X)
        mean, log_var = autoencoder.posterior.mean_and_log_var(outputs)
        z = mean[0, 0] + jnp.exp(0.5 * log_var[0, 0]) * jnp.asarray(grids, jnp.float32)
        z = z[..., None]  # k samples of each node's example
        rows = Batch(jnp.broadcast_to(X.x, (z.shape[1], 1)))
        log_joint = autoencoder._log_joint(Variables(params), rows, z)
        log_q = autoencoder.posterior.log_prob(jnp.broadcast_to(outputs, (z.shape[1], 2)), z)
        return -(bounds.iwelbo(log_joint - log_q) * jnp.asarray(probabilities, jnp.float32)).sum()

    found = jax.grad(loss)(PARAMS)
    flat = {part: [leaf.reshape(-1) for leaf in jax.tree.leaves(found[part])] for part in found}
    return {part: np.concatenate(leaves).astype(np.float64) for part, leaves in flat.items()}


@pytest.mark.parametrize(
    "estimator, k", [("standard", 1), ("stl", 1), ("dreg", 1), ("standard", 2), ("dreg", 2)]
)
def test_the_expected_gradient_is_the_bounds(estimator: str, k: int) -> None:
    num, expected = 40_000, exact(k)
    for part, found in gradients(estimator, k, num).items():
        error = found.std(axis=0) / num**0.5
        assert (np.abs(found.mean(axis=0) - expected[part]) < 5 * error + 1e-5).all(), part


def test_stl_is_biased_for_more_than_one_sample() -> None:
    num, expected = 40_000, exact(2)["encoder"]
    found = gradients("stl", 2, num)["encoder"]
    assert (np.abs(found.mean(axis=0) - expected) > 8 * found.std(axis=0) / num**0.5).any()


def test_the_encoders_signal_drowns_as_k_grows_but_for_dreg() -> None:
    """Rainforth et al., 2018: SNR ~ k^-1/2 for the standard one; Tucker et al., 2019: k^1/2 for DReG."""

    def slope(estimator: str) -> float:
        counts = [8, 32, 128]
        ratios = []
        for k in counts:
            found = gradients(estimator, k, 8_000)["encoder"]
            ratios.append(np.median(np.abs(found.mean(axis=0)) / found.std(axis=0)))
        return float(np.polyfit(np.log(counts), np.log(ratios), 1)[0])

    assert slope("standard") == pytest.approx(-0.5, abs=0.25)
    assert slope("dreg") == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize("estimator", ["standard", "stl", "dreg"])
def test_the_value_is_the_bound_whatever_the_estimator(estimator: str) -> None:
    batch = Batch(jnp.asarray(small.images(5) / 255, jnp.float32))
    autoencoder = jaxae.IWAE(
        **small.NETS, latent_dim=3, data_shape=(4, 4, 1), estimator=estimator, num_groups=2
    )
    variables = autoencoder.init(keys.root(0), batch)
    terms, _ = autoencoder.terms(variables, batch, keys.root(1))
    log_weights = autoencoder.log_weights(variables, batch, keys.root(1), 10)
    expected = -bounds.iwelbo_of_groups(log_weights, 5)
    np.testing.assert_allclose(terms["negative_iwelbo"], expected, rtol=1e-5)


def test_piwaes_encoder_learns_by_miwae_and_its_decoder_by_iwae() -> None:
    """The same samples: each side's gradient is that of its bound alone, to the last bits."""
    batch = Batch(jnp.asarray(small.images(5) / 255, jnp.float32))

    def gradient(**settings: Any) -> Any:
        autoencoder = jaxae.IWAE(**small.NETS, latent_dim=3, data_shape=(4, 4, 1), **settings)
        variables = autoencoder.init(keys.root(0), batch)

        def loss(params: Any) -> jax.Array:
            terms, _ = autoencoder.terms(Variables(params), batch, keys.root(1))
            return sum(term.sum() for term in terms.values())

        return jax.grad(loss)(variables.params)

    partial = gradient(num_groups=2, num_samples=3, partial=True)
    in_groups, whole = gradient(num_groups=2, num_samples=3), gradient(num_samples=6)
    for part, other in (("encoder", in_groups), ("decoder", whole)):
        for found, expected in zip(*map(jax.tree.leaves, (partial[part], other[part])), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    different = jax.tree.leaves(whole["encoder"])[0] - jax.tree.leaves(in_groups["encoder"])[0]
    assert np.abs(different).max() > 1e-3, "the two bounds have gradients of their own"


def test_piwae_and_ciwae_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="partial"):
        jaxae.IWAE(partial=True, elbo_weight=0.5).check()
