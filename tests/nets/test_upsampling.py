"""Convolutions as products of matrices against linen's own."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxae import keys
from jaxae.nets import upsampling

X = keys.normal(keys.root(0), (2, 8, 6, 3))
BIAS = keys.normal(keys.root(2), (4,))
TRANSPOSED = upsampling.ConvTranspose(4), nn.ConvTranspose(4, (4, 4), (2, 2), "SAME")


def both(window: Any, strides: Any, padding: Any) -> tuple[nn.Module, nn.Module]:
    settings = {"features": 4, "kernel_size": window, "strides": strides, "padding": padding}
    return upsampling.Conv(**settings), nn.Conv(**settings)


PAIRS = {
    "3x3": both((3, 3), (1, 1), "SAME"),
    "4x4 of stride 2": both((4, 4), (2, 2), "SAME"),
    "3x2 of strides 2 and 1 without padding": both((3, 2), (2, 1), "VALID"),
    "3x3 with two pixels of padding": both((3, 3), (1, 1), 2),
    "transposed": TRANSPOSED,
}


@functools.partial(jax.jit, static_argnums=0)
def value_and_derivatives(net: nn.Module, params: Any, x: jax.Array) -> Any:
    """The net, both gradients of a sum of squares of it, and its derivative along a direction."""

    def energy(params: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = jnp.asarray(net.apply({"params": params}, x))
        return (y**2).sum(), y

    gradients, y = jax.grad(energy, (0, 1), has_aux=True)(params, x)
    return y, gradients, jax.jvp(lambda x: net.apply({"params": params}, x), (x,), (jnp.cos(x),))[1]


@pytest.mark.parametrize("name", PAIRS)
def test_a_convolution_and_its_derivatives_are_linens(name: str) -> None:
    ours, linens = PAIRS[name]
    params = {**jax.jit(linens.init)(keys.root(1), X)["params"], "bias": BIAS}
    same = jax.jit(ours.init)(keys.root(1), X)["params"]
    np.testing.assert_array_equal(params["kernel"], same["kernel"])
    assert params["bias"].shape == same["bias"].shape
    found, expected = (value_and_derivatives(net, params, X) for net in (ours, linens))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), found, expected)


@pytest.mark.parametrize("name", ["4x4 of stride 2", "transposed"])
def test_on_a_cpu_nothing_is_left_to_xlas_convolution_and_elsewhere_it_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XLA's derivatives of a convolution in a loop take tens of times as long on a CPU."""
    net, _ = PAIRS[name]
    params = jax.jit(net.init)(keys.root(1), X)["params"]

    def program() -> str:
        return str(jax.make_jaxpr(functools.partial(value_and_derivatives.__wrapped__, net))(params, X))

    assert "conv_general_dilated" not in program()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert program().count("conv_general_dilated") >= 4
    ours = net.apply({"params": params}, X)
    monkeypatch.undo()
    np.testing.assert_allclose(ours, net.apply({"params": params}, X), rtol=1e-4, atol=1e-5)
