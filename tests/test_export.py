"""Models are exported as programs for batches of any size, which give the numbers of the direct calls."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxae import keys
from jaxae.types import Batch, Variables
from tests import small
from tests.contract.checks import made, variants_slow
from tests.tokens import toy


def everything(autoencoder: Any, variables: Variables, batch: Batch, key: jax.Array) -> dict[str, Any]:
    """What a trained member is used for: codes, reconstructions, draws, bounds, tokens, labels."""
    z = autoencoder.encode(variables, batch)
    found = {"code": z, "reconstruction": autoencoder.image(autoencoder.decode(variables, z, batch.y))}
    draw_key, elbo_key, weights_key = jax.random.split(key, 3)
    if hasattr(autoencoder, "prior_sample"):
        found["draws"] = autoencoder.prior_sample(variables, draw_key, batch.x.shape[0])
    if hasattr(autoencoder, "log_weights"):
        found["elbo"] = autoencoder.elbo(variables, batch, elbo_key, 3)
        found["log_weights"] = autoencoder.log_weights(variables, batch, weights_key, 3)
    if hasattr(autoencoder, "tokens"):
        found["tokens"] = autoencoder.tokens(variables, batch)
    if hasattr(autoencoder, "logits"):
        found["logits"] = autoencoder.logits(variables, batch)
    return found


def exported(program: Any, *given: Any) -> Any:
    """The program for arguments like `given`, of which those with 6 rows may have any number of them."""
    (rows,) = export.symbolic_shape("rows")

    def any_rows(leaf: Any) -> jax.ShapeDtypeStruct:
        shape = (rows, *leaf.shape[1:]) if leaf.shape[:1] == (6,) else leaf.shape
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    *others, batch, key = given
    return export.export(program)(*others, jax.tree.map(any_rows, batch), key)


@pytest.mark.parametrize("name", variants_slow(list(small.MEMBERS)))
def test_every_member_is_exported_for_any_batch(name: str) -> None:
    autoencoder = small.member(name)
    batch = Batch(jnp.zeros((6, 4, 4, 1)), jnp.zeros(6, jnp.int32))
    variables = jax.eval_shape(autoencoder.init, keys.root(0), batch)
    program = jax.jit(lambda *arguments: everything(autoencoder, *arguments))
    found = exported(program, variables, batch, keys.root(0))
    assert found.in_avals[-3].shape[1:] == (4, 4, 1) and not isinstance(found.in_avals[-3].shape[0], int)


@pytest.mark.parametrize("name", ["AE with convolutions", "VAE, conditional", "VQVAE"])
def test_exported_programs_give_the_same_numbers(name: str) -> None:
    assert_equal_when_exported(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(small.MEMBERS))
def test_exported_programs_of_every_member_give_the_same_numbers(name: str) -> None:
    assert_equal_when_exported(name)


def assert_equal_when_exported(name: str) -> None:
    """With fewer rows than it was exported from."""
    autoencoder, (variables, batch) = small.member(name), made(name)
    program = jax.jit(lambda *arguments: everything(autoencoder, *arguments))
    fewer = jax.tree.map(lambda leaf: leaf[:5], batch)
    found = exported(program, variables, batch, keys.root(0)).call(variables, fewer, keys.root(0))
    expected = program(variables, fewer, keys.root(0))
    assert found.keys() == expected.keys() and found["code"].shape == (5, 3)
    for part in expected:
        np.testing.assert_allclose(found[part], expected[part], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("condition", ["none", "labels", "text"])
@pytest.mark.slow
def test_a_prior_over_tokens_is_exported_for_any_batch(condition: str) -> None:
    model = toy.prior(condition, codes=4)
    tokens = jnp.asarray(toy.sequences(model)[:6])
    batch = toy.batch_of(model, tokens, toy.conditions(condition, 6))
    variables = toy.variables(model)

    @jax.jit
    def program(variables: Variables, batch: Batch, key: jax.Array) -> Any:
        return model.log_prob(variables, batch), model.terms(variables, batch, key)[0]

    found = exported(program, variables, batch, keys.root(0)).call(variables, batch, keys.root(0))
    expected = program(variables, batch, keys.root(0))
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5)
