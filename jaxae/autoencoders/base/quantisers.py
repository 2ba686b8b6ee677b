"""Quantisers, which map an encoder's vectors to tokens (`jaxae.protocols.parts.Quantiser`).

B examples, P positions, D dimensions of a code vector, K codes.
"""

import functools
import math
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt, Lt
from jax import Array
from jax.lax import stop_gradient

from jaxae import keys
from jaxae.maths import quantisation
from jaxae.maths.precision import real, widened
from jaxae.protocols.parts import Quantised, Schedule
from jaxae.schedules import value
from jaxae.specs.pytree import spec
from jaxae.types import Key, Terms, Variables

# Relative error of a decimal times a mean count in float32.
ROUNDING = 2.0**-22


@spec
class Nearest:
    """Abstract quantiser to the nearest code of a table; subclasses define how the table learns.

    Terms are squared distances, summed over dimensions and averaged over positions, as in section 3.2 of van
    den Oord et al., 2017 (arXiv 1711.00937).
    """

    num_codes: Annotated[int, Gt(1)] = 128
    """Number of codes in the table, K."""
    commitment: Annotated[float, Ge(0)] | Schedule = 0.25
    """Weight of |v - sg(e)|^2, which keeps the encoder's vectors v near their codes e."""
    normalise: bool = False
    """Scale vectors and codes to length 1, so that the nearest code has the largest cosine."""
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    """Gradient estimator from e to v: copied (`straight_through`), or rotated as e is from v (`rotation`).

    `rotation` is that of Fifty et al., 2024 (arXiv 2410.06424).
    """

    def codes(self, variables: Variables) -> Array:
        """Return the table of codes, f32[K, D]."""
        raise NotImplementedError

    def tokens(self, variables: Variables, vectors: Array) -> Array:
        """Return the number of the nearest code of each vector, f32[B, P, D] -> i32[B, P]."""
        flat = self._prepare(vectors).reshape(-1, vectors.shape[-1])
        return quantisation.nearest_code(flat, self.codes(variables)).reshape(vectors.shape[:-1])

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Look up the codes of tokens, i32[B, P] -> f32[B, P, D]."""
        return self.codes(variables)[tokens]

    def _prepare(self, vectors: Array) -> Array:
        return quantisation.unit_length(vectors) if self.normalise else vectors

    def _look_up(self, variables: Variables, vectors: Array) -> tuple[Array, Array, Array, Terms]:
        """Return prepared vectors, tokens, codes with the table's gradient, and the term `commitment`."""
        tokens, vectors = self.tokens(variables, vectors), self._prepare(vectors)
        # The tokens have no gradient; that of the codes reaches the table only where the table is a
        # parameter.
        codes = self.embed(variables, tokens)
        return vectors, tokens, codes, {"commitment": _squared_distance(vectors, stop_gradient(codes))}

    def _pass_gradient(self, vectors: Array, codes: Array) -> Array:
        return quantisation.ESTIMATORS[self.estimator](vectors, codes)


