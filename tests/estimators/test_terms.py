import functools
import inspect
import textwrap
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxae
from jaxae import keys
from jaxae.estimators.terms import Stream, all_terms, in_chunks, map_alone, map_examples, mean_terms
from jaxae.protocols.capabilities import EvaluationTerms, evaluation_terms
from jaxae.types import Batch, Examples
from tests import small


def examples(num: int) -> Examples:
    x = jnp.asarray(small.images(num))
    return Examples(x, jnp.arange(num), jnp.float32(255))


@pytest.mark.parametrize("num, batch_size", [(7, 3), (6, 3), (3, 5), (1, 1), (10, 10)])
def test_every_row_is_measured_once_in_its_place(num: int, batch_size: int) -> None:
    rows = examples(num)
    values = map_examples(
        lambda batch, _: (batch.x.sum(axis=(1, 2, 3)), batch.y), rows, keys.root(0), batch_size
    )
    np.testing.assert_allclose(values[0], np.asarray(rows.x).sum(axis=(1, 2, 3)) / 255, rtol=1e-6)
    np.testing.assert_array_equal(values[1], np.arange(num))


@pytest.mark.parametrize("num, batch_size", [(7, 3), (7, 100), (1, 4)])
def test_terms_that_couple_a_batch_are_those_of_batches_as_in_training(num: int, batch_size: int) -> None:
    """The last batch is filled from the start, whose values count once."""
    autoencoder, rows = small.member("KLSparseAE"), examples(num)
    variables = autoencoder.init(keys.root(1), Batch(jnp.zeros((1, 4, 4, 1))))
    size = min(num, batch_size)
    batches = np.arange(-(-num // size) * size).reshape(-1, size) % num
    terms = jax.jit(lambda x: autoencoder.terms(variables, Batch(x), keys.root(0))[0]["sparsity"])
    expected = np.concatenate([terms(rows.x[batch] / 255.0) for batch in batches])[:num]
    split = jax.jit(lambda rows: all_terms(autoencoder, variables, rows, keys.root(0), batch_size))
    found = split(rows)["sparsity"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 4, 7, 9, 100])
def test_chunks_are_of_about_one_size_and_give_each_value_once(size: int) -> None:
    sizes = []

    def double(values: jax.Array) -> jax.Array:
        sizes.append(len(values))
        return 2 * values

    np.testing.assert_array_equal(in_chunks(double, jnp.arange(9), size), 2 * np.arange(9))
    assert set(sizes) == {{1: 1, 4: 3, 7: 5}.get(size, 9)}


def test_noise_is_that_of_a_row_whatever_the_chunk_and_of_a_draw_however_many() -> None:
    """By number: other rows before it change nothing, equal rows differ; by content: the other way round."""
    rows = examples(9)
    rows = rows._replace(x=rows.x.at[5].set(rows.x[2]))

    def noise(chunk: int, by_content: bool, first: int = 0, num_draws: int = 3) -> np.ndarray:
        def measure(batch: Batch, stream: Stream) -> jax.Array:
            return jax.vmap(jax.random.normal)(stream.draws(num_draws))

        some = jax.tree.map(lambda leaf: leaf[first:] if leaf.ndim else leaf, rows)
        mapped = jax.jit(lambda rows: map_alone(measure, rows, keys.root(0), chunk, by_content=by_content))
        return np.asarray(mapped(some))

    for by_content in (False, True):
        whole = noise(9, by_content)
        for chunk in (1, 4):  # the last of three chunks is filled up
            np.testing.assert_array_equal(noise(chunk, by_content), whole)
        np.testing.assert_array_equal(noise(9, by_content, num_draws=5)[:, :3], whole)
        assert (whole[2] == whole[5]).all() == by_content
        assert len(np.unique(whole)) == whole.size - 3 * by_content
        assert (noise(9, by_content, first=1) == whole[1:]).all() == by_content


def test_batches_draw_different_noise() -> None:
    noise = map_examples(
        lambda batch, key: jax.random.normal(key, (len(batch.x),)), examples(9), keys.root(0), 3
    )
    assert len(set(np.asarray(noise).tolist())) == 9


def test_mean_terms_is_the_mean_over_all_rows() -> None:
    autoencoder, rows = small.member("AE"), examples(11)
    variables = autoencoder.init(keys.root(1), Batch(jnp.zeros((1, 4, 4, 1))))
    terms = mean_terms(autoencoder, variables, rows, keys.root(0))
    whole, _ = autoencoder.terms(variables, Batch(rows.x / 255.0), keys.root(2))
    np.testing.assert_allclose(terms["distortion"], whole["distortion"].mean(), rtol=1e-6)


@functools.cache
def documented() -> Any:
    """The class of the documentation's example, for images of 4x4 pixels."""
    text = inspect.getdoc(EvaluationTerms) or ""
    code = textwrap.dedent(text.partition("::\n")[2]).replace("784", "16").replace("28, 28, 1", "4, 4, 1")
    namespace = {"jaxae": jaxae, "nn": nn, "__name__": __name__}
    exec(code, namespace)
    globals()["NormalisedAE"] = namespace["NormalisedAE"]  # where a record finds it
    return namespace["NormalisedAE"]


def fitted(autoencoder: Any) -> Any:
    experiment = small.experiment(autoencoder, epochs=2, data=jaxae.DataSpec(num_validation=20, num_test=20))
    return jaxae.fit(experiment, small.images())


def by_hand(variables: Any, x: np.ndarray) -> np.ndarray:
    """|x - x'|^2 of each example without dropout and by the running averages, in NumPy."""
    p, stats = (jax.tree.map(np.asarray, tree) for tree in variables)
    x = x.reshape(len(x), -1)
    hidden = x @ p["hidden"]["kernel"]
    scaled = (hidden - stats["norm"]["mean"]) / np.sqrt(stats["norm"]["var"] + 1e-5)
    active = np.maximum(scaled * p["norm"]["scale"] + p["norm"]["bias"], 0)
    z = active @ p["code"]["kernel"] + p["code"]["bias"]
    return ((x - z @ p["out"]["kernel"] - p["out"]["bias"]) ** 2).sum(axis=1)


def test_dropout_and_batch_normalisation_are_evaluated_as_documented() -> None:
    """The validation loss and the scores are those of the net at rest; training moves its averages."""
    result = fitted(documented()())
    rows = result.run.dataset.validation
    x = np.asarray(rows.x, np.float64) / 255
    variables = result.outcome.carry.state.variables
    means = result.history[-1]["validation"]["distortion"]
    np.testing.assert_allclose(means, by_hand(variables, x).mean(), rtol=1e-4)
    np.testing.assert_allclose(
        result.scores["validation"]["distortion"], by_hand(result.variables, x).mean(), rtol=1e-4
    )
    np.testing.assert_allclose(result.scores["validation"]["squared_error"], means, rtol=1e-4)
    assert np.abs(np.asarray(variables.extra["norm"]["mean"])).max() > 1e-3
    batch = Batch(jnp.asarray(x, jnp.float32))
    in_training = documented()().terms(variables, batch, keys.root(0))[0]["distortion"].mean()
    assert abs(float(in_training) / means - 1) > 0.05, "the two modes differ"


def test_without_evaluation_terms_the_training_terms_are_those_of_validation() -> None:
    methods = {name: value for name, value in vars(documented()).items() if not name.startswith("__")}
    methods.pop("evaluation_terms")
    plain = jaxae.spec(type("Plain", (), {**methods, "__module__": __name__}))()
    result = fitted(plain)
    variables, size = result.outcome.carry.state.variables, result.experiment.batch_size
    batches = jnp.asarray(result.validation.x).reshape(-1, size, 4, 4, 1)
    key = keys.named(result.run.key, "validation")
    expected = [
        plain.terms(variables, Batch(batch), jax.random.fold_in(key, number))[0]["distortion"].mean()
        for number, batch in enumerate(batches)
    ]
    assert len(expected) > 1, "batches as in training"
    found = result.history[-1]["validation"]["distortion"]
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)


