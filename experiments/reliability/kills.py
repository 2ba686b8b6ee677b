"""Interrupt runs and sweeps at any moment, and check that they end as if nobody had touched them.

    python experiments/reliability/kills.py [--subject vae] [--how times] [--number 30] [--seed 0]

How they are interrupted:

- times: kill -9 at moments drawn over the whole life: start-up, compiling, training, scores, figures.
- calls: kill -9 at a call of the system: the n-th rename, fsync, unlink or ftruncate (strace injects it).
- signals: SIGINT, SIGTERM, SIGHUP and SIGUSR1 in turn, at drawn moments. Each must be answered as promised.

The same command is given again until it ends by itself; every other run is interrupted once more on its way.
Parameters, optimiser state, history (all but the seconds), scores and tables must equal those of an untouched
run to the bit, and no committed checkpoint may be lost. Writes kills_SUBJECT_HOW.json next to this file.
Takes ten to twenty seconds per interruption.
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soaking
from soaking import START, Subject, saved_epoch

import jaxae

EARLIEST = 0.15  # seconds; earlier, Python itself has not started
CALLS = ("rename", "fsync", "unlinkat", "ftruncate", "mkdir")
SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": None}  # None: it goes on


def at_time(command: list[str], name: str, after: float) -> dict[str, Any] | None:
    """Start a command, and send it a signal after some seconds; None if it ended before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        process.communicate(timeout=after)
        return None
    except subprocess.TimeoutExpired:
        process.send_signal(signal.Signals[name])
        _, said = process.communicate()
    return {"signal": name, "second": round(after, 2), "exit_code": process.returncode, "said": said}


def at_call(command: list[str], call: str, number: int) -> dict[str, Any] | None:
    """Kill a command just before its n-th call of the system; None if it ended without it."""
    inject = f"inject={call}:signal=KILL:when={number}"
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]
    done = subprocess.run([*strace, *command], capture_output=True, text=True, check=False)
    if done.returncode not in (-9, 137):
        assert done.returncode == 0, done
        return None
    return {"call": call, "number": number, "exit_code": done.returncode, "said": ""}


def is_answered(kill: dict[str, Any]) -> bool:
    """Return whether the process ended as promised.

    It must exit with the code of the signal, after one line for each message. A process with no work left
    exits with 0 and prints nothing.
    """
    if kill.get("signal") is None or kill["signal"] == "SIGKILL":
        return kill["exit_code"] in (-9, 137)
    code = SIGNALS[kill["signal"]]
    lines = kill["said"].splitlines()
    right = all(line.startswith("jaxae: ") for line in lines) and len(lines) <= 2
    return right and kill["exit_code"] in ((0,) if code is None else (0, code))


def is_kept(folder: Path, subject: Subject) -> bool:
    """Return whether the newest committed checkpoint of a run can be restored, without a warning."""
    saved = saved_epoch(folder)
    if subject.outcome is not soaking.of_run or saved == 0:
        return True
    return len(jaxae.load(folder).history) == saved


def trial(
    subject: Subject, folder: Path, how: str, names: list[str], life: float, draw: random.Random
) -> list[dict[str, Any]]:
    """Interrupt a subject once for each name, and take it to its end; return the interruptions."""
    kills = []
    for name in names:
        command = subject.command(folder)
        if how == "calls":
            kill = at_call(command, name, 1 + int(draw.expovariate(1 / 20)))
        else:
            kill = at_time(command, name, draw.uniform(EARLIEST if draw.random() < 0.25 else START / 2, life))
        if kill:
            kills.append({**kill, "answered": is_answered(kill), "kept": is_kept(folder, subject)})
    soaking.finish(subject, folder)
    return kills


def study(name: str, how: str, number: int, seed: int, folder: Path) -> dict[str, Any]:
    """Interrupt a subject until `number` interruptions have happened."""
    os.chdir(folder)  # where the prior finds its tokenizer
    draw, subject = random.Random(seed), soaking.subject(name, folder)
    kinds = {"times": ["SIGKILL"], "calls": list(CALLS), "signals": list(SIGNALS)}[how]
    names = itertools.cycle(kinds)
    soaking.finish(
        subject, folder / "warm-up"
    )  # fills the compilation cache, so that later runs take equally long
    start = time.perf_counter()
    soaking.finish(subject, folder / "reference")
    life = time.perf_counter() - start
    expected = subject.outcome(folder / "reference")
    trials: list[dict[str, Any]] = []
    done = 0
    while done < number:
        path = folder / f"trial{len(trials)}"
        chosen = [next(names) for _ in range(1 + len(trials) % 2)]
        kills = trial(subject, path, how, chosen, life, draw)
        equal = subject.outcome(path) == expected
        trials.append({"kills": kills, "equal": equal})
        for kill in kills:
            done += 1
            print(done, {**kill, "said": kill["said"][-200:]}, "equal" if equal else "NOT EQUAL", flush=True)
        shutil.rmtree(path)
    return {"subject": name, "how": how, "life_seconds": round(life, 2), "trials": trials}


def main() -> None:
    """Run the study; exit with 1 if a subject differs, a checkpoint was lost or a signal answered badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [*soaking.MODELS, "sweep", "ray"]
    parser.add_argument("--subject", default="vae", choices=names, help="what is trained (default: vae)")
    parser.add_argument(
        "--how", default="times", choices=["times", "calls", "signals"], help="(default: times)"
    )
    parser.add_argument("--number", type=int, default=30, help="interruptions (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = study(asked.subject, asked.how, asked.number, asked.seed, Path(folder))
        soaking.leave(folder)
    kills = [kill for each in result["trials"] for kill in each["kills"]]
    for kill in kills:
        kill["said"] = kill["said"].replace(folder, "FOLDER")
    broken = {
        "not equal": sum(not each["equal"] for each in result["trials"]),
        "checkpoints lost": sum(not kill["kept"] for kill in kills),
        "answered badly": sum(not kill["answered"] for kill in kills),
    }
    summary = {"interruptions": len(kills), "compared": len(result["trials"]), "broken": broken}
    soaking.write(f"kills_{asked.subject}_{asked.how}", __file__, {**summary, **result})
    print(summary)
    sys.exit(1 if any(broken.values()) else 0)


if __name__ == "__main__":
    main()
