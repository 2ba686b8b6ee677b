"""The VQ-GAN: losses by hand, the adaptive weight by other routes, whose gradient is whose."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.autoencoders.vq_gan import hinge
from jaxae.specs.pytree import replace
from jaxae.training import step
from jaxae.types import Batch, Variables
from tests import small

BATCH = Batch(jnp.asarray(small.images(10) / 255, jnp.float32))
GAN = small.member("VQGAN")


@functools.cache
def fresh() -> Variables:
    return jax.jit(GAN.init)(keys.root(0), BATCH)


@jax.jit
def terms_of(gan: Any, variables: Variables) -> Any:
    return gan.terms(variables, BATCH, keys.root(1))[0]


@jax.jit
def adaptive_weight_of(gan: Any, variables: Variables, values: jax.Array) -> jax.Array:
    return gan.adaptive_weight(variables, BATCH, values)


def length(tree: Any) -> float:
    return float(np.sqrt(sum((np.asarray(leaf, np.float64) ** 2).sum() for leaf in jax.tree.leaves(tree))))


def test_the_hinge_by_hand() -> None:
    real, fake = jnp.asarray([[2.0, 0.5, -1.0], [1.0, 1.0, 1.0]]), jnp.asarray([[-2.0, 0.0, 3.0], [-1.0] * 3])
    np.testing.assert_allclose(hinge(real, fake), [(0 + 0 + 0.5 + 1 + 2 + 4) / 6, 0.0], rtol=1e-6)


def test_terms_are_made_of_the_logits_and_lambda_is_the_same_for_all() -> None:
    variables = fresh()
    image = GAN.image(GAN.decode(variables, GAN.encode(variables, BATCH)))
    net = jax.device_get(variables.params["discriminator"])

    def logits(x: Any) -> np.ndarray:
        """The member's discriminator is an MLP of one hidden layer: three logits an image."""
        hidden = np.maximum(
            np.asarray(x).reshape(10, 16) @ net["Dense_0"]["kernel"] + net["Dense_0"]["bias"], 0
        )
        return hidden @ net["Dense_1"]["kernel"] + net["Dense_1"]["bias"]

    terms = terms_of(GAN, variables)
    plain = terms_of(replace(GAN, "adaptive", False), variables)
    expected = 0.5 * (np.maximum(1 - logits(BATCH.x), 0) + np.maximum(1 + logits(image), 0)).mean(axis=1)
    np.testing.assert_allclose(terms["discriminator"], expected, rtol=1e-5)
    np.testing.assert_allclose(plain["generator"], -logits(image).mean(axis=1), rtol=1e-4, atol=1e-6)
    weight = terms["generator"] / plain["generator"]
    np.testing.assert_allclose(weight, np.full(10, weight[0]), rtol=1e-5)
    assert abs(float(weight[0]) - 1) > 0.1


def test_lambda_is_the_quotient_of_the_whole_decoders_gradients_at_its_last_layer() -> None:
    variables = fresh()
    z = GAN.encode(variables, BATCH)

    def images(decoder: Any) -> jax.Array:
        return GAN.decode(Variables({**variables.params, "decoder": decoder}), z)["mean"]

    def rec(decoder: Any) -> jax.Array:
        own = Variables(variables.params["perceptual"])
        distances = GAN.perceptual.distances(own, BATCH.x, images(decoder))
        return ((BATCH.x - images(decoder)) ** 2).sum(axis=(1, 2, 3)).mean() + 0.7 * distances.mean()

    def generator(decoder: Any) -> jax.Array:
        return -GAN.discriminator_logits(variables.params["discriminator"], images(decoder)).mean()

    of_rec, of_generator = (
        length(jax.grad(loss)(variables.params["decoder"])["Dense_1"]) for loss in (rec, generator)
    )
    found = adaptive_weight_of(replace(GAN, "perceptual_weight", 0.7), variables, z.reshape(10, 3, 1))
    assert float(found) == pytest.approx(of_rec / (of_generator + 1e-4), rel=1e-4)


LINEAR: dict[str, Any] = {
    "encoder": jaxae.MLP(widths=()),
    "decoder": jaxae.MLP(widths=()),
    "discriminator": jaxae.MLP(widths=()),
    "last_layer": "Dense_0",
    "perceptual": None,
    "data_shape": small.SHAPE,
    "grid": (2,),
    "code_dim": 2,
    "patches": (3,),
}


