"""Names of older versions and the names that they have now, for errors, records and histories."""

from collections.abc import Iterable

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
"""Old public name -> today's."""

FIELDS = {
    "Experiment": {"autoencoder": "model"},
    "AdversarialAE": {"deception_weight": "generator_weight"},
    "VQGAN": {"deception_weight": "generator_weight"},
}
"""Public name of a class -> old field -> today's."""

TERMS = {
    "AdversarialAE": {"deception": "generator"},
    "VQGAN": {"deception": "generator"},
}
"""Public name of a class of models -> old name of a term -> today's."""


def fields(cls: type) -> dict[str, str]:
    """Return old name -> today's, of the fields of a class and of those that it extends."""
    return _of_class(cls, FIELDS)


def with_terms(cls: type, values: dict[str, float]) -> dict[str, float]:
    """Return values by names of terms, of a model of the class `cls`, under the names of today."""
    terms = _of_class(cls, TERMS)
    return {terms.get(name, name): value for name, value in values.items()} if terms else values


def _of_class(cls: type, table: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the names of jaxae's classes among a class and those that it extends."""
    own: Iterable[type] = (base for base in cls.__mro__ if base.__module__.partition(".")[0] == "jaxae")
    return {old: new for base in own for old, new in table.get(base.__name__, {}).items()}
