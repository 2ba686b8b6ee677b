"""Names with a number after a colon: sprites:NUM, scenes:NUM, photographs:SIZE."""

import re

from jaxae.errors import JaxaeError


def number_of(name: str, default: int, valid: range, word: str = "NUM") -> int:
    """The number in `kind:NUM`, `default` for `kind`; JaxaeError where it is none of `valid`."""
    kind, colon, given = name.partition(":")
    number = int(given) if re.fullmatch("[1-9][0-9]{0,8}", given) else 0
    if not colon:
        return default
    if number not in valid:
        steps = f" in steps of {valid.step}" if valid.step > 1 else ""
        expected = f"{kind} or {kind}:{word}, {word} from {valid[0]} to {valid[-1]}{steps}"
        raise JaxaeError(f"data {name!r}: expected {expected}")
    return number