def test_lambda_of_a_linear_decoder_and_discriminator_by_hand() -> None:
    """x' = e W + b, d = x' V + c: gradients of the mean squared error and of -mean d in W and b."""
    gan = jaxae.VQGAN(**LINEAR)
    variables = jax.jit(gan.init)(keys.root(3), BATCH)
    e = np.asarray(keys.normal(keys.root(4), (10, 4)), np.float64)
    decoder, judge = variables.params["decoder"]["Dense_0"], variables.params["discriminator"]["Dense_0"]
    rest = (
        e @ np.asarray(decoder["kernel"]) + np.asarray(decoder["bias"]) - np.asarray(BATCH.x).reshape(10, 16)
    )
    slope = np.tile(-np.asarray(judge["kernel"]).mean(axis=1) / 10, (10, 1))
    of_rec, of_generator = (
        length([e.T @ slopes, slopes.sum(axis=0)]) for slopes in (2 * rest / 10, slope.astype(np.float64))
    )
    found = adaptive_weight_of(gan, variables, jnp.asarray(e, jnp.float32).reshape(10, 2, 2))
    assert float(found) == pytest.approx(of_rec / (of_generator + 1e-4), rel=1e-4)


def test_lambda_has_a_bound_where_the_discriminator_has_no_slope() -> None:
    gan = jaxae.VQGAN(**LINEAR)
    variables = jax.jit(gan.init)(keys.root(3), BATCH)
    flat = jax.tree.map(jnp.zeros_like, variables.params["discriminator"])
    variables = Variables({**variables.params, "discriminator": flat}, variables.extra)
    assert float(adaptive_weight_of(gan, variables, jnp.ones((10, 2, 2)))) == 1e4


@functools.cache
def reached() -> dict[str, set[str]]:
    """The groups of parameters that each term's gradient reaches."""
    variables = fresh()

    @jax.jit
    def gradients(params: Any) -> Any:
        def means(params: Any) -> Any:
            terms, _ = GAN.terms(Variables(params, variables.extra), BATCH, keys.root(1))
            return {name: term.mean() for name, term in terms.items()}

        return jax.jacrev(means)(params)

    found = gradients(variables.params)
    return {
        term: {name for name, part in groups.items() if length(part) > 0} for term, groups in found.items()
    }


@pytest.mark.parametrize(
    "term, groups",
    [
        ("distortion", {"encoder", "decoder"}),
        ("perceptual", {"encoder", "decoder"}),
        ("generator", {"encoder", "decoder"}),
        ("commitment", {"encoder"}),
        ("discriminator", {"discriminator"}),
        ("rotation", {"perceptual"}),
    ],
)
def test_each_terms_gradient_reaches_its_own_parameters_only(term: str, groups: set[str]) -> None:
    assert set(reached()) == set(GAN.weights(jnp.zeros((), jnp.int32)))
    assert reached()[term] == groups


def test_lambda_has_no_gradient() -> None:
    """The generator loss's gradient is lambda times that of the plain one."""
    variables = fresh()

    def loss(gan: Any, params: Any) -> jax.Array:
        return gan.terms(Variables(params, variables.extra), BATCH, keys.root(1))[0]["generator"].mean()

    plain = replace(GAN, "adaptive", False)
    gradient = jax.jit(jax.grad(loss, 1))
    own, other = (gradient(gan, variables.params)["decoder"] for gan in (GAN, plain))
    weight = adaptive_weight_of(GAN, variables, GAN.encode(variables, BATCH).reshape(10, 3, 1))
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, weight * b, rtol=1e-3, atol=1e-6)


def test_before_the_start_it_is_the_vq_vae_with_features_and_then_the_game_begins() -> None:
    experiment = small.experiment(replace(GAN, "perceptual_weight", 0.7), data=jaxae.DataSpec())
    one_step = jax.jit(step.train_step)
    state = jax.jit(step.create)(experiment, keys.root(0), BATCH)
    judges, losses, infos = [state.variables.params["discriminator"]], [], []
    vq_vae = jaxae.VQVAE(
        **{name: getattr(GAN, name) for name in ("encoder", "decoder", "grid", "code_dim", "quantiser")},
        data_shape=small.SHAPE,
    )
    for _ in range(4):
        terms = terms_of(vq_vae, state.variables)
        losses.append(
            float(sum(weight * terms[name].mean() for name, weight in vq_vae.weights(state.step).items()))
        )
        state, info = one_step(experiment, keys.root(1), state, BATCH, jnp.float32(1))
        judges.append(state.variables.params["discriminator"])
        infos.append(info)
    for number, info in enumerate(infos):
        expected = losses[number] + 0.7 * info.terms["perceptual"] + info.terms["rotation"]
        if number >= 2:  # small's discriminator_start
            expected += 0.8 * info.terms["generator"] + info.terms["discriminator"]
        assert float(info.loss) == pytest.approx(float(expected), rel=1e-5)
        assert small.same_bits(judges[number], judges[number + 1]) == (number < 2)


