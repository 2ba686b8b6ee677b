"""Damage every kind of file of a run, a sweep and a search, and check that nothing reads other numbers.

    python experiments/reliability/damage.py [--trials 2000] [--seed 0]

A trial damages one file in one way, reads everything that jaxae reads, and puts the file back. Each reader
must return what it returned before, or say in one line that the file is damaged. A run whose newest
checkpoint is damaged may be that of an older one, with a warning. Writes damage.json next to this file.
Takes a quarter of an hour.
"""

import argparse
import contextlib
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soaking

import jaxae
from jaxae.errors import JaxaeError
from jaxae.runs import directory, status
from jaxae.sweeps import listing, sweep_status
from jaxae.training import checkpoint

OUTCOMES = ("equal", "refused", "warned", "silent", "traceback")
# Outcomes that break the promise.
BROKEN = ("silent", "traceback")
Change = Callable[[bytes, random.Random], bytes]


# Ways to damage a file.


def flip_bit(content: bytes, draw: random.Random) -> bytes:
    """Flip one bit."""
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def change_digit(content: bytes, draw: random.Random) -> bytes:
    """Replace one digit by another one; in a file without digits, one byte."""
    places = [place for place, byte in enumerate(content) if chr(byte).isdigit()] or range(len(content))
    place = draw.choice(places)
    others = [digit for digit in b"0123456789" if digit != content[place]]
    return content[:place] + bytes([draw.choice(others)]) + content[place + 1 :]


def negate(content: bytes, draw: random.Random) -> bytes:
    """Put a minus sign before a number, or remove one."""
    starts = [place for place in range(1, len(content)) if chr(content[place]).isdigit()]
    place = draw.choice([each for each in starts if content[each - 1] in b" -[,:"] or [0])
    if place and content[place - 1] == ord("-"):
        return content[: place - 1] + content[place:]
    return content[:place] + b"-" + content[place:]


def zero(content: bytes, draw: random.Random) -> bytes:
    """Overwrite up to 512 bytes with zeros, as a file system may after a power failure."""
    first, last = _span(content, draw, 512)
    return content[:first] + bytes(last - first) + content[last:]


def scramble(content: bytes, draw: random.Random) -> bytes:
    """Overwrite up to 64 bytes with random ones."""
    first, last = _span(content, draw, 64)
    return content[:first] + draw.randbytes(last - first) + content[last:]


def cut(content: bytes, draw: random.Random) -> bytes:
    """Cut the end off."""
    return content[: draw.randrange(len(content))]


def remove_span(content: bytes, draw: random.Random) -> bytes:
    """Remove some bytes in the middle."""
    first, last = _span(content, draw, 400)
    return content[:first] + content[last:]


def repeat_span(content: bytes, draw: random.Random) -> bytes:
    """Repeat some bytes."""
    first, last = _span(content, draw, 400)
    return content[:last] + content[first:]


def remove_line(content: bytes, draw: random.Random) -> bytes:
    """Remove one line."""
    lines = content.splitlines(keepends=True)
    del lines[draw.randrange(len(lines))]
    return b"".join(lines)


def repeat_line(content: bytes, draw: random.Random) -> bytes:
    """Repeat one line."""
    lines = content.splitlines(keepends=True)
    place = draw.randrange(len(lines))
    return b"".join([*lines[: place + 1], *lines[place:]])


def swap_lines(content: bytes, draw: random.Random) -> bytes:
    """Swap two lines."""
    lines = content.splitlines(keepends=True)
    one, two = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def empty(content: bytes, draw: random.Random) -> bytes:
    """Leave nothing."""
    return b""


def append(content: bytes, draw: random.Random) -> bytes:
    """Append random bytes."""
    return content + draw.randbytes(draw.randrange(1, 64))


def edit_value(content: bytes, draw: random.Random) -> bytes:
    """Replace a value in the JSON, and write the file as another program would, with the old digest."""
    lines = content.decode().splitlines() if content.count(b"\n{") else [content.decode()]
    place = draw.randrange(len(lines))
    with contextlib.suppress(ValueError):
        value = json.loads(lines[place])
        _replace_one(value, draw)
        lines[place] = json.dumps(value)
    return "".join(f"{line}\n" for line in lines).encode()


