"""Sampling of tokens from a prior: temperature, top-k, nucleus, guidance; one position after another."""

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

# Relative error of a sum of thousands of probabilities in float32.
ROUNDING = 1e-6
# Rows in one batch, if memory allows: each position reads all parameters once for the whole batch.
ROWS_AT_ONCE = 500


@spec
class Sampling:
    """Options of drawing a token from its logits: guidance, temperature, top-k and top-p, in this order."""

    temperature: Annotated[float, Gt(0)] = 1.0
    """Temperature, by which the logits are divided; 1 is the model's own distribution."""
    top_k: Annotated[int, Ge(0)] = 0
    """Number of most likely codes that may be drawn at each position; 0 for all."""
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    """Total probability of the codes that may be drawn, the fewest and most likely ones; 1 for all codes."""
    guidance: Annotated[float, Ge(0)] | None = None
    """Guidance scale: 1 samples the conditional distribution, larger values exaggerate the condition.

    None equals 1 at half of the cost, because the unconditional logits are not computed.
    """


def sample(
    prior: TokenModel,
    variables: Variables,
    key: Key,
    y: Any,
    num: int,
    sampling: Sampling,
    given: Any = (),
) -> np.ndarray:
    """Draw tokens ~ p(tokens | y), i32[num, P].

    With a cache each position costs one step of the trunk. Each draw and position has a separate key, so that
    the tokens depend neither on the number of draws nor on the memory of the machine.

    Args:
        prior: Model of the tokens; one without a cache (`CachedTokenModel`) is evaluated at all positions
            each time.
        variables: Variables of the prior.
        key: Key of all draws.
        y: Conditions, one for each draw: labels i32[num] or texts i32[num, T]; () for the null condition.
        num: Number of draws.
        sampling: Temperature, truncation and guidance.
        given: Tokens that are kept, i32[num, P], with -1 where a token is drawn; () draws all. A drawn token
            depends on the tokens before it, drawn and given ones, and not on those after it.

    Returns:
        Tokens in the order of the grid, row by row, i32[num, P].

    Raises:
        JaxaeError: If y does not fit the prior, or guidance is used and the null condition was never learned.
    """
    rows = np.arange(num), prefix_of(prior, y, num, sampling), given
    return by_rows(program_of(prior), (prior, variables, key, sampling), rows, ROWS_AT_ONCE)


def program_of(prior: TokenModel) -> Any:
    """Return the program of a prior: (prior, variables, key, sampling, numbers, prefix) -> i32[num, P]."""
    return _sample if isinstance(prior, CachedTokenModel) else _recompute


def sample_by_recomputation(
    prior: TokenModel,
    variables: Variables,
    key: Key,
    y: Any,
    num: int,
    sampling: Sampling,
    given: Any = (),
) -> Array:
    """Draw the same tokens as `sample` with the same key, but without a cache.

    Each token costs a pass over all positions. This is the reference in tests, and the way for a prior
    without a cache.

    Args:
        prior: Model of the tokens.
        variables: Variables of the prior.
        key: Key of all draws.
        y: Conditions, one for each draw, or () for the null condition.
        num: Number of draws.
        sampling: Temperature, truncation and guidance.
        given: Tokens that are kept, as for `sample`.

    Returns:
        Tokens, i32[num, P].

    Raises:
        JaxaeError: If y does not fit the prior, or guidance is used and the null condition was never learned.
    """
    prefix = prefix_of(prior, y, num, sampling)
    return _recompute(prior, variables, key, sampling, jnp.arange(num), prefix, given)


@jax.jit
def _sample(
    prior: CachedTokenModel,
    variables: Variables,
    key: Key,
    sampling: Sampling,
    numbers: Array,
    prefix: Array,
    given: Any = (),
) -> Array:
    params, first = variables.params, prefix.shape[1] - 1
    rows = prior.embed_prefix(params, _append_null(prior, prefix, sampling))
    # The cache is filled with all of the prefix except its last position, whose outputs give the first token.
    _, cache = prior.trunk(params, rows[:, :-1], prior.cache(params, rows.shape[0]), 0)

    # The cache travels in the carry, so that XLA updates it in place.
    def step(carry: Any, position: Array) -> tuple[Any, Array]:
        row, cache = carry
        outputs, cache = prior.trunk(params, row, cache, first + position)
        tokens = draw(prior.head(params, outputs)[:, 0], key, position, sampling, numbers)
        tokens = _or_given(tokens, given, position)
        return (prior.embed_tokens(params, _repeat_for_guidance(tokens, sampling)[:, None]), cache), tokens

    _, tokens = jax.lax.scan(step, (rows[:, -1:], cache), jnp.arange(prior.num_positions))
    return tokens.T