@jaxae.spec
class Doubled(jaxae.AE):
    """A stage whose distortion is twice as large in training."""

    def terms(self, variables: Any, batch: Batch, key: Any) -> Any:
        terms, extra = jaxae.AE.terms(self, variables, batch, key)
        return {"distortion": 2.0 * terms["distortion"]}, extra

    def evaluation_terms(self, variables: Any, batch: Batch, key: Any) -> Any:
        return jaxae.AE.terms(self, variables, batch, key)[0]


def test_a_stack_evaluates_its_stages_as_they_ask_for() -> None:
    """One that is evaluated in another way, and one that is not."""
    stages = Doubled(latent_dim=5, **small.NETS), jaxae.AE(latent_dim=3, **small.NETS)
    stack = jaxae.Stacked(stages=stages, data_shape=(4, 4, 1))
    batch = Batch(jnp.asarray(small.images(6) / 255, jnp.float32))
    variables = jax.jit(stack.init)(keys.root(0), batch)
    both = jax.jit(
        lambda key: (stack.terms(variables, batch, key)[0], evaluation_terms(stack, variables, batch, key))
    )
    trained, found = both(keys.root(1))
    np.testing.assert_allclose(
        trained.pop("stage_0_distortion"), 2 * found.pop("stage_0_distortion"), rtol=1e-6
    )
    assert small.same_bits(trained, found) and len(found) == 2


@pytest.mark.slow
def test_a_sweep_evaluates_as_single_runs_do(tmp_path: Any) -> None:
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    experiment = small.experiment(documented()(), epochs=2, data=data)
    results = jaxae.sweep(
        experiment, jaxae.grid({"optimizer.learning_rate": [3e-3, 1e-2]}), [0], x=small.images()
    )
    alone = fitted(documented()())
    row = next(row for row in results if row["optimizer.learning_rate"] == 3e-3)
    np.testing.assert_allclose(
        row["validation.distortion"], alone.scores["validation"]["distortion"], rtol=1e-5
    )
