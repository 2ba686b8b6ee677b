"""The VQ-VAE: what its nets learn from in closed form, its tokens, its bound by enumeration, a large one."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.training import step
from jaxae.types import Batch, Variables
from tests import small

X = np.random.RandomState(0).rand(6, 4)


def linear(**changes: Any) -> Any:
    """v = W x + b at three positions of two units, x' = U e + c."""
    return jaxae.VQVAE(
        **small.LAYER,
        grid=(3,),
        code_dim=2,
        data_shape=(4,),
        **{"quantiser": jaxae.GradientCodebook(num_codes=4), **changes},
    )


def test_encoder_decoder_and_table_learn_by_the_papers_four_gradients() -> None:
    """Linear nets: the decoder from D, the encoder from D through the codes and c |v - e|^2, the table alone.

    Row by row in float64, with stop-gradients nowhere: each gradient written down.
    """
    vq, batch = linear(), Batch(jnp.asarray(X, jnp.float32))
    params = jax.tree.map(lambda leaf: leaf + 0.1, vq.init(keys.root(0), batch).params)
    params["codebook"] = jnp.asarray(np.random.RandomState(1).randn(4, 2), jnp.float32)

    def total(params: Any) -> jax.Array:
        terms, _ = vq.terms(jaxae.Variables(params), batch, keys.root(1))
        return step.weighted(vq, {name: term.sum() for name, term in terms.items()}, jnp.zeros((), jnp.int32))

    found = jax.jit(jax.grad(total))(params)
    (w, b), (u, c) = ((np.float64(layer["kernel"]), np.float64(layer["bias"])) for layer in layers(params))
    codes = np.float64(params["codebook"])
    v = (X @ w + b).reshape(6, 3, 2)
    tokens = ((v[:, :, None] - codes) ** 2).sum(axis=-1).argmin(axis=-1)
    e = codes[tokens]
    error = 2 * (e.reshape(6, 6) @ u + c - X)  # dD/dx'
    to_v = error @ u.T + (2 * 0.25 * (v - e) / 3).reshape(6, 6)
    to_codes = np.zeros((4, 2))
    np.add.at(to_codes, tokens, 2 * (e - v) / 3)
    expected = {
        "encoder": (X.T @ to_v, to_v.sum(axis=0)),
        "decoder": (e.reshape(6, 6).T @ error, error.sum(axis=0)),
    }
    for name, layer in zip(("encoder", "decoder"), layers(found), strict=True):
        np.testing.assert_allclose(layer["kernel"], expected[name][0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(layer["bias"], expected[name][1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["codebook"], to_codes, rtol=1e-4, atol=1e-5)
    assert len(np.unique(tokens)) > 1


def layers(params: Any) -> list[Any]:
    """The one layer of the encoder, and of the decoder."""
    return [params[name]["Dense_0"] for name in ("encoder", "decoder")]


@pytest.mark.parametrize("quantiser", [jaxae.GradientCodebook(num_codes=4), jaxae.FSQ(levels=(5, 4))])
def test_the_code_is_that_of_the_tokens_position_by_position(quantiser: Any) -> None:
    vq, batch = linear(quantiser=quantiser), Batch(jnp.asarray(X, jnp.float32))
    variables = vq.init(keys.root(0), batch)
    tokens = vq.tokens(variables, batch)
    assert tokens.shape == (6, 3) and tokens.dtype == jnp.int32
    code = np.asarray(vq.encode(variables, batch)).reshape(6, 3, 2)
    by_position = [quantiser.embed(variables, tokens[:, [place]])[:, 0] for place in range(3)]
    np.testing.assert_array_equal(code, np.stack(by_position, axis=1))
    found, parameters = vq.passed(variables, batch, keys.root(1))
    np.testing.assert_array_equal(found.values, code)
    np.testing.assert_array_equal(
        parameters["mean"], vq.decode(variables, vq.encode(variables, batch))["mean"]
    )


@pytest.fixture(scope="module")
def result() -> Any:
    """Trained a little: four codes at three positions, so that all 64 codes of x can be written down."""
    data = jaxae.DataSpec(num_validation=0, num_test=30)
    vq = jaxae.VQVAE(
        **small.NETS, grid=(3,), code_dim=2, reconstruction=jaxae.Gaussian(std=0.5),
        quantiser=jaxae.EMACodebook(num_codes=4),
    )  # fmt: skip
    return jaxae.fit(small.experiment(vq, data=data, epochs=10), small.images())


def test_the_bound_under_uniform_tokens_is_below_the_evidence_of_all_tokens(result: Any) -> None:
    """log p(x) = log mean over all K^P = 64 codes of p(x|code), by enumeration."""
    rows = {row.measure: row for row in jaxae.measure(result, "likelihood")["likelihood"]}
    trained, x = result.experiment.model, result.run.dataset.test.x / np.float32(255)
    every = jnp.asarray(list(itertools.product(range(4), repeat=3)), jnp.int32)
    means = np.float64(trained.decode(result.variables, trained.embed(result.variables, every))["mean"])
    squares = ((x[:, None] - means[None]) ** 2).sum(axis=(2, 3, 4))
    log_likelihoods = -squares / (2 * 0.25) - 8 * np.log(2 * np.pi * 0.25)
    evidence = np.logaddexp.reduce(log_likelihoods - np.log(64), axis=1)
    tokens = np.asarray(trained.tokens(result.variables, Batch(jnp.asarray(x))))
    chosen = log_likelihoods[np.arange(30), tokens @ [16, 4, 1]] - 3 * np.log(4)
    assert rows["elbo"].value == pytest.approx(chosen.mean(), rel=1e-4)
    assert rows["rate"].value == pytest.approx(3 * np.log(4), rel=1e-6)
    assert rows["elbo_bits_per_dim"].value == pytest.approx(-chosen.mean() / (16 * np.log(2)), rel=1e-4)
    assert (chosen <= evidence).all() and "all 4 codes equally likely" in rows["elbo"].how


def test_the_use_of_codes_is_counted_over_the_whole_split(result: Any) -> None:
    """The same share and perplexity in scores and measures, from the tokens by hand."""
    rows = {row.measure: row for row in jaxae.measure(result, "health")["health"]}
    x = result.run.dataset.test.x / np.float32(255)
    tokens = np.asarray(result.experiment.model.tokens(result.variables, Batch(jnp.asarray(x))))
    counts = np.bincount(tokens.ravel(), minlength=4)
    shares = counts[counts > 0] / 90
    bits = -(shares * np.log2(shares)).sum()
    assert rows["codebook_usage"].value == result.scores["test"]["codebook_usage"] == (counts > 0).mean()
    assert rows["codebook_perplexity"].value == pytest.approx(2**bits, rel=1e-5)
    assert result.scores["test"]["codebook_perplexity"] == pytest.approx(2**bits, rel=1e-5)
    assert rows["token_entropy"].value == pytest.approx(bits, rel=1e-5) and bits > 0.5
    assert rows["token_entropy"].standard_error > 0 and rows["token_entropy"].unit == "bits a token"


@pytest.mark.slow
def test_what_does_not_apply_to_tokens_is_absent_and_all_else_is_finite(result: Any) -> None:
    measured = jaxae.measure(result, "all", num_samples=5)
    assert set(measured) == {"likelihood", "health", "reconstruction", "codes", "generation"}
    rows = {row.measure: row for group in measured.values() for row in group}
    assert "jacobian_norm" not in rows and "frechet_uniform_tokens" in rows
    assert all(np.isfinite(row.value) for row in rows.values())


@pytest.mark.slow
def test_an_image_of_256_is_32x32_tokens_of_2048_codes() -> None:
    """The shape of a large one: three halvings, one train step."""
    vq = jaxae.VQVAE(
        encoder=jaxae.GridEncoder(channels=(32, 64, 128)),
        decoder=jaxae.GridDecoder(channels=(128, 64, 32)),
        grid=(32, 32),
        code_dim=32,
        quantiser=jaxae.EMACodebook(num_codes=2048),
        data_shape=(256, 256, 3),
    )
    x = np.random.RandomState(0).randint(0, 256, (2, 256, 256, 3)).astype(np.uint8)
    rows = Batch(jnp.asarray(x), jnp.zeros(2, jnp.int32))
    experiment = jaxae.runs.experiment.as_arrays(small.experiment(vq, data=jaxae.DataSpec()))
    state = jax.jit(step.create)(experiment, keys.root(0), Batch(rows.x / 255, rows.y))
    first = state.variables.params
    state, info = jax.jit(step.train_step)(experiment, keys.root(1), state, rows, jnp.float32(255))
    assert bool(jnp.isfinite(info.loss)) and int(state.step) == 1
    # By the encoder of that step: its 2048 vectors are the codes now, each nearest to itself.
    tokens = jax.jit(vq.tokens)(Variables(first, state.variables.extra), Batch(rows.x / 255))
    assert tokens.shape == (2, 1024) and len(np.unique(tokens)) > 1000
