"""Format README.md from the results: one table for each work and number of threads."""

from typing import Any

from contenders import CONTENDERS
from speed_engine import OURS, QUIET
from works import WORKS, split_entry

HEAD = """# How fast: training in jaxae, PyTorch, pythae and Flax

Written by `make bench` (`JAXAE_DATA=FOLDER make bench`), do not edit; all figures are in `results/`.

**How it is measured.** Each contender is a fresh process pinned to its cores, which sleeps while another
one runs. A round is the same number of epochs of each; the first round is not counted. Whole rounds in
which other processes used {quiet} cores or more are left out for all contenders, unless fewer than three
would remain. Nothing is evaluated inside the timed part. jaxae is the real code path (`execution.train` in
a run's directory), with its bookkeeping; no checkpoint falls into these epochs, as the others save nothing
either.

**Columns.** *Step*: milliseconds of a training step of one run, processor time on one core, wall time on
more; median and range. *jaxae is faster by*: the contender's time over jaxae's in the same round, median
and range. *Of the machine*: operations of matrix products and convolutions by formula (forward and
backward, without the gradient of the input of the first layer), divided by time and by the machine's rate
of float32 products of 1024 x 1024 matrices, that of XLA or PyTorch, whichever is higher. *Start*: seconds
of import, and of the first round beyond the median one: initialisation and compilation. jaxae's cache of
compiled programs is off; torch.compile's is empty at first and kept between the numbers of threads. *Peak*:
highest resident memory. *Loss*: mean training loss of the last epoch; it must agree up to the seed, or the
work is not the same.

**Caveat.** What is compared is a library together with its matrix products, whose rates are given below
each table. The ratios count, the milliseconds do not: they differ between machines.
"""
COLUMNS = "step, ms (range)", "jaxae is faster by (range)", "of the machine", "start, s", "peak, MiB", "loss"
SHAPES = {"square": "1024 x 1024", "work": "this work's shape"}


def readme(results: dict[str, dict[str, Any]]) -> str:
    """Format the page from the results by name of the work."""
    sections = [section(name, results[name]) for name in WORKS if name in results]
    return "\n".join([HEAD.format(quiet=QUIET), overview(results), *sections])


def overview(results: dict[str, dict[str, Any]]) -> str:
    """Format one line for each work: jaxae's step, the fastest contender of another library, both shares."""
    threads = sorted({number for result in results.values() for number in result["threads"]}, key=int)
    head = ["work"]
    for number in threads:
        cores = "one core" if number == "1" else f"{number} cores"
        head += [f"jaxae, ms ({cores})", "fastest other", "jaxae is faster by", "of the machine"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name in (name for name in WORKS if name in results):
        for variant in WORKS[name].variants:
            cells = [cell for number in threads for cell in _best_cells(results[name], number, variant)]
            title = f"{name} {variant}".strip()
            lines.append(f"| {' | '.join([f'[{title}](#{name}-{_anchor(name)})', *cells])} |")
    return "## All works\n\n" + "\n".join(lines) + "\n"


def _best_cells(result: dict[str, Any], threads: str, variant: str) -> list[str]:
    """Return jaxae's milliseconds, the fastest contender, its ratio and jaxae's share of the machine."""
    summary = result["threads"].get(threads, {}).get("summary", {})
    rows = {split_entry(entry)[0]: row for entry, row in summary.items() if split_entry(entry)[1] == variant}
    ours = next((rows[name] for name in rows if name in OURS), None)
    # "bare" is jaxae's own step without the bookkeeping, and no other library.
    others = {name: row for name, row in rows.items() if name not in (*OURS, "bare") and "ratio" in row}
    if ours is None or not others:
        return ["", "", "", ""]
    fastest = min(others, key=lambda name: others[name]["ratio"])
    share = f"{ours['roofline']:.0%}" if "roofline" in ours else ""
    return [_digits(ours["step_ms"]), fastest, f"{others[fastest]['ratio']:.2f}", share]


def _anchor(name: str) -> str:
    """Return the anchor of a work's section, as Markdown makes it from its title."""
    kept = "".join(each for each in WORKS[name].title.lower() if each.isalnum() or each in " -_")
    return kept.replace(" ", "-")


def section(name: str, result: dict[str, Any]) -> str:
    """Format the section of a work: what is done, the tables, rates and circumstances."""
    work = WORKS[name]
    rows = result["rows"]
    epochs = f"{work.epochs} epochs" if work.epochs > 1 else "one epoch"
    parts = [f"## {name}: {work.title}\n", f"{work.what} A round is {epochs} of {rows:,} rows.\n"]
    for threads, part in result["threads"].items():
        parts += [table(int(threads), part), below(name, int(threads), part)]
    return "\n".join([*parts, circumstances(result)])


def table(threads: int, part: dict[str, Any]) -> str:
    """Format the table of the contenders at one number of threads."""
    first = "one core, processor time" if threads == 1 else f"{threads} cores, wall time"
    header = f"| {' | '.join((first, *COLUMNS))} |\n{'|---' * (len(COLUMNS) + 1)}|\n"
    return header + "".join(_row(entry, values) for entry, values in part["summary"].items())


def below(name: str, threads: int, part: dict[str, Any]) -> str:
    """Format what stands below a table: rates, contenders left out, losses that differ, a busy machine."""
    sentences = []
    for size, where in SHAPES.items():
        rates = [f"{library} {rates[size]:.0f}" for library, rates in sorted(part["products"].items())]
        sentences.append(f"Products on {where}: {', '.join(rates)} GFLOP/s.")
    sentences.append(f"{part['rounds_used']} of {len(part['rounds'])} rounds.")
    sentences += [f"Left out: {entry} ({reason})." for entry, reason in part["left_out"].items()]
    different = [entry for entry, values in part["summary"].items() if not values.get("same_loss", True)]
    if different:
        limit = f"{WORKS[name].tolerance:.0%}"
        sentences.append(f"**Losses differ by more than {limit}: {', '.join(different)}.**")
    others = max((values["others"] for values in part["summary"].values()), default=0.0)
    if others >= QUIET:
        sentences.append(f"**Not quiet: others used {others:.2f} cores; wall times are worth nothing.**")
    return " ".join(sentences) + "\n"


def circumstances(result: dict[str, Any]) -> str:
    """Describe the machine, the versions, the seed and the date of a result."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return (
        f"<small>{result['device']['processor']}, {result['cores']} cores; {versions}; seed "
        f"{result['seed']}; "
        f"{result['date']}; commit {result['commit'] or 'none'}; `{' '.join(result['command'])}`.</small>\n"
    )


def _row(entry: str, values: dict[str, Any]) -> str:
    name, variant = split_entry(entry)
    title = CONTENDERS[name].title + (f": {variant}" if variant else "")
    ratio = ""
    if "ratio" in values and name not in OURS:
        ratio = "{:.2f} ({:.2f}-{:.2f})".format(values["ratio"], *values["ratio_range"])
    cells = (
        title,
        "{} ({}-{})".format(*map(_digits, (values["step_ms"], *values["step_ms_range"]))),
        ratio,
        f"{values['roofline']:.0%}" if "roofline" in values else "",
        f"{values['import_seconds'] + values['start_seconds']:.1f}",
        f"{values['peak_mib']:,.0f}",
        f"{values['loss']:.5g}",
    )
    return f"| {' | '.join(cells)} |\n"


def _digits(value: float) -> str:
    """Format milliseconds with three significant digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
