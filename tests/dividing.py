"""Runs over several devices and processes, each in a process of its own; what they come to lies in a folder.

python -m tests.dividing eight FOLDER    8 devices of one process
python -m tests.dividing two FOLDER      one of two processes with 2 devices each, as JAX_* tell it
"""

import dataclasses
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxae
from jaxae import keys
from jaxae.runs.experiment import Experiment, as_arrays
from jaxae.specs.pytree import spec
from jaxae.training import loop, parallel, processes
from jaxae.types import Batch, Key, Terms, Variables
from tests import small

SEED = 3
# 50 training rows: 3 steps of 16, and 2 rows left out each time.
CASES = {
    "AE": small.experiment(small.member("AE"), batch_size=16),
    "VAE": small.experiment(batch_size=16, epochs=4, clip_norm=1.0, ema_decay=0.9),
    "VAE of 3 samples": small.experiment(small.member("VAE with 3 samples and a warm-up"), batch_size=16),
    "streamed": small.experiment(
        data=jaxae.DataSpec(binarize="dynamic", num_validation=20, num_test=20, stream=True), batch_size=16
    ),
}
seen: list[tuple[int, ...]] = []  # of each batch that `Whole` was compiled for, the part on one device


@spec
class Whole(jaxae.AE):
    """An autoencoder whose terms and whose `extra` depend on the whole batch at once."""

    def init(self, key: Key, batch: Batch) -> Variables:
        return super().init(key, batch)._replace(extra=jnp.zeros(batch.x.shape[1:]))

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        shape = batch.x.shape
        jax.debug.inspect_array_sharding(batch.x, callback=lambda at: seen.append(at.shard_shape(shape)))
        mean = batch.x.mean(axis=0, keepdims=True)
        spread = ((batch.x - mean) ** 2).sum(axis=(1, 2, 3))
        terms, _ = super().terms(variables, batch, key)
        return {**terms, "spread": spread}, 0.9 * variables.extra + 0.1 * mean[0]

    def weights(self, step: jax.Array) -> dict[str, Any]:
        return {**super().weights(step), "spread": 0.1}


def fit(name: str, **arguments: Any) -> jaxae.Result:
    return jaxae.fit(CASES[name], small.images(), seed=SEED, **arguments)


def after(epoch: int) -> Callable[[Any, bool], bool]:
    """A callback that stops the run."""
    return lambda result, saved: result.epoch == epoch


def message(act: Callable[[], Any]) -> str:
    """What a mistake is answered with."""
    try:
        act()
    except jaxae.JaxaeError as error:
        return str(error)
    return "no error"


def eight(folder: Path) -> dict[str, Any]:
    """Every case on 8 devices; one interrupted, to be resumed elsewhere; and what the compiler made of it."""
    results = {name: fit(name, run_dir=folder / name, devices=8) for name in CASES}
    fit("VAE", run_dir=folder / "interrupted", devices=8, callbacks=after(2))
    shutil.copytree(folder / "interrupted", folder / "resumed")
    jaxae.resume(folder / "resumed", small.images(), devices=8)
    again = fit("VAE", devices=8)
    return {
        "bits": small.same_bits(results["VAE"].outcome.carry, again.outcome.carry),
        "devices": [len(leaf.devices()) for leaf in jax.tree.leaves(again.variables)],
        "whole": whole(),
        "collectives": {number: collectives(number) for number in (1, 8)},
        "errors": errors(),
    }


def whole() -> dict[int, Any]:
    """`Whole` on one device and on 8: history, moving average, and the parts of its batches."""
    nets = {"encoder": jaxae.MLP(widths=(12,)), "decoder": jaxae.MLP(widths=(12,))}
    experiment = small.experiment(Whole(latent_dim=3, data_shape=(4, 4, 1), **nets), batch_size=16)
    found = {}
    for number in (1, 8):
        seen.clear()
        results = list(_epochs(experiment, number))
        found[number] = {
            "history": [[result.train, result.validation] for result in results],
            "extra": np.asarray(results[-1].carry.state.variables.extra).tolist(),
            "parts": list(seen),
        }
    return found


def collectives(number: int) -> dict[str, int]:
    """How often each stands in the program of an epoch of the VAE on `number` devices."""
    experiment, mesh = CASES["VAE"], parallel.make_mesh(number)
    dataset, arrays, key = small.dataset(experiment), as_arrays(experiment), keys.root(0)
    carry = parallel.replicate(loop.begin(arrays, key, Batch(jnp.zeros((1, 4, 4, 1)))), mesh)
    rows = [loop.to_device(split, mesh) for split in (dataset.train, dataset.validation)]
    with parallel.over(mesh):
        program = loop.run_epoch.lower(arrays, key, carry, *rows, jnp.asarray(1, jnp.int32)).compile()
    names = ("all-reduce", "all-gather", "all-to-all", "collective-permute")
    return {name: len(re.findall(rf" {name}(-start)?\(", program.as_text())) for name in names}


def _epochs(experiment: Experiment, number: int) -> Any:
    mesh, dataset = parallel.make_mesh(number), small.dataset(experiment)
    arrays, key = as_arrays(experiment), keys.root(SEED)
    carry = loop.begin(arrays, key, Batch(jnp.zeros((1, 4, 4, 1))))
    rows = [loop.to_device(split, mesh) for split in (dataset.train, dataset.validation)]
    return loop.epochs(arrays, key, carry, *rows, mesh=mesh)


def errors() -> dict[str, str]:
    """What each mistake is answered with."""
    wrong: dict[str, Any] = {"7": 7, "9": 9, "0": 0, "True": True, "2.0": 2.0}
    found = {name: message(lambda: fit("VAE", devices=wrong[name])) for name in wrong}  # noqa: B023 (called at once)
    return {**found, "distributed": message(lambda: fit("VAE", distributed=True))}


def two(folder: Path) -> dict[str, Any]:
    """The VAE over two processes, stopped by the second and resumed; mistakes of one process alone."""
    processes.join()
    second = jax.process_index() == 1
    run = folder / "a file" / "run" if second else folder / "two"  # a folder that cannot be
    wide = {"devices": 2, "distributed": True}
    stopped = len(fit("VAE", run_dir=run, callbacks=after(2 if second else 9), **wide).history) == 2
    result = jaxae.resume(run, small.images(), **wide)
    other = dataclasses.replace(CASES["VAE"], batch_size=100 if second else 16)
    return {
        "stopped": stopped,
        "path": str(result.run.path),
        "history": [[line["train"], line["validation"]] for line in result.history],
        "scores": result.scores,
        "bits": hashlib.sha256(b"".join(map(_bytes, jax.tree.leaves(result.outcome.carry)))).hexdigest(),
        "other seed": message(
            lambda: jaxae.fit(CASES["AE"], small.images(), seed=jax.process_index(), **wide)
        ),
        "one fails": message(lambda: jaxae.fit(other, small.images(), run_dir=run, **wide)),
        "taken": message(lambda: fit("VAE", run_dir=run, **wide)),
    }


def _bytes(leaf: Any) -> bytes:
    return np.asarray(leaf).tobytes()


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    found = {"eight": eight, "two": two}[what](folder)
    (folder / f"{what}-{jax.process_index()}.json").write_text(json.dumps(found))
