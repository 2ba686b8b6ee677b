"""Split the words of a command line into options and the values that follow each option.

This module does not import jax: `devices` needs it before jax starts.
"""

import re
from collections.abc import Collection

from jaxae.errors import JaxaeError

HELP = {"-h", "--help"}
NUMBERS = {"inf", "infinity", "nan"}


def split(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """Group the words of a command line by option.

    Dashes inside a name become underscores, so `--batch-size` and `--batch_size` are the same option.

    Args:
        arguments: The words as the shell passes them.

    Returns:
        (option, its words) in the given order. Words before the first option have the option "".

    Example:
        >>> split(["--batch-size=3", "--widths", "3", "4"])
        [('--batch_size', ['3']), ('--widths', ['3', '4'])]
    """
    options: list[tuple[str, list[str]]] = [("", [])]
    for argument in arguments:
        if argument.startswith("--"):
            # After `=` a value may start with dashes: `--model.beta=-1`, `--text=--x`.
            name, equals, value = argument[2:].partition("=")
            options.append((f"--{name.replace('-', '_')}", [value] if equals else []))
        else:
            # A single dash is not an option, so that negative numbers need no quotes.
            options[-1][1].append(argument)
    return options if options[0][1] else options[1:]


def words_after(option: str, arguments: list[str]) -> list[str] | None:
    """Return the words after one option, before the command line is parsed as a whole.

    Args:
        option: The option with dashes, `--config`.
        arguments: The words as the shell passes them.

    Returns:
        The words that follow the option; None if the option is not given.
    """
    return dict(split(arguments)).get(option)


def group(arguments: list[str], repeatable: Collection[str]) -> dict[str, list[str]]:
    """Collect the words of each option, parts first.

    Args:
        arguments: The words as the shell passes them.
        repeatable: Options that may be given several times; their words are joined.

    Returns:
        Option -> its words.

    Raises:
        JaxaeError: If another option is given twice, or a word stands before the first option.
    """
    given: dict[str, list[str]] = {}
    for option, words in split(arguments):
        if not option:
            hint = two_dashes(words) or "options start with --, see --help"
            raise JaxaeError(f"{words[0]}: is not an option; {hint}")
        if option in given and option not in repeatable:
            raise JaxaeError(f"{option}: given twice ({' '.join(given[option])} and {' '.join(words)})")
        given.setdefault(option, []).extend(words)
    # A part must be set before the options inside it, because its class decides which of them exist.
    return dict(sorted(given.items(), key=lambda item: item[0].count(".")))


def two_dashes(words: list[str]) -> str:
    """Return `options start with two dashes: --epochs` if one of the words is `-epochs`, else ""."""
    # A single letter may be an option of another program, and `-3` or `-inf` is a number.
    names = [word for word in words if re.fullmatch(r"-[A-Za-z][\w.-]+", word) and word[1:] not in NUMBERS]
    return f"options start with two dashes: -{names[0]}" if names else ""
