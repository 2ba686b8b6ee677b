"""A run to its end: trained under the eyes of a terminal and its signals, scored, drawn."""

from pathlib import Path

from jaxae.cli import progress
from jaxae.cli.signals import Stopped, at_once, deferred
from jaxae.runs import api, directory, execution, opening
from jaxae.runs.experiment import num_steps
from jaxae.runs.result import Result
from jaxae.runs.run_types import Outcome, Run


def finish(begun: Run, *, resume: bool = False) -> Result:
    """Trains to the end under the eyes of a terminal and its signals, scores, draws."""
    path = begun.path
    with opening.held(begun):
        outcome = _trained(begun, resume)
        message = f"stopped before its scores, all epochs are saved; `jaxae resume {path}` goes on"
        with at_once(message if path else ""):
            result = api.scored(begun, outcome)
            if path:
                draw_figures(result, path)
                api.write_scores(result)
    return result


def draw_figures(result: Result, path: Path) -> None:
    """Draw the figures of a run; one that fails is a warning, and costs no score."""
    try:
        from jaxae.plots.pages import draw  # here, since it imports matplotlib and scikit-learn: two seconds

        draw(result, path / "figures")
    except OSError:  # a full disk
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        directory.warn(path, f"a figure failed with {what}; the traceback is in {path / directory.LOG}")
        directory.log_error(path, error)


def _trained(begun: Run, resume: bool) -> Outcome:
    experiment, path = begun.experiment, begun.path
    rows = num_steps(experiment, len(begun.dataset.train.x)) * experiment.batch_size
    with deferred() as pending, progress.watching(path, experiment.epochs, rows, pending) as watch:
        outcome = execution.train(begun, watch, resume=resume)
    if outcome.stopped_by:
        message = f"stopped after epoch {len(outcome.history)}, saved; `jaxae resume {path}` goes on"
        raise Stopped(pending.number or 2, message)
    if pending.number is not None:
        raise Stopped(pending.number, f"stopped after the last epoch, saved; `jaxae resume {path}` scores it")
    return outcome
