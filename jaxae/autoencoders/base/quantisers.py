"""Quantisers: what makes tokens of an encoder's vectors (`jaxae.protocols.parts.Quantiser`).

B examples, P positions, D units of a code, K codes.
"""

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

ROUNDING = 2.0**-22  # relative error of a decimal times a mean count in float32


@spec
class Nearest:
    """The nearest of a table of codes. Abstract: specs say how the table learns.

    Terms are squared distances summed over units and averaged over positions, as in the paper's section 3.2.
    """

    num_codes: Annotated[int, Gt(1)] = 128
    """K, rows of the table."""
    commitment: Annotated[float, Ge(0)] | Schedule = 0.25
    """Weight of |v - sg(e)|^2, which keeps the encoder's vectors v near their codes e."""
    normalise: bool = False
    """Whether vectors and codes have length 1, so that the nearest is that of the largest cosine."""
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    """How the gradient passes from e to v: copied, or turned as e is from v (Fifty et al., 2024)."""

    def codes(self, variables: Variables) -> Array:
        """The table, f32[K, D]."""
        raise NotImplementedError

    def tokens(self, variables: Variables, vectors: Array) -> Array:
        """f32[B, P, D] -> i32[B, P]."""
        flat = self._prepared(vectors).reshape(-1, vectors.shape[-1])
        return quantisation.nearest_code(flat, self.codes(variables)).reshape(vectors.shape[:-1])

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """i32[B, P] -> f32[B, P, D]."""
        return self.codes(variables)[tokens]

    def _prepared(self, vectors: Array) -> Array:
        return quantisation.unit_length(vectors) if self.normalise else vectors

    def _found(self, variables: Variables, vectors: Array) -> tuple[Array, Array, Array, Terms]:
        """The prepared vectors, their tokens, codes with the gradient of the table, and `commitment`."""
        tokens, vectors = self.tokens(variables, vectors), self._prepared(vectors)
        codes = self.embed(variables, tokens)
        return vectors, tokens, codes, {"commitment": _distance(vectors, stop_gradient(codes))}

    def _passed(self, vectors: Array, codes: Array) -> Array:
        return quantisation.ESTIMATORS[self.estimator](vectors, codes)


@spec
class GradientCodebook(Nearest):
    """A table that learns by gradients: |sg(v) - e|^2, the paper's equation 3."""

    def init(self, key: Key, code_dim: int) -> Variables:
        """`codebook` f32[K, D], uniform over -1/K to 1/K; the paper does not say how it begins."""
        flat = jax.random.uniform(key, (self.num_codes * code_dim,), minval=-1.0, maxval=1.0)
        return Variables({"codebook": flat.reshape(self.num_codes, code_dim) / self.num_codes})

    def codes(self, variables: Variables) -> Array:
        """The table, f32[K, D]."""
        return self._prepared(widened(variables.params["codebook"]))

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """Terms `commitment` and `codebook`. The key is not used."""
        vectors, tokens, codes, terms = self._found(variables, vectors)
        terms["codebook"] = _distance(stop_gradient(vectors), codes)
        return Quantised(self._passed(vectors, codes), tokens, terms, variables.extra)

    def weights(self, step: Array) -> dict[str, Any]:
        """`commitment`, and 1 for the codebook."""
        return {"commitment": value(self.commitment, step), "codebook": 1.0}


@spec
class EMACodebook(Nearest):
    """A table of moving averages of the vectors that chose each code (the paper's appendix A.1).

    The first step makes codes of vectors of its batch. A code whose use falls below a share of the mean use
    takes the place of a vector of the batch and begins anew with the mean use (Dhariwal et al., 2020, arXiv
    2005.00341). `extra`: the codes, and the averages that they are made from.
    """

    decay: Annotated[float, Ge(0), Lt(1)] = 0.99
    """Decay a step of the averages; 0 makes of each step one of k-means."""
    smoothing: Annotated[float, Ge(0)] = 1e-5
    """Laplace's, added to the vectors that chose a code; what no vector chose then stays finite."""
    revive_below: Annotated[float, Ge(0)] = 0.1
    """Share of the mean use below which a code is revived; 0 never does."""

    def init(self, key: Key, code_dim: int) -> Variables:
        """{codes, sums f32[K, D], counts f32[K]}: counts of 0 until the first step."""
        shape = self.num_codes, code_dim
        codes = self._prepared(keys.normal(key, shape))
        return Variables({}, {"codes": codes, "sums": jnp.zeros(shape), "counts": jnp.zeros(self.num_codes)})

    def codes(self, variables: Variables) -> Array:
        """The table, f32[K, D]."""
        return variables.extra["codes"]

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """The term `commitment`; the key draws vectors for the first codes and the revived ones."""
        vectors, tokens, codes, terms = self._found(variables, vectors)
        flat = stop_gradient(vectors).reshape(-1, vectors.shape[-1])
        extra = self.moved(variables.extra, flat, tokens.reshape(-1), key)
        return Quantised(self._passed(vectors, codes), tokens, terms, extra)

    def weights(self, step: Array) -> dict[str, Any]:
        """`commitment`."""
        return {"commitment": value(self.commitment, step)}

    def moved(self, extra: dict[str, Array], vectors: Array, tokens: Array, key: Key) -> dict[str, Array]:
        """The table after vectors f32[N, D] chose the codes `tokens` i32[N]."""
        chose, total = quantisation.counts_and_sums(vectors, tokens, self.num_codes)
        counts = self.decay * extra["counts"] + (1.0 - self.decay) * chose
        sums = self.decay * extra["sums"] + (1.0 - self.decay) * total
        smoothed = self._smoothed(counts)[:, None]
        averages = sums / jnp.where(smoothed > 0, smoothed, 1.0)
        codes = self._prepared(jnp.where(smoothed > 0, averages, extra["codes"]))
        fresh = extra["counts"].sum() == 0
        mean_use = jnp.where(fresh, vectors.shape[0], counts.sum()) / self.num_codes
        # Without the margin 30 of a mean use of 100 would lie below the share 0.3, as float32 multiplies.
        dead = fresh | (counts < (1.0 - ROUNDING) * self.revive_below * mean_use)
        codes = jnp.where(dead[:, None], _drawn(vectors, self.num_codes, key), codes)
        counts = jnp.where(dead, mean_use, counts)
        sums = jnp.where(dead[:, None], mean_use * codes, sums)
        return {"codes": codes, "sums": sums, "counts": counts}

    def _smoothed(self, counts: Array) -> Array:
        """(n_k + s) / (n + K s) n, f32[K]: the same sum, and none of them 0."""
        total = counts.sum()
        return (counts + self.smoothing) / (total + self.num_codes * self.smoothing) * total


