"""The members of a model, before any method is tried: which methods are there, and the values of fields."""

from typing import Any

import jax
import numpy as np

from jaxae.contract.messages import listed
from jaxae.contract.trial import path_of
from jaxae.errors import JaxaeError
from jaxae.protocols.capabilities import (
    Autoencoder,
    CachedTokenModel,
    Classifier,
    Conditional,
    JointDensity,
    LatentVariableModel,
    Model,
    Tokenizer,
    TokenModel,
)
from jaxae.specs.pytree import is_spec, missing

METHODS = {Model: ("init", "terms", "weights"), Autoencoder: ("encode", "decode", "image")}

WHOLE: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("log_weights",), LatentVariableModel),
    (("posterior", "log_likelihood", "log_prior", *METHODS[Autoencoder]), JointDensity),
    (("tokens", "embed", *METHODS[Autoencoder]), Tokenizer),
    (("logits", *METHODS[Autoencoder]), Classifier),
    (("condition",), Conditional),
    (("null_prefix",), TokenModel),
    (("embed_prefix",), CachedTokenModel),
)
"""A model with the members on the left has all members of the capability on the right."""


def check_methods(model: object) -> None:
    """Check that the methods are there without which nothing can be trained. Raises: JaxaeError."""
    if isinstance(model, type):
        return  # no model but its class, which the validation of types says
    name = type(model).__name__
    absent = _absent(model, Model)
    if len(absent) == len(METHODS[Model]):
        return  # no model at all, which the validation of types says
    if absent:
        raise JaxaeError(f"model: {name} has no {listed(absent)}; a model has {listed(METHODS[Model])}")
    if not is_spec(model):
        raise JaxaeError(f"model: {name} is no spec; expected a class decorated by @jaxae.spec")
    methods, absent = METHODS[Autoencoder], _absent(model, Autoencoder)
    if 0 < len(absent) < len(methods):
        raise JaxaeError(f"model: {name} has no {listed(absent)}; an autoencoder has {listed(methods)}")


def _absent(model: object, protocol: Any) -> list[str]:
    """Return those of a protocol's own methods, in their order, that a model does not have."""
    lacking = missing(model, protocol)
    return [method for method in METHODS[protocol] if method in lacking]


def check_fields(model: object) -> None:
    """Check the values that are read before the methods are tried. Raises: JaxaeError."""
    name = type(model).__name__
    for path, leaf in jax.tree_util.tree_leaves_with_path(model):
        if not isinstance(leaf, int | float | np.number | jax.Array | np.ndarray):
            raise JaxaeError(f"model{path_of(path)}: got {leaf!r}, expected a number, which is traced")
    if not isinstance(model, Conditional | Classifier):
        return
    number: Any = model.num_classes
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise JaxaeError(f"model: {name}.num_classes is {number!r}, expected a whole number, 0 or more")


def check_whole(model: Model) -> None:
    """Check that a model has all members of each capability of which it has some. Raises: JaxaeError."""
    for signs, capability in WHOLE:
        # The condition of a model of tokens is a part, which may have no classes.
        if not (capability is Conditional and isinstance(model, TokenModel)):
            _check_capability(model, signs, capability)


def _check_capability(model: Model, signs: tuple[str, ...], capability: Any) -> None:
    absent = missing(model, capability)
    if absent and not set(signs) & set(absent):
        expected = "both" if len(absent) == 1 else "all of them"
        given = f"{type(model).__name__} has {signs[0]} but no {listed(absent)}"
        raise JaxaeError(f"model: {given}; expected {expected}")
