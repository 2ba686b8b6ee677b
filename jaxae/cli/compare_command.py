"""`jaxae compare RUN RUN ...`: the differences between runs, and their scores side by side."""

import dataclasses

from jaxae.cli import inputs, jax_setup, options, output
from jaxae.errors import JaxaeError
from jaxae.runs.comparison import compare


@dataclasses.dataclass(kw_only=True)
class Compare(output.Output):
    """Compare two or more runs: settings, data, code and versions that differ, and scores side by side.

    If runs have scored the same test rows, each score's difference to the first run is taken row by row.
    RUN may be SWEEP:ID or SWEEP:best.
    """

    paired: bool = True
    """Compare test rows in pairs. This loads the models and the data, and takes seconds."""
    config: str | None = None
    """Config that defines your own classes, if the runs use any. It is executed."""


def main(arguments: list[str]) -> int:
    """Run `jaxae compare` and return the exit code."""
    first, rest = inputs.first_word("compare RUN...", arguments, Compare)
    num = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    words = [inputs.existing(word) for word in [first, *rest[:num]]]
    command, _ = options.parse(Compare, rest[num:], "jaxae compare RUN...")
    if len(words) < 2:
        raise JaxaeError(f"compare: got only {first}, expected two or more runs: jaxae compare RUN RUN")
    inputs.learn_classes(command.config)
    jax_setup.keep_compiled_programs()
    comparison = compare(*words, paired=command.paired)
    print(comparison)
    output.report(**comparison.to_json())
    return 0