@jax.jit
def _recompute(
    prior: TokenModel,
    variables: Variables,
    key: Key,
    sampling: Sampling,
    numbers: Array,
    prefix: Array,
    given: Any = (),
) -> Array:
    rows = _append_null(prior, prefix, sampling)

    # Tokens after `position` are still 0, and have no effect: the model is causal.
    def step(tokens: Array, position: Array) -> tuple[Array, None]:
        logits = prior.logits(variables, _repeat_for_guidance(tokens, sampling), rows)[:, position]
        drawn = _or_given(draw(logits, key, position, sampling, numbers), given, position)
        return tokens.at[:, position].set(drawn), None

    tokens = jnp.zeros((prefix.shape[0], prior.num_positions), jnp.int32)
    return jax.lax.scan(step, tokens, jnp.arange(prior.num_positions))[0]


def _or_given(tokens: Array, given: Any, position: Array) -> Array:
    """Return drawn tokens i32[num], with those that are given at this position in their place."""
    if isinstance(given, tuple):
        return tokens
    kept = given[:, position]
    return jnp.where(kept >= 0, kept, tokens)


def prefix_of(prior: TokenModel, y: Any, num: int, sampling: Sampling) -> Array:
    """Return the ids of y, or of the null condition if y is (): i32[num, T].

    Args:
        prior: Model of the tokens.
        y: Conditions, one for each draw, or ().
        num: Number of draws.
        sampling: Its `guidance` is checked: it needs a prior that was trained with the null condition.

    Returns:
        i32[num, T].

    Raises:
        JaxaeError: If y does not fit the prior, or guidance is used and the null condition was never learned.
    """
    prefix = prior.null_prefix(num) if isinstance(y, tuple) else _condition_ids(prior, y, num)
    dropped = prior.drop_condition if isinstance(prior, GuidedTokenModel) else 0
    if sampling.guidance is not None and (prior.condition is None or dropped == 0):
        reason = "no condition" if prior.condition is None else "a drop_condition of 0"
        raise JaxaeError(f"guidance: got {sampling.guidance}, but the prior was trained with {reason}")
    return prefix


def _append_null(prior: TokenModel, prefix: Array, sampling: Sampling) -> Array:
    """Append the null condition of each row if guidance needs it: i32[2 num, T]."""
    if sampling.guidance is None:
        return prefix
    # One batch of 2 num rows, first with and then without the condition: the trunk runs once for both.
    return jnp.concatenate([prefix, prior.null_prefix(prefix.shape[0])])


def draw(logits: Array, key: Key, position: Array, sampling: Sampling, numbers: Array | None = None) -> Array:
    """Draw a token for each row from its logits.

    Args:
        logits: f32[num, K]; with guidance f32[2 num, K], first those with the condition, then those without.
        key: Key of all rows and positions.
        position: Position of the tokens, i32[].
        sampling: Temperature, truncation and guidance.
        numbers: Number of each row among all draws that share `key`, i32[num]; None for 0, 1, ...

    Returns:
        Tokens, i32[num].
    """
    if sampling.guidance is not None:
        conditional, unconditional = jnp.split(logits, 2)
        logits = guided(conditional, unconditional, sampling.guidance)
    numbers = jnp.arange(len(logits)) if numbers is None else numbers
    # A key from number and position, not one key for the batch: chunks of any size draw the same tokens.
    row_keys = jax.vmap(lambda number: keys.of_draw(key, number, position))(numbers)
    return jax.vmap(jax.random.categorical)(row_keys, truncated(logits, sampling)).astype(jnp.int32)


