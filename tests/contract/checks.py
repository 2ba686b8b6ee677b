"""What every autoencoder must fulfil; a new member is one line in `small.MEMBERS`.

The two files beside this one run it, each over half of the family.
"""

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys, schedules
from jaxae.specs.pytree import get, paths, replace
from jaxae.training import epoch, loop, step
from jaxae.types import Batch, Variables
from tests import small

B = 6


def variants_slow(names: list[str]) -> list[Any]:
    """The members as parameters of a test; a class's variants, "VAE, planar flow", are for `make slow`.

    So is the VQ-GAN, three nets on top of the VQ-VAE, which has tests of its own.
    """
    plain = {name: not re.search(r",| with | tied|VQGAN", name) for name in names}
    return [pytest.param(name, marks=() if plain[name] else pytest.mark.slow) for name in names]


@functools.cache
def made(name: str) -> tuple[Variables, Batch]:
    """The member's variables and a batch."""
    batch = Batch(jnp.asarray(small.images(B) / 255, jnp.float32), jnp.asarray(small.labels(B)))
    return jax.jit(small.member(name).init)(keys.root(2), batch), batch


def prepared(name: str) -> tuple[Any, Variables, Batch, jax.Array]:
    """The member with its schedules at step 2, its variables, a batch and a key for its terms."""
    return schedules.at(small.member(name), jnp.asarray(2)), *made(name), keys.root(3)


@jax.jit
def terms_of(autoencoder: Any, variables: Variables, batch: Batch, key: jax.Array) -> Any:
    """The terms, by one program for each member."""
    return autoencoder.terms(variables, batch, key)[0]


def test_terms_are_finite_one_number_an_example_and_have_weights(name: str) -> None:
    autoencoder, *rest = prepared(name)
    terms = terms_of(autoencoder, *rest)
    for value in terms.values():
        assert value.shape == (B,) and value.dtype == jnp.float32 and bool(jnp.isfinite(value).all())
    assert set(autoencoder.weights(jnp.zeros((), jnp.int32))) == set(terms)


