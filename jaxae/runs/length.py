"""The length of a run, which an experiment gives as `epochs` or as `steps`."""

from collections.abc import Collection
from typing import TypeVar

from jaxae.errors import JaxaeError
from jaxae.specs.pytree import replace

T = TypeVar("T")


def choose(experiment: T, given: Collection[str]) -> T:
    """Return an experiment in which the last given one of `epochs` and `steps` decides.

    `steps` always decides if it is not None. So `epochs`, when it is given alone, resets `steps` to None.

    Args:
        experiment: The experiment, with the given values; any other spec is returned unchanged.
        given: Names of the fields that were given.

    Returns:
        The experiment.

    Raises:
        JaxaeError: If both are given.

    Example:
        >>> import jaxae
        >>> choose(jaxae.Experiment(steps=1000, epochs=3), ["epochs"]).steps is None
        True
    """
    if "epochs" not in given or getattr(experiment, "steps", None) is None:
        return experiment
    if "steps" in given:
        raise JaxaeError("epochs and steps: both are given, expected one of the two")
    return replace(experiment, "steps", None)
