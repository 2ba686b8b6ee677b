"""Give jaxae random command lines, records and data files, and check how it refuses them.

    python experiments/reliability/fuzz.py [--lines 1000] [--records 1000] [--files 200] [--seed 0]

A command must end with code 0, 1 or 2. Code 2 comes with one line on standard error. No output has a
traceback or an escape sequence, and nothing is written outside the directory of a run. A command that would
train for long is interrupted after some seconds, which counts as accepted. Writes fuzz.json next to this
file.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import damage
import numpy as np
import soaking

import jaxae
from jaxae.cli.main import run
from jaxae.data import load
from jaxae.errors import JaxaeError
from jaxae.runs import seals

SECONDS = 5  # after which a command is interrupted
RUNS = "runs"  # the only folder in which commands may write
HOSTILE = (
    *("", " ", "0", "-1", "1e999", "nan", "inf", "-inf", "1e-400", "9" * 400, "3.7", "True", "None", "null"),
    *("../../outside", "/dev/null", "/dev/zero", "/proc/self/mem", "~nobody/x", "a" * 5000, "x/../../y", "."),
    *("\x1b[2J\x1b[31m", "\x07", "\u202eabc", "日本語", "é", "😀", "\udcff", "a\nb", "'; rm -rf /", "$(id)"),
    *("{{7*7}}", "<script>", "%s%n", "--", "=", "[", "[1,2", "{}", "=5", "os.system", "__import__", "jaxae"),
    *(
        "jaxae.VAE",
        "optax.adam",
        "flax.linen.Dense",
        "runs/r",
        "runs/s",
        "runs/s:best",
        "runs/s:zz",
        "rows.npz",
    ),
)


class Ended(NamedTuple):
    """How a command ended."""

    code: int | str
    out: str
    err: str


def call(words: list[str], seconds: int = SECONDS) -> Ended:
    """Run a command in this process, for some seconds at most."""
    out, err = io.StringIO(), io.StringIO()
    signal.alarm(seconds)
    code: int | str
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    except KeyboardInterrupt:
        code = "interrupted"
    except BaseException:
        code = "traceback"
        err.write(traceback.format_exc())
    finally:
        signal.alarm(0)
    return Ended(code, out.getvalue(), err.getvalue())


def faults(ended: Ended) -> list[str]:
    """Return the promises that a command broke."""
    found = []
    if ended.code == "traceback" or "Traceback" in ended.err:
        found.append("traceback")
    if set(ended.out + ended.err) & set("\x1b\x07\x9b\u202e"):
        found.append("escape sequence")
    lines = [line for line in ended.err.splitlines() if not line.startswith("jaxae: warning: ")]
    if ended.code == 2 and len(lines) != 1:
        found.append(f"{len(lines)} lines")
    if ended.code not in (0, 1, 2, 130, "interrupted", "traceback"):
        found.append(f"code {ended.code}")
    return found


def listing() -> set[str]:
    """Return the files of the working directory outside the runs, and those next to it."""
    return {str(path) for path in Path("..").rglob("*") if RUNS not in path.parts}


# Command lines.


def words_of(draw: random.Random) -> list[str]:
    """Return a random command line: a command, places, options of all commands, hostile values."""
    known = (
        "train",
        "sweep",
        "resume",
        "evaluate",
        "sample",
        "export",
        "ls",
        "compare",
        "report",
        "tag",
        "show",
    )
    # `watch` and `explore` go on until they are stopped.
    command = draw.choice([*known, *known, "data", "accept", "completion", draw.choice(HOSTILE)])
    places = ["small.py", "runs/r", "runs/s", "runs/s:best", "rows.npz", *HOSTILE]
    options = "epochs seed run-dir name tag note model model.beta model.latent_dim optimizer.learning_rate"
    options += (
        " batch_size seeds over layout lanes measures table output json quiet config help data.name format"
    )
    options += " data.num_test early_stopping score status sort part num checkpoint_every accept-code-changes"
    words = [command, *(draw.choice(places) for _ in range(draw.randint(0, 2)))]
    for _ in range(draw.randint(0, 4)):
        name = draw.choice([*options.split(), draw.choice(HOSTILE)])
        if draw.random() < 0.3:
            words.append(f"--{name}={draw.choice(HOSTILE)}")
        else:
            words += [f"--{name}", *(draw.choice(places) for _ in range(draw.randint(0, 2)))]
    if command in ("train", "sweep") and draw.random() < 0.7:
        words += ["--run-dir", f"{RUNS}/new{draw.randrange(10**9)}"]
    return words


# Records.


def mutated(record: dict[str, Any], draw: random.Random) -> str:
    """Return the text of a record with one to three parts replaced by hostile ones."""
    record = json.loads(json.dumps(record))
    for _ in range(draw.randint(1, 3)):
        _replace(record, draw)
    text = json.dumps(record)
    if draw.random() < 0.1:
        text = damage.flip_bit(text.encode(), draw).decode(errors="replace")
    return text


def _replace(node: Any, draw: random.Random) -> None:
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    # The experiment is most of what is read.
    key = "experiment" if "experiment" in keys and draw.random() < 0.8 else draw.choice(keys)
    if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.8:
        _replace(node[key], draw)
        return
    values: list[Any] = [
        *HOSTILE,
        -1,
        0,
        1e300,
        2**70,
        True,
        None,
        [],
        {},
        [[[]]],
        {"class": draw.choice(HOSTILE)},
        1e-320,
    ]
    what = draw.random()
    if what < 0.15:
        del node[key]
    elif what < 0.25 and isinstance(node, dict):
        node[draw.choice(HOSTILE)] = node[key]
    else:
        node[key] = draw.choice(values)


# Data files.


def data_files(folder: Path) -> list[Path]:
    """Write a small file of each kind of data."""
    import h5py
    import pandas
    from PIL import Image

    x, y = damage.rows()
    np.savez(folder / "a.npz", x=x, y=y)
    np.save(folder / "a.npy", x)
    frame = pandas.DataFrame(x, columns=[f"c{number}" for number in range(x.shape[1])])
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "a.parquet")
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"], file["y"] = x, y
    (folder / "pictures").mkdir()
    for number, row in enumerate(x[:40]):
        Image.fromarray((255 * row.reshape(4, 4)).astype(np.uint8)).save(
            folder / "pictures" / f"{number}.png"
        )
    return [*sorted(folder.glob("a.*")), *sorted((folder / "pictures").iterdir())[:3]]


def read_damaged(path: Path, draw: random.Random) -> tuple[str, list[str]]:
    """Damage a data file, read it, and put it back; return the damage and the broken promises."""
    content, change = path.read_bytes(), draw.choice(damage.ANY)
    path.write_bytes(change(content, draw))
    name = str(path.parent if path.suffix == ".png" else path)
    out, signal_before = io.StringIO(), signal.alarm(SECONDS)
    assert signal_before == 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            load(jaxae.DataSpec(name=name, num_validation=5, num_test=5))
        found = []
    except JaxaeError as error:
        found = [] if "\n" not in str(error) else ["several lines"]
    except BaseException:
        found = [traceback.format_exc()]
    finally:
        signal.alarm(0)
        path.write_bytes(content)
    if set(out.getvalue()) & set("\x1b\x07"):
        found.append("escape sequence")
    return f"{path.suffix} {change.__name__}", found


# The study.


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Enter a folder with a config, a run, a sweep and rows."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "here"
        folder.mkdir()
        os.chdir(folder)
        x, y = damage.rows()
        np.savez("rows.npz", x=x, y=y)
        fields = (
            'data=jaxae.DataSpec(name="rows.npz", num_validation=20, num_test=20), epochs=2, batch_size=50'
        )
        nets = "encoder=jaxae.MLP(widths=(4,)), decoder=jaxae.MLP(widths=(4,)), latent_dim=2"
        Path("small.py").write_text(
            f"import jaxae\n\nexperiment = jaxae.Experiment(model=jaxae.VAE({nets}), {fields})\n"
        )
        for words in (["train", "small.py", "--run-dir", "runs/r"], ["sweep", "small.py", "--seeds", "2"]):
            ended = call([*words, *(["--run-dir", "runs/s"] if words[0] == "sweep" else [])], seconds=300)
            assert ended.code == 0, ended
        yield folder
        soaking.leave(top)


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the study; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1000, help="command lines (default: 1000)")
    parser.add_argument("--records", type=int, default=1000, help="records (default: 1000)")
    parser.add_argument("--files", type=int, default=200, help="data files (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of everything (default: 0)")
    asked = parser.parse_args()
    told: list[dict[str, Any]] = []
    draw = random.Random(asked.seed)
    signal.signal(signal.SIGALRM, _stop)
    counts: dict[str, Counter[str]] = {"lines": Counter(), "records": Counter(), "files": Counter()}
    with workplace() as folder:
        record = seals.read(Path("runs/r/record.json"))
        before = listing()

        def judge(kind: str, what: Any, ended: Ended) -> None:
            counts[kind][str(ended.code)] += 1
            found = faults(ended)
            if new := listing() - before:
                found.append(f"wrote {sorted(new)[:3]}")
                before.update(new)
            if found:
                told.append({"kind": kind, "input": what, "faults": found, "said": ended.err[-1500:]})
                print(json.dumps(told[-1]), flush=True)

        for _ in range(asked.lines):
            words = words_of(draw)
            judge("lines", words, call(words))
        for number in range(asked.records):
            text = mutated(record, draw)
            Path(RUNS, "x.json").write_text(text, errors="surrogatepass")
            command = ["show"] if number % 4 else ["train"]
            where = [] if number % 4 else ["--run-dir", f"{RUNS}/t{number}", "--quiet"]
            judge("records", text, call([*command, f"{RUNS}/x.json", *where]))
        inside = folder / RUNS / "data"
        inside.mkdir()
        files = data_files(inside)
        for _ in range(asked.files):
            name, found = read_damaged(draw.choice(files), draw)
            counts["files"]["ok" if not found else "fault"] += 1
            if found:
                told.append({"kind": "files", "input": name, "faults": found})
                print(json.dumps(told[-1]), flush=True)
    result = {"counts": {name: dict(counter) for name, counter in counts.items()}, "broken": told}
    soaking.write("fuzz", __file__, result)
    print(f"{asked.lines + asked.records + asked.files} inputs: {len(told)} promises broken")
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
