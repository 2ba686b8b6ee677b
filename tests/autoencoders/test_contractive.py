"""|J|_F^2 by four routes: closed, by derivatives, by finite differences, by probes."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.maths import jacobians
from jaxae.specs.pytree import replace
from jaxae.types import Batch, Variables

LAYER, DEEP = jaxae.MLP(widths=()), jaxae.MLP(widths=(7,), activation="tanh")
SIZES = {"fewer inputs": (5, 9), "fewer units": (9, 5)}


def made(encoder: Any, num_inputs: int, num_units: int, **changes: Any) -> tuple[Any, Variables, jax.Array]:
    """An autoencoder, its variables and six inputs, in the widest type that is switched on."""
    autoencoder = jaxae.ContractiveAE(
        encoder=encoder, decoder=LAYER, latent_dim=num_units, tied=False, data_shape=(num_inputs,), **changes
    )
    x = jnp.asarray(np.random.RandomState(0).randn(6, num_inputs))
    variables = autoencoder.init(keys.root(0), Batch(x))
    return autoencoder, jax.tree.map(lambda leaf: leaf.astype(x.dtype), variables), x


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("encoder", [LAYER, DEEP], ids=["layer", "deep"])
def test_exact_is_that_of_the_whole_jacobian_and_of_finite_differences(
    encoder: Any, sizes: tuple[int, int]
) -> None:
    with jax.enable_x64():
        autoencoder, variables, x = made(encoder, *sizes, activation="sigmoid")
        f = functools.partial(autoencoder.code, variables.params)
        exact = jacobians.frobenius_squared(jax.linearize(f, x)[1], x)
        whole = jax.vmap(jax.jacfwd(lambda row: f(row[None])[0]))(x)
        np.testing.assert_allclose(exact, (whole**2).sum(axis=(1, 2)), rtol=1e-10)
        step = 1e-6 * np.eye(sizes[0])[:, None]
        columns = [(f(x + each) - f(x - each)) / 2e-6 for each in step]
        np.testing.assert_allclose(exact, sum((column**2).sum(axis=1) for column in columns), rtol=1e-8)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus", "identity"])
def test_closed_is_exact_for_one_layer(activation: Any) -> None:
    with jax.enable_x64():
        autoencoder, variables, x = made(LAYER, 9, 5, activation=activation)
        found = {}
        for method in ("closed", "exact"):
            each = replace(autoencoder, "method", method)
            value_and_gradient = jax.value_and_grad(
                lambda p, each=each: each.contraction(p, x, keys.root(1)).sum()
            )
            found[method] = value_and_gradient(variables.params)
    np.testing.assert_allclose(found["closed"][0], found["exact"][0], rtol=1e-8)
    for closed, exact in zip(*(jax.tree.leaves(found[m][1]["encoder"]) for m in found), strict=True):
        np.testing.assert_allclose(closed, exact, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("encoder", [LAYER, DEEP], ids=["layer", "deep"])
def test_probes_are_unbiased(encoder: Any) -> None:
    autoencoder, variables, x = made(encoder, 9, 5, method="hutchinson")
    params = variables.params
    split = jax.random.split(keys.root(2), 4000)
    draws = jax.jit(jax.vmap(lambda key: autoencoder.contraction(params, x, key)))(split)
    exact = replace(autoencoder, "method", "exact").contraction(params, x, keys.root(3))
    errors = draws.std(axis=0) / 4000**0.5
    assert bool((errors > 0).all()) and bool((jnp.abs(draws.mean(axis=0) - exact) < 5 * errors).all())


def test_more_probes_scatter_less() -> None:
    autoencoder, variables, x = made(DEEP, 9, 5, method="hutchinson")
    params = variables.params

    def scatter(num: int) -> float:
        split = jax.random.split(keys.root(2), 2000)
        each = replace(autoencoder, "num_probes", num)
        return float(jax.vmap(lambda key: each.contraction(params, x, key))(split).var(axis=0).sum())

    assert scatter(1) / scatter(4) == pytest.approx(4, rel=0.2)


def test_the_hessian_term_is_one_number_by_closed_and_exact_derivatives_and_grows_with_the_noise() -> None:
    autoencoder, variables, x = made(LAYER, 9, 5, hessian=jaxae.Hessian(std=0.3))
    params = variables.params

    def hessian(method: str, std: float = 0.3) -> np.ndarray:
        each = replace(replace(autoencoder, "method", method), "hessian.std", std)
        return np.asarray(each.terms(Variables(params), Batch(x), keys.root(4))[0]["hessian"])

    np.testing.assert_allclose(hessian("closed"), hessian("exact"), rtol=1e-4)
    # For small noise it is std^2 |H|^2: a quarter at half the noise.
    np.testing.assert_allclose(hessian("closed", 0.002), 4 * hessian("closed", 0.001), rtol=0.01)


def test_the_automatic_choice() -> None:
    def chosen(encoder: Any, units: int, inputs: int) -> str:
        return jaxae.ContractiveAE(encoder=encoder, latent_dim=units)._method(jnp.zeros((2, inputs)))

    assert chosen(LAYER, 1000, 784) == "closed" and chosen(DEEP, 30, 784) == "exact"
    assert chosen(DEEP, 1000, 784) == "hutchinson"


def test_a_closed_form_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(ValueError, match="got closed, which needs"):
        jaxae.ContractiveAE(encoder=DEEP, tied=False, method="closed").check()
