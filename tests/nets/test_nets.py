from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxae
from jaxae import keys, nets
from jaxae.errors import JaxaeError
from jaxae.nets import MLP, ConvDecoder, ConvEncoder, GridDecoder, GridEncoder, PatchDiscriminator
from jaxae.runs.experiment import resolve
from jaxae.types import Batch
from tests import small

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

    with pytest.raises(
        JaxaeError, match=r"Normalised: has the variables batch_stats .*`evaluation_terms`: see help"
    ):
        nets.init(Normalised(), keys.root(0), X, (2,))


@pytest.mark.parametrize(
    "member, part",
    [
        (jaxae.AE, "decoder"),
        (jaxae.VAE, "encoder"),
        (jaxae.FactorVAE, "discriminator"),
        (jaxae.VQVAE, "decoder"),
    ],
)
def test_members_refuse_dropout_and_show_the_way_out(member: Any, part: str) -> None:
    class Dropping(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            x = nn.Dropout(0.5, deterministic=False)(x.reshape(x.shape[0], -1))
            return nn.Dense(np.prod(shape).item())(x).reshape(-1, *shape)

    settings = {} if member is not jaxae.VQVAE else {"encoder": MLP(), "grid": (3,)}
    experiment = small.experiment(member(**{part: Dropping(), **settings}))
    with pytest.raises(
        JaxaeError, match=r"Dropping: draws random numbers.*`evaluation_terms`: see help"
    ) as error:
        resolve(experiment, small.dataset(experiment))
    assert "\n" not in str(error.value)


def test_dropout_that_is_off_is_a_net_like_others() -> None:
    class Resting(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return nn.Dense(2)(nn.Dropout(0.5, deterministic=True)(x.reshape(x.shape[0], -1)))

    params = nets.init(Resting(), keys.root(0), X, (2,))
    assert nets.apply(Resting(), params, X, (2,)).shape == (5, 2)


def test_a_net_that_gives_another_shape_is_told_both() -> None:
    class Careless(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return nn.Dense(3)(x.reshape(len(x), -1))

    params = nets.init(Careless(), keys.root(0), X, (3, 1))
    with pytest.raises(JaxaeError, match=r"Careless: got outputs of shape \(5, 3\) .* expected \(5, 3, 1\)"):
        nets.apply(Careless(), params, X, (3, 1))


IMAGES = [(28, 28, 1), (28, 28, 3), (64, 64, 1), (64, 64, 3)]
CONVOLUTIONS: dict[str, Any] = {
    "encoder": ConvEncoder(channels=(4, 6)),
    "decoder": ConvDecoder(channels=(6, 4)),
}


@pytest.mark.parametrize("shape", IMAGES, ids=str)
@pytest.mark.parametrize("condition", [None, 5])
def test_convolutions_take_images_of_any_size_and_channels(shape: Any, condition: int | None) -> None:
    x = jnp.asarray(np.random.RandomState(0).rand(2, *shape), jnp.float32)
    given = () if condition is None else jnp.ones((2, condition))
    encoder, decoder = CONVOLUTIONS["encoder"], CONVOLUTIONS["decoder"]

    def both(key: jax.Array) -> Any:
        encoder_key, decoder_key = jax.random.split(key)
        params = nets.init(encoder, encoder_key, x, (7,), given)
        z = nets.apply(encoder, params, x, (7,), given)
        return z, nets.apply(decoder, nets.init(decoder, decoder_key, z, shape, given), z, shape, given)

    z, image = jax.eval_shape(both, keys.root(0))
    assert z.shape == (2, 7) and image.shape == x.shape


def test_a_convolution_of_stride_two_is_its_sum_over_windows() -> None:
    x = np.random.RandomState(0).rand(2, 8, 8, 3)
    net = ConvEncoder(channels=(4,), widths=())
    params = nets.init(net, keys.root(0), jnp.asarray(x, jnp.float32), (2,))
    kernel, bias = (np.asarray(params["Conv_0"][name], np.float64) for name in ("kernel", "bias"))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # SAME for an even kernel at stride 2
    windows = [[padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] for j in range(4)] for i in range(4)]
    sums = np.array(
        [[np.einsum("bhwc,hwcd->bd", window, kernel) + bias for window in row] for row in windows]
    )
    hidden = np.maximum(np.moveaxis(sums, 2, 0), 0).reshape(2, -1)
    last = params["Dense_0"]
    expected = hidden @ np.asarray(last["kernel"], np.float64) + np.asarray(last["bias"])
    np.testing.assert_allclose(
        nets.apply(net, params, jnp.asarray(x, jnp.float32), (2,)), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("shape", [(28, 30, 1), (9, 8, 3), (64,)], ids=str)
def test_images_that_cannot_be_halved_are_refused_with_both_shapes(shape: Any) -> None:
    x = jnp.zeros((1, *shape))
    expected = "height, width" if len(shape) == 1 else "divisible by 4"
    for net, start, end in ((ConvEncoder(), x, (7,)), (ConvDecoder(), jnp.zeros((1, 7)), shape)):
        with pytest.raises(JaxaeError, match=expected) as caught:
            nets.init(net, keys.root(0), start, end)
        assert str(shape) in str(caught.value)


@pytest.mark.parametrize(
    "shape, channels, grid", [((28, 28, 1), (4, 6), (7, 7)), ((256, 256, 3), (4, 6, 8), (32, 32))]
)
def test_grids_of_vectors_and_images_have_their_shapes(shape: Any, channels: Any, grid: Any) -> None:
    def both(key: jax.Array) -> Any:
        encoder_key, decoder_key = jax.random.split(key)
        x, encoder, decoder = (
            jnp.zeros((2, *shape)),
            GridEncoder(channels=channels),
            GridDecoder(channels=channels[::-1]),
        )
        v = nets.apply(encoder, nets.init(encoder, encoder_key, x, (*grid, 5)), x, (*grid, 5))
        return v, nets.apply(decoder, nets.init(decoder, decoder_key, v, shape), v, shape)

    v, image = jax.eval_shape(both, keys.root(0))
    assert v.shape == (2, *grid, 5) and image.shape == (2, *shape)


def test_a_grid_net_is_its_convolutions_and_residual_blocks() -> None:
    """Of an image 4x6 and back, layer by layer with XLA's convolutions (van den Oord et al., section 4.1)."""
    x = jnp.asarray(np.random.RandomState(0).randn(2, 4, 6, 1), jnp.float32)
    layers: dict[str, Any] = {"num_blocks": 2, "block_width": 4}
    encoder, decoder = GridEncoder(channels=(3,), **layers), GridDecoder(channels=(3,), **layers)
    params = moved(nets.init(encoder, keys.root(0), x, (2, 3, 5)))
    v = conv(params["Conv_0"], x, 2)
    v = blocks(params, conv(params["Conv_1"], nn.relu(v)))
    v = conv(params["out"], nn.relu(v))
    np.testing.assert_allclose(nets.apply(encoder, params, x, (2, 3, 5)), v, rtol=1e-4, atol=1e-5)
    params = moved(nets.init(decoder, keys.root(1), v, (4, 6, 1)))
    image = nn.relu(blocks(params, conv(params["Conv_0"], v)))
    image = jax.lax.conv_transpose(image, params["out"]["kernel"], (2, 2), "SAME")
    image = image + params["out"]["bias"][None, None, None]
    np.testing.assert_allclose(nets.apply(decoder, params, v, (4, 6, 1)), image, rtol=1e-4, atol=1e-5)


def test_nearest_doubles_by_resizing_and_a_convolution() -> None:
    """Against the resizing of jax.image (Odena, Dumoulin & Olah, 2016); 2x3 vectors to 8x12 pixels."""
    v = jnp.asarray(np.random.RandomState(0).randn(2, 2, 3, 5), jnp.float32)
    decoder = GridDecoder(channels=(3, 4), num_blocks=0, doubling="nearest")
    params = moved(nets.init(decoder, keys.root(0), v, (8, 12, 1)))
    image = conv(params["Conv_0"], v)
    for name in ("Conv_1", "out"):
        doubled = (2, 2 * image.shape[1], 2 * image.shape[2], image.shape[3])
        image = conv(params[name], jax.image.resize(nn.relu(image), doubled, "nearest"))
    np.testing.assert_allclose(nets.apply(decoder, params, v, (8, 12, 1)), image, rtol=1e-4, atol=1e-5)


def moved(params: Any) -> Any:
    """So that no bias is 0."""
    return jax.tree.map(lambda leaf: leaf + 0.1, params)


def blocks(params: Any, x: jax.Array) -> jax.Array:
    """Two residual blocks: ReLU, 3x3, ReLU, 1x1."""
    for name in ("Residual_0", "Residual_1"):
        hidden = conv(params[name]["Conv_0"], nn.relu(x))
        x = x + conv(params[name]["Conv_1"], nn.relu(hidden))
    return x


def conv(params: Any, x: jax.Array, stride: int = 1) -> jax.Array:
    """XLA's own."""
    layout = ("NHWC", "HWIO", "NHWC")
    values = jax.lax.conv_general_dilated(
        x, params["kernel"], (stride, stride), "SAME", dimension_numbers=layout
    )
    return values + params["bias"][None, None, None]


def test_a_grid_that_the_halvings_do_not_give_is_refused_with_the_one_that_they_do() -> None:
    x = jnp.zeros((1, 28, 28, 1))
    with pytest.raises(JaxaeError, match="GridEncoder: got a grid of 4x4, expected 7x7, which"):
        nets.init(GridEncoder(), keys.root(0), x, (4, 4, 5))
    with pytest.raises(JaxaeError, match="GridEncoder: got a grid of 49, expected 7x7, which"):
        nets.init(GridEncoder(), keys.root(0), x, (49, 5))
    with pytest.raises(JaxaeError, match="GridDecoder: got a grid of 4x4, expected 7x7, which"):
        nets.init(GridDecoder(), keys.root(0), jnp.zeros((1, 4, 4, 5)), (28, 28, 1))
    with pytest.raises(JaxaeError, match="divisible by 8"):
        nets.init(GridEncoder(channels=(4, 6, 8)), keys.root(0), x, (3, 3, 5))


MLPS_ONLY = ("tied", "JumpReLU", "ContractiveAE", "Stacked", "convolutions", "VQ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in small.MEMBERS if not any(word in name for word in MLPS_ONLY)]
)
def test_every_member_takes_convolutions_on_colour_images(name: str) -> None:
    cls, changes = small.MEMBERS[name]
    given = {**CONVOLUTIONS, "latent_dim": 3, "data_shape": (64, 64, 3), **changes}
    member, batch = cls(**given), Batch(jnp.zeros((2, 64, 64, 3)), jnp.zeros(2, jnp.int32))

    def trial(key: jax.Array) -> Any:
        init_key, terms_key = jax.random.split(key)
        variables = member.init(init_key, batch)
        now = jaxae.schedules.at(member, jnp.zeros((), jnp.int32))
        return now.terms(variables, batch, terms_key)[0], now.decode(
            variables, now.encode(variables, batch), batch.y
        )

    terms, parameters = jax.eval_shape(trial, keys.root(0))
    assert all(term.shape == (2,) for term in terms.values())
    assert jax.eval_shape(member.image, parameters).shape == (2, 64, 64, 3)


@pytest.mark.parametrize("channels, width", [((3,), 8), ((3, 4), 18), ((3, 4, 4), 38)])
def test_a_logit_of_the_discriminator_sees_its_patch_and_no_more(channels: Any, width: int) -> None:
    """Where a change of the image moves the logit in the middle: as wide as the docstring says."""
    net, size = PatchDiscriminator(channels=channels), 64
    middle = size // 2 ** (len(channels) + 1)
    shape = (2 * middle, 2 * middle, 1)
    x = keys.normal(keys.root(1), (1, size, size, 1))

    @jax.jit
    def seen(key: jax.Array) -> jax.Array:
        params = nets.init(net, key, x, shape)
        return jax.grad(lambda x: nets.apply(net, params, x, shape)[0, middle, middle, 0])(x)

    rows = np.flatnonzero(np.abs(seen(keys.root(0))[0, :, size // 2, 0]))
    assert rows[-1] - rows[0] + 1 == width


def test_a_discriminator_asked_for_other_patches_than_it_makes_says_so() -> None:
    with pytest.raises(JaxaeError, match=r"PatchDiscriminator: got patches 8x8, expected 4x4, which"):
        nets.init(PatchDiscriminator(), keys.root(0), jnp.zeros((1, 16, 16, 1)), (8, 8, 1))
