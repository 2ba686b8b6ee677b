"""Run runs and sweeps on full and on read-only disks, and check that nothing is lost once there is room.

    python experiments/reliability/disks.py [--full 40] [--read-only 20] [--seed 0]

A full disk is a file system in memory of a drawn size. The command must end with code 1 or 2 and one line,
and after the disk has grown the same command must end as if the disk had never been full. A read-only disk
holds a run or sweep that was stopped: the command must end with one line and change no file, reading must
work, and once the disk can be written the same command must end equal. Needs root, to mount. Writes
disks.json.
"""

import argparse
import contextlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soaking
from kills import at_time
from soaking import START, Subject


@contextlib.contextmanager
def mounted(place: Path, size: int) -> Iterator[Path]:
    """Mount a file system of `size` KiB at a new folder."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def remount(place: Path, options: str) -> None:
    """Change the options of a mounted file system."""
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def run(subject: Subject, folder: Path) -> dict[str, Any]:
    """Run a command to its end; return its code and what it printed on standard error."""
    done = subprocess.run(subject.command(folder), capture_output=True, text=True, check=False)
    return {"code": done.returncode, "said": done.stderr}


def is_one_line(ended: dict[str, Any]) -> bool:
    """Return whether a command failed with one line."""
    lines = ended["said"].splitlines()
    errors = [line for line in lines if not line.startswith("jaxae: warning: ")]
    return ended["code"] in (1, 2) and len(errors) == 1 and errors[0].startswith("jaxae: ")


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def full(subject: Subject, place: Path, size: int, expected: Any) -> dict[str, Any] | None:
    """Run a subject on a disk of `size` KiB, then on a larger one; None if it did not fill the disk."""
    with mounted(place, size) as disk:
        ended = run(subject, disk / "run")
        if ended["code"] == 0:
            return None
        remount(disk, "size=256m")
        soaking.finish(subject, disk / "run")
        equal = subject.outcome(disk / "run") == expected
    return {"kib": size, **ended, "answered": is_one_line(ended), "equal": equal}


def read_only(subject: Subject, place: Path, after: float, expected: Any) -> dict[str, Any]:
    """Stop a subject, make its disk read-only, and run it again."""
    with mounted(place, 256 * 1024) as disk:
        at_time(subject.command(disk / "run"), "SIGKILL", after)
        remount(disk, "ro")
        before = contents(disk)
        ended = run(subject, disk / "run")
        unchanged = contents(disk) == before
        remount(disk, "rw")
        soaking.finish(subject, disk / "run")
        equal = subject.outcome(disk / "run") == expected
    finished = ended["code"] == 0  # it had ended before it was stopped
    return {**ended, "answered": finished or is_one_line(ended), "unchanged": unchanged, "equal": equal}


def main() -> None:
    """Run the study; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", type=int, default=40, help="full disks (default: 40)")
    parser.add_argument("--read-only", type=int, default=20, help="read-only disks (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of sizes and moments (default: 0)")
    asked = parser.parse_args()
    told: list[dict[str, Any]] = []
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        subjects = [soaking.subject(each, folder) for each in ("vae", "sweep")]
        expected, sizes = {}, {}
        for each in subjects:
            soaking.finish(each, folder / each.name)
            expected[each.name] = each.outcome(folder / each.name)
            sizes[each.name] = sum(map(len, contents(folder / each.name).values())) // 1024
        disk, turns = folder / "disk", itertools.cycle(subjects)
        while sum(row["kind"] == "full" for row in told) < asked.full:
            each = next(turns)
            size = draw.randint(64, max(256, 2 * sizes[each.name]))
            if (row := full(each, disk, size, expected[each.name])) is not None:
                told.append({"kind": "full", "subject": each.name, **row})
                print(told[-1], flush=True)
        for _ in range(asked.read_only):
            each = next(turns)
            row = read_only(each, disk, draw.uniform(START / 2, 3 * START), expected[each.name])
            told.append({"kind": "read-only", "subject": each.name, **row})
            print(told[-1], flush=True)
        soaking.leave(name)
        shutil.rmtree(folder / "vae")
    for row in told:
        row["said"] = row["said"].replace(name, "FOLDER")
    bad = list(filter(soaking.is_broken, told))
    soaking.write("disks", __file__, {"trials": told, "broken": len(bad)})
    print(f"{asked.full} full and {asked.read_only} read-only disks: {len(bad)} promises broken")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
