"""What every autoencoder must fulfil; a new member is one line in `small.MEMBERS`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.pytree import get, paths, replace
from jaxae.training import epoch, loop, step
from jaxae.types import Batch, Variables
from tests import small

pytestmark = pytest.mark.parametrize("name", sorted(small.MEMBERS))
B = 6


def prepared(name: str) -> tuple[Any, Variables, Batch, jax.Array]:
    autoencoder = small.member(name)
    batch = Batch(jnp.asarray(small.images(B) / 255, jnp.float32))
    init_key, terms_key = jax.random.split(keys.root(3))
    return autoencoder, jax.jit(autoencoder.init)(init_key, batch), batch, terms_key


def terms_of(autoencoder: Any, variables: Variables, batch: Batch, key: jax.Array) -> Any:
    return jax.jit(lambda a, v, b, k: a.terms(v, b, k)[0])(autoencoder, variables, batch, key)


def test_terms_are_finite_and_one_number_an_example(name: str) -> None:
    terms = terms_of(*prepared(name))
    for value in terms.values():
        assert value.shape == (B,) and value.dtype == jnp.float32 and bool(jnp.isfinite(value).all())


def test_weights_have_the_terms_names(name: str) -> None:
    autoencoder, *rest = prepared(name)
    assert set(autoencoder.weights(jnp.zeros((), jnp.int32))) == set(terms_of(autoencoder, *rest))


def test_the_same_key_gives_the_same_terms(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    first, second = (terms_of(autoencoder, variables, batch, jax.random.clone(key)) for _ in range(2))
    assert small.same_bits(first, second)


def test_jit_changes_nothing(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    eager, _ = autoencoder.terms(variables, batch, jax.random.clone(key))
    jitted = terms_of(autoencoder, variables, batch, key)
    for term in eager:
        np.testing.assert_allclose(eager[term], jitted[term], rtol=2e-6)


def test_two_calls_with_other_numbers_trace_once(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    traces = []

    @jax.jit
    def terms(autoencoder: Any, key: jax.Array) -> Any:
        traces.append(1)
        return autoencoder.terms(variables, batch, key)

    first_key, second_key = jax.random.split(key)
    terms(jax.tree.map(jnp.float32, autoencoder), first_key)
    terms(jax.tree.map(lambda leaf: jnp.float32(2 * leaf), autoencoder), second_key)
    assert len(traces) == 1


def test_terms_of_an_example_do_not_depend_on_the_other_rows(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    first = terms_of(autoencoder, variables, batch, jax.random.clone(key))
    second = terms_of(autoencoder, variables, Batch(batch.x.at[-1].set(0.5)), key)
    for term in first:
        np.testing.assert_allclose(first[term][:-1], second[term][:-1], rtol=1e-6)
        assert first[term][-1] != second[term][-1]


def test_every_float_changes_the_loss_or_its_gradient(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    floats = [path for path, _, value in paths(autoencoder) if isinstance(value, float)]

    def outcome(autoencoder: Any) -> Any:
        experiment = small.experiment(autoencoder)

        def loss(params: Any) -> jax.Array:
            return step.loss(params, (), experiment, batch, jax.random.clone(key), jnp.asarray(2))[0]

        return jax.value_and_grad(loss)(variables.params)

    before = outcome(autoencoder)
    for path in floats:
        changed = replace(autoencoder, path, get(autoencoder, path) * 1.5 + 0.1)
        assert not small.same_bits(before, outcome(changed)), path


def test_codes_and_images_have_their_shapes(name: str) -> None:
    autoencoder, variables, batch, _ = prepared(name)
    z = autoencoder.encode(variables, batch)
    image = autoencoder.image(autoencoder.decode(variables, z))
    assert z.shape == (B, 3) and image.shape == batch.x.shape
    assert bool(jnp.isfinite(z).all()) and bool(jnp.isfinite(image).all())


def test_thirty_steps_lower_the_loss(name: str) -> None:
    experiment = small.experiment(small.member(name), epochs=6)
    dataset = small.dataset(experiment)
    carry = loop.begin(experiment, keys.root(0), Batch(jnp.zeros((1, 4, 4, 1))))
    rows = loop.to_device(dataset.train), loop.to_device(dataset.validation)
    results = list(loop.epochs(experiment, keys.root(0), carry, *rows))
    assert results[-1].train["distortion"] < results[0].train["distortion"] and results[-1].step == 30


def test_bfloat16_stays_near_float32(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    losses = []
    for dtype in ("float32", "bfloat16"):
        experiment = replace(small.experiment(autoencoder), "compute_dtype", dtype)
        losses.append(
            step.loss(variables.params, (), experiment, batch, jax.random.clone(key), jnp.asarray(0))[0]
        )
    assert losses[0] != losses[1] and losses[1].dtype == jnp.float32
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)  # bfloat16 carries 8 bits


def test_lanes_equal_single_runs(name: str) -> None:
    """Three steps under vmap over seeds, within 1e-5 of one seed alone: nothing looks across lanes."""
    experiment = small.experiment(small.member(name))
    rows = Batch(jnp.asarray(small.images(30)).reshape(3, 10, 4, 4, 1))

    def run(key: jax.Array) -> Variables:
        carry = epoch.begin(experiment, key, Batch(rows.x[0] / 255))
        return epoch.run_chunk(experiment, key, carry, rows, jnp.float32(255))[0].state.variables

    lanes = jax.jit(jax.vmap(run))(jnp.stack([keys.root(seed) for seed in (1, 2)]))
    single = jax.jit(run)(keys.root(2))
    for lane, alone in zip(jax.tree.leaves(lanes), jax.tree.leaves(single), strict=True):
        np.testing.assert_allclose(lane[1], alone, rtol=1e-5, atol=1e-6)
