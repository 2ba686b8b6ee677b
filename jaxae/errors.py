"""What a user is told: one line that names what was given, what was expected and the valid names."""

import difflib
import sys
from collections.abc import Iterable


class JaxaeError(Exception):
    """A mistake in the input. The command line prints it as one line and exits with code 2."""


class NotApplicable(JaxaeError):
    """A measure has no value for this model or these rows; the message is the reason."""


class Interrupted(Exception):
    """A sweep was stopped by its observer, with everything saved. The command line answers signals so."""


class OutOfMemory(JaxaeError):
    """An evaluation that does not fit in memory, however small its chunks; the command line exits with 1."""


class Diverged(Exception):
    """Training met a number that is not finite; the message names the step and the term."""


def warn(message: str) -> None:
    """Print `jaxae: warning: message` as one line on standard error."""
    print(f"jaxae: warning: {message}", file=sys.stderr)


def nearest(name: str, valid: Iterable[str]) -> str:
    """`did you mean 'beta'? valid: alpha, beta`: what to append to an error about an unknown name."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    # A dotted name is also compared by its last part, so that `betta` finds `autoencoder.beta`.
    if not close:
        tails = {candidate.rpartition(".")[2]: candidate for candidate in names}
        close = [tails[tail] for tail in difflib.get_close_matches(name.rpartition(".")[2], list(tails), n=1)]
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}valid: {', '.join(names)}"
