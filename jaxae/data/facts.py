"""Facts of a data set that a run records, so that its model can be used without the rows."""

import dataclasses
import functools
import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from jaxae.errors import JaxaeError

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Facts:
    """Facts of a data set, which record.json holds under `data_facts`.

    Attributes:
        shape: The shape of one example.
        dtype: The dtype of rows as stored.
        scale: The number by which the rows of every split are divided.
        span: The lowest and highest value that a model sees.
        labels: The dtype and shape of one row's label; None for data without labels.
        classes: The names of labels 0, 1, ...; () if they have none.
        num_rows: The number of rows of each split.
        tokenizer: SHA-256 of the weights of the tokenizer, for data that are tokens; None for other data.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: float
    span: tuple[float, float]
    labels: tuple[str, tuple[int, ...]] | None
    classes: tuple[str, ...]
    num_rows: dict[str, int]
    tokenizer: str | None


@functools.cache
def _adapter() -> TypeAdapter[Facts]:
    """Return pydantic's reader of facts, which takes 0.07 s to make and which only recorded runs need."""
    return TypeAdapter(Facts)


def display_range(scale: float, span: tuple[float, float]) -> tuple[float, float]:
    """Return the values that figures show as black and white.

    Args:
        scale: The number by which rows are divided.
        span: The lowest and highest value after the division.

    Returns:
        (0, 1) for pixels that are stored with a scale, such as bytes; otherwise the span of the data.
    """
    low, high = span
    # A span without width (constant data) would divide by zero, so it is shown on (0, 1) too.
    return (low, high) if scale == 1 and high > low else (0.0, 1.0)


def from_json(value: Any) -> Facts:
    """Return the facts that a record holds.

    Raises:
        JaxaeError: If a key is missing or not valid. The message names the key.
    """
    try:
        # JSON mode of pydantic: in strict mode only JSON input may give lists for the fields that are tuples.
        facts = _adapter().validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        mistake = error.errors()[0]
        # Only the first mistake is reported, in one line, as everywhere in jaxae.
        name = ".".join(map(str, ("data_facts", *mistake["loc"])))
        raise JaxaeError(f"{name}: got {mistake['input']!r}; {mistake['msg'].lower()}") from None
    missing = [split for split in SPLITS if split not in facts.num_rows]
    if missing:
        raise JaxaeError(f"data_facts.num_rows.{missing[0]}: is missing, expected a number of rows")
    return facts