@spec
class GradientCodebook(Nearest):
    """Codebook that learns by gradients, by the term |sg(v) - e|^2.

    van den Oord et al., 2017 (arXiv 1711.00937), equation 3.
    """

    def init(self, key: Key, code_dim: int) -> Variables:
        """Draw `codebook` f32[K, D] uniformly from -1/K to 1/K."""
        # The paper does not say how the codebook starts. Drawn along one axis: the random bits of a short
        # last axis are slow on CPU.
        flat = jax.random.uniform(key, (self.num_codes * code_dim,), minval=-1.0, maxval=1.0)
        return Variables({"codebook": flat.reshape(self.num_codes, code_dim) / self.num_codes})

    def codes(self, variables: Variables) -> Array:
        """Return the table of codes, f32[K, D]."""
        return self._prepare(widened(variables.params["codebook"]))

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """Quantise vectors f32[B, P, D], with the terms `commitment` and `codebook`. The key is not used."""
        vectors, tokens, codes, terms = self._look_up(variables, vectors)
        terms["codebook"] = _squared_distance(stop_gradient(vectors), codes)
        return Quantised(self._pass_gradient(vectors, codes), tokens, terms, variables.extra)

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights: `commitment`, and 1 for the codebook."""
        return {"commitment": value(self.commitment, step), "codebook": 1.0}


@spec
class EMACodebook(Nearest):
    """Codebook of exponential moving averages of the vectors that chose each code, without gradients.

    van den Oord et al., 2017 (arXiv 1711.00937), appendix A.1. The first step sets the codes to vectors of
    its batch. A code whose use falls below `revive_below` times the mean use is replaced by a vector of the
    batch, and its use is set to the mean (Dhariwal et al., 2020, arXiv 2005.00341). `extra` holds the codes,
    and the averages from which they are computed.
    """

    decay: Annotated[float, Ge(0), Lt(1)] = 0.99
    """Decay of the averages in each step; 0 makes each step one of k-means."""
    smoothing: Annotated[float, Ge(0)] = 1e-5
    """Laplace smoothing of the counts of each code; it keeps unused codes finite."""
    revive_below: Annotated[float, Ge(0)] = 0.1
    """Share of the mean use below which a code is replaced; 0 never replaces codes."""

    def init(self, key: Key, code_dim: int) -> Variables:
        """Return {codes, sums f32[K, D], counts f32[K]} as `extra`; counts are 0 until the first step."""
        shape = self.num_codes, code_dim
        codes = self._prepare(keys.normal(key, shape))
        return Variables({}, {"codes": codes, "sums": jnp.zeros(shape), "counts": jnp.zeros(self.num_codes)})

    def codes(self, variables: Variables) -> Array:
        """Return the table of codes, f32[K, D]."""
        return variables.extra["codes"]

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """Quantise vectors f32[B, P, D], with the term `commitment`; the key draws new codes."""
        vectors, tokens, codes, terms = self._look_up(variables, vectors)
        # [B, P, D] -> [B P, D]: every position counts as one vector.
        flat = stop_gradient(vectors).reshape(-1, vectors.shape[-1])
        # The decoder sees the codes from before the update, since `codes` was looked up above.
        extra = self.moved(variables.extra, flat, tokens.reshape(-1), key)
        return Quantised(self._pass_gradient(vectors, codes), tokens, terms, extra)

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weight of `commitment`."""
        return {"commitment": value(self.commitment, step)}

    def moved(self, extra: dict[str, Array], vectors: Array, tokens: Array, key: Key) -> dict[str, Array]:
        """Update the averages and the codes after a batch.

        Args:
            extra: Codes, sums and counts before the batch.
            vectors: Vectors of the batch, f32[N, D].
            tokens: Codes that they chose, i32[N].
            key: Key that draws vectors in place of unused codes.

        Returns:
            Codes, sums and counts after the batch.
        """
        batch_counts, batch_sums = quantisation.counts_and_sums(vectors, tokens, self.num_codes)
        counts = self.decay * extra["counts"] + (1.0 - self.decay) * batch_counts
        sums = self.decay * extra["sums"] + (1.0 - self.decay) * batch_sums
        smoothed = self._smooth(counts)[:, None]
        # Without smoothing an unused code has a count of 0: it keeps its place, and 0 / 0 is never computed.
        averages = sums / jnp.where(smoothed > 0, smoothed, 1.0)
        codes = self._prepare(jnp.where(smoothed > 0, averages, extra["codes"]))
        # Before the first step all counts are 0, so that every code is replaced by a vector of this batch.
        is_first_step = extra["counts"].sum() == 0
        mean_use = jnp.where(is_first_step, vectors.shape[0], counts.sum()) / self.num_codes
        # Without the margin a count of 30 would lie below 0.3 times a mean of 100, by rounding in float32.
        is_dead = is_first_step | (counts < (1.0 - ROUNDING) * self.revive_below * mean_use)
        # The draw sorts the bits, which a step without dead codes does not need.
        bits = jax.random.bits(key, (vectors.shape[0],), jnp.uint32)
        draw = functools.partial(_draw_vectors, vectors, self.num_codes, bits)
        drawn = jax.lax.cond(is_dead.any(), draw, lambda: jnp.zeros_like(codes))
        codes = jnp.where(is_dead[:, None], drawn, codes)
        # A new code starts with the mean use and matching sums; else it would be replaced again at once.
        counts = jnp.where(is_dead, mean_use, counts)
        sums = jnp.where(is_dead[:, None], mean_use * codes, sums)
        return {"codes": codes, "sums": sums, "counts": counts}

    def _smooth(self, counts: Array) -> Array:
        """Compute (n_k + s) / (n + K s) n, f32[K]: the sum stays n, and no count is 0 if s > 0."""
        total = counts.sum()
        return (counts + self.smoothing) / (total + self.num_codes * self.smoothing) * total


