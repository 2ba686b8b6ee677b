"""`jaxae watch DIR`: a live view of a run, a sweep or a folder of them. jax is not imported."""

import contextlib
import dataclasses
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from jaxae.cli import quick_options
from jaxae.cli.ls_command import table_lines
from jaxae.cli.signals import raising
from jaxae.errors import JaxaeError, visible
from jaxae.runs import directory, notes, status
from jaxae.sweeps import listing, sweep_status

BARS = " ▁▂▃▄▅▆▇█"  # heights of the curve of losses
HEIGHT = 24  # lines without a terminal


@dataclasses.dataclass(kw_only=True)
class Watch:
    """Show the losses, the best values and the status of a run, a sweep, or the newest runs of a folder.

    The view is refreshed until Ctrl-C; a run that has ended is still shown. Without a terminal one frame is
    printed, as with --once.
    """

    once: bool = False
    """Print one frame and exit."""
    seconds: int = 1
    """Seconds between two frames."""


def main(arguments: list[str]) -> int:
    """Run `jaxae watch` and return the exit code."""
    if not arguments or arguments[0].startswith("-"):
        quick_options.parse(Watch, arguments, "jaxae watch DIR")
        raise JaxaeError("watch: the folder comes first: jaxae watch DIR, such as a run or runs")
    command = quick_options.parse(Watch, arguments[1:], "jaxae watch DIR")
    folder = Path(arguments[0])
    if not folder.is_dir():
        raise JaxaeError(f"{folder}: no such folder; expected a run, a sweep, or a folder of them")
    if command.seconds < 1:
        raise JaxaeError(f"--seconds: got {command.seconds}, expected a whole number > 0")
    if command.once or not sys.stdout.isatty():
        print("\n".join(frame(folder, 10_000, 120)))
        return 0
    return _show(folder, command.seconds)


def _show(folder: Path, seconds: int) -> int:
    """Redraw the frame until Ctrl-C, and return the exit code."""
    from rich.live import Live  # here: rich is not needed for one frame
    from rich.text import Text

    def draw() -> Text:
        size = shutil.get_terminal_size()
        return Text("\n".join(frame(folder, size.lines - 1, size.columns)), no_wrap=True, overflow="ellipsis")

    # screen: the frames leave no trace behind the shell's prompt.
    live = Live(draw(), auto_refresh=False, screen=True)
    with contextlib.suppress(KeyboardInterrupt), raising():
        # Not `with live`: Ctrl-C inside its start would leave the terminal in the other screen.
        try:
            live.start(refresh=True)
            while True:
                time.sleep(seconds)
                live.update(draw(), refresh=True)
        finally:
            live.stop()
    return 0


def frame(folder: Path, height: int, width: int) -> list[str]:
    """Return the lines of one view.

    Args:
        folder: A run, a sweep, or a folder of them.
        height: Largest number of lines.
        width: Largest number of characters in a line, for the curve of losses.

    Returns:
        The lines, of which the most important ones come first.
    """
    kind = status.kind(folder)
    if kind == "run":
        return [visible(line) for line in run_lines(folder, width)[:height]]
    if kind == "sweep":
        return [visible(line) for line in sweep_lines(folder, height)]
    rows = sorted(listing.list_rows(folder), key=lambda row: row["status"] != status.RUNNING)
    lines = table_lines(rows) if rows else [f"{folder}: no runs yet"]
    return _cut(lines, height)


def _cut(lines: list[str], height: int) -> list[str]:
    """Return at most `height` lines; the last one says how many are left out."""
    if len(lines) <= height:
        return lines
    kept = max(height - 1, 1)
    return [*lines[:kept], f"… {len(lines) - kept} more"]


