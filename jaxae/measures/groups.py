"""The groups of measures by name, and which of their measures apply to a run."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxae import precision
from jaxae.errors import JaxaeError, nearest
from jaxae.measures.codes import codes, has_spectrum, spectrum_of
from jaxae.measures.disentanglement import disentanglement
from jaxae.measures.generation import generation
from jaxae.measures.health import health, rate_per_dimension
from jaxae.measures.likelihood import annealing, exact, inference_gaps, likelihood
from jaxae.measures.reconstruction import reconstruction
from jaxae.measures.subject import Row, Settings, Subject
from jaxae.measures.tokens import tokens
from jaxae.pytree import fields
from jaxae.result import Result

Group = Callable[[Subject], list[Row]]
GROUPS: dict[str, Group] = {
    "likelihood": likelihood,
    "annealing": annealing,
    "exact": exact,
    "gaps": inference_gaps,
    "health": health,
    "reconstruction": reconstruction,
    "codes": codes,
    "disentanglement": disentanglement,
    "generation": generation,
    "projection": lambda subject: [],  # a figure, no numbers
    "tokens": tokens,
}
OF_TOKENS = ("tokens",)  # for a model of tokens, which has no codes of its own


def names_of(text: str) -> list[str]:
    """`all`, or names of groups with commas between them. Raises: JaxaeError for an unknown one."""
    if text == "all":
        return list(GROUPS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in GROUPS:
            raise JaxaeError(f"measures: {name!r} is none; {nearest(name, ['all', *GROUPS])}")
    return [name for name in GROUPS if name in names]


def measure(result: Result, measures: str | Sequence[str] = "all", **settings: Any) -> dict[str, list[Row]]:
    """The rows of each group that has any for this run; what does not apply is absent, never zero.

    `measures`: names of groups, in one text with commas or as a sequence; `settings`: fields of `Settings`,
    such as num_samples=5000. Raises: JaxaeError for names and settings that are not valid.
    """
    for name in settings:
        if name not in fields(Settings()):
            raise JaxaeError(f"{name}: no such setting; {nearest(name, fields(Settings()))}")
    names = names_of(measures if isinstance(measures, str) else ",".join(measures))
    return rows_of(Subject(result, Settings(**settings)), names)


def rows_of(subject: Subject, names: Sequence[str]) -> dict[str, list[Row]]:
    """The same for groups whose names are known to be valid."""
    with precision.of(subject.result.experiment):
        found = {name: GROUPS[name](subject) for name in applicable(subject, names)}
    return {name: rows for name, rows in found.items() if rows}


def applicable(subject: Subject, names: Sequence[str]) -> list[str]:
    """Those of the groups that there can be for a run, which some of its measures may still not."""
    return [name for name in names if not subject.is_of_tokens or name in OF_TOKENS]


@precision.within(lambda subject: subject.result.experiment)
def vectors_of(subject: Subject, names: Sequence[str]) -> dict[str, list[float]]:
    """What there is for each unit: nats of each dimension, the Jacobian's mean singular values."""
    found: dict[str, list[float]] = {}
    names = applicable(subject, names)
    if "health" in names and (rates := rate_per_dimension(subject)) is not None:
        found["rate_per_dimension"] = rates.tolist()
    if "codes" in names and has_spectrum(subject):
        found["jacobian_singular_values"] = spectrum_of(subject).mean(axis=0).tolist()
    return found
