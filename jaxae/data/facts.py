"""What is known of a data set without its rows: enough for a model that was trained on them."""

import dataclasses
import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from jaxae.errors import JaxaeError

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What record.json holds of a data set under `data_facts`.

    dtype: of rows as stored; labels: dtype and shape of one row's label, None for data without labels;
    num_rows: of each split; tokenizer: SHA-256 of the weights that made tokens, None for other data; the
    rest as in `Dataset`.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: float
    span: tuple[float, float]
    labels: tuple[str, tuple[int, ...]] | None
    classes: tuple[str, ...]
    num_rows: dict[str, int]
    tokenizer: str | None


_ADAPTER = TypeAdapter(Facts)


def display_range(scale: float, span: tuple[float, float]) -> tuple[float, float]:
    """Return black and white of figures: (0, 1) for stored pixels with a scale, else the data's own span."""
    low, high = span
    return (low, high) if scale == 1 and high > low else (0.0, 1.0)


def from_json(value: Any) -> Facts:
    """Return the facts that a record holds. Raises: JaxaeError naming the key that is not valid."""
    try:
        found = _ADAPTER.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        reason = error.errors()[0]
        name = ".".join(map(str, ("data_facts", *reason["loc"])))
        raise JaxaeError(f"{name}: got {reason['input']!r}; {reason['msg'].lower()}") from None
    missing = [split for split in SPLITS if split not in found.num_rows]
    if missing:
        raise JaxaeError(f"data_facts.num_rows.{missing[0]}: is missing")
    return found
