"""log p(x) by annealed importance sampling (AIS) with Hamiltonian transitions.

Shapes: C chains, B examples, L latent dimensions, T temperatures. The path from a start distribution p_0 to
the posterior is f_t(z) = p_0(z)^(1 - b_t) (p(x|z) p(z))^(b_t) with b_t from 0 to 1. Neal, 2001; Wu, Burda,
Salakhutdinov & Grosse, 2017 (arXiv 1611.04273), who use the same sigmoid path. A pilot run of separate chains
finds the step sizes. Step sizes that adapt to the chains themselves would bias the weights.

For examples drawn from the model the code is known. Forward and backward chains then give a lower and an
upper bound of log p(x).
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array

from jaxae import keys, memory
from jaxae.errors import JaxaeError
from jaxae.estimators.terms import in_chunks
from jaxae.protocols.capabilities import Generative, JointDensity, LikelihoodModel
from jaxae.protocols.parts import DensityPosterior, SampledLikelihood
from jaxae.types import Batch, Examples, Key, Variables

LogDensity = Callable[[Array], Array]  # f32[C, B, L] -> f32[C, B], nats
Sample = Callable[[Key, int], Array]  # (key, C) -> f32[C, B, L], draws from the start of the path
Start = Literal["prior", "posterior"]
TARGET_ACCEPTANCE = 0.65  # optimal for Hamiltonian Monte Carlo in high dimensions (Beskos et al., 2013)


class Annealed(NamedTuple):
    """Result of the chains of every example."""

    log_weights: Array  # f32[C, B], nats; their exponentials are unbiased for p(x)
    acceptance: Array  # f32[B], the mean share of accepted proposals
    z: Array  # f32[C, B, L], the last code of each chain


class Point(NamedTuple):
    """Codes of the chains, with the two parts of log f_t = log_start + b_t log_ratio, and their gradients."""

    z: Array  # f32[C, B, L]
    log_start: Array  # f32[C, B], nats
    log_ratio: Array  # f32[C, B], log joint - log start, nats: the derivative of the log-weight by b
    start_slope: Array  # f32[C, B, L]
    ratio_slope: Array  # f32[C, B, L]

    def value(self, temperature: Array) -> Array:
        """Return log f_t at b_t f32[], from 0 (start) to 1 (posterior); f32[C, B], nats."""
        return self.log_start + temperature * self.log_ratio

    def slope(self, temperature: Array) -> Array:
        """Return the gradient of log f_t by z at b_t f32[]; f32[C, B, L]."""
        return self.start_slope + temperature * self.ratio_slope


class Path(NamedTuple):
    """The path from its start to the posterior, as two functions of z f32[C, B, L]."""

    log_start: LogDensity  # normalised
    log_ratio: LogDensity  # log joint - log start
    chains_at_once: int  # chains that are decoded at the same time; it limits the memory

    def evaluate(self, z: Array) -> Point:
        """Compute both parts of log f_t and their gradients, f32[C, B, L] -> Point.

        They do not depend on the temperature: a code at which a transition ends is not decoded again by the
        next one.
        """

        def of_chunk(z: Array) -> Point:
            # Values of different chains do not interact, so a pullback of ones gives the gradient of each.
            start, pull_start = jax.vjp(self.log_start, z)
            ratio, pull_ratio = jax.vjp(self.log_ratio, z)
            ones = jnp.ones_like(start)
            return Point(z, start, ratio, pull_start(ones)[0], pull_ratio(ones)[0])

        return in_chunks(of_chunk, z, self.chains_at_once)


@runtime_checkable
class Annealable(JointDensity, Generative, Protocol):
    """A model with log p(x|z) and p(z), from which chains can start."""


def annealed(
    autoencoder: Annealable,
    variables: Variables,
    batch: Batch,
    key: Key,
    *,
    num_chains: int = 16,
    num_temperatures: int = 1000,
    num_leapfrog: int = 10,
    start: Start = "prior",
    chains_at_once: int | None = None,
) -> Annealed:
    """Run forward chains: E[exp log_weights] = p(x), so the log of their mean is a lower bound of log p(x).

    Args:
        autoencoder: A model with log p(x|z) and p(z).
        variables: Its variables.
        batch: B examples.
        key: Key of all noise.
        num_chains: C, the number of chains of each example.
        num_temperatures: T, the number of transitions of a chain. More of them make the bound tighter.
        num_leapfrog: Leapfrog steps of a transition.
        start: Distribution from which chains start: "prior", or "posterior" for the encoder's q(z|x).
        chains_at_once: Chains that are decoded at the same time; None for all. It changes the numbers only by
            rounding.

    Returns:
        The log-weights, acceptance rates and last codes of the chains.

    Raises:
        JaxaeError: If `start` is "posterior" and the density of q(z|x) is not available at every z.
    """
    path, sample = _make_path(autoencoder, variables, batch, start, chains_at_once or num_chains)
    z = sample(keys.named(key, "start"), num_chains)
    return _anneal(path, sample, z, key, num_temperatures, num_leapfrog, back=False)


def reversed_annealed(
    autoencoder: Annealable,
    variables: Variables,
    batch: Batch,
    z: Array,
    key: Key,
    *,
    num_chains: int = 16,
    num_temperatures: int = 1000,
    num_leapfrog: int = 10,
    start: Start = "prior",
    chains_at_once: int | None = None,
) -> Annealed:
    """Run chains backwards from z f32[B, L] ~ p(z|x): E[exp -log_weights] = 1 / p(x), an upper bound.

    If x was simulated from the model, the code from which it was decoded is such a z. Together with
    `annealed` the bound is a bidirectional sandwich (Grosse, Ghahramani & Adams, 2015, arXiv 1511.02543).

    Args:
        autoencoder: A model with log p(x|z) and p(z).
        variables: Its variables.
        batch: B examples.
        z: An exact draw from p(z|x) for each example, f32[B, L], such as the code from `simulate`.
        key: Key of all noise.
        num_chains: C, the number of chains of each example; all start from the same z.
        num_temperatures: T, the number of transitions of a chain.
        num_leapfrog: Leapfrog steps of a transition.
        start: Distribution at the end of the backward path: "prior", or "posterior" for q(z|x).
        chains_at_once: Chains that are decoded at the same time; None for all.

    Returns:
        The log-weights of the forward direction, acceptance rates and last codes of the chains.

    Raises:
        JaxaeError: If `start` is "posterior" and the density of q(z|x) is not available at every z.
    """
    path, sample = _make_path(autoencoder, variables, batch, start, chains_at_once or num_chains)
    chains = jnp.broadcast_to(z[None], (num_chains, *z.shape))
    return _anneal(path, sample, chains, key, num_temperatures, num_leapfrog, back=True)


def temperatures(number: int) -> Array:
    """Compute b_0 = 0, ..., b_T = 1, f32[T + 1], on a sigmoid from -4 to 4: short steps at both ends.

    Example:
        >>> from jaxae.estimators.annealing import temperatures
        >>> temperatures(2).tolist()  # symmetric
        [0.0, 0.5, 1.0]
    """
    curve = jax.nn.sigmoid(jnp.linspace(-4.0, 4.0, number + 1))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def _make_path(
    autoencoder: Annealable, variables: Variables, batch: Batch, start: Start, chains_at_once: int
) -> tuple[Path, Sample]:
    """Return the path of a batch, and the function that samples from its start."""

    def log_likelihood(z: Array) -> Array:
        return autoencoder.log_likelihood(variables, batch, z)

    def log_prior(z: Array) -> Array:
        return autoencoder.log_prior(variables, z)

    if start == "posterior":
        outputs, posterior = autoencoder.infer(variables, batch), autoencoder.posterior
        if not isinstance(posterior, DensityPosterior):
            name = type(posterior).__name__
            raise JaxaeError(f"start: got posterior, but {name} has no log_prob of every z; expected prior")
        log_start = functools.partial(posterior.log_prob, outputs)

        def log_ratio(z: Array) -> Array:
            return log_likelihood(z) + log_prior(z) - log_start(z)

        path = Path(log_start, log_ratio, chains_at_once)
        return path, lambda key, num: posterior.sample(outputs, key, num)[0]

    def sample(key: Key, num: int) -> Array:
        rows = len(batch.x)
        z = autoencoder.prior_sample(variables, key, num * rows)
        return z.reshape(num, rows, -1)

    # The prior is a factor of the joint: the ratio of the two is the likelihood.
    return Path(log_prior, log_likelihood, chains_at_once), sample


def _anneal(
    path: Path, sample: Sample, z: Array, key: Key, num_temperatures: int, num_leapfrog: int, *, back: bool
) -> Annealed:
    """Run chains from z f32[C, B, L] forward or, with `back`, backward along the path."""
    schedule, chain_key = temperatures(num_temperatures), keys.named(key, "chain")
    pilot_key = keys.named(key, "pilot")
    # A quarter of the chains is enough: the mean of their acceptance probabilities has about the variance of
    # the share of accepted proposals of all chains (0.02 for 4 of 16, against 0.014).
    num_pilots = max(len(z) // 4, min(len(z), 4))
    pilots = sample(keys.named(pilot_key, "start"), num_pilots)
    # Both are decoded by one call, because each call of the decoder is compiled for itself.
    starts = path.evaluate(jnp.concatenate([pilots, z]))
    pilot = jax.tree.map(lambda leaf: leaf[:num_pilots], starts)
    first = jax.tree.map(lambda leaf: leaf[num_pilots:], starts)
    sizes = _find_step_sizes(path, pilot, pilot_key, schedule, num_leapfrog)

    def step(carry: tuple[Point, Array], inputs: Any) -> tuple[tuple[Point, Array], Array]:
        point, log_weights = carry
        low, high, step_size, number = inputs
        moved, accepted, _ = _take_hamiltonian_step(
            path, point, jax.random.fold_in(chain_key, number), high, step_size, num_leapfrog
        )
        # The weight is updated at a code of the lower temperature: before the transition on the way forward,
        # after it on the way back. Otherwise forward and backward weights would not belong to one path.
        log_weights = log_weights + (high - low) * (moved if back else point).log_ratio
        return (moved, log_weights), accepted.mean(axis=0)

    steps = schedule[:-1], schedule[1:], sizes, jnp.arange(num_temperatures)
    start = first, jnp.zeros(z.shape[:-1])
    (point, log_weights), accepted = jax.lax.scan(step, start, steps, reverse=back)
    return Annealed(log_weights, accepted.mean(axis=0), point.z)


def _find_step_sizes(path: Path, pilot: Point, key: Key, schedule: Array, num_leapfrog: int) -> Array:
    """Find the step size of each transition and example, f32[T, B], by chains that adapt it on their way."""
    chain_key = keys.named(key, "chain")

    def step(carry: tuple[Point, Array], inputs: Any) -> tuple[tuple[Point, Array], Array]:
        point, step_size = carry
        temperature, number = inputs
        point, _, probability = _take_hamiltonian_step(
            path, point, jax.random.fold_in(chain_key, number), temperature, step_size, num_leapfrog
        )
        # Multiplied by 1.05 or 0.95: the step size follows the temperature slowly, without a search.
        adapted = step_size * jnp.where(probability.mean(axis=0) > TARGET_ACCEPTANCE, 1.05, 0.95)
        return (point, jnp.clip(adapted, 1e-4, 1.0)), step_size

    steps = schedule[1:], jnp.arange(len(schedule) - 1)
    start = pilot, jnp.full(pilot.z.shape[1], 0.1)
    return jax.lax.scan(step, start, steps)[1]


def _take_hamiltonian_step(
    path: Path, point: Point, key: Key, temperature: Array, step_sizes: Array, num_leapfrog: int
) -> tuple[Point, Array, Array]:
    """Take a Hamiltonian step that leaves f_t invariant.

    `step_sizes` are those of the examples, f32[B]. Return the next point, whether the step was accepted,
    bool[C, B], and the probability of it, f32[C, B]. Neal, 2011 (arXiv 1206.1901), figure 2.
    """
    momentum = keys.normal(keys.named(key, "momentum"), point.z.shape)
    step = step_sizes[None, :, None]

    def take_leapfrog_step(_: Any, state: tuple[Point, Array]) -> tuple[Point, Array]:
        point, momentum = state
        momentum = momentum + 0.5 * step * point.slope(temperature)
        point = path.evaluate(point.z + step * momentum)
        return point, momentum + 0.5 * step * point.slope(temperature)

    # The loop carries the values and gradients of the last position, so each step decodes once.
    end, end_momentum = jax.lax.fori_loop(0, num_leapfrog, take_leapfrog_step, (point, momentum))
    kinetic = 0.5 * ((momentum**2).sum(axis=-1) - (end_momentum**2).sum(axis=-1))
    log_ratio = end.value(temperature) - point.value(temperature) + kinetic
    # If the trajectory diverged, `log_ratio` is nan, the comparison is false and the chain stays.
    accepted = jnp.log(jax.random.uniform(keys.named(key, "accept"), log_ratio.shape)) < log_ratio

    def choose(new: Array, old: Array) -> Array:
        # bool[C, B] or bool[C, B, 1], for values and for vectors of each chain.
        return jnp.where(accepted.reshape(accepted.shape + (1,) * (new.ndim - 2)), new, old)

    chosen = jax.tree.map(choose, end, point)
    return chosen, accepted, jnp.exp(jnp.minimum(jnp.nan_to_num(log_ratio, nan=-jnp.inf), 0.0))


@runtime_checkable
class Simulated(Generative, LikelihoodModel, Protocol):
    """A model with a prior and a likelihood, for `simulate`; the likelihood must be a `SampledLikelihood`."""


def simulate(autoencoder: Simulated, variables: Variables, key: Key, num: int) -> tuple[Array, Examples]:
    """Draw z ~ p(z), f32[num, L], and x ~ p(x|z): each z is then an exact draw from p(z|x) of its x.

    This works for models without a condition. The noise of an example depends on its number only, so a larger
    `num` does not change the first examples.

    Args:
        autoencoder: A model with a prior and a likelihood that is a `SampledLikelihood`.
        variables: Its variables.
        key: Key of the draws.
        num: Number of examples.

    Returns:
        The codes, f32[num, L], and the examples, which have no labels and the scale 1.

    Raises:
        OutOfMemory: If not even one example fits in memory.
    """
    z = _draw_codes(autoencoder, variables, keys.named(key, "z"), num)
    # The shape of an image is known without decoding; it sets the first guess of the chunk size.
    image = jax.eval_shape(lambda: autoencoder.image(autoencoder.decode(variables, z[:1])))
    at_once = memory.first_guess(image.shape[1:])
    fixed = autoencoder, variables, keys.named(key, "x")
    x = memory.by_rows(_draw_examples, fixed, (jnp.arange(num), z), at_once)
    return z, Examples(jnp.asarray(x), (), jnp.float32(1.0))


@functools.partial(jax.jit, static_argnames="num")
def _draw_codes(autoencoder: Simulated, variables: Variables, key: Key, num: int) -> Array:
    return autoencoder.prior_sample(variables, key, num)


@jax.jit
def _draw_examples(autoencoder: Simulated, variables: Variables, key: Key, numbers: Array, z: Array) -> Array:
    def draw_example(number: Array, z: Array) -> Array:
        assert isinstance(autoencoder.likelihood, SampledLikelihood)  # the measure has checked it before
        parameters = autoencoder.decode(variables, z[None])
        return autoencoder.likelihood.sample(parameters, jax.random.fold_in(key, number))[0]

    return jax.vmap(draw_example)(numbers, z)
