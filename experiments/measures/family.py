"""Train one run of every member on the digits, and measure all runs by one command into one table.

    python experiments/measures/family.py

Trains each config of the digits with seed 0, then runs `jaxae evaluate RUN ... --measures all`. Writes
digits.csv and digits.md next to this file, and digits.json with the circumstances of the measurement. Takes a
quarter of an hour on two cores.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from jaxae.runs import provenance

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*_digits.py"))


def main() -> None:
    """Train all configs, measure the runs, and write the tables."""
    jaxae = str(Path(sys.executable).parent / "jaxae")
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: f"{folder}/{name.removesuffix('_digits')}" for name in CONFIGS}
        for name, run in runs.items():
            subprocess.run([jaxae, "train", f"configs/{name}.py", "--run-dir", run], cwd=ROOT, check=True)
        tables = [f"{HERE}/digits{suffix}" for suffix in (".csv", ".md")]
        call = [jaxae, "evaluate", *runs.values(), "--measures", "all", "--table", *tables]
        subprocess.run([*call, "--num-samples", "1000"], cwd=ROOT, check=True)
    (HERE / "digits.json").write_text(json.dumps(provenance.of_study(__file__), indent=2) + "\n")


if __name__ == "__main__":
    main()
