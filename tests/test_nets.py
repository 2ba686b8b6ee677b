import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxae import keys, nets
from jaxae.errors import JaxaeError
from jaxae.nets import MLP

X = jnp.asarray(np.random.RandomState(0).rand(5, 4, 3, 2), jnp.float32)


@pytest.mark.parametrize("shape", [(7,), (2, 3), (4, 4, 1)])
@pytest.mark.parametrize("widths", [(), (6,), (6, 5)])
def test_an_mlp_maps_rows_to_the_shape_asked_for(shape: tuple[int, ...], widths: tuple[int, ...]) -> None:
    net = MLP(widths=widths)
    params = nets.init(net, keys.root(0), X, shape)
    assert nets.apply(net, params, X, shape).shape == (5, *shape)
    assert len(params) == len(widths) + 1


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "softplus", "gelu", "silu"])
def test_an_mlp_is_its_matrices_and_its_activation(activation: str) -> None:
    net = MLP(widths=(6,), activation=activation)  # type: ignore[arg-type]
    params = nets.init(net, keys.root(0), X, (2,))
    hidden = X.reshape(5, 24) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"][None]
    reference = {
        "relu": lambda a: np.maximum(a, 0),
        "tanh": np.tanh,
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
        "softplus": lambda a: np.log1p(np.exp(a)),
        "gelu": lambda a: 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3))),
        "silu": lambda a: a / (1 + np.exp(-a)),
    }[activation](np.asarray(hidden, np.float64))
    expected = reference @ np.asarray(params["Dense_1"]["kernel"]) + np.asarray(params["Dense_1"]["bias"])
    np.testing.assert_allclose(nets.apply(net, params, X, (2,)), expected, rtol=1e-5, atol=1e-6)


def test_the_net_computes_in_its_parameters_precision_and_answers_in_float32() -> None:
    net = MLP(widths=(6,))
    params = nets.init(net, keys.root(0), X, (2,))
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    full, low = nets.apply(net, params, X, (2,)), nets.apply(net, half, X, (2,))
    assert low.dtype == full.dtype == jnp.float32
    assert not np.array_equal(full, low) and np.allclose(full, low, atol=0.05)
    products = str(jax.make_jaxpr(lambda p: nets.apply(net, p, X, (2,)))(half))
    assert "bf16" in products and "dot_general" in products


def test_a_net_with_state_of_its_own_is_refused_by_name() -> None:
    class Normalised(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return nn.BatchNorm(use_running_average=False)(x)

    with pytest.raises(JaxaeError, match=r"Normalised: has the collections .*batch_stats"):
        nets.init(Normalised(), keys.root(0), X, (2,))
