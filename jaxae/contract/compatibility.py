"""Checks that a model and its data fit together: ranges and levels of likelihoods, and sizes of batches."""

import re
from typing import Any

import numpy as np

from jaxae.data import AnyDataset
from jaxae.data.levels import fewest_levels, is_rounded, off_levels
from jaxae.errors import JaxaeError, warn
from jaxae.protocols.capabilities import ActivatedCodes, BatchTerms, MinimumBatch, Model
from jaxae.protocols.parts import HasLevels, HasSupport
from jaxae.specs.pytree import get, paths

# The end of three messages.
CONTINUOUS = "Gaussian, LearnedGaussian and PixelGaussian are likelihoods of continuous data"


def check_likelihoods(autoencoder: Model, dataset: AnyDataset, binarize: str) -> None:
    """Check that the data are in the range and on the levels of every likelihood of a model.

    A likelihood declares its range by `support` ("unit interval") and, if it is a mass on levels from 0 to 1,
    their number by `num_levels`. A wrong range would train without an error, on nats that mean nothing. Later
    stages of a stack compare codes of the stage before, not data.

    Args:
        autoencoder: Model; likelihoods are found among its fields at any depth.
        dataset: Data of the run.
        binarize: Method by which the data are made binary; see `DataSpec`.

    Raises:
        JaxaeError: If data, or codes, are outside the unit interval or between the levels.
    """
    for path, _, value in paths(autoencoder):
        stage_below = _find_stage_below(autoencoder, path)
        if _is_of_unit_interval(value):
            _check_support(path, value, dataset, stage_below)
        num_levels = _get_num_levels(value)
        # Binarised rows are 0 and 1, which are levels of any such likelihood.
        if num_levels and binarize == "none":
            _check_levels(path, value, num_levels, dataset, stage_below)


def check_batches(autoencoder: Model, dataset: AnyDataset, batch_size: int) -> None:
    """Check that batches are not smaller than the model's terms need (`min_batch`).

    Args:
        autoencoder: Model; specs among its fields, such as stages, are checked too.
        dataset: Data of the run. An evaluation on a split smaller than `batch_size` has smaller batches.
        batch_size: Number of rows of a training batch.

    Raises:
        JaxaeError: If a batch or a split has fewer rows than `min_batch`.
    """
    for part in _list_parts(autoencoder):
        least = part.min_batch if isinstance(part, MinimumBatch) else 1
        reason = f"{_list_batch_terms(part)} of {type(part).__name__} needs {least} rows or more in a batch"
        if batch_size < least:
            raise JaxaeError(f"batch_size: got {batch_size}, but {reason}")
        for split in ("validation", "test"):
            num_rows = dataset.num_rows[split]
            # A split of 0 rows is not evaluated.
            if 0 < num_rows < least:
                rows = "1 row" if num_rows == 1 else f"{num_rows} rows"
                raise JaxaeError(
                    f"data.num_{split}: the {split} split has {rows}, but {reason}; expected 0,"
                    f" or {least} or more"
                )


def warn_of_batches(autoencoder: Model, batch_size: int) -> None:
    """Warn of terms that are statistics of the batch (`batch_terms`) if a batch is one example.

    Args:
        autoencoder: Model; specs among its fields are checked too.
        batch_size: Number of rows of a training batch.
    """
    for part in _list_parts(autoencoder):
        if batch_size == 1 and _list_batch_terms(part):
            name = type(part).__name__
            terms = _list_batch_terms(part)
            warn(f"batch_size is 1: {terms} of {name} depends on the batch, which has one example only")


def _list_parts(autoencoder: Model) -> list[Any]:
    """Return the model and the values of all its fields at any depth."""
    return [autoencoder, *(value for _, _, value in paths(autoencoder))]


def _list_batch_terms(part: Any) -> str:
    """Return the names of the terms that depend on the other rows of a batch, "" for most parts."""
    return ", ".join(part.batch_terms) if isinstance(part, BatchTerms) else ""


def _find_stage_below(autoencoder: Model, path: str) -> Any:
    """Return the stage whose codes the likelihood at `path` compares; None if it compares data."""
    # Stage 0 compares data. Stacks may be nested, so the innermost later stage decides.
    later = [match for match in re.finditer(r"stages\.(\d+)\.", path) if int(match[1])]
    if not later:
        return None
    last = later[-1]
    return get(autoencoder, f"{path[: last.start()]}stages.{int(last[1]) - 1}")