@spec
class FSQ:
    """Finite scalar quantisation: each dimension is rounded to one of its levels, without table and terms.

    Dimension d is bounded by a tanh and rounded to `levels[d]` values at equal steps from -1. An odd number
    of levels ends at 1, an even number one step below (4 levels: -1, -1/2, 0, 1/2). 0 is rounded to 0.
    Mentzer et al., 2023 (arXiv 2309.15505). Their code separates two levels at -1.6; this one separates them,
    -1 and 0, at 0.

    Example:
        >>> import jax.numpy as jnp, jaxae
        >>> quantiser = jaxae.FSQ(levels=(3, 5))
        >>> quantiser.num_codes, quantiser.code_dim
        (15, 2)
        >>> quantiser.embed(quantiser.init(None, 2), jnp.array([[0, 7, 14]])).tolist()
        [[[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]]
    """

    levels: tuple[Annotated[int, Gt(1)], ...] = (8, 5, 5)
    """Number of levels of each dimension, `code_dim` numbers; K is their product."""

    def check(self) -> None:
        """Check that there are levels. Raises: ValueError otherwise."""
        if not self.levels:
            raise ValueError("levels: is empty, expected the number of levels of at least one dimension")

    @property
    def num_codes(self) -> int:
        """Number of codes, K: the product of the levels."""
        return math.prod(self.levels)

    @property
    def code_dim(self) -> int:
        """Number of dimensions, D."""
        return len(self.levels)

    def init(self, key: Key, code_dim: int) -> Variables:
        """Return empty variables: nothing is learned."""
        return Variables({})

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """Quantise vectors f32[B, P, D], without terms. The key is not used."""
        bounded = self._bound(vectors)
        values = quantisation.straight_through(bounded, jnp.round(bounded)) / self._half()
        return Quantised(values, self.tokens(variables, vectors), {}, variables.extra)

    def tokens(self, variables: Variables, vectors: Array) -> Array:
        """Return tokens, f32[B, P, D] -> i32[B, P]: the levels are digits, the first one varies fastest."""
        digits = jnp.round(self._bound(vectors)) + self._half()
        return (digits.astype(jnp.int32) * self._strides()).sum(axis=-1)

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Compute the codes of tokens, i32[B, P] -> f32[B, P, D]."""
        digits = (tokens[..., None] // self._strides()) % self._levels(jnp.int32)
        return (digits - self._half()) / self._half()

    def weights(self, step: Array) -> dict[str, Any]:
        """Return {}: there are no terms."""
        return {}

    def _bound(self, vectors: Array) -> Array:
        """Bound each dimension by a tanh, so that it rounds to its levels; 0 -> 0, or -1/2 for two levels."""
        levels = self._levels(vectors.dtype)
        # A bit more than half of the range: for two levels offset / reach would be 1, and arctanh infinite.
        reach = (levels - 1.0) * (1.0 + 1e-3) / 2.0
        offset = jnp.where(levels % 2 == 0, 0.5, 0.0)
        # The shift puts the middle of a level at 0. For two levels this is not done: the middle of the upper
        # one is where tanh saturates, 3.8 from the threshold. Every vector would start there, with almost no
        # gradient.
        shift = jnp.where(levels == 2, 0.0, jnp.arctanh(offset / reach))
        return jnp.tanh(vectors + shift) * reach - offset

    def _levels(self, dtype: Any) -> Array:
        return jnp.asarray(self.levels, dtype)[None, None]

    def _half(self) -> Array:
        """Return floor(levels / 2), f32[1, 1, D]."""
        return jnp.floor(self._levels(real()) / 2.0)

    def _strides(self) -> Array:
        """Return the place value of each dimension's digit in a token, i32[1, 1, D]."""
        strides = [math.prod(self.levels[:number]) for number in range(len(self.levels))]
        return jnp.asarray(strides, jnp.int32)[None, None]


def _squared_distance(vectors: Array, codes: Array) -> Array:
    """Compute the mean over positions of |v - e|^2, f32[B, P, D] twice -> f32[B]."""
    return ((vectors - codes) ** 2).sum(axis=-1).mean(axis=-1)


def _draw_vectors(vectors: Array, num: int, bits: Array) -> Array:
    """Take `num` of the vectors f32[N, D] in the order of random bits u32[N]: f32[num, D].

    Vectors are repeated only if N < num.
    """
    # argsort of random bits was measured to be cheaper than `jax.random.permutation`.
    order = jnp.argsort(bits)
    # `resize` repeats the order from its start if there are fewer vectors than codes.
    return vectors[jnp.resize(order, (num,))]
