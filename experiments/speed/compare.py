"""Measure the training works of jaxae against PyTorch, pythae and Flax, in turns and pinned to cores.

    JAXAE_DATA=FOLDER python experiments/speed/compare.py [--works a e f] [--threads 1 2] [--rounds N]

FOLDER holds mnist/*.gz. Needs Linux. Peers are optional: a contender that is not installed is left out, with
a line that says so. Writes results/WORK.json for each work, and README.md from all of them. All works take
about an hour on two cores.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import speed_data
from contenders import CONTENDERS
from speed_engine import measure
from speed_table import readme
from works import Work, chosen, split_entry

from jaxae.runs import provenance

HERE = Path(__file__).parent
PEERS = "torch", "pythae", "vector-quantize-pytorch", "pillow"


def main() -> None:
    """Measure each work at each number of threads, and write the results after each."""
    options = _options()
    works = chosen(options.works)
    with tempfile.TemporaryDirectory() as folder:
        for work in works:
            result = circumstances(options, work)
            entries = [entry for entry in work.entries() if split_entry(entry)[0] in options.contenders]
            rows = Path(folder) / "rows.npy"
            np.save(rows, speed_data.rows(work.data, result["rows"]))
            for threads in options.threads:
                print(f"{work.name}, {threads} threads", flush=True)
                result["threads"][str(threads)] = measure(
                    work,
                    entries,
                    threads,
                    seed=options.seed,
                    rounds=options.rounds,
                    minutes=options.minutes,
                    rows=rows,
                    say=lambda line: print(f"  {line}", flush=True),
                )
                write(options.out, work.name, result)


def circumstances(options: argparse.Namespace, work: Work) -> dict[str, Any]:
    """Return everything but the code that the figures depend on."""
    found = provenance.provenance(["python", "experiments/speed/compare.py", *sys.argv[1:]])
    found["versions"] |= {name: version for name in PEERS if (version := _version(name))}
    return {
        "work": work.name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": os.getloadavg(),
        "seed": options.seed,
        "rows": work.rows,
        "rounds": options.rounds,
        **found,
        "threads": {},
    }


def write(folder: Path, name: str, result: dict[str, Any]) -> None:
    """Write the result of a work, and README.md from the results of all works in the folder."""
    results = folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    found = {file.stem: json.loads(file.read_text()) for file in sorted(results.glob("*.json"))}
    (folder / "README.md").write_text(readme(found))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--works", nargs="+", default=[], help="letters or names, such as a e-conv-28; all")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5, help="rounds after a first one")
    parser.add_argument("--minutes", type=float, default=2, help="after which a work starts no new round")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results/ and README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
