"""log p(x) by annealed importance sampling with Hamiltonian transitions. C chains, B examples, L latent.

From a start p_0 to the posterior by f_t(z) = p_0(z)^(1 - b_t) (p(x|z) p(z))^(b_t), b_t from 0 to 1. Neal,
2001; Wu, Burda, Salakhutdinov & Grosse, 2017 (arXiv 1611.04273), whose sigmoid path this is. Step sizes are
found by a pilot run of chains that are thrown away: adapted on the chains themselves they would bias the
weights.

Examples that a model makes, of which the code is known, enclose log p(x) from both sides.
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
Sample = Callable[[Key, int], Array]  # (key, C) -> f32[C, B, L], where chains may begin
Start = Literal["prior", "posterior"]
TARGET_ACCEPTANCE = 0.65


class Annealed(NamedTuple):
    """What the chains of every example came to."""

    log_weights: Array  # f32[C, B], nats; their exponentials are unbiased for p(x)
    acceptance: Array  # f32[B], the mean share of accepted proposals
    z: Array  # f32[C, B, L], where the chains ended


class Path(NamedTuple):
    """The two ends of the path, as functions of z f32[C, B, L]."""

    log_start: LogDensity  # normalised
    log_joint: LogDensity
    chains_at_once: int  # decoded side by side; it bounds the memory

    def log_ratio(self, z: Array) -> Array:
        """What a step of b adds to a log-weight, for each unit of it; f32[C, B]."""
        return in_chunks(lambda z: self.log_joint(z) - self.log_start(z), z, self.chains_at_once)

    def value_and_slope(self, temperature: Array, z: Array) -> tuple[Array, Array]:
        """log f_t f32[C, B] at a temperature b_t, and its gradient f32[C, B, L]."""

        def log_density(z: Array) -> Array:
            return (1.0 - temperature) * self.log_start(z) + temperature * self.log_joint(z)

        def of_chunk(z: Array) -> tuple[Array, Array]:
            values, pullback = jax.vjp(log_density, z)
            return values, pullback(jnp.ones_like(values))[0]

        return in_chunks(of_chunk, z, self.chains_at_once)


@runtime_checkable
class Annealable(JointDensity, Generative, Protocol):
    """A model with log p(x|z) and p(z), from which chains start."""


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
    """Forward chains: E[exp log_weights] = p(x), so the log of their mean is a lower bound of log p(x).

    `start`: where chains begin, the prior or the encoder's q(z|x). `chains_at_once`: those that are decoded
    side by side, None for all; it changes no number but by rounding.
    """
    path, sample = _path(autoencoder, variables, batch, start, chains_at_once or num_chains)
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
    """Chains that go back from z f32[B, L] ~ p(z|x): E[exp -log_weights] = 1 / p(x), an upper bound.

    Such a z is known for x simulated from the model: the code that it was decoded from. With `annealed` it
    makes a bidirectional sandwich (Grosse, Ghahramani & Adams, 2015, arXiv 1511.02543).
    """
    path, sample = _path(autoencoder, variables, batch, start, chains_at_once or num_chains)
    chains = jnp.broadcast_to(z[None], (num_chains, *z.shape))
    return _anneal(path, sample, chains, key, num_temperatures, num_leapfrog, back=True)


def temperatures(number: int) -> Array:
    """b_0 = 0, ..., b_T = 1, f32[T + 1], along a sigmoid from -4 to 4: short steps at both ends."""
    curve = jax.nn.sigmoid(jnp.linspace(-4.0, 4.0, number + 1))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def _path(
    autoencoder: Annealable, variables: Variables, batch: Batch, start: Start, chains_at_once: int
) -> tuple[Path, Sample]:
    """The path of a batch, and how its start is sampled."""

    def log_joint(z: Array) -> Array:
        return autoencoder.log_likelihood(variables, batch, z) + autoencoder.log_prior(variables, z)

    if start == "posterior":
        outputs, posterior = autoencoder.infer(variables, batch), autoencoder.posterior
        if not isinstance(posterior, DensityPosterior):
            raise JaxaeError(f"start: {type(posterior).__name__} has no log_prob of any z; expected prior")
        log_start = functools.partial(posterior.log_prob, outputs)
        path = Path(log_start, log_joint, chains_at_once)
        return path, lambda key, num: posterior.sample(outputs, key, num)[0]

    def sample(key: Key, num: int) -> Array:
        rows = len(batch.x)
        z = autoencoder.prior_sample(variables, key, num * rows)
        return z.reshape(num, rows, -1)

    log_start = functools.partial(autoencoder.log_prior, variables)
    return Path(log_start, log_joint, chains_at_once), sample


def _anneal(
    path: Path, sample: Sample, z: Array, key: Key, num_temperatures: int, num_leapfrog: int, *, back: bool
) -> Annealed:
    """Chains from z f32[C, B, L] along the path, or `back` along it, with step sizes of a pilot run.

    Between two temperatures a chain is weighed where it is at the lower one: before its transition on the way
    there, after it on the way back.
    """
    schedule, chain_key = temperatures(num_temperatures), keys.named(key, "chain")
    sizes = _pilot(path, sample, keys.named(key, "pilot"), schedule, len(z), num_leapfrog)

    def step(carry: tuple[Array, Array], at: Any) -> tuple[tuple[Array, Array], Array]:
        z, log_weights = carry
        low, high, size, number = at
        moved, accepted = _transition(
            path, z, jax.random.fold_in(chain_key, number), high, size, num_leapfrog
        )
        log_weights = log_weights + (high - low) * path.log_ratio(moved if back else z)
        return (moved, log_weights), accepted.mean(axis=0)

    along = schedule[:-1], schedule[1:], sizes, jnp.arange(num_temperatures)
    (z, log_weights), accepted = jax.lax.scan(step, (z, jnp.zeros(z.shape[:-1])), along, reverse=back)
    return Annealed(log_weights, accepted.mean(axis=0), z)


def _pilot(
    path: Path, sample: Sample, key: Key, schedule: Array, num_chains: int, num_leapfrog: int
) -> Array:
    """The step size of each transition and example, f32[T, B], from chains that adapt it on their way."""
    start_key, chain_key = keys.named(key, "start"), keys.named(key, "chain")
    z = sample(start_key, num_chains)

    def step(carry: tuple[Array, Array], at: Any) -> tuple[tuple[Array, Array], Array]:
        z, size = carry
        temperature, number = at
        z, accepted = _transition(
            path, z, jax.random.fold_in(chain_key, number), temperature, size, num_leapfrog
        )
        share = accepted.mean(axis=0)
        changed = size * jnp.where(share > TARGET_ACCEPTANCE, 1.05, 0.95)
        return (z, jnp.clip(changed, 1e-4, 1.0)), size

    along = schedule[1:], jnp.arange(len(schedule) - 1)
    start = z, jnp.full(z.shape[1], 0.1)
    return jax.lax.scan(step, start, along)[1]


def _transition(
    path: Path, z: Array, key: Key, temperature: Array, size: Array, num_leapfrog: int
) -> tuple[Array, Array]:
    """A Hamiltonian step that leaves f_t invariant: z f32[C, B, L] and whether it was accepted, bool[C, B].

    `size` f32[B]. Neal, 2011 (arXiv 1206.1901), figure 2.
    """
    value_and_slope = functools.partial(path.value_and_slope, temperature)
    momentum = keys.normal(keys.named(key, "momentum"), z.shape)
    step = size[None, :, None]
    value, slope = value_and_slope(z)

    def leap(_: Any, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        z, momentum, _, slope = state
        momentum = momentum + 0.5 * step * slope
        z = z + step * momentum
        value, slope = value_and_slope(z)
        return z, momentum + 0.5 * step * slope, value, slope

    end, end_momentum, end_value, _ = jax.lax.fori_loop(0, num_leapfrog, leap, (z, momentum, value, slope))
    gain = end_value - value + 0.5 * ((momentum**2).sum(axis=-1) - (end_momentum**2).sum(axis=-1))
    accepted = jnp.log(jax.random.uniform(keys.named(key, "accept"), gain.shape)) < gain
    return jnp.where(accepted[..., None], end, z), accepted


@runtime_checkable
class Simulated(Generative, LikelihoodModel, Protocol):
    """What `simulate` needs of a model, whose likelihood can be drawn from."""


def simulate(autoencoder: Simulated, variables: Variables, key: Key, num: int) -> tuple[Array, Examples]:
    """z ~ p(z), f32[num, L], and x ~ p(x|z): each z is an exact draw from p(z|x) of its x.

    For members without a condition. The noise of each x depends on its number, not on how many there are.
    """
    z = _codes(autoencoder, variables, keys.named(key, "z"), num)
    image = jax.eval_shape(lambda: autoencoder.image(autoencoder.decode(variables, z[:1])))
    at_once = memory.first_guess(image.shape[1:])
    fixed = autoencoder, variables, keys.named(key, "x")
    x = memory.by_rows(_examples, fixed, (jnp.arange(num), z), at_once)
    return z, Examples(jnp.asarray(x), (), jnp.float32(1.0))


@functools.partial(jax.jit, static_argnames="num")
def _codes(autoencoder: Simulated, variables: Variables, key: Key, num: int) -> Array:
    return autoencoder.prior_sample(variables, key, num)


@jax.jit
def _examples(autoencoder: Simulated, variables: Variables, key: Key, numbers: Array, z: Array) -> Array:
    def one(number: Array, z: Array) -> Array:
        assert isinstance(autoencoder.likelihood, SampledLikelihood)  # the caller has checked it
        parameters = autoencoder.decode(variables, z[None])
        return autoencoder.likelihood.sample(parameters, jax.random.fold_in(key, number))[0]

    return jax.vmap(one)(numbers, z)
