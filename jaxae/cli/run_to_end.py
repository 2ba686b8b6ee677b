"""Bring a run to its end: train it with progress and signals, score it, and draw its figures."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxae import memory
from jaxae.cli.signals import OnUsr1, Stopped, at_once, deferred
from jaxae.display.places import Display
from jaxae.protocols.tracker import Tracker
from jaxae.runs import api, directory, execution, interrupts, opening, run_progress, status, tracking
from jaxae.runs.callbacks import Callback, combine
from jaxae.runs.result import Result
from jaxae.runs.run_types import Outcome, Run
from jaxae.training.loop import EpochResult, has_started


def finish(
    run: Run,
    *,
    resume: bool = False,
    display: Display = Display(),  # noqa: B008 (frozen)
    callbacks: Sequence[Callback] = (),
    trackers: Sequence[Tracker] = (),
    on_usr1: OnUsr1 = "save",
) -> Result:
    """Train a run to its end, score it, and draw its figures.

    Args:
        run: The started run. Only the first process of several has a `path` and writes files.
        resume: Whether to continue from the newest checkpoint that is complete.
        display: Settings of the display of progress.
        callbacks: Functions that are called after each epoch, as for `jaxae.fit`.
        trackers: Trackers that receive the numbers.
        on_usr1: What SIGUSR1 and SIGUSR2 do; see the option of `jaxae train`.

    Returns:
        The scored result.

    Raises:
        Stopped: If a signal arrived while training; everything is saved.
        Diverged: If the loss or the gradient became nan or infinite.
        JaxaeError: If the run cannot be read or another process writes to it.
    """
    path = run.path
    with (
        opening.hold(run),
        status.kept(path, epochs=run.experiment.epochs),
        tracking.tracked(run, trackers) as tracked,
    ):
        # A tracker has to end its run before the process ends.
        leave_early = (lambda: None) if trackers else functools.partial(_leave_early, run)
        signals = deferred(interrupts.EPOCH if path else "", on_usr1, leave_early)
        outcome = _train(run, resume, display, combine([tracked.epoch, *callbacks]), signals)
        message = f"stopped before scoring, all epochs are saved; `jaxae resume {path}` continues"
        # Scores and figures can be computed again, so a signal need not wait for them.
        with at_once(message if path else "", on_usr1):
            result = api.score_run(run, outcome)
            if path:
                draw_figures(result, path)
                # Scores come last: their file marks the run as finished, so `resume` redraws lost figures.
                api.write_scores(result)
                tracked.figures(path / directory.FIGURES)
        tracked.scores(result.scores)
    return result


def draw_figures(result: Result, path: Path) -> None:
    """Draw the figures of a run; if a figure fails, warn and keep the scores.

    Args:
        result: The scored run.
        path: The run's directory; figures go to its folder `figures`.

    Raises:
        OSError: If a file cannot be written, for example because the disk is full.
    """

    def draw() -> None:
        # Imported here: the module imports matplotlib and scikit-learn, which takes two seconds.
        from jaxae.plots import pages

        pages.draw(result, path / directory.FIGURES)

    try_to_draw(draw, path)


def try_to_draw(draw: Callable[[], object], path: Path) -> None:
    """Draw figures; if one fails, warn and keep everything else.

    Args:
        draw: Draws the figures.
        path: The directory of the run or sweep, whose log gets the traceback.

    Raises:
        OSError: If a file cannot be written, for example because the disk is full.
    """
    try:
        draw()
    except OSError:
        # A full disk: the scores could not be written either, so a warning would not be enough.
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        directory.warn(path, f"a figure failed with {reason}; the traceback is in {path / directory.LOG}")
        directory.log_error(path, error)


def _prepare_figures(run: Run) -> None:
    """Import matplotlib and compile what `draw_figures` computes, in a thread while the run trains."""
    from jaxae.plots import pages

    with memory.rehearsal():
        pages.compute(Result(run, execution.blank_outcome(run)))


def _leave_early(run: Run) -> str | None:
    """Return the last line of a process that has trained nothing yet; None if it must finish an epoch.

    A signal ends such a process at once: XLA may compile for minutes, and nothing would be saved.
    """
    # Processes that share a run have to end together.
    if run.path is None or run.mesh is not None or has_started.is_set():
        return None
    message = f"stopped before an epoch was trained; `jaxae resume {run.path}` continues"
    status.update(run.path, status=status.INTERRUPTED, reason=message)
    return message


def _train(
    run: Run,
    resume: bool,
    display: Display,
    callback: Callback,
    signals: contextlib.AbstractContextManager[interrupts.Pending],
) -> Outcome:
    """Train with progress on the screen. Raises: Stopped after the epoch in which a signal arrived."""
    path = run.path
    with signals as pending, run_progress.shown(run, display) as show:
        has_stopped = False

        def observe(epoch: EpochResult, saved: bool) -> bool:
            nonlocal has_stopped
            show(epoch, saved)
            if saved and not pending.stops:
                pending.report_save(f"epoch {epoch.epoch}")
            has_stopped = bool(callback(epoch, saved))
            return has_stopped or pending.stops

        later = [functools.partial(_prepare_figures, run)] if path else []
        outcome = execution.train(run, observe, resume=resume, later=later, save=pending.takes_save)
    # A run that a callback stopped is scored. Without a signal or callback here, another process of the run
    # received a signal: exit as after SIGINT (2).
    if outcome.stopped_by and not (has_stopped and pending.number is None):
        message = f"stopped after epoch {len(outcome.history)}, saved; `jaxae resume {path}` continues"
        raise Stopped(pending.number or 2, message)
    # A signal in the last epoch does not stop training, since nothing is left to train.
    if pending.number is not None:
        raise Stopped(pending.number, f"stopped after the last epoch, saved; `jaxae resume {path}` scores it")
    return outcome
