"""What jaxae asks of the parts of a model: each method by its shapes, a mistake in one line.

B the batch, S samples, L latent, P positions, D numbers of a vector, K codes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae.contract.messages import kind
from jaxae.contract.trial import STEP, Trial, key
from jaxae.protocols.capabilities import CodeSize
from jaxae.protocols.parts import (
    ClosedKL,
    Condition,
    Corruption,
    DensityPosterior,
    DiagonalPosterior,
    FactorisedKL,
    FixedCodeDim,
    Likelihood,
    Optimizer,
    PerceptualLoss,
    Posterior,
    Prior,
    Quantised,
    Quantiser,
    Reconstruction,
    SampledLikelihood,
    Schedule,
)
from jaxae.specs.pytree import fields, is_spec, paths

NUM_POSITIONS = 3
CODE_DIM = 5  # of vectors, if the model does not say


def check(trial: Trial) -> None:
    """Try the methods of those parts of a model that are a user's own. Raises: JaxaeError.

    Parts of parts, such as those of a stage, are tried as the model calls them.
    """
    for path, _, value in paths(trial.model):
        if is_spec(value) and _is_own(value) and (isinstance(value, Schedule) or path in fields(trial.model)):
            check_part(trial, path)


def check_part(trial: Trial, path: str) -> None:
    """Try the methods of one part. Raises: JaxaeError that names the part.

    Args:
        trial: The model, and the batch that it is tried with.
        path: The dotted name of the part.
    """
    part = trial.part(path)
    for protocol, attempt in ATTEMPTS:
        if isinstance(part.model, protocol):
            attempt(part, trial.model)


def check_optimizer(optimizer: Optimizer, trial: Trial) -> None:
    """Try `build` of an optimiser, and an update of the parameters. Raises: JaxaeError."""
    part = trial._replace(model=optimizer, where="optimizer")

    def updated(params: Any) -> Any:
        transformation = optimizer.build()
        return transformation.update(params, transformation.init(params), params)[0]

    try:
        jax.eval_shape(updated, trial.variables.params)
    except Exception as error:  # whatever a user's code may raise
        raise part.raised("build", error) from error


def _is_own(value: Any) -> bool:
    """Return whether the class of a part is a user's."""
    return type(value).__module__.partition(".")[0] != "jaxae"


def _schedule(part: Trial, model: Any) -> None:
    part.expect("__call__", part.call("__call__", STEP))


def _reconstruction(part: Trial, model: Any) -> None:
    event = part.batch.x.shape[1:]
    shape = part.static("output_shape", event)
    if not (isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)):
        raise part.wrong("output_shape", f"gave {kind(shape)}, expected a tuple of whole numbers")
    outputs = jax.ShapeDtypeStruct((part.size, *shape), jnp.float32)
    parameters = part.call("parameters", outputs, part.call("init"))
    part.expect("mean", part.call("mean", parameters), "B", *event)
    methods = ["distortion", *(["log_prob"] if isinstance(part.model, Likelihood) else [])]
    for method in methods:
        part.expect(method, part.call(method, parameters, part.batch.x, static=(len(event),)), "B")
    if isinstance(part.model, SampledLikelihood):
        part.expect("sample", part.call("sample", parameters, key(7)), "B", *event)


def _posterior(part: Trial, model: Any) -> None:
    latent_dim = model.latent_dim if isinstance(model, CodeSize) else 2
    num = part.static("num_outputs", latent_dim)
    if isinstance(num, bool) or not isinstance(num, int):
        raise part.wrong("num_outputs", f"gave {kind(num)}, expected a whole number")
    check_posterior(part, jax.ShapeDtypeStruct((part.size, num), jnp.float32), latent_dim)


def check_posterior(part: Trial, outputs: Any, latent: int | str) -> None:
    """Try the methods of a posterior. Raises: JaxaeError.

    Args:
        part: The posterior.
        outputs: The shape of what an encoder gave for the batch.
        latent: L, or "L" if it is not known.
    """
    part.expect("mean", part.call("mean", outputs), "B", latent)
    num = part.size + 1
    drawn = part.call("sample", outputs, key(8), static=(num,))
    if not (isinstance(drawn, tuple | list) and len(drawn) == 2):
        raise part.wrong("sample", f"gave {kind(drawn)}, expected a pair, z and log q(z|x)")
    z = part.expect("sample", drawn[0], num, "B", latent)
    part.expect("sample", drawn[1], num, "B")
    if isinstance(part.model, DensityPosterior):
        part.expect("log_prob", part.call("log_prob", outputs, z), num, "B")
    if isinstance(part.model, ClosedKL):
        part.expect("kl", part.call("kl", outputs), "B")
    if isinstance(part.model, FactorisedKL):
        part.expect("kl_per_dim", part.call("kl_per_dim", outputs), "B", latent)
    if isinstance(part.model, DiagonalPosterior):
        for array in part.call("mean_and_log_var", outputs):
            part.expect("mean_and_log_var", array, "B", latent)


