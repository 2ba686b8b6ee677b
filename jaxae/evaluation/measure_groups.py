"""The groups of measures by name, and which of their measures apply to a run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jaxae.errors import JaxaeError, NotApplicable, nearest, warn
from jaxae.evaluation.attempts import Measured, Part, add, by_reason, described, noted
from jaxae.evaluation.code_measures import codes, has_spectrum, spectrum_of
from jaxae.evaluation.factor_measures import disentanglement
from jaxae.evaluation.health_measures import health, rate_per_dimension
from jaxae.evaluation.likelihood_measures import annealing, exact, inference_gaps, likelihood
from jaxae.evaluation.reconstruction_measures import reconstruction
from jaxae.evaluation.sample_measures import generation
from jaxae.evaluation.subject import Settings, Subject
from jaxae.evaluation.token_measures import tokens
from jaxae.maths import precision
from jaxae.protocols.capabilities import Autoencoder
from jaxae.runs.result import Result
from jaxae.specs.pytree import fields

Group = Callable[[Subject], Iterable[Part]]
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
    "projection": lambda subject: (),  # a figure, no numbers
    "tokens": tokens,
}
OF_CODES = "reconstruction", "codes", "disentanglement", "generation", "projection"


def names_of(text: str) -> list[str]:
    """`all`, or names of groups with commas between them. Raises: JaxaeError for an unknown one."""
    if text == "all":
        return list(GROUPS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in GROUPS:
            raise JaxaeError(f"measures: {name!r} is none; {nearest(name, ['all', *GROUPS])}")
    return [name for name in GROUPS if name in names]


def measure(result: Result, measures: str | Sequence[str] = "all", **settings: Any) -> Measured:
    """Measure a result.

    Args:
        result: a trained run.
        measures: names of groups, in one text with commas or as a sequence.
        **settings: fields of `Settings`, such as num_samples=5000.

    Returns:
        The rows of each group that has any. What does not apply is absent, never zero: `absent` has the
        reasons, `failed` the errors of measures that failed, by `group` or `group.measure`. These failures,
        and warnings of libraries, are also printed, one line each.

    Raises:
        JaxaeError: for names and settings that are not valid.
    """
    for name in settings:
        if name not in fields(Settings()):
            raise JaxaeError(f"{name}: no such setting; {nearest(name, fields(Settings()))}")
    names = names_of(measures if isinstance(measures, str) else ",".join(measures))
    measured = rows_of(Subject(result, Settings(**settings)), names)
    for text in (*failures(measured), *warned(measured)):
        warn(text)
    return measured


def rows_of(subject: Subject, names: Sequence[str]) -> Measured:
    """Measure the groups of these names, which are known to be valid."""
    measured = Measured()
    for name in names:
        add_group(measured, subject, name)
    return measured


def add_group(measured: Measured, subject: Subject, name: str) -> None:
    """Add the rows of one group; a measure without a value, or that fails, does not stop the others."""
    with precision.of(subject.result.experiment):
        add(measured, name, _parts(subject, name))


def _parts(subject: Subject, name: str) -> Iterator[Part]:
    """Yield the parts of a group. Raises: NotApplicable where the model is of another kind."""
    if name != "tokens" and subject.is_of_tokens:
        raise NotApplicable("a prior over tokens has no codes; measure the group tokens")
    if name in OF_CODES and not isinstance(subject.model, Autoencoder):
        raise NotApplicable(f"{subject.member} has no codes, which encode would give")
    yield from GROUPS[name](subject)


@precision.within(lambda subject: subject.result.experiment)
def vectors_of(subject: Subject, measured: Measured) -> dict[str, list[float]]:
    """Return the nats of each dimension, and the Jacobian's mean singular values, of the groups measured."""
    found: dict[str, list[float]] = {}
    with noted(measured, ["vectors.rate_per_dimension"]):
        if "health" in measured and (rates := rate_per_dimension(subject)) is not None:
            found["rate_per_dimension"] = rates.tolist()
    with noted(measured, ["vectors.jacobian_singular_values"]):
        if "codes" in measured and has_spectrum(subject):
            found["jacobian_singular_values"] = spectrum_of(subject).mean(axis=0).tolist()
    return found


def failures(measured: Measured) -> list[str]:
    """Return a line for each unexpected error."""
    lines = by_reason(described(measured.failed))
    return [f"{', '.join(names)}: failed with {error}" for error, names in lines.items()]


def warned(measured: Measured) -> list[str]:
    """Return a line for each warning of a library."""
    return [f"{', '.join(names)}: {text}" for text, names in by_reason(measured.warned).items()]