def test_each_side_learns_by_its_own_optimizer() -> None:
    def moved(**rates: float) -> set[str]:
        gan = replace(GAN, "discriminator_start", 0.0)
        for path, name in (("discriminator_optimizer", "judge"), ("perceptual.optimizer", "features")):
            gan = replace(gan, path, jaxae.SGD(learning_rate=rates.get(name, 0.0)))
        experiment = small.experiment(gan, optimizer=jaxae.SGD(learning_rate=rates.get("rest", 0.0)))
        state = jax.jit(step.create)(experiment, keys.root(0), BATCH)
        before = jax.device_get(state.variables.params)
        state, _ = jax.jit(step.train_step)(experiment, keys.root(1), state, BATCH, jnp.float32(1))
        return {name for name in before if not small.same_bits(before[name], state.variables.params[name])}

    assert moved(judge=0.1) == {"discriminator"}
    assert moved(features=0.1) == {"perceptual"}
    assert moved(rest=0.1) == {"encoder", "decoder"}


def test_an_unknown_last_layer_is_named_with_the_valid_ones() -> None:
    with pytest.raises(
        jaxae.JaxaeError, match=r"last_layer: got 'out', which the decoder lacks; .*valid: Dense_0, Dense_1"
    ):
        replace(GAN, "last_layer", "out").init(keys.root(0), BATCH)


def test_without_a_perceptual_loss_there_is_none() -> None:
    gan = jaxae.VQGAN(**LINEAR)
    variables = jax.jit(gan.init)(keys.root(3), BATCH)
    terms, extra = jax.eval_shape(gan.terms, variables, BATCH, keys.root(1))
    assert set(terms) == set(gan.weights(0)) == {"distortion", "commitment", "generator", "discriminator"}
    assert set(extra) == {"codes", "sums", "counts"} and "perceptual" not in variables.params
    assert set(gan.optimizers()) == {"discriminator"}


@pytest.mark.slow
@pytest.mark.optimised
def test_a_run_resumed_after_its_first_epoch_ends_in_the_same_bits() -> None:
    """The states of three optimisers, the codes' averages and the features, through files."""
    experiment, x = small.experiment(GAN, epochs=2), small.images()
    whole = jaxae.fit(experiment, x)
    jaxae.fit(experiment, x, run_dir="run", callbacks=lambda epoch, saved: epoch.epoch == 1)
    resumed = jaxae.resume("run", x)
    assert len(resumed.history) == 2
    assert small.same_bits(whole.outcome.carry, resumed.outcome.carry)


@pytest.mark.slow
def test_256_by_256_pixels_become_32_by_32_tokens_of_2048_codes_in_a_step() -> None:
    gan = jaxae.VQGAN(
        encoder=jaxae.GridEncoder(channels=(4, 8, 8), num_blocks=1, block_width=4),
        decoder=jaxae.GridDecoder(channels=(8, 8, 4), num_blocks=1, block_width=4),
        grid=(32, 32),
        code_dim=8,
        quantiser=jaxae.EMACodebook(num_codes=2048),
        discriminator=jaxae.PatchDiscriminator(channels=(4, 8, 8)),
        perceptual=jaxae.RotationFeatures(channels=(4, 4, 4)),
        data_shape=(256, 256, 3),
    )
    batch = Batch(jax.random.uniform(keys.root(6), (2, 256, 256, 3)))
    experiment = small.experiment(gan)
    state = step.create(experiment, keys.root(0), batch)
    state, info = jax.jit(step.train_step)(experiment, keys.root(1), state, batch, jnp.float32(1))
    tokens = gan.tokens(state.variables, batch)
    assert tokens.shape == (2, 1024) and int(tokens.max()) < 2048 and len(np.unique(tokens)) > 100
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((state.variables, info)))
