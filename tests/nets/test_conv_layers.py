"""Convolutions as products of matrices against linen's own."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxae import keys
from jaxae.nets import conv_layers

X = keys.normal(keys.root(0), (2, 8, 6, 3))
BIAS = keys.normal(keys.root(2), (6,))


def both(window: Any, strides: Any, padding: Any, **others: Any) -> tuple[nn.Module, nn.Module]:
    settings = {"features": 6, "kernel_size": window, "strides": strides, "padding": padding, **others}
    return conv_layers.Conv(**settings), nn.Conv(**settings)


def transposed(window: Any, strides: Any) -> tuple[nn.Module, nn.Module]:
    return conv_layers.ConvTranspose(6, window, strides), nn.ConvTranspose(6, window, strides, "SAME")


PAIRS = {
    "3x3": both((3, 3), (1, 1), "SAME"),
    "4x4 of stride 2": both((4, 4), (2, 2), "SAME"),
    "3x2 of strides 2 and 1 without padding": both((3, 2), (2, 1), "VALID"),
    "3x3 with two pixels of padding": both((3, 3), (1, 1), 2),
    "1x1": both((1, 1), (1, 1), "SAME"),
    "1x1 of stride 2": both((1, 1), (2, 2), "SAME"),
    "5x5 of stride 3": both((5, 5), (3, 3), "SAME"),
    "3x3 of dilation 2": both((3, 3), (1, 1), "SAME", kernel_dilation=(2, 2)),
    "3x3 of three groups": both((3, 3), (1, 1), "SAME", feature_group_count=3),
    "transposed": transposed((4, 4), (2, 2)),
    "transposed, 3x3": transposed((3, 3), (2, 2)),
    "transposed, 5x2 of strides 2 and 3": transposed((5, 2), (2, 3)),
    "transposed, 1x1": transposed((1, 1), (2, 2)),
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


@pytest.mark.parametrize("name", ["4x4 of stride 2", "transposed, 3x3"])
def test_lanes_and_second_derivatives_are_linens(name: str) -> None:
    """A sweep maps over parameters, a penalty of a Jacobian takes the gradient of a derivative."""
    ours, linens = PAIRS[name]
    params = jax.jit(jax.vmap(linens.init, (0, None)))(jax.random.split(keys.root(1), 2), X)["params"]

    def penalty(net: nn.Module, params: Any, x: jax.Array) -> jax.Array:
        def slope(x: jax.Array) -> jax.Array:
            return jax.jvp(lambda x: jnp.tanh(net.apply({"params": params}, x)), (x,), (jnp.cos(x),))[1]

        return (slope(x) ** 2).sum()

    def gradients(net: nn.Module) -> Any:
        return jax.jit(jax.vmap(jax.grad(functools.partial(penalty, net), (0, 1)), (0, None)))(params, X)

    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4)
    jax.tree.map(close, gradients(ours), gradients(linens))


@pytest.mark.parametrize("num, at_once", [(7, 7), (8, 2), (9, 3), (11, 1)])
def test_a_convolution_in_chunks_of_images_is_linens(
    num: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunks divide the batch, and the windows of one chunk stay within the bytes of the cache."""
    a_window = 8 * 6 * 3 * 3 * 3 * 4
    monkeypatch.setattr(conv_layers, "CACHE_BYTES", 3.5 * a_window)
    x = keys.normal(keys.root(3), (num, 8, 6, 3))
    ours, linens = PAIRS["3x3"]
    params = {**jax.jit(linens.init)(keys.root(1), x)["params"], "bias": BIAS}
    program = str(jax.make_jaxpr(lambda x: ours.apply({"params": params}, x))(x))
    assert f"f32[{at_once},8,6,3,3,3]" in program and ("scan" in program) == (at_once < num)
    found, expected = (value_and_derivatives(net, params, x) for net in (ours, linens))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), found, expected)


def test_a_batch_that_is_sharded_over_devices_has_no_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop over chunks makes each device compute all of them. A lane of a sweep is on one device."""
    monkeypatch.setattr(conv_layers, "CACHE_BYTES", 1000)
    mesh = jax.make_mesh((1,), ("any",), axis_types=(jax.sharding.AxisType.Auto,))
    net, _ = PAIRS["3x3"]
    params = jax.jit(net.init)(keys.root(1), X)

    def is_chunked(function: Any) -> bool:
        return "scan" in str(jax.make_jaxpr(function)(X))

    def convolve(x: jax.Array) -> Any:
        return net.apply(params, x)

    assert is_chunked(convolve)
    with jax.set_mesh(mesh):
        assert not is_chunked(convolve)
    lanes = jax.sharding.PartitionSpec("any")
    assert is_chunked(jax.shard_map(convolve, mesh=mesh, in_specs=lanes, out_specs=lanes, check_vma=False))


def test_chunks_of_images_need_a_part_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x = jax.ShapeDtypeStruct((40, 16, 16, 8), jnp.float32)
    kernel = jax.ShapeDtypeStruct((3, 3, 8, 8), jnp.float32)
    monkeypatch.setattr(conv_layers, "CACHE_BYTES", 2**18)

    def temporary_bytes() -> int:
        def energy(kernel: jax.Array, x: jax.Array) -> jax.Array:
            return jnp.square(conv_layers.convolve(x, kernel, (1, 1), "SAME", dimension_numbers=None)).sum()

        program = jax.jit(jax.grad(energy, (0, 1))).lower(kernel, x).compile()
        return program.memory_analysis().temp_size_in_bytes

    in_chunks = temporary_bytes()
    monkeypatch.setattr(conv_layers, "FEWEST_COPIES", 10)
    assert in_chunks < temporary_bytes() / 2


def test_a_convolution_of_sequences_is_linens() -> None:
    sequences = X.reshape(2, 48, 3)
    nets = conv_layers.Conv(4, 3), nn.Conv(4, 3)
    params = jax.jit(nets[1].init)(keys.root(1), sequences)
    ours, linens = (net.apply(params, sequences) for net in nets)
    np.testing.assert_allclose(ours, linens, rtol=1e-5, atol=1e-5)
