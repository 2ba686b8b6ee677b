"""`jaxae evaluate RUN`: scores and figures of a run's best state, from its newest whole checkpoint."""

import dataclasses
from pathlib import Path
from typing import Annotated

import annotated_types

from jaxae import api, runs
from jaxae.cli import common, options
from jaxae.cli.resume import existing
from jaxae.errors import JaxaeError
from jaxae.evaluation.scores import IWELBO_SAMPLES
from jaxae.report.pages import draw
from jaxae.run import Outcome, Run


@dataclasses.dataclass(kw_only=True)
class Evaluate:
    """Scores a run's best state again, writes scores.json and draws its figures."""

    num_samples: Annotated[int, annotated_types.Gt(0)] = IWELBO_SAMPLES
    """Draws of z for the importance-weighted bound (iwelbo); 1 or more."""
    config: str | None = None
    """The config that defines classes of your own, if the run has any; it is executed."""


def main(arguments: list[str]) -> int:
    """Runs `jaxae evaluate` and returns the exit code."""
    word, rest = common.first_word("evaluate RUN", arguments, Evaluate)
    folder = existing(Path(word))
    command, _ = options.parse(Evaluate, rest, "jaxae evaluate RUN")
    if command.num_samples < 1:
        raise JaxaeError(f"--num_samples: got {command.num_samples}; input should be greater than 0")
    common.learn_classes(command.config)
    common.keep_compiled_programs()
    begun, _ = api.reopen(folder)
    with runs.lock(folder):
        outcome = api.restore(begun)
        result = api.scored(begun, outcome, command.num_samples)
        if _is_finished(begun, outcome):
            api.write_scores(result)
        draw(result, folder / "figures")
    common.tell(result, folder)
    return 0


def _is_finished(begun: Run, outcome: Outcome) -> bool:
    """Whether this is the run's end; an earlier state's scores are told on the screen only."""
    done, last = len(outcome.history), runs.last_epoch(begun.folder)
    return done == last and (done == begun.experiment.epochs or (begun.folder / runs.SCORES).exists())
