"""Checks of a model's members before any method is tried: missing methods, and values of fields."""

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

# Methods that a user may forget. Without this table the model would simply lack the feature, with no message.
WHOLE: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("log_weights",), LatentVariableModel),
    (("posterior", "log_likelihood", "log_prior", *METHODS[Autoencoder]), JointDensity),
    (("tokens", "embed", *METHODS[Autoencoder]), Tokenizer),
    (("logits", *METHODS[Autoencoder]), Classifier),
    (("condition",), Conditional),
    (("null_prefix",), TokenModel),
    (("embed_prefix",), CachedTokenModel),
)
"""Members and a capability: a model with all of these members must have the others of the capability too."""


def check_methods(model: object) -> None:
    """Check that a model has the methods that training needs, and all or none of those for codes.

    Raises:
        JaxaeError: If a method is missing, or the class is not decorated by `@jaxae.spec`.
    """
    if isinstance(model, type):
        return  # a class instead of an instance: the validation of types reports it better
    name = type(model).__name__
    absent = _list_absent(model, Model)
    if len(absent) == len(METHODS[Model]):
        return  # no model at all: the validation of types reports it better
    if absent:
        raise JaxaeError(f"model: {name} has no {listed(absent)}; a model has {listed(METHODS[Model])}")
    if not is_spec(model):
        raise JaxaeError(f"model: {name} is not a spec; expected a class decorated by @jaxae.spec")
    methods, absent = METHODS[Autoencoder], _list_absent(model, Autoencoder)
    # A model without codes has none of the three; with some of them one was probably forgotten.
    if 0 < len(absent) < len(methods):
        raise JaxaeError(f"model: {name} has no {listed(absent)}; an autoencoder has {listed(methods)}")


def _list_absent(model: object, protocol: Any) -> list[str]:
    """Return the methods of a protocol in `METHODS` that a model lacks, in the order of `METHODS`."""
    missing_names = missing(model, protocol)
    return [method for method in METHODS[protocol] if method in missing_names]


def check_fields(model: object) -> None:
    """Check the values of fields that are read before the methods are tried.

    Raises:
        JaxaeError: If a traced field is not a number, or `num_classes` is not a whole number, 0 or more.
    """
    name = type(model).__name__
    # Leaves are traced. A str would otherwise fail inside jit, with a message about abstract arrays.
    for path, leaf in jax.tree_util.tree_leaves_with_path(model):
        if not isinstance(leaf, int | float | np.number | jax.Array | np.ndarray):
            raise JaxaeError(f"model{path_of(path)}: got {leaf!r}, expected a number, since it is traced")
    if not isinstance(model, Conditional | Classifier):
        return
    number: Any = model.num_classes
    # A bool is an int in Python, so True would be one class.
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise JaxaeError(f"model: {name}.num_classes is {number!r}, expected a whole number, 0 or more")


def check_whole(model: Model) -> None:
    """Check that a model with the first members of a capability has all of its members (see `WHOLE`).

    Raises:
        JaxaeError: If some are missing.
    """
    for signs, capability in WHOLE:
        # A model of tokens has a `condition` too, but as a part, without `num_classes`.
        if not (capability is Conditional and isinstance(model, TokenModel)):
            _check_capability(model, signs, capability)


def _check_capability(model: Model, signs: tuple[str, ...], capability: Any) -> None:
    """Raise JaxaeError if a model has all `signs` of a capability but lacks another member."""
    absent = missing(model, capability)
    # Only if all signs are there: with a few of them the name may have another meaning in the user's class.
    if absent and not set(signs) & set(absent):
        expected = "both" if len(absent) == 1 else "all of them"
        given = f"{type(model).__name__} has {signs[0]} but no {listed(absent)}"
        raise JaxaeError(f"model: {given}; expected {expected}")