def _prior(part: Trial, model: Any) -> None:
    latent_dim = model.latent_dim if isinstance(model, CodeSize) else 2
    num, event = part.size + 1, part.batch.x.shape[1:]
    params = part.call("init", key(9), static=(latent_dim, event))
    z = jax.ShapeDtypeStruct((num, part.size, latent_dim), jnp.float32)

    def components(x: Any) -> tuple[Any, Any]:
        zeros = jnp.zeros((x.shape[0], latent_dim))
        return zeros, zeros

    part.expect("log_prob", part.call("log_prob", params, z, static=(components,)), num, "B")
    drawn = part.call("sample", params, key(10), static=((num, latent_dim), components))
    part.expect("sample", drawn, num, latent_dim)


def _quantiser(part: Trial, model: Any) -> None:
    holder = part.model if isinstance(part.model, FixedCodeDim) else model
    code_dim = holder.code_dim if isinstance(holder, FixedCodeDim) else CODE_DIM
    variables = part.call("init", key(11), static=(code_dim,))
    vectors = jax.ShapeDtypeStruct((part.size, NUM_POSITIONS, code_dim), jnp.float32)
    quantised = part.call("quantise", variables, vectors, key(12))
    if not isinstance(quantised, Quantised):
        raise part.wrong("quantise", f"gave {kind(quantised)}, expected jaxae.Quantised")
    part.expect("quantise", quantised.values, "B", NUM_POSITIONS, code_dim)
    part.expect("quantise", quantised.tokens, "B", NUM_POSITIONS, numbers=np.integer)
    for term in quantised.terms.values():
        part.expect("quantise", term, "B")
    weights = part.call("weights", STEP)
    if set(weights) != set(quantised.terms):
        names = f"{sorted(weights)}, but quantise has the terms {sorted(quantised.terms)}"
        raise part.wrong("weights", f"gave {names}")
    tokens = part.call("tokens", variables, vectors)
    part.expect("tokens", tokens, "B", NUM_POSITIONS, numbers=np.integer)
    part.expect("embed", part.call("embed", variables, tokens), "B", NUM_POSITIONS, code_dim)


def _condition(part: Trial, model: Any) -> None:
    if part.model.size:
        part.expect("ids", part.call("ids", part.batch.y), "B", part.model.length, numbers=np.integer)


def _corruption(part: Trial, model: Any) -> None:
    found = part.call("corrupt", part.batch.x, key(13))
    if not (isinstance(found, tuple | list) and len(found) == 2):
        raise part.wrong("corrupt", f"gave {kind(found)}, expected a pair: x, and the components chosen")
    part.expect("corrupt", found[0], *part.batch.x.shape)
    part.expect("corrupt", found[1], *part.batch.x.shape, numbers=np.bool_)


def _perceptual(part: Trial, model: Any) -> None:
    variables = part.call("init", key(14), part.batch.x)
    part.expect("distances", part.call("distances", variables, part.batch.x, part.batch.x), "B")
    losses = part.call("losses", variables, part.batch.x, key(15))
    weights = part.call("weights", STEP)
    if set(weights) != set(losses):
        names = f"{sorted(weights)}, but losses has {sorted(losses)}"
        raise part.wrong("weights", f"gave {names}")
    for term in losses.values():
        part.expect("losses", term, "B")


def _optimizer(part: Trial, model: Any) -> None:
    check_optimizer(part.model, part)


ATTEMPTS: tuple[tuple[Any, Callable[[Trial, Any], None]], ...] = (
    (Schedule, _schedule),
    (Reconstruction, _reconstruction),
    (Posterior, _posterior),
    (Prior, _prior),
    (Quantiser, _quantiser),
    (Condition, _condition),
    (Corruption, _corruption),
    (PerceptualLoss, _perceptual),
    (Optimizer, _optimizer),
)
"""A part with the protocol on the left is tried as on the right, with the model that holds it."""
