"""Results without training, and what a process without jaxae finds in their exports."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxae.data.own.given_rows import GivenRows
from jaxae.maths import precision
from jaxae.runs import opening
from jaxae.runs.experiment import as_arrays, example_batch
from jaxae.runs.result import Result
from jaxae.runs.run_types import Outcome
from jaxae.training import loop
from tests import small

LABELS = np.array([2, 0, 1, 1, 0], np.int32)


def untrained(name: str, **changes: Any) -> Result:
    """A member of the family with its initial variables."""
    experiment = small.experiment(small.member(name), **changes)
    run = opening.prepare(experiment, 0, GivenRows(small.images(), small.labels(90)))
    with precision.of(run.experiment):
        batch = example_batch(run.dataset)
        batch = batch._replace(x=np.zeros(batch.x.shape, np.float32), y=np.zeros(1, np.int32))
        return Result(run, Outcome(loop.begin(as_arrays(run.experiment), run.key, batch), []), {})


def rows(num: int = 5) -> np.ndarray:
    return (small.images(num, seed=7) / 255).astype(np.float32)


def expected(result: Result) -> dict[str, list[np.ndarray]]:
    """The inputs of each program and, last, its output, by the methods of the result."""
    model: Any = result.experiment.model
    y = [LABELS] if getattr(model, "condition", None) is not None and model.num_classes else []
    z = result.encode(rows(), *y)
    found = {
        "encode": [rows(), *y, z],
        "decode": [z, *y, result.decode(z, *y)],
        "reconstruct": [rows(), *y, result.reconstruct(rows(), *y)],
    }
    if hasattr(model, "prior_sample"):
        draws = result.sample(5, seed=3, y=LABELS if y else None)
        found["sample"] = [np.uint32(3), *(y or [np.zeros(5, np.int32)]), draws]
    return found


# Run by -I: neither PYTHONPATH nor the working directory is searched; jaxae and flax cannot be imported.
LOADER = """
import pathlib, re, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jaxae", "flax"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
import os
sys.path.append(sys.argv[1])
import numpy as np
for folder in map(pathlib.Path, sys.argv[2:]):
    os.chdir(folder)
    code = re.search(r"```python\\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]
    names = {"__name__": "snippet"}
    exec(code, names)
    for file in sorted(folder.with_name(folder.name + "-expected").glob("*.npz")):
        *given, value = np.load(file).values()
        output = names[file.stem](*given)
        np.testing.assert_allclose(output, value, rtol=1e-5, atol=1e-5)
        assert np.asarray(output).dtype == value.dtype, file
        if given[0].ndim:  # another number of rows; draws depend on it
            fewer = names[file.stem](*(each[:2] for each in given))
            np.testing.assert_allclose(fewer, value[:2], rtol=1e-5, atol=1e-5)
        print(folder.name, file.stem)
assert "jaxae" not in sys.modules and "flax" not in sys.modules
"""


def loaded_elsewhere(folders: list[Path], package: str) -> list[str]:
    """Run each README's snippet and compare each program, in a process without jaxae; `folder program`."""
    module = __import__(package)
    site = str(Path(module.__file__ or "").parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADER, site, *map(str, folders)],
        capture_output=True,
        text=True,
        env={**environment, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("(")]


def keep_expected(result: Result, folder: Path, more: dict[str, list[Any]] | None = None) -> set[str]:
    """Write what each program must give next to its folder; return `folder program` for each."""
    beside = folder.with_name(folder.name + "-expected")
    beside.mkdir()
    values = expected(result) if more is None else more
    for name, arrays in values.items():
        np.savez(beside / f"{name}.npz", *arrays)
    return {f"{folder.name} {name}" for name in values}
