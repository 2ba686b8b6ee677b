"""Inference gaps: what the ELBO lacks, and why (Cremer, Li & Duvenaud, 2018, arXiv 1801.03558)."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxae import keys
from jaxae.evaluation.terms import map_rows
from jaxae.types import Batch, Examples, Key, Variables


class Gaps(NamedTuple):
    """log p(x) - ELBO = approximation + amortisation, of each example, nats."""

    elbo: Array  # f32[N], with the encoder's q(z|x)
    best_elbo: Array  # f32[N], with the best q of its family for each x
    log_evidence: Array  # f32[N], as it was given

    @property
    def approximation(self) -> Array:
        """What no q of the family can reach: log p(x) - best ELBO, f32[N]."""
        return self.log_evidence - self.best_elbo

    @property
    def amortisation(self) -> Array:
        """What the encoder loses against the best q of its family: best ELBO - ELBO, f32[N]."""
        return self.best_elbo - self.elbo


def gaps(
    autoencoder: Any,
    variables: Variables,
    examples: Examples,
    log_evidence: Array,
    key: Key,
    *,
    num_steps: int = 1000,
    learning_rate: float = 1e-2,
    num_samples: int = 16,
    num_scored: int = 1000,
) -> Gaps:
    """The gaps of each example; `log_evidence` f32[N] by annealing or quadrature.

    For each x a q of the encoder's family is optimised from the encoder's own by `num_steps` of Adam with
    `num_samples` draws, then both are scored by `num_scored` fresh draws each: the optimum is not told by the
    draws that it was fitted to. KL(q(z|x) || p(z|x)) is the sum of the two gaps.
    """
    elbo, best_elbo = _elbos(
        autoencoder, variables, examples, key, learning_rate, (num_steps, num_samples, num_scored)
    )
    return Gaps(elbo, best_elbo, jnp.asarray(log_evidence))


@functools.partial(jax.jit, static_argnames="numbers")
def _elbos(
    autoencoder: Any,
    variables: Variables,
    examples: Examples,
    key: Key,
    learning_rate: Any,
    numbers: tuple[int, int, int],
) -> tuple[Array, Array]:
    num_steps, num_samples, num_scored = numbers
    optimizer = optax.adam(learning_rate)

    def elbo(batch: Batch, outputs: Array, key: Key, num: int) -> Array:
        """The ELBO of q given by `outputs` f32[1, ...], f32[1]."""
        z, log_posterior = autoencoder.posterior.sample(outputs, key, num)
        log_joint = autoencoder.log_likelihood(variables, batch, z) + autoencoder.log_prior(variables, z)
        return (log_joint - log_posterior).mean(axis=0)

    def measure(batch: Batch, key: Key) -> tuple[Array, Array]:
        fit_key, score_key = keys.named(key, "fit"), keys.named(key, "score")
        start = autoencoder.infer(variables, batch)

        def step(carry: Any, number: Array) -> tuple[Any, None]:
            (outputs, state), key = carry, jax.random.fold_in(fit_key, number)
            slope = jax.grad(lambda outputs: -elbo(batch, outputs, key, num_samples).sum())(outputs)
            updates, state = optimizer.update(slope, state)
            return (optax.apply_updates(outputs, updates), state), None

        (best, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), jnp.arange(num_steps))
        # The same noise for both, so that their difference is sharper than either.
        both = jnp.stack([start, best])
        scored = jax.vmap(lambda outputs: elbo(batch, outputs, score_key, num_scored))(both)
        return scored[0], scored[1]

    return map_rows(measure, examples, key, batch_size=100)
