"""Draws against every sequence enumerated, truncation against its definition, the cache against none."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.errors import JaxaeError
from jaxae.specs.pytree import paths, replace
from jaxae.specs.records import validate
from jaxae.tokens import sampling as home
from jaxae.tokens.sampling import Sampling, guided, sample, sample_by_recomputation, truncated
from tests.tokens import toy

DRAWS = 20_000
SAMPLINGS = {
    "plain": Sampling(),
    "cold": Sampling(temperature=0.6),
    "hot": Sampling(temperature=2.0),
    "top k": Sampling(top_k=2),
    "nucleus": Sampling(top_p=0.7),
    "guided": Sampling(guidance=2.5),
    "all": Sampling(temperature=1.5, top_k=3, top_p=0.8, guidance=1.7),
}


def drawn_from(logits: np.ndarray, null: np.ndarray, asked: Sampling) -> np.ndarray:
    """The distribution of one token, by the definitions; logits [K]."""
    if asked.guidance is not None:
        logits = (1 - asked.guidance) * null + asked.guidance * logits
    weights = np.exp(logits / asked.temperature)
    order = sorted(range(len(weights)), key=lambda code: (-weights[code], code))
    kept = order[: asked.top_k or None]
    total, nucleus = weights[kept].sum(), []
    while sum(weights[nucleus]) < asked.top_p * total * (1 - 1e-12):
        nucleus.append(kept[len(nucleus)])
    left = np.array([weight if code in nucleus else 0.0 for code, weight in enumerate(weights)])
    return left / left.sum()


def enumerated(model: Any, y: int, asked: Sampling) -> np.ndarray:
    """The probability of each sequence of `toy.sequences`, token by token."""
    tokens = toy.sequences(model)
    prefixes = [np.full((len(tokens), 1), number) for number in (y, model.null)]
    each = [toy.logits(model, tokens, prefix).astype(np.float64) for prefix in prefixes]
    found = []
    for told, null, sequence in zip(*each, tokens, strict=True):
        chances = [drawn_from(*pair, asked) for pair in zip(told, null, strict=True)]
        found.append(math.prod(chances[position][code] for position, code in enumerate(sequence)))
    return np.array(found)


def as_frequent(tokens: np.ndarray, probabilities: np.ndarray) -> bool:
    """Whether each sequence is drawn as often as it should within 5 standard deviations, and no others."""
    counts = np.bincount(tokens @ np.array([4, 1]), minlength=16)
    deviation = np.sqrt(len(tokens) * probabilities * (1 - probabilities))
    return bool((np.abs(counts - len(tokens) * probabilities) <= 5 * deviation + 1e-6).all())


@pytest.mark.parametrize("name", list(SAMPLINGS))
def test_draws_are_as_frequent_as_their_probability(name: str) -> None:
    """20,000 draws of 2 tokens of 4 codes: each of the 16 sequences within 5 standard deviations."""
    model = toy.prior(codes=4)
    probabilities = enumerated(model, 1, SAMPLINGS[name])
    np.testing.assert_allclose(probabilities.sum(), 1)
    assert np.abs(probabilities - enumerated(model, 1, Sampling())).max() > 0.02 or name == "plain"
    y = np.ones(DRAWS, np.int32)
    tokens = np.asarray(sample(model, toy.variables(model), keys.root(7), y, DRAWS, SAMPLINGS[name]))
    assert tokens.shape == (DRAWS, 2) and tokens.dtype == np.int32
    assert as_frequent(tokens, probabilities)


@pytest.mark.parametrize("codes", [2, 10, 50, 1000])
def test_the_nucleus_of_equally_likely_codes_is_the_ceiling_of_its_share(codes: int) -> None:
    """Their float32 sums round: the fewest that have 0.3 of 50 are 15, not 16."""
    logits = jnp.zeros((1, codes))
    for percent in range(1, 100):
        kept = np.isfinite(LIKELIEST(logits, Sampling(top_p=percent / 100))).sum()
        assert kept == -(-percent * codes // 100), percent


LIKELIEST = jax.jit(home.likeliest)


@pytest.mark.parametrize("condition", ["none", "text"])
def test_with_the_cache_tokens_are_those_of_recomputing_everything(condition: str) -> None:
    model = toy.prior(condition, codes=5, grid=(2, 4))
    asked = SAMPLINGS["plain" if condition == "none" else "all"]
    given = toy.variables(model), keys.root(1), toy.conditions(condition, 30), 30, asked
    tokens = np.asarray(sample(model, *given))
    np.testing.assert_array_equal(tokens, sample_by_recomputation(model, *given))
    assert len({tuple(row) for row in tokens}) > 10


def test_given_tokens_stay_and_the_others_follow_from_those_before_them() -> None:
    model, num = toy.prior("none", codes=3, grid=(1, 3)), 4_000
    variables, settings = toy.variables(model), Sampling()
    given = np.tile(np.array([-1, 2, -1], np.int32), (num, 1))
    arguments = variables, keys.root(2), (), num, settings, given
    tokens = np.asarray(sample(model, *arguments))
    np.testing.assert_array_equal(tokens, sample_by_recomputation(model, *arguments))
    assert (tokens[:, 1] == 2).all()
    # By enumeration: p(first) p(last | first, 2).
    prefix = model.null_prefix(3)
    every = jnp.stack([jnp.arange(3), jnp.full(3, 2), jnp.zeros(3, jnp.int32)], axis=1)
    log_probs = jax.nn.log_softmax(toy.logits(model, every, prefix), axis=-1)
    first, last = np.exp(log_probs[0, 0]), np.exp(log_probs[:, 2])
    for a in range(3):
        assert (tokens[:, 0] == a).mean() == pytest.approx(first[a], abs=0.03)
        for b in range(3):
            share = (tokens[tokens[:, 0] == a, 2] == b).mean()
            assert share == pytest.approx(last[a, b], abs=0.06)


def test_with_all_tokens_given_nothing_is_drawn_and_with_none_everything() -> None:
    model = toy.prior("none", codes=5, grid=(2, 3))
    variables, key = toy.variables(model), keys.root(3)
    tokens = np.asarray(sample(model, variables, key, (), 6, Sampling()))
    free = np.full_like(tokens, -1)
    np.testing.assert_array_equal(sample(model, variables, key, (), 6, Sampling(), tokens), tokens)
    np.testing.assert_array_equal(sample(model, variables, key, (), 6, Sampling(), free), tokens)


def test_logits_with_the_cache_are_those_without_it() -> None:
    model = toy.prior("text", codes=5, grid=(3, 4))
    variables, tokens = toy.variables(model), jnp.asarray(np.random.RandomState(0).randint(5, size=(4, 12)))
    prefix = model.prefix(toy.batch_of(model, tokens, toy.conditions("text", 4)))
    params = variables.params
    rows = jnp.concatenate([params["condition"][prefix], params["tokens"][tokens]], axis=1)

    @jax.jit
    def one_by_one(cache: Any) -> jax.Array:
        def step(cache: Any, position: jax.Array) -> Any:
            outputs, cache = model.trunk(params, rows[:, position][:, None], cache, position)
            return cache, model.head(params, outputs)[:, 0]

        return jax.lax.scan(step, cache, jnp.arange(2 + 12))[1].swapaxes(0, 1)

    found = one_by_one(model.cache(params, 4))[:, 2:]
    np.testing.assert_allclose(found, toy.logits(model, tokens, prefix), rtol=1e-5, atol=1e-5)


def test_no_condition_of_a_conditional_prior_is_the_null_one() -> None:
    model = toy.prior(codes=4)
    tokens = np.asarray(sample(model, toy.variables(model), keys.root(0), (), DRAWS, Sampling()))
    probabilities = enumerated(model, model.null, Sampling())
    assert as_frequent(tokens, probabilities)
    assert not as_frequent(tokens, enumerated(model, 0, Sampling()))


def test_each_draw_has_its_own_condition() -> None:
    model = toy.prior(codes=4)
    y = np.tile([0, 1], DRAWS // 2)
    tokens = np.asarray(sample(model, toy.variables(model), keys.root(0), y, DRAWS, Sampling()))
    for label in (0, 1):
        assert as_frequent(tokens[y == label], enumerated(model, label, Sampling()))
        assert not as_frequent(tokens[y == label], enumerated(model, 1 - label, Sampling()))


def test_the_same_key_gives_the_same_tokens_and_another_key_others() -> None:
    model = toy.prior("none", codes=5, grid=(2, 4))
    first, again, other = (
        np.asarray(sample(model, toy.variables(model), keys.root(seed), (), 20, Sampling()))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.3 and len({tuple(row) for row in first}) > 15


def test_draws_depend_neither_on_their_number_nor_on_how_many_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, y = toy.prior(codes=4), np.tile([0, 1, 0], 7)
    whole = sample(model, toy.variables(model), keys.root(0), y, 21, SAMPLINGS["guided"])
    few = sample(model, toy.variables(model), keys.root(0), y[:5], 5, SAMPLINGS["guided"])
    np.testing.assert_array_equal(few, whole[:5])
    monkeypatch.setattr(home, "ROWS_AT_ONCE", 8)  # three blocks, the last of which overlaps
    blocks = sample(model, toy.variables(model), keys.root(0), y, 21, SAMPLINGS["guided"])
    np.testing.assert_array_equal(blocks, whole)


def stays(logits: list[float], **asked: Any) -> list[int]:
    """The codes that may be drawn."""
    found = truncated(jnp.log(jnp.asarray(logits)), Sampling(**asked))
    return np.flatnonzero(np.isfinite(found)).tolist()


def test_of_equals_top_k_keeps_exactly_k_the_first() -> None:
    assert stays([0.1, 0.3, 0.3, 0.3], top_k=2) == [1, 2]
    assert stays([0.25] * 4, top_k=3) == [0, 1, 2]
    assert stays([0.1, 0.2, 0.3, 0.4], top_k=1) == [3]
    assert stays([0.1, 0.2, 0.3, 0.4], top_k=9) == [0, 1, 2, 3]


def test_the_nucleus_is_the_fewest_that_have_the_probability() -> None:
    assert stays([0.125, 0.5, 0.25, 0.125], top_p=0.5) == [1]
    assert stays([0.125, 0.5, 0.25, 0.125], top_p=0.51) == [1, 2]
    assert stays([0.125, 0.5, 0.25, 0.125], top_p=0.8) == [0, 1, 2]
    assert stays([0.25] * 4, top_p=0.5) == [0, 1]
    assert stays([0.125, 0.5, 0.25, 0.125], top_p=1e-6) == [1]


def test_the_nucleus_is_of_what_the_temperature_and_top_k_have_left() -> None:
    assert stays([0.4, 0.3, 0.2, 0.1], top_p=0.65) == [0, 1]
    assert stays([0.4, 0.3, 0.2, 0.1], top_p=0.65, top_k=3) == [0, 1]
    assert stays([0.4, 0.3, 0.2, 0.1], top_p=0.55, top_k=2) == [0], "0.4 of 0.7"
    assert stays([0.4, 0.3, 0.2, 0.1], top_p=0.65, temperature=4.0) == [0, 1, 2]


@pytest.mark.parametrize("top_k", [0, 2048])
def test_of_thousands_of_codes_none_goes_where_all_may_be_drawn(top_k: int) -> None:
    logits = jnp.asarray(8 * np.random.RandomState(0).randn(3, 2048), jnp.float32)
    np.testing.assert_array_equal(truncated(logits, Sampling(top_k=top_k)), logits)


def test_those_that_stay_keep_their_logits_over_the_temperature_whatever_the_batch() -> None:
    logits = jnp.asarray(np.random.RandomState(0).randn(2, 3, 7), jnp.float32)
    found = np.asarray(truncated(logits, Sampling(temperature=0.5, top_k=4)))
    assert (np.isfinite(found).sum(axis=-1) == 4).all()
    np.testing.assert_array_equal(found[np.isfinite(found)], 2 * np.asarray(logits)[np.isfinite(found)])
    for row in range(2):
        np.testing.assert_array_equal(
            truncated(logits[row, 1], Sampling(temperature=0.5, top_k=4)), found[row, 1]
        )


def test_guidance_is_a_line_from_no_condition_through_the_condition() -> None:
    conditional, null = jnp.asarray([1.0, -2.0]), jnp.asarray([0.5, 3.0])
    np.testing.assert_allclose(guided(conditional, null, 0.0), null)
    np.testing.assert_allclose(guided(conditional, null, 1.0), conditional)
    np.testing.assert_allclose(guided(conditional, null, 3.0), [2.0, -12.0])


def test_every_number_of_sampling_matters_and_recompiles_nothing() -> None:
    model, y = toy.prior(codes=4), np.zeros(500, np.int32)
    asked = Sampling(temperature=1.1, top_k=3, top_p=0.9, guidance=1.5)
    draw = lambda asked: np.asarray(sample(model, toy.variables(model), keys.root(0), y, 500, asked))  # noqa: E731
    before, compiled = draw(asked), home._sample._cache_size()
    floats = {path: value for path, _, value in paths(asked) if isinstance(value, float)}
    assert set(floats) == {"temperature", "top_p", "guidance"}
    for path, value in floats.items():
        assert (draw(replace(asked, path, value * 0.6)) != before).any(), path
    assert home._sample._cache_size() == compiled
    assert (draw(replace(asked, "top_k", 1)) != before).any()


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"guidance": -0.5}],
    ids=str,
)
def test_numbers_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(JaxaeError, match=next(iter(changes))):
        validate(Sampling(**changes), Sampling)


GUIDED = Sampling(guidance=2.0)
WRONG: dict[str, tuple[Any, Any, Sampling]] = {
    "y: got 2, expected 0 to 1": (toy.prior(), [0, 2, 1], Sampling()),
    "y: got -1, expected 0 to 1": (toy.prior(), [0, -1, 1], Sampling()),
    "y: got shape (2,), expected one for each of 3 draws": (toy.prior(), [0, 1], Sampling()),
    "y: got shape (), expected one for each of 3 draws": (toy.prior(), 1, Sampling()),
    "y: got shape (3,), expected tokens of texts of shape (B, 3)": (toy.prior("text"), [0, 1, 1], Sampling()),
    "y: got shape (3,), but the prior has no condition": (toy.prior("none"), [0, 1, 1], Sampling()),
    "guidance: got 2.0, but the prior was trained with no condition": (toy.prior("none"), (), GUIDED),
    "guidance: got 2.0, but the prior was trained with a drop_condition of 0": (
        replace(toy.prior(), "drop_condition", 0.0),
        [0, 1, 1],
        GUIDED,
    ),
}


@pytest.mark.parametrize("told", list(WRONG))
def test_what_cannot_be_sampled_is_told(told: str) -> None:
    model, y, asked = WRONG[told]
    with pytest.raises(JaxaeError) as caught:
        sample(model, toy.variables(model), keys.root(0), y, 3, asked)
    assert str(caught.value) == told
