import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.evaluation.terms import map_examples, mean_terms
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


@pytest.mark.parametrize(
    "shape, size", [((4096,), 500), ((64, 64, 2), 250), ((256, 256, 3), 10), ((2000, 2000), 2)]
)
def test_batches_of_large_examples_are_smaller(shape: tuple[int, ...], size: int) -> None:
    """So many rows at once that they have no more numbers than 500 of 4096, and at least two."""
    sizes = []

    def measure(batch: Batch, _: jax.Array) -> jax.Array:
        sizes.append(len(batch.x))
        return batch.x.sum(axis=tuple(range(1, batch.x.ndim)))

    rows = Examples(jax.ShapeDtypeStruct((1200, *shape), jnp.uint8), (), jnp.float32(255))
    found = jax.eval_shape(lambda x: map_examples(measure, rows._replace(x=x), keys.root(0)), rows.x)
    assert set(sizes) == {size} and found.shape == (1200,)


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
