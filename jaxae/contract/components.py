"""Trial of the parts of a model: each method of a part's protocol is called on shapes.

Each function of `ATTEMPTS` tries one protocol. It calls a method before the methods that depend on it, so
that the error names the method with the mistake.

Shapes: B batch, S samples, L latent dimensions, P positions, D dimensions of a vector, K codes.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxae.contract.messages import kind
from jaxae.contract.trial import STEP, Trial, key
from jaxae.errors import JaxaeError
from jaxae.protocols.capabilities import CodeSize, SeparateOptimizers
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
from jaxae.training import step
from jaxae.types import Variables

# Sizes that differ from each other, so that swapped axes show up.
NUM_POSITIONS = 3
CODE_DIM = 5  # dimension of vectors, if the model does not declare one


def check(trial: Trial) -> None:
    """Try the methods of the parts that a user has written.

    Parts of parts, such as those of a stage, are tried when the model calls them. Schedules and optimisers
    are tried at any depth, since no method of the model calls them.

    Raises:
        JaxaeError: If a method has a mistake; the message names the part and the method.
    """
    for path, annotation, value in paths(trial.model):
        is_tried = isinstance(value, Schedule | Optimizer) or path in fields(trial.model)
        # The parts of jaxae have tests; to trace them as well would only cost time before each run.
        if is_tried and is_spec(value) and _is_own(value):
            check_part(trial, path, annotation)


def check_part(trial: Trial, path: str, annotation: Any) -> None:
    """Try the methods of one part.

    Args:
        trial: Model, and the batch that it is tried with.
        path: Dotted name of the part.
        annotation: Type of its field, which decides the protocol that the part has to fulfil.

    Raises:
        JaxaeError: If a method has a mistake; the message names the part and the method.
    """
    part = trial.part(path)
    attempts = (attempt for protocol, attempt in ATTEMPTS if _is_used_as(protocol, part.model, annotation))
    for attempt in itertools.islice(attempts, 1):  # the first only: some classes fulfil several protocols
        attempt(part, trial.model)


def _is_used_as(protocol: Any, value: Any, annotation: Any) -> bool:
    """Return whether a field of this type uses a part as `protocol`.

    The type of the field decides, since a likelihood with `sample` has the names of all methods of a prior.
    For a field without a protocol, such as Any, it is the first protocol that the part fulfils.
    """
    expected = [cls for cls in alternatives(annotation) if is_protocol(cls)]
    return any(protocol in cls.__mro__ for cls in expected) if expected else isinstance(value, protocol)


def check_optimizer(optimizer: Optimizer, trial: Trial) -> None:
    """Try `build` of the experiment's optimiser, and one update of the parameters.

    Args:
        optimizer: Optimiser of the experiment.
        trial: Model with the shapes of its variables.

    Raises:
        JaxaeError: If either of them fails.
    """
    _try_optimizer(trial._replace(model=optimizer, where="optimizer"), trial.model)


def _try_optimizer(part: Trial, model: object) -> None:
    """Try `build` and an update with gradients of the parameters' shapes."""
    optimizer, is_of_group = part.model, isinstance(model, SeparateOptimizers)
    assert isinstance(optimizer, Optimizer)

    def updated(params: Any) -> Any:  # built inside, as training does inside jit
        transformation = optax.with_extra_args_support(optimizer.build())
        # Any loss will do: only shapes are computed.
        extra_args = step.extra_arguments(lambda tree: (optax.tree.norm(tree), ()), jnp.zeros(()), params)
        # Within a group of parameters the functions of all parameters cannot be called.
        given = {"value": extra_args["value"]} if is_of_group else extra_args
        return transformation.update(params, transformation.init(params), params, **given)[0]

    try:
        jax.eval_shape(updated, part.variables.params)
    except Exception as error:  # a user's code may raise anything
        hint = "; the model has separate optimisers, so each gets the loss but not its function"
        raise JaxaeError(f"{part.raised('build', error)}{hint if is_of_group else ''}") from error


def _is_own(value: Any) -> bool:
    """Return whether the class of a part was written by a user, outside jaxae."""
    return type(value).__module__.partition(".")[0] != "jaxae"


# The second argument of these functions is the model that holds the part, for sizes such as L.
def _try_schedule(part: Trial, model: object) -> None:
    part.expect("__call__", part.call("__call__", STEP))


def _try_reconstruction(part: Trial, model: object) -> None:
    """Try a reconstruction or a likelihood, from the decoder's outputs to distortion, log_prob and sample."""
    # Python numbers, not traced: `output_shape` decides the shape of a net.
    event = part.batch.x.shape[1:]
    shape = part.static("output_shape", event)
    if not (isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)):
        raise part.wrong("output_shape", f"gave {kind(shape)}, expected a tuple of whole numbers")
    outputs = jax.ShapeDtypeStruct((part.size, *shape), jnp.float32)
    parameters = part.call("parameters", outputs, part.call("init"))
    part.expect("mean", part.call("mean", parameters), "B", *event)
    # log_prob first: a likelihood may inherit the distortion, which calls log_prob.
    methods = [*(["log_prob"] if isinstance(part.model, Likelihood) else []), "distortion"]
    for method in methods:
        part.expect(method, part.call(method, parameters, part.batch.x, static=(len(event),)), "B")
    if isinstance(part.model, SampledLikelihood):
        part.expect("sample", part.call("sample", parameters, key(7)), "B", *event)