def _check_support(path: str, value: Any, dataset: AnyDataset, stage_below: Any) -> None:
    """Raise JaxaeError if a likelihood on [0, 1] meets data outside of it, or codes that may be outside."""
    name, (low, high) = type(value).__name__, dataset.span
    # Of the built-in activations only the sigmoid keeps codes in [0, 1].
    activation = stage_below.activation if isinstance(stage_below, ActivatedCodes) else "none"
    if stage_below is not None and activation != "sigmoid":
        raise JaxaeError(
            f"model.{path}: {name} needs codes in [0, 1] from the stage before, whose activation is"
            f" {activation}; expected sigmoid, or use Gaussian"
        )
    if stage_below is None and not (low >= 0 and high <= 1):  # `not`, so that a span of nan fails too
        raise JaxaeError(
            f"model.{path}: {name} needs data in [0, 1], but it spans "
            f"[{low:g}, {high:g}]; rescale the data or use Gaussian"
        )


def _get_num_levels(value: Any) -> int | None:
    """Return the number of levels if the value is a likelihood on levels, else None."""
    num_levels = value.num_levels if isinstance(value, HasLevels) else None
    # A user's class may have an attribute of that name with another meaning; one level is no grid.
    return num_levels if isinstance(num_levels, int) and num_levels > 1 else None


def _check_levels(path: str, value: Any, num_levels: int, dataset: AnyDataset, stage_below: Any) -> None:
    """Raise JaxaeError if data lie between the levels: the masses of their values would not sum to one."""
    subject = f"model.{path}: {type(value).__name__} has {num_levels} levels k / {num_levels - 1}"
    if stage_below is not None:
        raise JaxaeError(f"{subject}, but codes of the stage before are continuous; {CONTINUOUS}")
    if not len(off_levels(_list_possible_values(dataset), num_levels)):
        return  # no byte can be off the levels, so the rows need not be read
    # Distinct values of all rows; None if there are too many, so that the data count as continuous.
    values = dataset.values
    if values is None:
        raise JaxaeError(f"{subject}, but the data are continuous; {CONTINUOUS}")
    off_values = off_levels(values, num_levels)
    # Without a declared unit interval the levels may be counts 0, ..., L - 1.
    is_of_counts = not _is_of_unit_interval(value) and not _count_off_counts(values, num_levels)
    if len(off_values) and not is_of_counts:
        raise JaxaeError(f"{subject}, {_describe_mismatch(path, values, off_values, num_levels)}")


def _is_of_unit_interval(value: Any) -> bool:
    return isinstance(value, HasSupport) and value.support == "unit interval"


def _count_off_counts(values: np.ndarray, num_levels: int) -> int:
    """Return how many values are not among the counts 0, ..., L - 1."""
    return len(np.setdiff1d(values, np.arange(num_levels)))


def _describe_mismatch(path: str, values: np.ndarray, off_values: np.ndarray, num_levels: int) -> str:
    """Describe why values are off the levels, with the change that would help."""
    if values[0] < 0 or values[-1] > 1:
        return f"from 0 to 1, but the data span [{values[0]:g}, {values[-1]:g}]; rescale the data"
    problem, fewest = f"but the data hold {off_values[0]:.6g}", fewest_levels(values)
    # A separate message, since such values look right when printed with few digits.
    if is_rounded(off_values, num_levels):
        return f"{problem}, a level rounded to float16; give bytes, or floats of 32 bits"
    if fewest is None:
        return f"{problem} and are continuous; {CONTINUOUS}"
    grid = f"{fewest} levels k / {fewest - 1}"
    remedy = f"set model.{path}.num_levels to {fewest}"
    return f"{problem}: all of their {len(values)} values are among {grid}; {remedy}"


def _list_possible_values(dataset: AnyDataset) -> np.ndarray:
    """Return the values that bytes within the data's span can have, without reading a row; nan for floats."""
    if dataset.dtype != "uint8":
        # nan is off any levels, so floats are always read and compared.
        return np.full(1, np.nan)
    low, high = (round(bound * dataset.scale) for bound in dataset.span)
    return np.arange(low, high + 1) / dataset.scale