def run_lines(folder: Path, width: int) -> list[str]:
    """Return the lines of a run: status, epochs, losses, best epoch and a curve of the losses.

    Args:
        folder: The run's directory.
        width: Largest number of characters in a line.

    Returns:
        The lines.
    """
    state, written = status.read(folder), notes.read(folder)
    line = status.last_line(folder)
    labels = [written.name or "", ", ".join(written.tags), (written.note or "").partition("\n")[0]]
    lines = ["  ".join([str(folder), *filter(None, labels)]), _status_line(state)]
    if line is None:
        return lines
    lines.append(f"epoch       {line['epoch']}/{state.get('epochs')}  {line.get('seconds') or 0:.3g} s each")
    lines.append(f"train       {_values(line.get('train'))}")
    if line.get("validation"):
        lines.append(f"validation  {_values(line['validation'])}")
    losses = _losses(folder)
    best = line.get("best_epoch") or 0
    if 0 < best <= len(losses):
        lines.append(f"best        epoch {best}: validation loss {_number(losses[best - 1])}")
    return [*lines, f"loss        {curve([loss for loss in losses if loss is not None], width - 12)}"]


def _status_line(state: dict[str, Any]) -> str:
    """Return `running     for 3 min, pid 812 on node7`, or the status and its reason."""
    if state["status"] == status.RUNNING:
        process = f"pid {state.get('pid')} on {state.get('host')}"
        return f"running     for {listing.age(state.get('since'))}, {process}"
    return f"{state['status']:<11} {state.get('reason') or ''}".rstrip()


def _values(values: dict[str, Any] | None) -> str:
    return "  ".join(f"{name} {_number(value)}" for name, value in (values or {}).items())


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.5g}"


def _losses(folder: Path) -> list[float | None]:
    """Return the validation loss of each epoch, or the training loss of epochs without validation."""
    try:
        history = directory.read_history(folder, directory.last_epoch(folder))
    except (JaxaeError, OSError):
        return []
    return [((line.get("validation") or line.get("train") or {}).get("loss")) for line in history]


def curve(values: list[float], width: int) -> str:
    """Return a curve of values as a line of bars, from the lowest value to the highest.

    Args:
        values: The values in their order.
        width: Largest number of bars; neighbouring values share one, by their mean.

    Returns:
        The line; empty without values.

    Example:
        >>> curve([3.0, 2.0, 1.0, 1.0], 10)
        '█▄▁▁'
    """
    if not values or width < 1:
        return ""
    size = -(-len(values) // width)
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    steps = len(BARS) - 2
    return "".join(BARS[1 + int(steps * (mean - low) / (high - low or 1.0))] for mean in means)


def sweep_lines(folder: Path, height: int) -> list[str]:
    """Return the lines of a sweep: its status, the numbers of runs, and its runs, running ones first.

    Args:
        folder: The sweep's directory.
        height: Largest number of lines.

    Returns:
        The lines.
    """
    state = sweep_status.read(folder)
    counts = ", ".join(f"{number} {name}" for name, number in sorted(state["counts"].items()))
    head = [f"{folder}  {state['num_runs']} runs: {counts}", _status_line(state)]
    if state.get("best"):
        best = state["best"]
        head.append(f"best        {best['score']} {_number(best['value'])}, mean of {best['seeds']} seeds")
    rows = sorted(sweep_status.runs(folder), key=_importance)
    return _cut([*head, "", *_lane_lines(rows, sweep_status.record(folder).get("swept", []))], height)


def _importance(row: dict[str, Any]) -> tuple[bool, float]:
    """Return the key that puts running runs first, and the lowest validation loss first among them."""
    loss = row.get("best_score")
    return row.get("status") != status.RUNNING, float("inf") if loss is None else loss


def _lane_lines(rows: list[dict[str, Any]], swept: list[str]) -> list[str]:
    """Return a table of runs with their losses so far."""
    names = ["run", *(name.rpartition(".")[2] for name in swept), "seed", "status", "epoch"]
    table = [[*names, "train loss", "validation loss", "best loss"]]
    for row in rows:
        losses = [row.get(name) for name in ("train.loss", "validation.loss", "best_score")]
        cells = [row.get("run"), *(row.get(name) for name in swept), row.get("seed"), row.get("status")]
        epoch = f"{row.get('epochs_run')}/{row.get('epochs')}"
        texts = ["" if loss is None else f"{loss:.5g}" for loss in losses]
        table.append([*map(str, cells), epoch, *texts])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