def _replace_one(value: Any, draw: random.Random) -> None:
    """Replace one number, text or entry in a JSON value, in place."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = draw.choice(keys)
    if isinstance(value[key], dict | list) and value[key] and draw.random() < 0.8:
        _replace_one(value[key], draw)
    elif draw.random() < 0.3:
        del value[key]
    else:
        value[key] = draw.choice([0, -1, 1e300, "other", None, [], {}, True])


def _span(content: bytes, draw: random.Random, longest: int) -> tuple[int, int]:
    first = draw.randrange(len(content))
    return first, min(len(content), first + draw.randint(1, longest))


ANY: tuple[Change, ...] = (flip_bit, zero, scramble, cut, remove_span, repeat_span, empty, append)
TEXT: tuple[Change, ...] = (
    *(change_digit, change_digit, negate, edit_value, edit_value),
    *(remove_line, repeat_line, swap_lines),
)


# What is read.


class Reader(NamedTuple):
    """A way to read a directory. The value must not depend on the time."""

    name: str
    read: Callable[[], Any]


def _result(result: jaxae.Result) -> dict[str, Any]:
    return {
        "state": checkpoint.digests(result.variables),
        "history": soaking.without_times(result.history),
        "scores": result.scores,
        "experiment": repr(result.experiment),
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "updated"}


def readers_of_run(run: Path, other: Path) -> list[Reader]:
    """Return the readers of a run; `other` is a run to compare it with."""
    return [
        Reader("load", lambda: _result(jaxae.load(run))),
        Reader("ls", lambda: _row(listing.row_of(run, "run"))),
        Reader("status", lambda: {**status.read(run), "updated": None}),
        Reader("compare", lambda: repr(jaxae.compare(run, other))),
        Reader("measures", lambda: _measures(run)),
    ]


def _measures(run: Path) -> Any:
    from jaxae.reports import run_page

    return repr(run_page._measures(run))


def readers_of_sweep(sweep: Path) -> list[Reader]:
    """Return the readers of a sweep."""
    return [
        Reader("table", lambda: _table(jaxae.load_sweep(sweep).rows)),
        Reader("summary", lambda: _table(jaxae.load_sweep(sweep).summary.to_dict("records"))),
        Reader("load", lambda: _result(jaxae.load_sweep(sweep).load("best"))),
        Reader("histories", lambda: repr(jaxae.load_sweep(sweep).histories(100))),
        Reader("ls", lambda: _row(listing.row_of(sweep, "sweep"))),
        Reader("ls of its runs", lambda: _table(sweep_status.runs(sweep))),
        Reader("sha256sum", lambda: _sums(sweep)),
    ]


def _table(rows: list[dict[str, Any]]) -> str:
    # nan differs from itself.
    return json.dumps(
        directory.finite([{str(name): _plain(cell) for name, cell in row.items()} for row in rows])
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _sums(sweep: Path) -> str:
    """Check the digests of the tables with the tool that a user has."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=sweep,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise JaxaeError("sha256sum: a table differs")
    return "".join((sweep / name).read_text() for name in ("results.csv", "results.jsonl", "summary.csv"))


# The subjects.


class Subject(NamedTuple):
    """A directory and its readers."""

    name: str
    folder: Path
    readers: list[Reader]
    allowed: dict[str, Any]  # reader -> another value that is right if it comes with a warning


def rows() -> tuple[Any, Any]:
    """Return 120 small images and their labels."""
    draw = np.random.default_rng(0)
    return (draw.random((120, 16)) < 0.4).astype(np.float32), draw.integers(0, 3, 120)


def experiment(**fields: Any) -> Any:
    """Return a VAE that trains in a blink."""
    net = jaxae.MLP(widths=(8,))
    model = jaxae.VAE(encoder=net, decoder=net, latent_dim=2)
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    return jaxae.Experiment(
        **{"model": model, "data": data, "epochs": 4, "batch_size": 20, "checkpoint_every": 2, **fields}
    )


def subjects(folder: Path) -> list[Subject]:
    """Make a run, a sweep and a search below a folder."""
    run, other, older, sweep, search = (
        folder / name for name in ("run", "other", "older", "sweep", "search")
    )
    data = folder / "rows.npz"
    x, y = rows()
    np.savez(data, x=x, y=y)
    base = experiment(data=jaxae.DataSpec(name=str(data), num_validation=20, num_test=20))
    jaxae.fit(base, seed=1, run_dir=other, progress=False)
    jaxae.fit(base, run_dir=run, init_from=other, name="a name", progress=False)
    evaluate = ["-m", "jaxae", "evaluate", str(run), "--measures", "codes"]
    subprocess.run([sys.executable, *evaluate], check=True, capture_output=True)
    shutil.copytree(run, older)
    shutil.rmtree(older / "checkpoints" / "4")
    over = {"model.beta": [0.5, 2.0], "model.latent_dim": [2, 3]}
    jaxae.sweep(base, over, seeds=2, run_dir=sweep, progress=False)

    def searched() -> Any:
        beta = {"model.beta": jaxae.LogUniform(0.1, 2.0)}
        return jaxae.search(base, beta, trials=4, lanes=2, run_dir=search, progress=False)

    searched()
    with contextlib.redirect_stderr(io.StringIO()):  # the scores are those of the newer checkpoint
        of_older = _result(jaxae.load(older))
    return [
        Subject("run", run, readers_of_run(run, other), {"load": of_older}),
        Subject("sweep", sweep, readers_of_sweep(sweep), {}),
        Subject("search", search, [Reader("search", lambda: _table(searched().rows))], {}),
    ]


