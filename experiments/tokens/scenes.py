"""Measure how well images match their captions, by a detector that is exact on real scenes.

    python experiments/tokens/scenes.py [--each 2]

Trains vq_vae_scenes, and token_prior_scenes on its tokens. Draws `--each` images of every caption of the
training rows, and five times that number of every other caption. The detector checks each attribute of each
image. Images are drawn as learned and in the other ways of `SAMPLINGS`, which were chosen on draws of
training captions of an earlier run. Held-out rows and their reconstructions are measured for comparison.
Writes scenes.json and scenes.png next to this file.
"""

import argparse
import json
import os
import tempfile
from typing import Any

import numpy as np
from end_to_end import HERE, timed

import jaxae
from jaxae.data.sources.scene_detector import attribute_accuracy
from jaxae.data.sources.scenes import held_out
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.plots.pictures import beside
from jaxae.runs import provenance
from jaxae.runs.result import Result

FIVE = 5
SAMPLINGS: dict[str, dict[str, Any]] = {
    "as learned": {},
    "top_p 0.9": {"top_p": 0.9},
    "temperature 0.8, guidance 1.5": {"temperature": 0.8, "guidance": 1.5},
}
PICTURED = "top_p 0.9"
Accuracy = dict[str, dict[str, float]]


def accuracy(images: np.ndarray, captions: list[str]) -> Accuracy:
    """Return the share of images that have each attribute of their caption, with its standard error.

    `all` is the share of images that have every attribute.
    """
    found = attribute_accuracy(np.clip(images, 0, 1), captions)
    found["all"] = np.prod(list(found.values()), axis=0)
    return {
        name: dict(zip(("share", "error"), mean_and_error(right), strict=True))
        for name, right in found.items()
    }


def drawn(prior: Result, captions: list[str], sampling: dict[str, Any]) -> np.ndarray:
    """Draw one image for each caption."""
    return prior.sample(len(captions), seed=0, y=captions, **sampling)


def real(prior: Result, num: int = 500) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return test rows, their reconstructions from tokens, and their captions."""
    vq = prior.run.dataset.tokenizer.result
    rows = vq.run.dataset.test
    x = np.asarray(rows.x[:num])
    captions = [vq.run.dataset.classes[label] for label in rows.y[:num]]
    return x / np.float32(rows.scale), vq.reconstruct(x), captions


def measured(prior: Result, each: int) -> dict[str, Accuracy]:
    """Measure accuracies of rows, reconstructions and draws, for seen and for held-out captions."""
    names = prior.run.dataset.classes
    new = [names[label] for label in held_out() for _ in range(FIVE * each)]
    seen = [name for label, name in enumerate(names) if label not in held_out() for _ in range(each)]
    rows, again, captions = real(prior)
    found = {"rows": accuracy(rows, captions), "reconstructed, held-out captions": accuracy(again, captions)}
    for name, sampling in SAMPLINGS.items():
        for told, of in (("seen", seen), ("held-out", new)):
            found[f"drawn {name}, {told} captions"] = accuracy(drawn(prior, of, sampling), of)
    return found


def picture(prior: Result) -> None:
    """Draw eight images of each of eight captions, of which the last four were held out."""
    names = prior.run.dataset.classes
    seen = [label for label in range(len(names)) if label not in held_out()]
    captions = [names[label] for label in [*seen[7::97][:4], *held_out()[::9][:4]]]
    images = np.clip(drawn(prior, [name for name in captions for _ in range(8)], SAMPLINGS[PICTURED]), 0, 1)
    told = [f"{name}{' (held out)' if number >= 4 else ''}" for number, name in enumerate(captions)]
    beside(HERE / "scenes.png", np.split(images, 8), told, f"p(tokens | caption), {PICTURED}, decoded")


def main() -> None:
    """Train by the commands, measure the images, and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/cache"  # an empty cache, as on a fresh machine
        vq, run = f"{folder}/vq", f"{folder}/prior"
        seconds = {"tokenizer": timed("train", "configs/vq_vae_scenes.py", "--run-dir", vq)}
        prior_of = ("train", "configs/token_prior_scenes.py", "--tokenizer", vq, "--run-dir", run)
        seconds["prior"] = timed(*prior_of)
        prior = jaxae.load(run)
        found = measured(prior, asked.each)
        picture(prior)
    result = {
        "seconds": seconds,
        "accuracy": found,
        "tokenizer": prior.run.dataset.tokenizer.result.scores["test"],
        "prior": prior.scores["test"],
        **provenance.of_study(__file__),
    }
    (HERE / "scenes.json").write_text(json.dumps(result, indent=2) + "\n")
    for source, accuracies in found.items():
        print(source, {name: round(each["share"], 3) for name, each in accuracies.items()})


if __name__ == "__main__":
    main()
