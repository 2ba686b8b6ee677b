"""Trial of each method of a model: the table of capabilities, and the function that tries each of them.

The first docstring line of these functions states the shapes that a user's methods must return. Shapes: B
batch, S samples, L latent dimensions, P positions, K codes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae.contract import components, members, outputs, token_models
from jaxae.contract.messages import kind, listed, raised
from jaxae.contract.trial import STEP, Trial, key, path_of
from jaxae.errors import JaxaeError
from jaxae.protocols.capabilities import (
    Autoencoder,
    CachedTokenModel,
    Classifier,
    DataDependent,
    ElboParts,
    EvaluationTerms,
    ExactLikelihood,
    Generative,
    JointDensity,
    LatentVariableModel,
    Model,
    Phased,
    SeparateOptimizers,
    TermUnits,
    Tokenizer,
    TokenModel,
)
from jaxae.protocols.parts import Optimizer, Posterior
from jaxae.specs.pytree import missing
from jaxae.types import Batch, Variables


def fitted(model: DataDependent, dataset: Any) -> Any:
    """Return the model with the hyperparameters that its `fitted` takes from the data.

    Args:
        model: Model with the method `fitted`.
        dataset: Data of the run.

    Returns:
        The fitted model.

    Raises:
        JaxaeError: If `fitted` raises an exception, or returns anything but a model of the same class.
    """
    try:
        result = model.fitted(dataset)
    except JaxaeError:
        raise  # its message is already one for users
    except Exception as error:  # a user's code may raise anything
        raise JaxaeError(raised(model, "fitted", error)) from error
    if not isinstance(result, type(model)):
        name = type(model).__name__
        raise JaxaeError(f"model: {name}.fitted gave {kind(result)}, expected a {name}")
    return result


def check(
    model: Model, batch: Batch, compute_dtype: str = "float32", optimizer: Optimizer | None = None
) -> None:
    """Try every method of a model on shapes, before training.

    Args:
        model: Resolved model, with the fields that depend on the data filled in.
        batch: Shapes of a training batch.
        compute_dtype: Precision of the parameters in training.
        optimizer: Optimiser of the experiment; None skips its trial.

    Raises:
        JaxaeError: For the first mistake: one line with the class, the method and the user's file.
    """
    trial = Trial(model, batch, compute_dtype)
    # Parts before the model, which calls them: the error then names the part.
    components.check(trial)
    # Every later trial needs the shapes of the variables, and those of codes need those of `encode`.
    trial = trial._replace(variables=_try_init(trial))
    if isinstance(model, Autoencoder):
        trial = trial._replace(z=_try_encode(trial))
    members.check_whole(model)
    for capability, attempt in TRIALS:
        if isinstance(model, capability):
            attempt(trial)
    if optimizer is not None:
        components.check_optimizer(optimizer, trial)


def _try_init(trial: Trial) -> Variables:
    """Check that `init(key, batch)` returns `Variables` of arrays, with floating-point params."""
    variables = trial.call("init", key(0), trial.batch)
    if not isinstance(variables, Variables):
        raise trial.wrong("init", f"gave {kind(variables)}, expected jaxae.Variables(params, extra)")
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            raise trial.wrong("init", f"gave {kind(leaf)} in {path_of(path)}, expected an array")
    # `jax.grad` refuses integers, with an error far from the mistake.
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables.params):
        if not jnp.issubdtype(leaf.dtype, np.floating):
            text = f"gave params{path_of(path)} of dtype {leaf.dtype}"
            raise trial.wrong("init", f"{text}, expected floats; put values that are not learned into extra")
    return variables


def _try_encode(trial: Trial) -> jax.ShapeDtypeStruct:
    """Check that `encode(variables, batch)` returns f32[B, L]."""
    return trial.expect("encode", trial.call("encode", trial.variables, trial.batch), "B", "L")


def _try_terms(trial: Trial) -> None:
    """Check that `terms(variables, batch, key)` returns f32[B] by name and `extra`, and that weights fit.

    `weights(step)` must return a number for each of these names. The loss must have a gradient.
    """
    # In the precision of training: nets in bfloat16 must still return terms in float32.
    result = trial.call("terms", trial.training, trial.batch, key(1))
    if not (isinstance(result, tuple | list) and len(result) == 2):
        expected = "expected a pair, the terms and the new extra: return terms, variables.extra"
        raise trial.wrong("terms", f"gave {kind(result)}, {expected}")
    terms, extra = result
    outputs.check_terms(trial, "terms", terms)
    outputs.check_extra(trial, extra)
    weights = trial.call("weights", STEP)
    if not isinstance(weights, Mapping):
        raise trial.wrong("weights", f"gave {kind(weights)}, expected a dict with a number for each term")
    if set(terms) != set(weights):
        names = f"terms {sorted(terms)} and weights {sorted(map(str, weights))}"
        raise JaxaeError(f"model: {names} of {trial.name} differ")
    for name, weight in weights.items():
        if not isinstance(weight, jax.ShapeDtypeStruct) or weight.shape != ():
            raise trial.wrong("weights", f"gave {kind(weight)} for '{name}', expected a number")
    # Last, since a gradient through wrong terms would hide the better message.
    outputs.check_gradient(trial)


def _try_evaluation_terms(trial: Trial) -> None:
    """Check that `evaluation_terms(variables, batch, key)` returns f32[B] with the names of `terms`."""
    terms = trial.call("evaluation_terms", trial.variables, trial.batch, key(2))
    outputs.check_terms(trial, "evaluation_terms", terms)
    # The validation loss is the weighted sum of these terms, so weights must fit them too.
    names = sorted(trial.call("weights", STEP))
    if sorted(terms) != names:
        raise trial.wrong("evaluation_terms", f"gave the terms {sorted(terms)}, but terms gives {names}")


def _try_reconstruction(trial: Trial) -> None:
    """Check that `decode(variables, z, y)` returns arrays and `image(parameters)` the mean f32[B, ...]."""
    parameters = trial.call("decode", trial.variables, trial.z, trial.batch.y)
    for path, leaf in jax.tree_util.tree_leaves_with_path(parameters):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            raise trial.wrong("decode", f"gave {kind(leaf)} in {path_of(path)}, expected an array")
    trial.expect("image", trial.call("image", parameters), "B", *trial.batch.x.shape[1:])


def _try_prior_sample(trial: Trial) -> None:
    """Check that `prior_sample(variables, key, num)` returns codes f32[num, L]."""
    num = trial.size + 2  # other than B, so that a method that returns B codes is found
    codes = trial.call("prior_sample", trial.variables, key(3), static=(num,))
    trial.expect("prior_sample", codes, num, trial.latent)


def _try_bounds(trial: Trial) -> None:
    """Check that `log_weights` returns f32[S, B] and `elbo` f32[B]: (variables, batch, key, num_samples)."""
    # S differs from B, so that swapped axes show up.
    num, arguments = trial.size + 1, (trial.variables, trial.batch)
    log_weights = trial.call("log_weights", *arguments, key(4), static=(num,))
    trial.expect("log_weights", log_weights, num, "B")
    # By keyword and by position above, as the estimators call the two methods.
    trial.expect("elbo", trial.call("elbo", *arguments, key(5), num_samples=num), "B")


def _try_elbo_parts(trial: Trial) -> None:
    """Check that `elbo_parts(variables, batch, key, num_samples)` returns two f32[B]."""
    # One draw at a time, as the scores call it.
    parts = trial.call("elbo_parts", trial.variables, trial.batch, key(16), num_samples=1)
    if not (isinstance(parts, tuple | list) and len(parts) == 2):
        raise trial.wrong("elbo_parts", f"gave {kind(parts)}, expected a pair: distortion and rate")
    for elbo_part in parts:
        trial.expect("elbo_parts", elbo_part, "B")


def _try_term_units(trial: Trial) -> None:
    """Check that `term_units()` returns texts by the name of a term."""
    units = trial.static("term_units")
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        raise trial.wrong("term_units", f"gave {kind(units)}, expected a dict of texts by name")


def _try_densities(trial: Trial) -> None:
    """Check `infer`, and that `log_likelihood` and `log_prior` of codes f32[S, B, L] return f32[S, B].

    L must be `latent_dim`.
    """
    model = trial.model
    assert isinstance(model, JointDensity)
    # AIS and quadrature make codes of `latent_dim` numbers; `decode` takes those of `encode`.
    if model.latent_dim != trial.latent:
        raise trial.wrong(
            "encode", f"gave codes of {trial.latent} units, but latent_dim is {model.latent_dim}"
        )
    outputs = trial.call("infer", trial.variables, trial.batch)
    _try_posterior(trial, model.posterior, outputs)
    num = trial.size + 1
    # [S, B, L]
    z = jax.ShapeDtypeStruct((num, *trial.z.shape), jnp.float32)
    trial.expect("log_likelihood", trial.call("log_likelihood", trial.variables, trial.batch, z), num, "B")
    trial.expect("log_prior", trial.call("log_prior", trial.variables, z), num, "B")


def _try_posterior(trial: Trial, posterior: object, outputs: Any) -> None:
    """Check that `posterior` is a `Posterior` that reads the outputs of `infer`."""
    if not isinstance(posterior, Posterior):
        lacks = f"it lacks {listed(missing(posterior, Posterior))}"
        raise JaxaeError(f"model: {trial.name}.posterior is {kind(posterior)}, expected a Posterior: {lacks}")
    components.check_posterior(trial.part("posterior"), outputs, trial.latent)


def _try_tokens(trial: Trial) -> None:
    """Check that `tokens(variables, batch)` returns i32[B, P], and `embed(variables, tokens)` f32[B, L]."""
    tokens = trial.call("tokens", trial.variables, trial.batch)
    trial.expect("tokens", tokens, "B", "P", numbers=np.integer)
    trial.expect("embed", trial.call("embed", trial.variables, tokens), "B", trial.latent)


def _try_head(trial: Trial) -> None:
    """Check that `logits(variables, batch)` returns f32[B, num_classes], if there are classes."""
    model = trial.model
    assert isinstance(model, Classifier)
    # With 0 classes the model has no head, and `logits` may fail.
    if model.num_classes:
        logits = trial.call("logits", trial.variables, trial.batch)
        trial.expect("logits", logits, "B", model.num_classes)


def _try_log_prob(trial: Trial) -> None:
    """Check that `log_prob(variables, batch)` returns f32[B]."""
    trial.expect("log_prob", trial.call("log_prob", trial.variables, trial.batch), "B")


def _try_optimizers(trial: Trial) -> None:
    """Check that `optimizers()` returns optimisers by the name of a group of parameters."""
    outputs.check_groups(trial, "optimizers", trial.call("optimizers"))
    model = trial.model
    # Called again without tracing, since `trial.call` replaces the floats inside an optimiser by shapes.
    assert isinstance(model, SeparateOptimizers)
    for name, optimizer in model.optimizers().items():
        if not isinstance(optimizer, Optimizer):
            raise trial.wrong("optimizers", f"gave {kind(optimizer)} for '{name}', expected an optimiser")


def _try_trained(trial: Trial) -> None:
    """Check that `trained(step)` returns bool[] by the name of a group of parameters."""
    learns = trial.call("trained", STEP)
    outputs.check_groups(trial, "trained", learns)
    for name, leaf in learns.items():
        if not isinstance(leaf, jax.ShapeDtypeStruct) or leaf.shape != () or leaf.dtype != bool:
            raise trial.wrong("trained", f"gave {kind(leaf)} for '{name}', expected bool[]")


TRIALS: tuple[tuple[Any, Callable[[Trial], None]], ...] = (
    # A method comes after those that it calls, so that the error names the method with the mistake. `terms`
    # of a model of tokens calls `logits`, which calls the methods of the cache.
    (CachedTokenModel, token_models.check_cache),
    (TokenModel, token_models.check_logits),
    (Model, _try_terms),
    (EvaluationTerms, _try_evaluation_terms),
    (Autoencoder, _try_reconstruction),
    (Generative, _try_prior_sample),
    (TermUnits, _try_term_units),
    (LatentVariableModel, _try_bounds),
    (ElboParts, _try_elbo_parts),
    (JointDensity, _try_densities),
    (Tokenizer, _try_tokens),
    (Classifier, _try_head),
    (ExactLikelihood, _try_log_prob),
    (SeparateOptimizers, _try_optimizers),
    (Phased, _try_trained),
)
"""Capability, and the function that tries a model which has it."""
