"""Tokens from a prior: temperature, top-k, nucleus, guidance; one position after another with a cache."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Le
from jax import Array

from jaxae import keys
from jaxae.errors import JaxaeError
from jaxae.memory import by_rows
from jaxae.protocols.capabilities import CachedTokenModel, GuidedTokenModel, TokenModel
from jaxae.specs.pytree import spec
from jaxae.types import Batch, Key, Variables

ROUNDING = 1e-6  # relative error of a sum of probabilities in float32
ROWS_AT_ONCE = 500  # sampled side by side, if memory allows: each position reads all parameters once for all


@spec
class Sampling:
    """How a token is drawn from its logits: guided, then at a temperature, then of the likeliest only."""

    temperature: Annotated[float, Gt(0)] = 1.0
    """What logits are divided by; 1 is the model's own distribution."""
    top_k: Annotated[int, Ge(0)] = 0
    """Codes that may be drawn at each position, the likeliest; 0 for all."""
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    """Probability of those that may be drawn: the fewest that have as much, the likeliest; 1 for all."""
    guidance: Annotated[float, Ge(0)] | None = None
    """Weight of the condition against none: 1 is the condition's own distribution, more exaggerates it.

    None is 1 at half of the cost."""


def sample(
    prior: TokenModel, variables: Variables, key: Key, y: Any, num: int, sampling: Sampling
) -> np.ndarray:
    """tokens ~ p(tokens | y), i32[num, P]; y for each of them, or () for the null condition.

    Each position is one step of the trunk over a cache of those before it, if the prior has one. Every draw
    and position has a separate key, so that tokens depend neither on the number of draws nor on the memory.
    Raises: JaxaeError for a y that the prior does not know, and for guidance where the null condition was
    never learned.
    """
    rows = np.arange(num), prefix_of(prior, y, num, sampling)
    program = _sample if isinstance(prior, CachedTokenModel) else _recompute
    return by_rows(program, (prior, variables, key, sampling), rows, ROWS_AT_ONCE)


def sample_by_recomputation(
    prior: TokenModel, variables: Variables, key: Key, y: Any, num: int, sampling: Sampling
) -> Array:
    """As `sample`, with the same key the same tokens, but without a cache: all positions anew for each."""
    return _recompute(prior, variables, key, sampling, jnp.arange(num), prefix_of(prior, y, num, sampling))


@jax.jit
def _sample(
    prior: CachedTokenModel, variables: Variables, key: Key, sampling: Sampling, numbers: Array, prefix: Array
) -> Array:
    params, first = variables.params, prefix.shape[1] - 1
    rows = prior.embed_prefix(params, _with_null(prior, prefix, sampling))
    _, cache = prior.trunk(params, rows[:, :-1], prior.cache(params, rows.shape[0]), 0)

    def step(carry: Any, position: Array) -> tuple[Any, Array]:
        row, cache = carry
        outputs, cache = prior.trunk(params, row, cache, first + position)
        tokens = draw(prior.head(params, outputs)[:, 0], key, position, sampling, numbers)
        return (prior.embed_tokens(params, _paired(tokens, sampling)[:, None]), cache), tokens

    _, tokens = jax.lax.scan(step, (rows[:, -1:], cache), jnp.arange(prior.num_positions))
    return tokens.T


@jax.jit
def _recompute(
    prior: TokenModel, variables: Variables, key: Key, sampling: Sampling, numbers: Array, prefix: Array
) -> Array:
    rows = _with_null(prior, prefix, sampling)

    def step(tokens: Array, position: Array) -> tuple[Array, None]:
        logits = prior.logits(variables, _paired(tokens, sampling), rows)[:, position]
        return tokens.at[:, position].set(draw(logits, key, position, sampling, numbers)), None

    tokens = jnp.zeros((prefix.shape[0], prior.num_positions), jnp.int32)
    return jax.lax.scan(step, tokens, jnp.arange(prior.num_positions))[0]


def prefix_of(prior: TokenModel, y: Any, num: int, sampling: Sampling) -> Array:
    """Return the ids of y, or of the null condition for (), i32[num, T]; check that guidance is possible."""
    prefix = prior.null_prefix(num) if isinstance(y, tuple) else _known(prior, y, num)
    dropped = prior.drop_condition if isinstance(prior, GuidedTokenModel) else 0
    if sampling.guidance is not None and (prior.condition is None or dropped == 0):
        lacks = "no condition" if prior.condition is None else "a drop_condition of 0"
        raise JaxaeError(f"guidance: got {sampling.guidance}, but the prior was trained with {lacks}")
    return prefix


