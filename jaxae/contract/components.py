"""What jaxae asks of the parts of a model: each method by its shapes, a mistake in one line.

B the batch, S samples, L latent, P positions, D numbers of a vector, K codes.
"""

import itertools
from collections.abc import Callable, Mapping
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
from jaxae.specs.pytree import alternatives, fields, is_protocol, is_spec, paths
from jaxae.types import Variables

NUM_POSITIONS = 3
CODE_DIM = 5  # of vectors, if the model does not say


def check(trial: Trial) -> None:
    """Try the methods of those parts of a model that are a user's own. Raises: JaxaeError.

    Parts of parts, such as those of a stage, are tried as the model calls them; but for schedules and
    optimisers, which it does not call.
    """
    for path, annotation, value in paths(trial.model):
        is_tried = isinstance(value, Schedule | Optimizer) or path in fields(trial.model)
        if is_tried and is_spec(value) and _is_own(value):
            check_part(trial, path, annotation)


def check_part(trial: Trial, path: str, annotation: Any) -> None:
    """Try the methods of one part. Raises: JaxaeError that names the part.

    Args:
        trial: The model, and the batch that it is tried with.
        path: The dotted name of the part.
        annotation: The type of its field, which says what the part is used as.
    """
    part = trial.part(path)
    uses = (attempt for protocol, attempt in ATTEMPTS if _is_used_as(protocol, part.model, annotation))
    for attempt in itertools.islice(uses, 1):
        attempt(part, trial.model)


def _is_used_as(protocol: Any, value: Any, annotation: Any) -> bool:
    """Return whether a field of this type uses a part as `protocol`.

    A likelihood that can be sampled has all methods of a prior, with other arguments: the type of the field
    decides. For a class, or Any, it is the first protocol whose members the part has.
    """
    uses = [part for part in alternatives(annotation) if is_protocol(part)]
    return any(protocol in use.__mro__ for use in uses) if uses else isinstance(value, protocol)


def check_optimizer(optimizer: Optimizer, trial: Trial) -> None:
    """Try `build` of the experiment's optimiser, and an update of the parameters. Raises: JaxaeError."""
    _optimizer(trial._replace(model=optimizer, where="optimizer"), trial.model)


def _optimizer(part: Trial, model: object) -> None:
    optimizer = part.model
    assert isinstance(optimizer, Optimizer)

    def updated(params: Any) -> Any:
        transformation = optimizer.build()
        return transformation.update(params, transformation.init(params), params)[0]

    try:
        jax.eval_shape(updated, part.variables.params)
    except Exception as error:  # whatever a user's code may raise
        raise part.raised("build", error) from error


def _is_own(value: Any) -> bool:
    """Return whether the class of a part is a user's."""
    return type(value).__module__.partition(".")[0] != "jaxae"


def _schedule(part: Trial, model: object) -> None:
    part.expect("__call__", part.call("__call__", STEP))


def _reconstruction(part: Trial, model: object) -> None:
    event = part.batch.x.shape[1:]
    shape = part.static("output_shape", event)
    if not (isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)):
        raise part.wrong("output_shape", f"gave {kind(shape)}, expected a tuple of whole numbers")
    outputs = jax.ShapeDtypeStruct((part.size, *shape), jnp.float32)
    parameters = part.call("parameters", outputs, part.call("init"))
    part.expect("mean", part.call("mean", parameters), "B", *event)
    # The distortion of a likelihood may be the protocol's, made of log_prob.
    methods = [*(["log_prob"] if isinstance(part.model, Likelihood) else []), "distortion"]
    for method in methods:
        part.expect(method, part.call(method, parameters, part.batch.x, static=(len(event),)), "B")
    if isinstance(part.model, SampledLikelihood):
        part.expect("sample", part.call("sample", parameters, key(7)), "B", *event)


def _posterior(part: Trial, model: object) -> None:
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
    mean = part.expect("mean", part.call("mean", outputs), "B", latent)
    num = part.size + 1
    # `sample` may call log_prob, and kl kl_per_dim: the method with the mistake is named.
    z = jax.ShapeDtypeStruct((num, *mean.shape), jnp.float32)
    if isinstance(part.model, DensityPosterior):
        part.expect("log_prob", part.call("log_prob", outputs, z), num, "B")
    if isinstance(part.model, FactorisedKL):
        part.expect("kl_per_dim", part.call("kl_per_dim", outputs), "B", latent)
    if isinstance(part.model, ClosedKL):
        part.expect("kl", part.call("kl", outputs), "B")
    drawn = part.call("sample", outputs, key(8), static=(num,))
    if not (isinstance(drawn, tuple | list) and len(drawn) == 2):
        raise part.wrong("sample", f"gave {kind(drawn)}, expected a pair, z and log q(z|x)")
    part.expect("sample", drawn[0], num, "B", latent)
    part.expect("sample", drawn[1], num, "B")
    if isinstance(part.model, DiagonalPosterior):
        for array in part.call("mean_and_log_var", outputs):
            part.expect("mean_and_log_var", array, "B", latent)


def _prior(part: Trial, model: object) -> None:
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


def _quantiser(part: Trial, model: object) -> None:
    holder = part.model if isinstance(part.model, FixedCodeDim) else model
    code_dim = holder.code_dim if isinstance(holder, FixedCodeDim) else CODE_DIM
    variables = part.call("init", key(11), static=(code_dim,))
    if not isinstance(variables, Variables):
        raise part.wrong("init", f"gave {kind(variables)}, expected jaxae.Variables(params, extra)")
    for name, tree in zip(variables._fields, variables, strict=True):
        if not isinstance(tree, Mapping) and tree != ():
            raise part.wrong("init", f"gave {name} as {kind(tree)}, expected a dict, which joins the model's")
    vectors = jax.ShapeDtypeStruct((part.size, NUM_POSITIONS, code_dim), jnp.float32)
    tokens = part.call("tokens", variables, vectors)
    part.expect("tokens", tokens, "B", NUM_POSITIONS, numbers=np.integer)
    part.expect("embed", part.call("embed", variables, tokens), "B", NUM_POSITIONS, code_dim)
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


def _condition(part: Trial, model: object) -> None:
    condition = part.model
    assert isinstance(condition, Condition)
    if condition.size:
        part.expect("ids", part.call("ids", part.batch.y), "B", condition.length, numbers=np.integer)


def _corruption(part: Trial, model: object) -> None:
    found = part.call("corrupt", part.batch.x, key(13))
    if not (isinstance(found, tuple | list) and len(found) == 2):
        raise part.wrong("corrupt", f"gave {kind(found)}, expected a pair: x, and the components chosen")
    part.expect("corrupt", found[0], *part.batch.x.shape)
    part.expect("corrupt", found[1], *part.batch.x.shape, numbers=np.bool_)


def _perceptual(part: Trial, model: object) -> None:
    variables = part.call("init", key(14), part.batch.x)
    part.expect("distances", part.call("distances", variables, part.batch.x, part.batch.x), "B")
    losses = part.call("losses", variables, part.batch.x, key(15))
    weights = part.call("weights", STEP)
    if set(weights) != set(losses):
        names = f"{sorted(weights)}, but losses has {sorted(losses)}"
        raise part.wrong("weights", f"gave {names}")
    for term in losses.values():
        part.expect("losses", term, "B")


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
