"""Inference gaps: the difference of log p(x) and the ELBO, and its two causes.

Cremer, Li & Duvenaud, 2018 (arXiv 1801.03558).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxae import keys
from jaxae.estimators.terms import Stream, map_draws, over_rows
from jaxae.protocols.capabilities import JointDensity
from jaxae.types import Batch, Examples, Key, Variables


class Gaps(NamedTuple):
    """log p(x) - ELBO = approximation + amortisation, of each example, nats."""

    elbo: Array  # f32[N], with the encoder's q(z|x)
    best_elbo: Array  # f32[N], with the best q of its family for each x
    log_evidence: Array  # f32[N], the estimate passed to `gaps`

    @property
    def approximation(self) -> Array:
        """Approximation gap, which remains for the best q of the family: log p(x) - best ELBO, f32[N]."""
        return self.log_evidence - self.best_elbo

    @property
    def amortisation(self) -> Array:
        """Amortisation gap, the encoder's loss against the best q of its family: best ELBO - ELBO, f32[N]."""
        return self.best_elbo - self.elbo


def gaps(
    autoencoder: JointDensity,
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
    """Compute the inference gaps of each example.

    For each x a q of the encoder's family is optimised, starting at the encoder's q. Both are then scored by
    fresh draws, because the draws of the fit would overestimate the best ELBO. The sum of the gaps is
    KL(q(z|x) || p(z|x)).

    Args:
        autoencoder: A model with q(z|x), log p(x|z) and log p(z).
        variables: Its variables.
        examples: The split, of N rows.
        log_evidence: log p(x) of each row by annealing or quadrature, f32[N], nats.
        key: Key of all noise.
        num_steps: Steps of Adam for each x.
        learning_rate: Learning rate of Adam.
        num_samples: Draws in each step.
        num_scored: Fresh draws that score each of the two q.

    Returns:
        The gaps of each example, nats.

    Raises:
        OutOfMemory: If not even one row and one draw fit in memory.
    """
    arguments = autoencoder, variables, jnp.asarray(learning_rate, jnp.float32)
    numbers = num_steps, num_samples, num_scored
    elbo, best_elbo = over_rows(_compute_elbos, arguments, examples, key, *numbers, num_draws=num_samples)
    return Gaps(elbo, best_elbo, jnp.asarray(log_evidence))


def _compute_elbos(
    autoencoder: JointDensity,
    variables: Variables,
    learning_rate: Any,
    batch: Batch,
    stream: Stream,
    draws_at_once: int,
    num_steps: int,
    num_samples: int,
    num_scored: int,
) -> tuple[Array, Array]:
    """Compute the ELBO of a batch of one with the encoder's q, and with the best q; f32[] each, nats."""
    optimizer = optax.adam(learning_rate)
    fit_key, score_key = keys.named(stream.key, "fit"), keys.named(stream.key, "score")
    start = autoencoder.infer(variables, batch)

    def elbo(outputs: Array, key: Key, num: int) -> Array:
        """Compute the ELBO of the q given by `outputs` f32[1, ...], f32[]."""

        def compute_draw(key: Key) -> Array:
            z, log_posterior = autoencoder.posterior.sample(outputs, key, 1)
            log_joint = autoencoder.log_likelihood(variables, batch, z) + autoencoder.log_prior(variables, z)
            return (log_joint - log_posterior)[0, 0]

        if num > draws_at_once:  # otherwise the gradient would keep the activations of every chunk
            compute_draw = jax.checkpoint(compute_draw)
        return map_draws(compute_draw, Stream(key, jnp.zeros((), jnp.int32)).draws(num), draws_at_once).mean()

    def step(carry: Any, number: Array) -> tuple[Any, None]:
        (outputs, state), key = carry, jax.random.fold_in(fit_key, number)
        gradient = jax.grad(lambda outputs: -elbo(outputs, key, num_samples))(outputs)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(outputs, updates), state), None

    (best, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), jnp.arange(num_steps))
    # Both use the same noise, so the error of their difference is smaller than the error of either one.
    candidates = jnp.stack([start, best])
    elbos = jax.vmap(lambda outputs: elbo(outputs, score_key, num_scored))(candidates)
    return elbos[0], elbos[1]
