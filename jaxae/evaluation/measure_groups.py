"""Groups of measures by name, and `measure` (public as `jaxae.measure`), which computes them for a result."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jaxae.errors import JaxaeError, NotApplicable, nearest, warn
from jaxae.evaluation.attempts import Measured, Part, add, by_reason, described, noted
from jaxae.evaluation.code_measures import codes, has_spectrum, spectrum_of
from jaxae.evaluation.factor_measures import disentanglement
from jaxae.evaluation.health_measures import health, rate_per_dimension
from jaxae.evaluation.likelihood_measures import annealing, exact, inference_gaps, likelihood
from jaxae.evaluation.own_measures import OwnGroup, as_measure, name_of
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
RESERVED = "all", "absent", "failed", "warnings", "settings", "vectors", "pending"  # keys of measures.json
# Groups that need an Autoencoder: a density model without codes skips them.
OF_CODES = "reconstruction", "codes", "disentanglement", "generation", "projection"


def names_of(text: str) -> list[str]:
    """Return the names of the groups in a text: `all`, or names separated by commas.

    They come in the order of `GROUPS`, each once.

    Raises:
        JaxaeError: If a name is unknown.
    """
    return list(select(text))


def select(measures: str | Sequence[Any], find: Callable[[str], Any] = lambda name: None) -> dict[str, Group]:
    """Return groups of measures by name, jaxae's in the order of `GROUPS`, then a user's.

    Args:
        measures: Names separated by commas, or a sequence of names and of a user's measures.
        find: Returns the user's measure of a name, or None.

    Returns:
        {name: group}.

    Raises:
        JaxaeError: If a name is unknown, or two measures have one name.
    """
    listed = [measures] if isinstance(measures, str) else list(measures)
    words = [name.strip() for text in listed if isinstance(text, str) for name in text.split(",")]
    found = {name: find(name) for name in words if name not in ("all", *GROUPS)}
    for name, measure in found.items():
        if measure is None:
            raise JaxaeError(f"measures: unknown group {name!r}; {nearest(name, ['all', *GROUPS])}")
    # In the order of `GROUPS`, so that tables do not depend on the order of typing.
    groups = {name: group for name, group in GROUPS.items() if name in words or "all" in words}
    for measure in map(
        as_measure, [*found.values(), *(each for each in listed if not isinstance(each, str))]
    ):
        name = name_of(measure)
        if name in groups or name in (*GROUPS, *RESERVED) or not name.isidentifier():
            taken = (
                "given twice" if name in groups else "the name of a group of jaxae" if name in GROUPS else ""
            )
            reason = taken or "reserved" * (name in RESERVED) or "no name of letters, digits and _"
            raise JaxaeError(f"measures: {name!r} is {reason}; give the measure another `name`")
        groups[name] = OwnGroup(measure)
    return groups


def measure(result: Result, measures: str | Sequence[Any] = "all", **settings: Any) -> Measured:
    """Measure a trained run: likelihood, codes, samples and more, each number with its standard error.

    Args:
        result: Result of `jaxae.fit` or `jaxae.load`.
        measures: "all", or names of groups (see `GROUPS`), as one text with commas or as a sequence. The
            sequence may contain your own measures: functions, or objects as `jaxae.protocols.Measure`.
        **settings: Fields of `Settings`, such as num_samples=5000.

    Returns:
        Rows by group: `Measured`, a dict {group: [Row, ...]}. A measure that does not apply has no row, never
        a zero. `absent` has the reasons and `failed` the errors of measures that failed, by `group` or
        `group.measure`. Failures and warnings of libraries are also printed, one line each.

    Raises:
        JaxaeError: If a name or a setting is not valid.

    Example:
        >>> import numpy as np
        >>> import jaxae
        >>> data = jaxae.DataSpec(num_validation=0, num_test=20)
        >>> model = jaxae.AE(encoder=jaxae.MLP(widths=()), decoder=jaxae.MLP(widths=()), latent_dim=2)
        >>> experiment = jaxae.Experiment(data=data, model=model, epochs=1, batch_size=20)
        >>> result = jaxae.fit(experiment, np.random.RandomState(0).rand(100, 4, 4, 1).astype(np.float32))
        >>> measured = jaxae.measure(result, "health")
        >>> [row.value for row in measured["health"] if row.measure == "units"]
        [2]
        >>> measured.absent["health.codebook_usage"]
        'the model has no codebook'
    """
    # Checked by hand, since a dataclass reports an unknown keyword without a suggestion.
    for name in settings:
        if name not in fields(Settings()):
            raise JaxaeError(f"{name}: unknown setting; {nearest(name, fields(Settings()))}")
    measured = rows_of(Subject(result, Settings(**settings)), select(measures))
    for text in (*failures(measured), *warned(measured)):
        warn(text)
    return measured


def rows_of(subject: Subject, groups: Mapping[str, Group]) -> Measured:
    """Compute the rows of groups.

    Args:
        subject: Run and rows.
        groups: Groups by name, as from `select`.

    Returns:
        Rows by group, with the reasons for missing ones.
    """
    measured = Measured()
    for name, group in groups.items():
        add_group(measured, subject, name, group)
    return measured


def add_group(measured: Measured, subject: Subject, name: str, group: Group) -> None:
    """Compute one group and add its rows. A measure that fails does not stop the others.

    Args:
        measured: Rows and reasons so far; it is changed.
        subject: Run and rows.
        name: Name of the group.
        group: The group.
    """
    # A float64 run must be measured with x64 switched on, or its parameters would be rounded.
    with precision.of(subject.result.experiment):
        add(measured, name, _yield_parts(subject, name, group))


def _yield_parts(subject: Subject, name: str, group: Group) -> Iterator[Part]:
    """Yield the parts of a group, or raise NotApplicable if the model is of another kind."""
    if name in GROUPS and name != "tokens" and subject.is_of_tokens:
        raise NotApplicable("a prior over tokens has no codes; use the group tokens")
    if name in OF_CODES and not isinstance(subject.model, Autoencoder):
        raise NotApplicable(f"{subject.member} has no codes: it lacks encode, decode or image")
    yield from group(subject)


@precision.within(lambda subject: subject.result.experiment)
def vectors_of(subject: Subject, measured: Measured) -> dict[str, list[float]]:
    """Return results with one number for each latent dimension, which do not fit into a row.

    Args:
        subject: Run and rows.
        measured: Groups that were measured; it gets the reason if a vector fails.

    Returns:
        `rate_per_dimension` (nats) with the group health, and `jacobian_singular_values` (code / data unit,
        descending, mean over rows) with the group codes, as far as they apply.
    """
    vectors: dict[str, list[float]] = {}
    with noted(measured, ["vectors.rate_per_dimension"]):
        if "health" in measured and (rates := rate_per_dimension(subject)) is not None:
            vectors["rate_per_dimension"] = rates.tolist()
    with noted(measured, ["vectors.jacobian_singular_values"]):
        if "codes" in measured and has_spectrum(subject):
            vectors["jacobian_singular_values"] = spectrum_of(subject).mean(axis=0).tolist()
    return vectors


def failures(measured: Measured) -> list[str]:
    """Return one line for each unexpected error, with the names of all measures that it hit."""
    lines = by_reason(described(measured.failed))
    return [f"{', '.join(names)}: failed with {error}" for error, names in lines.items()]


def warned(measured: Measured) -> list[str]:
    """Return one line for each warning of a library, with the names of all measures that caused it."""
    return [f"{', '.join(names)}: {text}" for text, names in by_reason(measured.warned).items()]
