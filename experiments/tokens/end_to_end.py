"""Go from images to tokens and back to images by commands: tokenizer, prior, measures, and a picture.

    JAXAE_DATA=FOLDER python experiments/tokens/end_to_end.py [mnist|fashion_mnist|digits] [--guidance G]

Trains vq_vae_mnist (vq_vae_digits), trains token_prior_mnist (token_prior_digits) on its tokens, measures the
prior, and draws ten images of each class. Writes DATA.json and DATA.png next to this file.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import jaxae
from jaxae.plots.pictures import beside
from jaxae.runs import provenance
from jaxae.runs.result import Result

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NUM_EACH = 10


def timed(*arguments: str) -> float:
    """Run a `jaxae` command, and return its seconds."""
    start = time.perf_counter()
    subprocess.run(["jaxae", *arguments], check=True, cwd=ROOT)
    return time.perf_counter() - start


def commands(data: str, folder: str, guidance: float | None) -> dict[str, list[str]]:
    """Return the arguments of each command, by the name of its step."""
    of = "digits" if data == "digits" else "mnist"
    named = [] if data == of else ["--data.name", data]
    guided = [] if guidance is None else ["--sampling.guidance", str(guidance)]
    prior = f"{folder}/prior"
    return {
        "tokenizer": ["train", f"configs/vq_vae_{of}.py", *named, "--run-dir", f"{folder}/vq"],
        "prior": ["train", f"configs/token_prior_{of}.py", "--tokenizer", f"{folder}/vq", "--run-dir", prior],
        "measures": ["evaluate", prior, "--measures", "tokens", *guided],
    }


def picture(prior: Result, path: Path, sampling: dict[str, Any]) -> None:
    """Draw ten images of each condition, one condition per row."""
    names = prior.run.dataset.classes
    y = np.repeat(np.arange(len(names)), NUM_EACH)
    images = np.clip(prior.sample(len(y), seed=0, y=y, **sampling), 0, 1)
    title = f"p(tokens | class), decoded; {sampling or 'as learned'}"
    beside(path, np.split(images, len(names)), names, title)


def main() -> None:
    """Run the commands, draw the picture, and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", default="mnist", choices=["mnist", "fashion_mnist", "digits"])
    parser.add_argument("--guidance", type=float)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/cache"  # an empty cache, as on a fresh machine
        steps = commands(asked.data, folder, asked.guidance)
        seconds = {name: timed(*arguments) for name, arguments in steps.items()}
        prior = jaxae.load(f"{folder}/prior")
        sampling = {} if asked.guidance is None else {"guidance": asked.guidance}
        picture(prior, HERE / f"{asked.data}.png", sampling)
        measured = json.loads(Path(f"{folder}/prior/measures.json").read_text())["tokens"]
    vq = prior.run.dataset.tokenizer.result
    result = {
        "seconds": {**seconds, "all": sum(seconds.values())},
        "tokens": measured,
        "tokenizer": vq.scores["test"],
        **provenance.of_study(__file__),
    }
    (HERE / f"{asked.data}.json").write_text(json.dumps(result, indent=2) + "\n")
    for row in measured:
        print(row["measure"], row["value"], row["standard_error"])
    print(result["seconds"])


if __name__ == "__main__":
    main()
