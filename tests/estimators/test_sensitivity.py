"""The Jacobian's singular values of a linear encoder are those of its matrix."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys, memory
from jaxae.estimators.code_health import jacobian_spectrum
from jaxae.types import Batch, Examples
from tests import small

ROWS = Examples(jnp.asarray(small.images(30)), (), jnp.float32(255))


def test_a_linear_encoders_spectrum_is_its_matrixs_at_every_example() -> None:
    layer = jaxae.MLP(widths=())
    linear = jaxae.AE(encoder=layer, decoder=layer, latent_dim=5, data_shape=(4, 4, 1))
    variables = linear.init(keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    expected = np.linalg.svd(variables.params["encoder"]["Dense_0"]["kernel"], compute_uv=False)
    found = jacobian_spectrum(linear, variables, ROWS)
    np.testing.assert_allclose(found, np.tile(expected, (30, 1)), rtol=1e-4)


def test_rows_of_the_jacobian_are_computed_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    autoencoder = small.member("AE")
    variables = autoencoder.init(keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    whole = jacobian_spectrum(autoencoder, variables, ROWS)
    monkeypatch.setattr(memory, "MOST_AT_ONCE", {"cpu": 2})
    np.testing.assert_allclose(jacobian_spectrum(autoencoder, variables, ROWS), whole, rtol=1e-5)


def test_the_sum_of_squares_is_the_contraction() -> None:
    autoencoder = small.member("ContractiveAE")
    variables = autoencoder.init(keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    x = ROWS.x.astype(jnp.float32) / 255
    expected = autoencoder.contraction(variables.params, x, keys.root(1))
    found = (jacobian_spectrum(autoencoder, variables, ROWS) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