def test_the_same_key_gives_the_same_terms(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    first, second = (terms_of(autoencoder, variables, batch, jax.random.clone(key)) for _ in range(2))
    assert small.same_bits(first, second)


def test_jit_changes_nothing(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    eager, _ = autoencoder.terms(variables, batch, jax.random.clone(key))
    jitted = terms_of(autoencoder, variables, batch, key)
    for term in eager:
        np.testing.assert_allclose(eager[term], jitted[term], rtol=2e-6, atol=1e-6)


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


def test_terms_of_an_example_depend_on_the_other_rows_only_where_declared(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    first = terms_of(autoencoder, variables, batch, jax.random.clone(key))
    second = terms_of(autoencoder, variables, batch._replace(x=batch.x.at[-1].set(0.5)), key)
    declared = getattr(autoencoder, "batch_terms", ())  # statistics of the batch, as the paper has them
    assert set(declared) <= set(first)
    for term in first:
        alike = np.allclose(first[term][:-1], second[term][:-1], rtol=1e-5, atol=1e-6)
        assert alike != (term in declared), term
    assert any(first[term][-1] != second[term][-1] for term in first)


def test_every_float_changes_the_loss_its_gradient_or_what_is_carried(name: str) -> None:
    """At one of three steps: what a stack is told of its phases shows at some of them only."""
    _, _, batch, key = prepared(name)
    autoencoder = small.member(name)
    optimizers = getattr(autoencoder, "optimizers", dict)().values()
    own = tuple(
        f"{path}." for path, _, part in paths(autoencoder) if any(part is each for each in optimizers)
    )
    floats = [path for path, _, value in paths(autoencoder) if isinstance(value, float)]

    @jax.jit
    def outcome(autoencoder: Any) -> Any:
        experiment = small.experiment(autoencoder)
        variables = autoencoder.init(keys.root(2), batch)

        def loss(params: Any, extra: Any, at: int) -> tuple[jax.Array, Any]:
            terms_key = jax.random.clone(key)
            total, (_, _, extra) = step.loss(params, extra, experiment, batch, terms_key, jnp.asarray(at))
            return total, extra

        carried = loss(variables.params, variables.extra, 0)[1]
        value = jax.value_and_grad(loss, has_aux=True)
        return [value(variables.params, carried, at) for at in (0, 2, 6)]

    before = outcome(autoencoder)
    for path in floats:
        if not path.startswith(own):  # those move no loss but parameters: tests/training/test_step.py
            changed = replace(autoencoder, path, get(autoencoder, path) * 1.5 + 0.1)
            assert not small.same_bits(before, outcome(changed)), path


def test_codes_and_images_have_their_shapes(name: str) -> None:
    autoencoder, variables, batch, _ = prepared(name)
    z = autoencoder.encode(variables, batch)
    image = autoencoder.image(autoencoder.decode(variables, z, batch.y))
    assert z.shape == (B, 3) and image.shape == batch.x.shape
    assert bool(jnp.isfinite(z).all()) and bool(jnp.isfinite(image).all())


@pytest.mark.slow  # in `make test` every config does, on the real digits
def test_thirty_steps_lower_the_loss(name: str) -> None:
    experiment = small.experiment(small.member(name), epochs=6)
    dataset = small.dataset(experiment)
    carry = loop.begin(experiment, keys.root(0), Batch(jnp.zeros((1, 4, 4, 1)), jnp.zeros(1, jnp.int32)))
    rows = loop.to_device(dataset.train), loop.to_device(dataset.validation)
    results = list(loop.epochs(experiment, keys.root(0), carry, *rows))
    losses = [result.validation["loss"] for result in results]
    assert results[-1].step == 30 and losses[-1] < losses[0]


def test_bfloat16_stays_near_float32(name: str) -> None:
    autoencoder, variables, batch, key = prepared(name)
    batch = with_equal_tokens(autoencoder, variables, batch)
    losses = []
    for dtype in ("float32", "bfloat16"):
        experiment = replace(small.experiment(autoencoder), "compute_dtype", dtype)
        losses.append(
            step.loss(
                variables.params, variables.extra, experiment, batch, jax.random.clone(key), jnp.asarray(5)
            )[0]
        )
    assert losses[0] != losses[1] and losses[1].dtype == jnp.float32
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)  # bfloat16 carries 8 bits


def with_equal_tokens(autoencoder: Any, variables: Variables, batch: Batch) -> Batch:
    """The rows whose tokens bfloat16 does not change: between two of them there is nothing but a jump."""
    if not hasattr(autoencoder, "tokens"):
        return batch
    half = variables._replace(params=step.cast(variables.params, "bfloat16"))
    alike = (autoencoder.tokens(variables, batch) == autoencoder.tokens(half, batch)).all(axis=1)
    rows = np.flatnonzero(alike)
    assert len(rows) >= B // 2
    return Batch(batch.x[rows], batch.y[rows])


@pytest.mark.slow
def test_lanes_equal_single_runs(name: str) -> None:
    """Three steps under vmap over seeds, within 1e-5 of one seed alone: nothing looks across lanes."""
    experiment = small.experiment(small.member(name))
    rows = Batch(jnp.asarray(small.images(30)).reshape(3, 10, 4, 4, 1), small.labels(30).reshape(3, 10))

    def run(key: jax.Array) -> Variables:
        carry = epoch.begin(experiment, key, Batch(rows.x[0] / 255, rows.y[0]))
        return epoch.run_chunk(experiment, key, carry, rows, jnp.float32(255))[0].state.variables

    lanes = jax.jit(jax.vmap(run))(jnp.stack([keys.root(seed) for seed in (1, 2)]))
    single = jax.jit(run)(keys.root(2))
    for lane, alone in zip(jax.tree.leaves(lanes), jax.tree.leaves(single), strict=True):
        np.testing.assert_allclose(lane[1], alone, rtol=1e-5, atol=1e-6)
