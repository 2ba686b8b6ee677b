import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.evaluation.terms import Stream, all_terms, in_chunks, map_alone, map_examples, mean_terms
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