def _with_null(prior: TokenModel, prefix: Array, sampling: Sampling) -> Array:
    """Append the null condition of each row, i32[2 num, T], if guidance needs it."""
    if sampling.guidance is None:
        return prefix
    return jnp.concatenate([prefix, prior.null_prefix(prefix.shape[0])])


def draw(logits: Array, key: Key, position: Array, sampling: Sampling, numbers: Array | None = None) -> Array:
    """Logits f32[num, K], or of the condition and of none f32[2 num, K] -> tokens i32[num].

    `numbers` i32[num]: which draws these are, of all that share the key; None for 0, 1, ...
    """
    if sampling.guidance is not None:
        conditional, unconditional = jnp.split(logits, 2)
        logits = guided(conditional, unconditional, sampling.guidance)
    numbers = jnp.arange(len(logits)) if numbers is None else numbers
    own = jax.vmap(lambda number: keys.of_draw(key, number, position))(numbers)
    return jax.vmap(jax.random.categorical)(own, truncated(logits, sampling)).astype(jnp.int32)


def guided(conditional: Array, unconditional: Array, guidance: float | Array) -> Array:
    """u + guidance (c - u), logits [..., K] of both (Ho & Salimans, 2022, arXiv 2207.12598).

    Their weight w is guidance - 1: guidance 0 forgets the condition, 1 is the conditional model.
    """
    return unconditional + guidance * (conditional - unconditional)


def truncated(logits: Array, sampling: Sampling) -> Array:
    """Logits [..., K] at the temperature, those of codes that may not be drawn -inf.

    First all but the `top_k` likeliest go (Fan et al., 2018, arXiv 1805.04833); then, of the distribution of
    those, all but the fewest whose probability reaches `top_p` (the nucleus: Holtzman et al., 2020, arXiv
    1904.09751). Of equally likely codes the first stay.
    """
    logits = logits / sampling.temperature
    if sampling.top_k:
        return likeliest(logits, sampling)
    # Sorting all codes takes as long as a small trunk: only where some may go.
    return jax.lax.cond(sampling.top_p < 1, lambda: likeliest(logits, sampling), lambda: logits)


def likeliest(logits: Array, sampling: Sampling) -> Array:
    """Logits [..., K], all but those of the `top_k` and of the nucleus -inf."""
    num_codes = logits.shape[-1]
    ordered = jax.lax.top_k(logits, min(sampling.top_k or num_codes, num_codes))[0]
    summed = jnp.cumsum(jax.nn.softmax(ordered, axis=-1), axis=-1)
    before = jnp.concatenate([jnp.zeros_like(summed[..., :1]), summed[..., :-1]], axis=-1)
    # Sums of thousands of numbers round: a sum that falls short of top_p by less has reached it, and of
    # top_p = 1 none may go.
    num = ((before < (1.0 - ROUNDING) * sampling.top_p) | (sampling.top_p >= 1)).sum(axis=-1, keepdims=True)
    least = jnp.take_along_axis(ordered, num - 1, axis=-1)
    level = logits == least  # of these the first, as many as there is room for
    room = num - (logits > least).sum(axis=-1, keepdims=True)
    stays = (logits > least) | (level & (jnp.cumsum(level, axis=-1) <= room))
    return jnp.where(stays, logits, -jnp.inf)


def _paired(tokens: Array, sampling: Sampling) -> Array:
    """Tokens [num, ...], twice under guidance: beside the condition and beside none."""
    return tokens if sampling.guidance is None else jnp.concatenate([tokens, tokens])


def _known(prior: TokenModel, y: Any, num: int) -> Array:
    """Return the ids of y, i32[num, T], if there is one for each of `num` and the prior knows it."""
    if prior.condition is None:
        raise JaxaeError(f"y: got shape {np.shape(y)}, but the prior has no condition")
    y = np.asarray(y)
    if len(np.atleast_1d(y)) != num or y.ndim == 0:
        raise JaxaeError(f"y: got shape {y.shape}, expected one for each of {num} draws")
    prefix = prior.prefix(Batch(jnp.zeros(num), y))
    ids = np.asarray(prefix)
    wrong = ids[(ids < 0) | (ids >= prior.condition.size)]
    if len(wrong):
        raise JaxaeError(f"y: got {wrong[0]}, expected 0 to {prior.condition.size - 1}")
    return prefix
