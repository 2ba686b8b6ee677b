"""Compare every member of the family on the digits with its vanilla counterpart, by its headline measure.

    python experiments/family/table.py [CONFIG ...]

Each config and its vanilla counterpart of the same size are trained as sweeps over five seeds. Writes
table.json and the table of README.md next to this file. Run it after `expected.py`, whose seconds are in the
table. Takes ten minutes on two cores.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from headlines import HEADLINES, headline, vanilla
from probe import probe_error

import jaxae
from jaxae.runs import provenance

HERE = Path(__file__).parent
RESULTS, README = HERE / "table.json", HERE / "README.md"
SEEDS = 5
COLUMNS = ("headline", "squared_error", "probe_error")


def trained(experiment: jaxae.Experiment) -> list[jaxae.Result]:
    """Train the experiment with every seed."""
    results = jaxae.sweep(experiment, seeds=SEEDS, progress=False)
    return [results.load(row["run"]) for row in results.rows]


def measured(results: list[jaxae.Result], name: str) -> dict[str, Any]:
    """Measure the headline, the squared error and the linear probe over seeds.

    Returns their means and standard deviations, and all test scores of each seed.
    """
    found = {
        "headline": [headline(name, result) for result in results],
        "squared_error": [result.scores["test"]["squared_error"] for result in results],
        "probe_error": [probe_error(result) for result in results],
    }
    scores = [result.scores["test"] for result in results]
    return {**{measure: moments(values) for measure, values in found.items()}, "scores": scores}


def moments(values: list[float]) -> dict[str, float]:
    """Return the mean and the standard deviation over seeds."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}


def study(config: str) -> dict[str, Any]:
    """Measure one config and its vanilla counterpart."""
    experiment = jaxae.load_config(config)
    name = config.removesuffix("_digits")
    other = vanilla(experiment)
    row = {
        "command": f"jaxae train configs/{config}.py",
        "measure": HEADLINES[name].title,
        "member": measured(trained(experiment), name),
        "vanilla": measured(trained(other), name),
        "vanilla_is": HEADLINES[name].against,
        **provenance.of_study(__file__),
    }
    shown = {which: {key: cell(row[which][key]) for key in COLUMNS} for which in ("member", "vanilla")}
    print(config, row["measure"], shown, flush=True)
    return row


def cell(numbers: dict[str, float]) -> str:
    """Format a mean and its standard deviation, with about three significant digits of the mean."""
    digits = max(0, 2 - int(np.floor(np.log10(max(abs(numbers["mean"]), 1e-3)))))
    return f"{numbers['mean']:.{digits}f} ± {numbers['std']:.{digits}f}"


def table(rows: dict[str, Any]) -> str:
    """Format the rows as Markdown; the seconds are those of the whole command, from `expected.py`."""
    seconds = json.loads((HERE / "expected.json").read_text())
    lines = [
        "| config | seconds | headline | member | vanilla | squared error | probe error, % | vanilla's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for config in filter(rows.get, map("{}_digits".format, HEADLINES)):
        row = rows[config]
        member, other = row["member"], row["vanilla"]
        cells = [
            config,
            f"{seconds[config]['seconds']['whole']:.0f}",
            row["measure"],
            cell(member["headline"]),
        ]
        cells += [f"{cell(other['headline'])} ({row['vanilla_is']})"]
        cells += [cell(member["squared_error"]), cell(member["probe_error"]), cell(other["probe_error"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Study the configs named on the command line (default: all), and keep the results of the others."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for config in sys.argv[1:] or [f"{name}_digits" for name in HEADLINES]:
        rows[config] = study(config)
        RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    write(rows)


def write(rows: dict[str, Any]) -> None:
    """Write the table into README.md, between its two marks."""
    before, _, rest = README.read_text().partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end -->")
    README.write_text(f"{before}<!-- table -->\n{table(rows)}\n<!-- end -->{after}")


if __name__ == "__main__":
    main()
