"""Write the table of counts in docs/explanation/reliability.md from the results of the studies.

    python experiments/reliability/counts.py

Each row has the number of trials, how many broke the promise, and the upper bound of the failure rate that
this implies at 95 %: three divided by the number of trials if none failed (the rule of three).
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from soaking import HERE, bound, is_broken

PAGE = HERE.parents[1] / "docs" / "explanation" / "reliability.md"
START, END = "<!-- counts: written by experiments/reliability/counts.py -->", "<!-- end of counts -->"
NAMES = {"vae": "VAE", "vq_vae": "VQ-VAE", "vq_gan": "VQ-GAN", "token_prior": "prior over tokens"}
NAMES |= {"sweep": "sweep of 40 runs", "ray": "the same sweep on a Ray cluster"}
HOW = {"times": "`kill -9` at any moment", "calls": "`kill -9` at a call of the system", "signals": "signals"}


class Row(NamedTuple):
    """One promise with its counts."""

    promise: str
    trials: int
    broken: int
    study: str  # name of the file of results


def rows() -> Iterator[Row]:
    """Yield a row for each result that is there."""
    for how, what in HOW.items():
        for name, title in NAMES.items():
            if found := _read(f"kills_{name}_{how}"):
                broken = max(found["broken"].values())
                yield Row(
                    f"{title}: {what}, equal to the bit",
                    found["interruptions"],
                    broken,
                    f"kills_{name}_{how}",
                )
    if found := _read("disks"):
        for kind in ("full", "read-only"):
            trials = [each for each in found["trials"] if each["kind"] == kind]
            broken = sum(map(is_broken, trials))
            yield Row(f"{kind} disk: one line, nothing lost, equal to the bit", len(trials), broken, "disks")
    if found := _read("writers"):
        for name, title in (("vae", "run"), ("sweep", "sweep")):
            trials = [each for each in found["trials"] if each["subject"] == name]
            broken = sum(map(is_broken, trials))
            yield Row(f"{title} with two writers: nothing is mixed", len(trials), broken, "writers")
    if found := _read("damage"):
        promise = "damaged file of a run, sweep or search: noticed, or without effect"
        yield Row(promise, found["trials"], len(found["broken"]), "damage")
    if found := _read("fuzz"):
        titles = {"lines": "random command line", "records": "mutated record", "files": "damaged data file"}
        for kind, title in titles.items():
            trials, broken = sum(found["counts"][kind].values()), [each["kind"] for each in found["broken"]]
            yield Row(f"{title}: refused in one line, or accepted", trials, broken.count(kind), "fuzz")
    for dtype in ("float32", "float64"):
        if found := _read(f"members_{dtype}"):
            promise = f"member stopped after each epoch, alone and beside a lane that diverges, {dtype}"
            yield Row(promise, found["continued"], found["broken"], f"members_{dtype}")


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| promise | trials | broken | upper bound of the rate | results |", "|---|---|---|---|---|"]
    for row in rows():
        cells = [row.promise, f"{row.trials:,}", str(row.broken), bound(row.broken, row.trials)]
        lines.append(f"| {' | '.join(cells)} | `{row.study}.json` |")
    return "\n".join(lines)


def _read(name: str) -> dict[str, Any] | None:
    file = HERE / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def main() -> None:
    """Replace the table in the page."""
    head, _, rest = PAGE.read_text().partition(START)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{START}\n\n{table()}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