def _try_posterior(part: Trial, model: object) -> None:
    """Try a posterior, on encoder outputs of the size that it asks for."""
    latent_dim = model.latent_dim if isinstance(model, CodeSize) else 2
    num = part.static("num_outputs", latent_dim)
    if isinstance(num, bool) or not isinstance(num, int):  # a bool is an int in Python
        raise part.wrong("num_outputs", f"gave {kind(num)}, expected a whole number")
    check_posterior(part, jax.ShapeDtypeStruct((part.size, num), jnp.float32), latent_dim)


def check_posterior(part: Trial, outputs: Any, latent: int | str) -> None:
    """Try the methods of a posterior.

    Args:
        part: Trial of the posterior.
        outputs: Shape of the encoder's outputs for the batch.
        latent: L, or "L" if it is not known.

    Raises:
        JaxaeError: If a method has a mistake.
    """
    mean = part.expect("mean", part.call("mean", outputs), "B", latent)
    num = part.size + 1  # number of draws, other than B, so that swapped axes show up
    # In this order, since `sample` may call `log_prob`, and `kl` may call `kl_per_dim`.
    z = jax.ShapeDtypeStruct((num, *mean.shape), jnp.float32)
    if isinstance(part.model, DensityPosterior):
        part.expect("log_prob", part.call("log_prob", outputs, z), num, "B")
    if isinstance(part.model, FactorisedKL):
        part.expect("kl_per_dim", part.call("kl_per_dim", outputs), "B", latent)
    if isinstance(part.model, ClosedKL):
        part.expect("kl", part.call("kl", outputs), "B")
    drawn = part.call("sample", outputs, key(8), static=(num,))
    if not (isinstance(drawn, tuple | list) and len(drawn) == 2):
        raise part.wrong("sample", f"gave {kind(drawn)}, expected a pair: z and log q(z|x)")
    part.expect("sample", drawn[0], num, "B", latent)
    part.expect("sample", drawn[1], num, "B")
    if isinstance(part.model, DiagonalPosterior):
        for array in part.call("mean_and_log_var", outputs):
            part.expect("mean_and_log_var", array, "B", latent)


def _try_prior(part: Trial, model: object) -> None:
    """Try a prior, with posteriors of mean 0 as the components of pseudo-inputs."""
    latent_dim = model.latent_dim if isinstance(model, CodeSize) else 2
    num, event = part.size + 1, part.batch.x.shape[1:]
    params = part.call("init", key(9), static=(latent_dim, event))
    z = jax.ShapeDtypeStruct((num, part.size, latent_dim), jnp.float32)

    # In place of the model's encoder, which is not known yet.
    def components(x: Any) -> tuple[Any, Any]:
        zeros = jnp.zeros((x.shape[0], latent_dim))
        return zeros, zeros

    part.expect("log_prob", part.call("log_prob", params, z, static=(components,)), num, "B")
    drawn = part.call("sample", params, key(10), static=((num, latent_dim), components))
    part.expect("sample", drawn, num, latent_dim)


def _try_quantiser(part: Trial, model: object) -> None:
    """Try a quantiser on vectors f32[B, P, D], and compare the names of its terms and weights."""
    # The quantiser's own code_dim counts first: `check` of the model compares the two.
    owner = part.model if isinstance(part.model, FixedCodeDim) else model
    code_dim = owner.code_dim if isinstance(owner, FixedCodeDim) else CODE_DIM
    variables = part.call("init", key(11), static=(code_dim,))
    if not isinstance(variables, Variables):
        raise part.wrong("init", f"gave {kind(variables)}, expected jaxae.Variables(params, extra)")
    # Both are merged with dicts of the model, which an array or a tuple cannot join.
    for name, tree in zip(variables._fields, variables, strict=True):
        if not isinstance(tree, Mapping) and tree != ():
            raise part.wrong(
                "init", f"gave {name} as {kind(tree)}, expected a dict, to be merged with the model's"
            )
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
    # A term without a weight would fail in the loss, and a weight without a term would do nothing.
    if set(weights) != set(quantised.terms):
        names = f"{sorted(weights)}, but quantise has the terms {sorted(quantised.terms)}"
        raise part.wrong("weights", f"gave {names}")


def _try_condition(part: Trial, model: object) -> None:
    """Try the condition of a model of tokens on the y of the batch."""
    condition = part.model
    assert isinstance(condition, Condition)
    if condition.size:  # 0 until the data are known
        part.expect("ids", part.call("ids", part.batch.y), "B", condition.length, numbers=np.integer)


def _try_corruption(part: Trial, model: object) -> None:
    """Try a corruption: x keeps its shape, and the chosen components are booleans."""
    result = part.call("corrupt", part.batch.x, key(13))
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise part.wrong(
            "corrupt", f"gave {kind(result)}, expected a pair: the corrupted x and the chosen components"
        )
    corrupted, chosen = result
    part.expect("corrupt", corrupted, *part.batch.x.shape)
    part.expect("corrupt", chosen, *part.batch.x.shape, numbers=np.bool_)


def _try_perceptual_loss(part: Trial, model: object) -> None:
    """Try a perceptual loss, and compare the names of its terms and weights."""
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
    (Schedule, _try_schedule),
    (Reconstruction, _try_reconstruction),
    (Posterior, _try_posterior),
    (Prior, _try_prior),
    (Quantiser, _try_quantiser),
    (Condition, _try_condition),
    (Corruption, _try_corruption),
    (PerceptualLoss, _try_perceptual_loss),
    (Optimizer, _try_optimizer),
)
"""Protocol of a part, and the function that tries it with the model that holds the part."""
