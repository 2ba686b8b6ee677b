"""Start the same run or sweep twice at the same time, and check that one writer wins and nothing is mixed.

    python experiments/reliability/writers.py [--runs 50] [--sweeps 20] [--seed 0]

The second process starts up to two seconds after the first. Of two processes that train one run, one must end
well and the other must end with code 2 and one line that names the first. Two processes share the groups of
a sweep, and both must end well. In both cases the result must equal that of one process to the bit. Writes
writers.json next to this file.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soaking
from soaking import Subject


def started(subject: Subject, folder: Path) -> subprocess.Popen[str]:
    """Start a subject."""
    return subprocess.Popen(
        subject.command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def trial(subject: Subject, folder: Path, after: float, expected: Any) -> dict[str, Any]:
    """Start two processes, and compare what they leave."""
    first = started(subject, folder)
    time.sleep(after)
    processes = [first, started(subject, folder)]
    said = [process.communicate()[1] for process in processes]
    codes = [process.returncode for process in processes]
    # The second one may have started when the first had ended: then it only says that the run is finished.
    refused = [text for text, code in zip(said, codes, strict=True) if code != 0]
    allowed = 1 if subject.outcome is soaking.of_run else 0
    answered = len(refused) <= allowed and all(
        text.count("\n") == 1 and text.startswith("jaxae: ") for text in refused
    )
    equal = subject.outcome(folder) == expected
    return {"after": round(after, 2), "codes": codes, "said": said, "answered": answered, "equal": equal}


def main() -> None:
    """Run the study; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="runs with two writers (default: 50)")
    parser.add_argument("--sweeps", type=int, default=20, help="sweeps with two writers (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    asked = parser.parse_args()
    told: list[dict[str, Any]] = []
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        for kind, number in (("vae", asked.runs), ("sweep", asked.sweeps)):
            subject = soaking.subject(kind, folder)
            soaking.finish(subject, folder / kind)
            expected = subject.outcome(folder / kind)
            for turn in range(number):
                row = trial(subject, folder / f"{kind}{turn}", draw.uniform(0, 2), expected)
                told.append(
                    {"subject": kind, **row, "said": [text.replace(name, "FOLDER") for text in row["said"]]}
                )
                print(told[-1], flush=True)
        soaking.leave(name)
    bad = list(filter(soaking.is_broken, told))
    soaking.write("writers", __file__, {"trials": told, "broken": len(bad)})
    print(f"{asked.runs} runs and {asked.sweeps} sweeps with two writers: {len(bad)} promises broken")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
