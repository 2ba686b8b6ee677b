"""Blocks of a fixed shape: one compiled program for splits of any size, with the same values."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.estimators import blocks, scores
from jaxae.estimators.bound_scores import draw_columns, noise_key
from jaxae.estimators.row_scores import row_columns
from jaxae.types import Batch, Examples
from tests import small

ROWS = Examples(small.images(40), small.labels(40), np.float32(255))
TOKENIZER = small.member("VQVAE")


def first(num: int) -> Examples:
    return ROWS._replace(x=ROWS.x[:num], y=ROWS.y[:num])


def initial(model: Any) -> Any:
    return jax.jit(model.init)(keys.root(0), Batch(jnp.zeros((1, 4, 4, 1)), jnp.zeros(1, jnp.int32)))


def test_splits_of_other_sizes_compile_no_program_again() -> None:
    model = small.member("VAE with a capacity")  # its terms are no parts of the ELBO, so they are computed
    variables, compiled = initial(model), []
    scores.score(model, variables, first(40), keys.root(1), batch_size=7)
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
    for num in (39, 8):
        scores.score(model, variables, first(num), keys.root(2), batch_size=7)
    assert "/jax/core/compile/backend_compile_duration" not in compiled


@pytest.mark.parametrize("most", [7, 1000])
def test_blocks_change_no_value_and_count_each_row_once(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six blocks with a last one of 5 rows, or one block that is mostly padding, against one call."""
    monkeypatch.setattr(blocks, "MOST_ROWS", most)
    variables = initial(TOKENIZER)
    found = scores.columns_of_rows(TOKENIZER, variables, ROWS)
    expected = jax.jit(row_columns, static_argnames="at_once")(TOKENIZER, variables, ROWS, at_once=40)
    (counts,) = found.counts.values()
    np.testing.assert_array_equal(counts, *expected.counts.values())
    assert counts.sum() == 40 * np.prod(TOKENIZER.grid)
    for name, values in expected.rows.items():
        np.testing.assert_allclose(found.rows[name], values, rtol=1e-5)


@pytest.mark.parametrize("most", [7, pytest.param(1000, marks=pytest.mark.slow)])
def test_blocks_change_no_draw_and_no_batch_of_terms(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_ROWS", most)
    model = jaxae.IWAE(**small.NETS, latent_dim=2, num_samples=3, data_shape=(4, 4, 1))
    variables = initial(model)
    found = scores.columns_of_draws(model, variables, ROWS, num_samples=5)
    whole = jax.jit(draw_columns, static_argnames=("num_samples", "at_once"))
    expected = whole(model, variables, ROWS, noise_key(), num_samples=5, at_once=200)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found, expected)
    terms = scores.columns_of_terms(model, variables, ROWS, keys.root(3), batch_size=6)
    in_one = jax.jit(scores.terms_of, static_argnames="batch_size")
    expected = in_one(model, variables, ROWS, keys.root(3), batch_size=6)
    assert set(terms) == set(expected) and terms
    for name, values in expected.items():
        np.testing.assert_allclose(terms[name], values, rtol=1e-5)


def test_a_block_of_large_rows_has_fewer_of_them() -> None:
    large = Examples(np.zeros((2, 256, 256, 3), np.float32), (), 1.0)
    assert blocks.rows_of_block(ROWS) == 1000 and blocks.rows_of_block(large) == 10