@spec
class FSQ:
    """Finite scalar quantisation: each unit of a vector rounded to one of its levels; no table, no terms.

    Unit d is squashed by a tanh and rounded to `levels[d]` values at equal steps from -1: to 1 for an odd
    number, one step less far for an even one (4 has -1, -1/2, 0, 1/2). 0 is rounded to 0; two levels, -1 and
    0, part at 0. Mentzer et al., 2023 (arXiv 2309.15505), whose code parts two levels at -1.6.
    """

    levels: tuple[Annotated[int, Gt(1)], ...] = (8, 5, 5)
    """Levels of each unit of a code; as many as `code_dim` has. K is their product."""

    def check(self) -> None:
        """Raises ValueError for no levels at all."""
        if not self.levels:
            raise ValueError("levels: is empty, expected the levels of one unit or more")

    @property
    def num_codes(self) -> int:
        """K, the product of the levels."""
        return math.prod(self.levels)

    @property
    def code_dim(self) -> int:
        """D, the number of levels."""
        return len(self.levels)

    def init(self, key: Key, code_dim: int) -> Variables:
        """Nothing is learned."""
        return Variables({})

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """No terms. The key is not used."""
        bounded = self._bounded(vectors)
        values = quantisation.straight_through(bounded, jnp.round(bounded)) / self._half()
        return Quantised(values, self.tokens(variables, vectors), {}, variables.extra)

    def tokens(self, variables: Variables, vectors: Array) -> Array:
        """f32[B, P, D] -> i32[B, P]: the levels as digits, the first one running fastest."""
        digits = jnp.round(self._bounded(vectors)) + self._half()
        return (digits.astype(jnp.int32) * self._strides()).sum(axis=-1)

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """i32[B, P] -> f32[B, P, D]."""
        digits = (tokens[..., None] // self._strides()) % self._levels(jnp.int32)
        return (digits - self._half()) / self._half()

    def weights(self, step: Array) -> dict[str, Any]:
        """None."""
        return {}

    def _bounded(self, vectors: Array) -> Array:
        """A tanh of each unit that rounds to its levels, 0 at 0; of two levels -1/2 at 0."""
        levels = self._levels(vectors.dtype)
        reach = (levels - 1.0) * (1.0 + 1e-3) / 2.0  # a bit more, so that the offset of 2 levels is reached
        offset = jnp.where(levels % 2 == 0, 0.5, 0.0)
        # The shift puts the middle of a level at 0. Of two levels the upper one's middle is where the tanh
        # saturates, 3.8 from the threshold: every vector would start in it, with almost no gradient.
        shift = jnp.where(levels == 2, 0.0, jnp.arctanh(offset / reach))
        return jnp.tanh(vectors + shift) * reach - offset

    def _levels(self, dtype: Any) -> Array:
        return jnp.asarray(self.levels, dtype)[None, None]

    def _half(self) -> Array:
        """floor(levels / 2), f32[1, 1, D]."""
        return jnp.floor(self._levels(real()) / 2.0)

    def _strides(self) -> Array:
        """What a digit of each unit is worth, i32[1, 1, D]."""
        strides = [math.prod(self.levels[:unit]) for unit in range(len(self.levels))]
        return jnp.asarray(strides, jnp.int32)[None, None]


def _distance(vectors: Array, codes: Array) -> Array:
    """Mean over positions of |v - e|^2, f32[B, P, D] twice -> f32[B]."""
    return ((vectors - codes) ** 2).sum(axis=-1).mean(axis=-1)


def _drawn(vectors: Array, num: int, key: Key) -> Array:
    """`num` of the vectors f32[N, D] in random order, each again where there are too few; f32[num, D]."""
    order = jnp.argsort(jax.random.bits(key, (vectors.shape[0],), jnp.uint32))
    return vectors[jnp.resize(order, (num,))]
