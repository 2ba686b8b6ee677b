"""Names of older versions and their current names, for errors, records and histories."""

from collections.abc import Iterable

# Never remove an entry: records of older versions keep the old names.
PUBLIC = {
    "Data": "DataSpec",
    "Labels": "tokens.Labels",
    "MovingCodebook": "EMACodebook",
    "Text": "tokens.Text",
    "Constant": "schedules.Constant",
    "Cosine": "schedules.Cosine",
    "Linear": "schedules.Linear",
    "Piecewise": "schedules.Piecewise",
    "Step": "schedules.Step",
    "Dropout": "distributions.Dropout",
    "GaussianNoise": "distributions.GaussianNoise",
    "Masking": "distributions.Masking",
    "SaltAndPepper": "distributions.SaltAndPepper",
}
"""Old public name -> current name."""

FIELDS = {
    "Experiment": {"autoencoder": "model"},
    "AdversarialAE": {"deception_weight": "generator_weight"},
    "VQGAN": {"deception_weight": "generator_weight"},
}
"""Public name of a class -> old field -> current field."""

TERMS = {
    "AdversarialAE": {"deception": "generator"},
    "VQGAN": {"deception": "generator"},
}
"""Public name of a class of models -> old name of a term -> current name."""


def fields(cls: type) -> dict[str, str]:
    """Return old name -> current name of the fields of a class and of its base classes."""
    return _of_class(cls, FIELDS)


def with_terms(cls: type, values: dict[str, float]) -> dict[str, float]:
    """Return the values with terms of a model under their current names.

    Args:
        cls: The class of the model.
        values: Name of a term, old or new -> value.

    Returns:
        Current name -> value.
    """
    terms = _of_class(cls, TERMS)
    return {terms.get(name, name): value for name, value in values.items()} if terms else values


def _of_class(cls: type, table: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the entries of a table for those of a class and its bases that are classes of jaxae."""
    # The tables name classes by their last name: a user's class with the name VQGAN is not meant.
    own: Iterable[type] = (base for base in cls.__mro__ if base.__module__.partition(".")[0] == "jaxae")
    return {old: new for base in own for old, new in table.get(base.__name__, {}).items()}
