"""Check that runs interrupted at random moments and resumed equal an uninterrupted run to the bit.

    python experiments/reliability/soak.py [--model vae|vq_vae|vq_gan|token_prior] [--kills 12] [--seed 0]

Interruptions are kill -9, SIGTERM and Ctrl-C (SIGINT) in turn. Their moments are drawn over a run's whole
life: start-up, compiling, training, scores, figures. `jaxae resume` continues the run, and every other run is
interrupted once more on its way. Each must end with the same parameters, optimiser state, history (all but
the seconds) and scores as the uninterrupted run. Writes results.json next to this file, or results_MODEL.json
for a model other than the VAE. Takes ten seconds per interruption.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jaxae
from jaxae.runs import directory, execution, provenance
from jaxae.training import checkpoint

HERE = Path(__file__).resolve().parent
SIGNALS = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130}  # signal -> the exit code that it must give
EARLIEST = 0.15  # seconds; earlier, Python itself has not started
START = 3.0  # seconds, approximately, until a process trains
EPOCHS = 400
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


def config(name: str) -> str:
    """Return the text of a model's config."""
    return f"import jaxae\n\nexperiment = jaxae.Experiment({MODELS[name]}\n    {COSINE}{COMMON}"


def command(*arguments: object) -> list[str]:
    """Return the command line of `jaxae` in this interpreter."""
    return [sys.executable, "-m", "jaxae", *map(str, arguments)]


def next_command(config: Path, folder: Path) -> list[str]:
    """Return the command that a user would type now.

    That is `resume`, or `train` if the run has not started yet.
    """
    if (folder / directory.RECORD).exists():
        return command("resume", folder)
    return command("train", config, "--run-dir", folder)


def finish(config: Path, folder: Path) -> float:
    """Run to the end, and return the seconds.

    The process must succeed and print nothing to standard error.
    """
    start = time.perf_counter()
    done = subprocess.run(next_command(config, folder), capture_output=True, text=True, check=True)
    assert done.stderr == "", done.stderr
    return time.perf_counter() - start


def interrupt(arguments: list[str], name: str, after: float, folder: Path) -> dict[str, Any] | None:
    """Start a command, and send it the named signal after some seconds.

    Returns the epoch that was reached and how the process ended, or None if it ended before the signal.
    """
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        process.communicate(timeout=after)
        return None
    except subprocess.TimeoutExpired:
        process.send_signal(signal.Signals[name])
        _, said = process.communicate()
    reached = directory.last_epoch(folder)
    saved = max(checkpoint.epochs(folder / execution.CHECKPOINTS), default=0)
    return {
        "signal": name,
        "second": round(after, 2),
        "epoch": reached,
        "epochs_redone": reached - saved,
        "exit_code": process.returncode,
        "said": said,
    }


def is_answered(kill: dict[str, Any]) -> bool:
    """Return whether the process ended as promised.

    It must exit with the signal's code, after one line of message unless the signal is SIGKILL. A process
    with no work left exits with 0 and prints nothing.
    """
    finished = kill["exit_code"] == 0  # the signal arrived when no work was left
    lines = 0 if kill["signal"] == "SIGKILL" or finished else 1
    return (finished or kill["exit_code"] == SIGNALS[kill["signal"]]) and kill["said"].count("\n") == lines


def outcome(folder: Path) -> dict[str, Any]:
    """Return the parts of a run that must be equal.

    These are digests of every array of the final state, the history without seconds, and the scores.
    """
    result = jaxae.load(folder)
    history = [{name: value for name, value in line.items() if name != "seconds"} for line in result.history]
    return {"state": checkpoint.digests(result.outcome.carry), "history": history, "scores": result.scores}


def trial(config: Path, folder: Path, life: float, names: list[str], draw: random.Random) -> list[Any]:
    """Interrupt one run by each of the signals, and take it to its end."""
    kills: list[dict[str, Any]] = []
    for name in names:
        # A resumed run has only its last epochs left, and starts the process again.
        left = life * (1 - kills[-1]["epoch"] / EPOCHS) + START if kills else life
        kill = interrupt(next_command(config, folder), name, draw.uniform(EARLIEST, min(left, life)), folder)
        kills += [kill] if kill else []
    finish(config, folder)
    return kills


def soak(model: str, num_kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run trials until `num_kills` interruptions have happened."""
    file, draw, signals = folder / "soak.py", random.Random(seed), itertools.cycle(SIGNALS)
    os.chdir(folder)  # where the prior finds its tokenizer
    if model == "token_prior":
        file.write_text(config("vq_vae"))
        finish(file, folder / "vq_vae")
    file.write_text(config(model))
    finish(file, folder / "warm-up")  # fills the compilation cache, so that later runs take equally long
    life = min(finish(file, folder / name) for name in ("reference", "another"))
    expected = outcome(folder / "reference")
    assert outcome(folder / "another") == expected, "two runs that nobody touched differ"
    trials: list[dict[str, Any]] = []
    done, name = 0, next(signals)
    while done < num_kills:
        path, names = folder / f"run{len(trials)}", [name]
        if len(trials) % 2 and done + 1 < num_kills:
            names.append(next(signals))
        kills = trial(file, path, life, names, draw)
        equal = {key: value == expected[key] for key, value in outcome(path).items()}
        trials.append({"kills": kills, "equal": equal})
        for kill in kills:
            done += 1
            print(row(done, len(trials), kill, all(equal.values())), flush=True)
        name = next(signals) if kills else name
    return {"life_seconds": round(life, 2), "epochs": EPOCHS, "trials": trials}


def row(number: int, trial_number: int, kill: dict[str, Any], equal: bool) -> str:
    """Format one line of the table."""
    words = [f"{number:>3}", f"{trial_number:>4}", f"{kill['signal']:<8}", f"{kill['second']:>7.2f}"]
    words += [f"{kill['epoch']:>6}", f"{kill['epochs_redone']:>7}", f"{kill['exit_code']:>5}"]
    return "  ".join(
        [*words, "equal" if equal else "NOT EQUAL", "" if is_answered(kill) else "BADLY ANSWERED"]
    )


def main() -> None:
    """Run the soak; exit with 1 if any run differs from the reference or any signal was answered badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="vae", choices=list(MODELS), help="what is trained (default: vae)")
    parser.add_argument("--kills", type=int, default=12, help="interruptions (default: 12)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    arguments = parser.parse_args()
    print("  #   run  signal     second   epoch   redone   exit  result")
    with tempfile.TemporaryDirectory() as folder:
        results = soak(arguments.model, arguments.kills, arguments.seed, Path(folder))
        os.chdir(HERE)
    for kill in [kill for each in results["trials"] for kill in each["kills"]]:
        kill["said"] = kill["said"].replace(folder, "FOLDER")
    name = "results" if arguments.model == "vae" else f"results_{arguments.model}"
    (HERE / f"{name}.json").write_text(
        json.dumps({**provenance.of_study(__file__), **results}, indent=2) + "\n"
    )
    equal = [all(each["equal"].values()) for each in results["trials"]]
    answered = [is_answered(kill) for each in results["trials"] for kill in each["kills"]]
    print(f"{len(answered)} interruptions of {len(equal)} runs: {sum(equal)} runs equal to the bit, ", end="")
    print(f"{equal.count(False)} not; {answered.count(False)} signals answered badly")
    sys.exit(0 if all(equal) and all(answered) else 1)


if __name__ == "__main__":
    main()
