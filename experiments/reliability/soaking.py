"""Runs and sweeps that studies of reliability start, stop and compare with untouched ones."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jaxae
from jaxae.runs import execution, provenance
from jaxae.training import checkpoint

HERE = Path(__file__).resolve().parent
EPOCHS = 400
START = 3.0  # seconds, approximately, until a process trains
COMMON = f"""
    batch_size=32,
    epochs={EPOCHS},
    checkpoint_every=10,
    ema_decay=0.99,
    clip_norm=10.0,
)
"""
NETS = "encoder=jaxae.MLP(widths=(64,)), decoder=jaxae.MLP(widths=(64,))"
CODES = "grid=(2, 2), code_dim=4, quantiser=jaxae.EMACodebook(num_codes=32)"
SCHEDULE = "jaxae.schedules.Cosine(start=3e-3, end=1e-4, steps=8000.0, warmup=100.0)"
COSINE = f"optimizer=jaxae.Adam(learning_rate={SCHEDULE}),"
# Model -> the text of its config between `Experiment(` and the fields that all models share.
MODELS = {
    "vae": f"""
    data=jaxae.DataSpec(name="digits", binarize="dynamic"),
    model=jaxae.VAE({NETS}, latent_dim=4),""",
    "vq_vae": f"""
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.VQVAE({NETS}, {CODES}),""",
    "vq_gan": f"""
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.VQGAN(
        {NETS}, {CODES}, last_layer="Dense_1",
        discriminator=jaxae.PatchDiscriminator(channels=(4,)), patches=(4, 4), perceptual=None,
        discriminator_start=100.0),""",
    "token_prior": """
    data=jaxae.DataSpec(name="tokens:vq_vae"),
    model=jaxae.TokenPrior(
        net=jaxae.Transformer(width=16, num_layers=1, num_heads=2), condition=jaxae.tokens.Labels()),""",
}
SWEEP = """
import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits", binarize="dynamic"),
    model=jaxae.VAE(encoder=jaxae.MLP(widths=(32,)), decoder=jaxae.MLP(widths=(32,)), latent_dim=2),
    batch_size=50,
    epochs=400,
)
sweep = jaxae.grid({
    "model.beta": [0.5, 1.0, 2.0, 4.0],
    "model.latent_dim": [2, 5],
})
"""
TIMES = ["seconds", "finished_at"]  # columns of a sweep's table that no two sweeps share


class Subject(NamedTuple):
    """What is started, interrupted and compared."""

    name: str
    command: Callable[[Path], list[str]]  # the same command starts and continues it
    outcome: Callable[[Path], Any]  # what must be equal, to the bit


def jaxae_command(*words: object) -> list[str]:
    """Return a command line of `jaxae` in this interpreter."""
    return [sys.executable, "-m", "jaxae", *map(str, words)]


def finish(subject: Subject, folder: Path) -> None:
    """Run a subject to its end. It must succeed and print nothing on standard error."""
    done = subprocess.run(subject.command(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done


def subject(name: str, folder: Path, options: Sequence[str] = ()) -> Subject:
    """Return a subject by its name: a model of `MODELS`, "sweep" or "ray"; write its config to a folder."""
    config = folder / f"{name}.py"
    if name in ("sweep", "ray"):
        config.write_text(SWEEP)
        words = ["--seeds", 5, "--lanes", 10, "--save-seconds", 1, *options]
        words += ["--launcher", "ray"] if name == "ray" else []
        return Subject(name, lambda path: jaxae_command("sweep", config, "--run-dir", path, *words), of_sweep)
    if name == "token_prior":
        finish(subject("vq_vae", folder), folder / "vq_vae")
    config.write_text(f"import jaxae\n\nexperiment = jaxae.Experiment({MODELS[name]}\n    {COSINE}{COMMON}")
    words = ["--resume", *options]
    return Subject(name, lambda path: jaxae_command("train", config, "--run-dir", path, *words), of_run)


def of_run(folder: Path) -> dict[str, Any]:
    """Return digests of every array of the final state, the history without seconds, and the scores."""
    result = jaxae.load(folder)
    return {
        "state": checkpoint.digests(result.outcome.carry),
        "history": without_times(result.history),
        "scores": result.scores,
    }


def of_sweep(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the table without its times, and each run's best parameters (as digests) and history."""
    results = jaxae.load_sweep(folder)
    kept = {}
    for row in results:
        result = results.load(row["run"])
        kept[row["run"]] = checkpoint.digests(result.variables), without_times(result.history)
    return results.table.drop(columns=TIMES).to_csv(), kept


def without_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a history without the seconds of each epoch."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in history]


def saved_epoch(folder: Path) -> int:
    """Return the newest epoch of a run whose checkpoint is committed, or 0."""
    return max(checkpoint.epochs(folder / execution.CHECKPOINTS), default=0)


def is_broken(row: dict[str, Any]) -> bool:
    """Return whether a trial broke a promise: its result, answer or files were not as they must be."""
    return not (row["equal"] and row["answered"] and row.get("unchanged", True))


def bound(failures: int, trials: int) -> str:
    """Return the upper bound of a failure rate, at 95 %, as text.

    Without a failure this is the rule of three, 3 / n; else the exact bound of Clopper and Pearson (1934).
    """
    from scipy.stats import beta

    rate = 3 / trials if failures == 0 else float(beta.ppf(0.95, failures + 1, trials - failures))
    return f"{float(f'{100 * min(rate, 1.0):.2g}'):g} %"


def write(name: str, script: str, content: dict[str, Any]) -> None:
    """Write the result of a study next to its script, with commit, versions and machine."""
    text = json.dumps({**provenance.of_study(script), **content}, indent=2)
    (HERE / f"{name}.json").write_text(f"{text}\n")


def leave(folder: str) -> None:
    """Go back to the folder of the studies, so that a temporary one can be deleted."""
    if Path.cwd().is_relative_to(folder):
        os.chdir(HERE)