def guided(conditional: Array, unconditional: Array, guidance: float | Array) -> Array:
    """Compute u + guidance (c - u), the logits under classifier-free guidance (Ho & Salimans, 2022).

    arXiv 2207.12598; their weight w is guidance - 1. A guidance of 0 ignores the condition, and 1 is the
    conditional model.

    Args:
        conditional: Logits c with the condition, f32[..., K].
        unconditional: Logits u with the null condition, f32[..., K].
        guidance: Guidance scale.

    Returns:
        f32[..., K].
    """
    return unconditional + guidance * (conditional - unconditional)


def truncated(logits: Array, sampling: Sampling) -> Array:
    """Divide logits by the temperature and set those of excluded codes to -inf.

    First all codes except the `top_k` most likely are excluded (Fan et al., 2018, arXiv 1805.04833). Of the
    rest, renormalised, the fewest codes whose probability reaches `top_p` stay: the nucleus (Holtzman et al.,
    2020, arXiv 1904.09751). Among equally likely codes those of lower number stay.

    Args:
        logits: f32[..., K].
        sampling: Temperature and truncation.

    Returns:
        f32[..., K].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxae.tokens.sampling import Sampling, truncated
        >>> truncated(jnp.array([1.0, 3.0, 2.0]), Sampling(top_k=2)).tolist()
        [-inf, 3.0, 2.0]
    """
    logits = logits / sampling.temperature
    if sampling.top_k:
        return likeliest(logits, sampling)
    # top_p is traced, so that only a cond can skip the sort, which takes as long as a small trunk.
    return jax.lax.cond(sampling.top_p < 1, lambda: likeliest(logits, sampling), lambda: logits)


def likeliest(logits: Array, sampling: Sampling) -> Array:
    """Set the logits of all codes outside of top-k and of the nucleus to -inf.

    Args:
        logits: Logits at the temperature, f32[..., K].
        sampling: Its `top_k` and `top_p` are used.

    Returns:
        f32[..., K].
    """
    num_codes = logits.shape[-1]
    descending = jax.lax.top_k(logits, min(sampling.top_k or num_codes, num_codes))[0]
    cumulative = jnp.cumsum(jax.nn.softmax(descending, axis=-1), axis=-1)
    cumulative_before = jnp.concatenate([jnp.zeros_like(cumulative[..., :1]), cumulative[..., :-1]], axis=-1)
    # The number of codes in the nucleus. Sums of thousands of probabilities round: a sum that misses top_p by
    # less than the rounding error counts as reached. For top_p = 1 no code is excluded.
    is_in_nucleus = (cumulative_before < (1.0 - ROUNDING) * sampling.top_p) | (sampling.top_p >= 1)
    num_kept = is_in_nucleus.sum(axis=-1, keepdims=True)
    smallest_kept = jnp.take_along_axis(descending, num_kept - 1, axis=-1)
    # Codes as likely as the last one of the nucleus: only the first of them stay, so that exactly `num_kept`
    # codes do.
    is_tied = logits == smallest_kept
    num_ties_kept = num_kept - (logits > smallest_kept).sum(axis=-1, keepdims=True)
    is_kept = (logits > smallest_kept) | (is_tied & (jnp.cumsum(is_tied, axis=-1) <= num_ties_kept))
    return jnp.where(is_kept, logits, -jnp.inf)


def _repeat_for_guidance(tokens: Array, sampling: Sampling) -> Array:
    """Repeat tokens [num, ...] under guidance, for the rows with and those without the condition."""
    return tokens if sampling.guidance is None else jnp.concatenate([tokens, tokens])


def _condition_ids(prior: TokenModel, y: Any, num: int) -> Array:
    """Return the ids of y, i32[num, T]. Raises: JaxaeError if y does not fit the draws or the prior."""
    if prior.condition is None:
        raise JaxaeError(f"y: got shape {np.shape(y)}, but the prior has no condition")
    y = np.asarray(y)
    if len(np.atleast_1d(y)) != num or y.ndim == 0:
        raise JaxaeError(f"y: got shape {y.shape}, expected one for each of {num} draws")
    # x is not read: `prefix` needs the condition only.
    prefix = prior.prefix(Batch(jnp.zeros(num), y))
    ids = np.asarray(prefix)
    invalid = ids[(ids < 0) | (ids >= prior.condition.size)]
    if len(invalid):
        raise JaxaeError(f"y: got {invalid[0]}, expected 0 to {prior.condition.size - 1}")
    return prefix
