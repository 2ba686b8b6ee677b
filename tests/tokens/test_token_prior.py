"""p(tokens | y): a distribution, causal, conditional; its objective; learned to a known source's entropy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys, nets
from jaxae.errors import JaxaeError
from jaxae.specs.pytree import replace
from jaxae.specs.records import from_record, to_record
from jaxae.tokens.conditions import Labels, Text
from jaxae.tokens.token_prior import TokenPrior
from jaxae.training import step
from jaxae.types import Batch
from tests.tokens import toy

log_prob = jax.jit(lambda model, variables, batch: model.log_prob(variables, batch))


@pytest.mark.parametrize("condition", list(toy.CONDITIONS))
def test_probabilities_of_all_sequences_sum_to_one(condition: str) -> None:
    model = toy.prior(condition, grid=(2, 2))
    tokens = toy.sequences(model)
    y = jax.tree.map(lambda leaf: jnp.repeat(leaf, len(tokens), axis=0), toy.conditions(condition, 1))
    found = np.asarray(log_prob(model, toy.variables(model), toy.batch_of(model, tokens, y)), np.float64)
    assert found.shape == (81,) and found.std() > 0.5, "far from uniform"
    assert abs(np.logaddexp.reduce(found)) < 1e-5


def test_log_prob_is_the_sum_of_log_softmax_at_the_tokens_row_by_row_of_the_grid() -> None:
    model = toy.prior(grid=(2, 3))
    grids, y = np.random.RandomState(0).randint(3, size=(4, 2, 3)), np.array([0, 1, 1, 0])
    tokens = np.array([[grid[row, column] for row in range(2) for column in range(3)] for grid in grids])
    logits = toy.logits(model, tokens, y[:, None])
    expected = [
        sum(
            logits[n, p, tokens[n, p]] - np.log(np.exp(logits[n, p].astype(np.float64)).sum())
            for p in range(6)
        )
        for n in range(4)
    ]
    found = log_prob(model, toy.variables(model), Batch(jnp.asarray(grids, jnp.float32), jnp.asarray(y)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_logits_depend_exactly_on_the_condition_and_the_tokens_before() -> None:
    """By gradients with respect to embeddings: exactly 0 from the token itself on, and nowhere else."""
    model = toy.prior("text", codes=4, grid=(1, 5))
    params, size = toy.variables(model).params, 3 + 4
    rows = jnp.asarray(np.random.RandomState(0).randn(1, size, 8), jnp.float32)

    def logits(rows: jax.Array) -> jax.Array:
        return model.head(params, model.trunk(params, rows, model.cache(params, 1), 0)[0])[0]

    jacobian = np.abs(jax.jit(jax.jacobian(logits))(rows)[:, :, 0]).max(axis=(1, 3))  # [of, by] positions
    np.testing.assert_array_equal(jacobian != 0, np.tri(size, dtype=bool))


def test_logits_of_a_token_change_with_those_before_it_and_the_condition_and_no_others() -> None:
    model = toy.prior("text", codes=4, grid=(1, 5))
    tokens, prefix = jnp.asarray([[0, 1, 2, 3, 0]]), jnp.asarray([[1, 2, 0]])
    before = toy.logits(model, tokens, prefix)
    for position in range(5):
        same = (toy.logits(model, tokens.at[0, position].add(1) % 4, prefix) == before).all(axis=(0, 2))
        np.testing.assert_array_equal(same, np.arange(5) <= position)
    for position in range(3):
        assert not (toy.logits(model, tokens, prefix.at[0, position].set(3)) == before).all(axis=(0, 2)).any()


def test_a_permuted_batch_has_permuted_log_probs() -> None:
    model = toy.prior(grid=(2, 2))
    tokens, y = np.random.RandomState(0).randint(3, size=(7, 4)), toy.conditions("labels", 7)
    order = np.random.RandomState(1).permutation(7)
    found = log_prob(model, toy.variables(model), toy.batch_of(model, tokens, y))
    again = log_prob(model, toy.variables(model), toy.batch_of(model, tokens[order], y[order]))
    np.testing.assert_allclose(again, found[order], rtol=1e-6)
    assert len(np.unique(found)) > 4


terms_of = jax.jit(lambda model, variables, batch, key: model.terms(variables, batch, key)[0])


def objective(model: TokenPrior, batch: Batch, seed: int = 0) -> np.ndarray:
    (term,) = terms_of(model, toy.variables(toy.prior(grid=(2, 2))), batch, keys.root(seed)).values()
    return np.asarray(term)


def test_rows_are_told_the_null_condition_as_often_as_asked() -> None:
    model = toy.prior(grid=(2, 2))
    batch = toy.batch_of(
        model, np.random.RandomState(0).randint(3, size=(2000, 4)), toy.conditions("labels", 2000)
    )
    told, null = (objective(replace(model, "drop_condition", share), batch) for share in (0.0, 1.0))
    np.testing.assert_allclose(told, -log_prob(model, toy.variables(model), batch), rtol=1e-5)
    logits = toy.logits(model, model.tokens(batch), jnp.full((2000, 1), 2))
    each = jnp.take_along_axis(jax.nn.log_softmax(logits), model.tokens(batch)[..., None], axis=-1)
    np.testing.assert_allclose(null, -each.sum(axis=(1, 2)), rtol=1e-5)

    some = objective(replace(model, "drop_condition", 0.3), batch)
    dropped = np.isclose(some, null, rtol=1e-6)
    assert (dropped | np.isclose(some, told, rtol=1e-6)).all()
    assert abs(dropped.mean() - 0.3) < 5 * np.sqrt(0.21 / 2000)
    other = np.isclose(objective(replace(model, "drop_condition", 0.3), batch, 1), null, rtol=1e-6)
    assert 0.3 < (dropped != other).mean() < 0.54, "other rows with another key: 0.42 differ"


def test_every_parameter_and_every_position_of_the_sequence_has_a_gradient() -> None:
    model = toy.prior("text", grid=(2, 2))
    batch = toy.batch_of(model, toy.sequences(model), toy.conditions("text", 81))
    half = replace(model, "drop_condition", 0.5)

    @jax.jit
    @jax.grad
    def gradient(variables: Any) -> jax.Array:
        return half.terms(variables, batch, keys.root(0))[0]["dropped_cross_entropy"].mean()

    found = gradient(toy.variables(model)).params
    assert all((leaf != 0).any() for leaf in jax.tree.leaves(found))
    for name in ("condition", "tokens", "positions", "head"):
        assert (found[name] != 0).any(axis=-1).all(), name


@pytest.mark.parametrize("condition", list(toy.CONDITIONS))
def test_the_objective_is_called_what_it_is_and_weighs_one(condition: str) -> None:
    model = toy.prior(condition)
    batch = toy.batch_of(model, toy.sequences(model), toy.conditions(condition, 9))
    terms = terms_of(model, toy.variables(model), batch, keys.root(0))
    name = "cross_entropy" if condition == "none" else "dropped_cross_entropy"
    assert model.weights(jnp.asarray(0)) == {name: 1.0} and list(terms) == [name]
    assert terms[name].shape == (9,) and terms[name].dtype == jnp.float32


def test_without_a_condition_labels_are_not_looked_at() -> None:
    model = toy.prior("none")
    tokens = toy.sequences(model)
    first, second = (
        log_prob(model, toy.variables(model), toy.batch_of(model, tokens, y)) for y in ((), jnp.arange(9))
    )
    np.testing.assert_array_equal(first, second)


def test_bfloat16_stays_near_float32() -> None:
    model = toy.prior(grid=(2, 2))
    batch = toy.batch_of(model, np.random.RandomState(0).randint(3, size=(7, 4)), toy.conditions("labels", 7))
    variables = toy.variables(model)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    full, low = log_prob(model, variables, batch), log_prob(model, half, batch)
    assert low.dtype == jnp.float32 and not np.array_equal(full, low)
    np.testing.assert_allclose(low, full, rtol=0.05, atol=0.1)
    assert model.cache(half.params, 1).keys[0].dtype == jnp.bfloat16


SOURCES = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.2, 0.8], [0.6, 0.4]]])  # [y, from, to]
FIRST = np.array([0.25, 0.75])


def entropy(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(probabilities)).sum(axis=-1)


def test_training_on_a_markov_source_of_each_label_reaches_its_entropy() -> None:
    """By the train step of every model; the cross entropy is exact, over all 16 sequences of each label."""
    model = toy.prior(codes=2, grid=(2, 2))
    tokens = toy.sequences(model)
    steps = [SOURCES[:, tokens[:, p], tokens[:, p + 1]] for p in range(3)]
    probabilities = FIRST[tokens[:, 0]] * np.prod(steps, axis=0)  # [y, sequence]
    exact = []
    for chain in SOURCES:
        marginals = [FIRST @ np.linalg.matrix_power(chain, p) for p in range(3)]
        exact.append(entropy(FIRST) + sum(marginal @ entropy(chain) for marginal in marginals))
    np.testing.assert_allclose(entropy(probabilities), exact)

    random = np.random.RandomState(0)
    y = random.randint(2, size=(400, 64))
    drawn = np.array([random.choice(16, p=probabilities[label]) for label in y.reshape(-1)]).reshape(y.shape)
    rows = toy.batch_of(model, tokens[drawn.reshape(-1)]).x.reshape(400, 64, 2, 2)
    optimizer = jaxae.Adam(learning_rate=jaxae.schedules.Cosine(start=1e-2, end=1e-4, steps=400.0))
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(), model=replace(model, "drop_condition", 0.2), optimizer=optimizer
    )

    @jax.jit
    def fit(key: jax.Array) -> Any:
        state = step.create(experiment, keys.named(key, "init"), Batch(rows[0], y[0]))
        one = lambda state, batch: step.train_step(experiment, key, state, batch, jnp.float32(1))  # noqa: E731
        return jax.lax.scan(one, state, Batch(rows, jnp.asarray(y)))[0].variables

    variables = fit(keys.root(0))
    for label in range(2):
        batch = toy.batch_of(model, tokens, jnp.full(16, label))
        found = -(probabilities[label] * np.asarray(log_prob(model, variables, batch))).sum()
        assert exact[label] - 1e-5 <= found <= exact[label] + 0.03, (label, found, exact[label])


def test_the_shape_of_the_papers_grid_is_taken() -> None:
    """Esser et al., 2021: 32x32 tokens of 2048; shapes only."""
    model = TokenPrior(condition=Labels(num_classes=1000), num_codes=2048, data_shape=(32, 32))
    batch = Batch(jax.ShapeDtypeStruct((2, 32, 32), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.int32))

    def trial(batch: Batch) -> Any:
        init_key, terms_key = jax.random.split(keys.root(0))
        return model.terms(model.init(init_key, batch), batch, terms_key)[0]

    assert jax.eval_shape(trial, batch)["dropped_cross_entropy"].shape == (2,)


def test_a_prior_is_read_back_from_its_record() -> None:
    model = toy.prior("text")
    assert from_record(to_record(model), TokenPrior) == model
    with pytest.raises(JaxaeError, match="drop_condition: got 1.5; input should be less than or equal to 1"):
        from_record(to_record(replace(model, "drop_condition", 1.5)), TokenPrior)


WRONG = {
    "num_codes 0 and data_shape (1, 2), expected those of a tokenizer": {"num_codes": 0},
    "num_codes 3 and data_shape (), expected those of a tokenizer": {"data_shape": ()},
    "condition: got Labels(num_classes=0)": {"condition": Labels()},
    "condition: got Text(vocabulary=(), length=0)": {"condition": Text()},
}


@pytest.mark.parametrize("told", list(WRONG))
def test_what_is_not_known_yet_is_told(told: str) -> None:
    (path, value), *_ = WRONG[told].items()
    with pytest.raises(JaxaeError) as caught:
        replace(toy.prior(), path, value).init(keys.root(0), Batch(jnp.zeros((1, 1, 2))))
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_condition_is_refused_rather_than_taken_for_none() -> None:
    model = toy.prior()
    batch = toy.batch_of(model, toy.sequences(model))
    for act in (
        lambda: model.log_prob(toy.variables(model), batch),
        lambda: model.terms(toy.variables(model), batch, keys.root(0)),
    ):
        with pytest.raises(JaxaeError, match="y: got none, expected one for the condition Labels"):
            act()


def test_a_trunk_of_ones_own_takes_the_transformers_place() -> None:
    """One that sees nothing but its own position: tokens are then a Markov chain."""

    class Memoryless(nets.Transformer):
        def __call__(self, x: jax.Array, cache: Any, start: Any) -> Any:
            return x, cache

    model = replace(toy.prior("none", grid=(1, 3)), "net", Memoryless(width=8))
    variables = model.init(keys.root(0), Batch(jnp.zeros((1, 1, 3))))
    prefix = model.null_prefix(1)
    first, second = (model.logits(variables, jnp.asarray([[code, 1, 0]]), prefix) for code in (0, 2))
    np.testing.assert_array_equal(first[:, 2], second[:, 2])
    assert not np.allclose(first[:, 1], second[:, 1], atol=1e-6)