def kind_of(path: Path) -> str:
    """Return the kind of a file by its relative path: `groups/*/rows.jsonl`, `checkpoints/*`."""
    parts = path.parts
    for folder in ("checkpoints", "initial", "kept"):
        if folder in parts:
            return "/".join(
                [*("*" if part != folder else part for part in parts[: parts.index(folder)]), folder]
            )
    return "/".join(["groups", "*", *parts[2:]] if parts[0] == "groups" else parts)


# Files that no reader reads: pictures, texts for people, the lock. notes.json is the user's own.
LEFT_OUT = ("figures", "log.txt", ".lock", "notes.json", "code", "status.json")


def files_of(subject: Subject) -> dict[str, list[Path]]:
    """Return the files of a subject by their kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(subject.folder.rglob("*")):
        inner = path.relative_to(subject.folder)
        if path.is_file() and path.stat().st_size and not set(inner.parts) & set(LEFT_OUT):
            found.setdefault(kind_of(inner), []).append(path)
    return found


# A trial.


class Outcome(NamedTuple):
    """What a reader did."""

    name: str  # one of OUTCOMES
    says: str  # the error, the warning or the difference


def read(reader: Reader, expected: Any, allowed: Any) -> Outcome:
    """Return what a reader does with the damaged directory."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            value = reader.read()
    except JaxaeError as error:
        one_line = "\n" not in str(error) and "\x1b" not in str(error)
        return Outcome("refused" if one_line else "traceback", str(error))
    except Exception as error:
        return Outcome("traceback", f"{type(error).__name__}: {error}")
    if isinstance(value, dict) and value.get("status") == "unreadable":
        return Outcome("refused", value["reason"])
    if value == expected:
        return Outcome("equal", "")
    warnings = printed.getvalue()
    if allowed is not None and value == allowed and "using epoch 2 instead" in warnings:
        return Outcome("warned", warnings)
    return Outcome("silent", f"{reader.name} returned {str(value)[:2000]}")


def trial(subject: Subject, path: Path, change: Change, expected: dict[str, Any], draw: random.Random) -> Any:
    """Damage a file, read everything, and put the file back.

    Returns {reader: outcome}, or None if the damage changed no byte.
    """
    content = path.read_bytes()
    damaged = change(content, draw)
    if damaged == content:
        return None
    path.write_bytes(damaged)
    try:
        return {
            reader.name: read(reader, expected[reader.name], subject.allowed.get(reader.name))
            for reader in subject.readers
        }
    finally:
        path.write_bytes(content)


def run(subject: Subject, trials: int, draw: random.Random) -> list[dict[str, Any]]:
    """Damage files of a subject, each kind equally often, and return one row for each trial."""
    with contextlib.redirect_stderr(io.StringIO()):
        expected = {reader.name: reader.read() for reader in subject.readers}
    files = files_of(subject)
    told: list[dict[str, Any]] = []
    kinds = sorted(files)
    while len(told) < trials:
        kind = kinds[len(told) % len(kinds)]
        path = draw.choice(files[kind])
        is_text = path.suffix in (".json", ".jsonl", ".csv", ".log")
        change = draw.choice([*ANY, *TEXT] if is_text else ANY)
        outcomes = trial(subject, path, change, expected, draw)
        if outcomes is None:
            continue
        row: dict[str, Any] = {"subject": subject.name, "file": kind, "change": change.__name__}
        row["outcomes"] = {name: outcome.name for name, outcome in outcomes.items()}
        bad = {name: outcome.says for name, outcome in outcomes.items() if outcome.name in BROKEN}
        told.append({**row, **({"broken": bad} if bad else {})})
        if bad:
            print(json.dumps(told[-1]), flush=True)
    return told


def main() -> None:
    """Run the trials and write damage.json; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="damaged files (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: 0)")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        made = subjects(Path(folder))
        kinds = {subject.name: len(files_of(subject)) for subject in made}
        shares = {name: asked.trials * number // sum(kinds.values()) for name, number in kinds.items()}
        shares["run"] += asked.trials - sum(shares.values())
        told = [row for subject in made for row in run(subject, shares[subject.name], draw)]
    counts: dict[str, Counter[str]] = {}
    for row in told:
        for outcome in set(row["outcomes"].values()):
            counts.setdefault(f"{row['subject']}: {row['file']}", Counter())[outcome] += 1
    broken = [row for row in told if "broken" in row]
    result = {
        "trials": len(told),
        "broken": broken,
        "by_change": dict(Counter(row["change"] for row in told)),
        "by_file": {name: dict(counter) for name, counter in sorted(counts.items())},
    }
    soaking.write("damage", __file__, result)
    print(f"{len(told)} damaged files: {len(broken)} promises broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
