"""Check that each guard of the reliability code has a test that fails without it.

    python experiments/reliability/guards.py [--only TEXT ...] [--missing] [--jobs 1] [--no-first-check]

`guard_table.py` lists the guards. jaxae and its tests are copied into a temporary folder. First, all tests of
the table must pass there. Then one guard at a time is removed from the copy, and its tests must fail. Writes
guards.json and guards.md next to this file. With --only and --missing, the results of the other guards stay.
Takes half an hour.
"""

import argparse
import ast
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from guard_table import GUARDS, Guard

from jaxae.runs import directory, provenance

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIED = ("jaxae", "configs", "tests", "pyproject.toml")
TIMEOUT = 300  # seconds of a single test


def without(guard: Guard, source: str) -> str:
    """Return the text of a file without a guard.

    Args:
        guard: The guard.
        source: The text of its file.

    Returns:
        The changed text.

    Raises:
        ValueError: If the guard's text does not occur exactly once, or the changed text is no Python.
    """
    count = source.count(guard.text)
    if count != 1:
        raise ValueError(f"{guard.name}: its text occurs {count} times in {guard.file}, expected once")
    changed = source.replace(guard.text, guard.instead)
    if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
        raise ValueError(f"{guard.name}: the change has no effect on {guard.file}")
    return changed


def failing(copy: Path, tests: Sequence[str], outcomes: str = "FAILED|ERROR") -> set[str]:
    """Run tests in the copy.

    Args:
        copy: The folder with the copy of jaxae and its tests.
        tests: Names as `tests/runs/test_locks.py::test_name`.
        outcomes: Words of pytest's summary that count as a failure. "ERROR" is that of a fixture.

    Returns:
        The names of the tests that failed, in any of their cases.

    Raises:
        RuntimeError: If pytest did not run the tests.
    """
    if not tests:
        return set()  # pytest without names would run all tests
    # Plugins that pytest finds by itself take half of the time of a short test.
    options = [
        "-p",
        "pytest_timeout",
        "-q",
        "-m",
        "",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        "-rfE",
        f"--timeout={TIMEOUT}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=copy,
        # The copy comes before an installed jaxae, also in the processes that tests start.
        env={**os.environ, "PYTHONPATH": str(copy), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return {name for _, name in re.findall(rf"^({outcomes}) ([^\s\[]+)", done.stdout, re.MULTILINE)}


def make_copy(folder: Path) -> Path:
    """Copy jaxae and its tests into a new folder, and return it."""
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def unnoticed(copy: Path, guard: Guard, changed: str) -> list[str]:
    """Remove a guard from the copy, run its tests, and put it back.

    Args:
        copy: The folder with the copy.
        guard: The guard.
        changed: The text of its file without the guard.

    Returns:
        The tests that passed without it, which they should not.
    """
    file = copy / guard.file
    source = file.read_text(encoding="utf-8")
    file.write_text(changed, encoding="utf-8")
    try:
        # The test itself must fail. That a fixture cannot be made may have another reason.
        failed = failing(copy, guard.tests, "FAILED")
    finally:
        file.write_text(source, encoding="utf-8")
    return [test for test in guard.tests if test not in failed]


def check(guards: Sequence[Guard], jobs: int, first_check: bool = True) -> Iterator[dict[str, Any]]:
    """Remove each guard once.

    Args:
        guards: The guards.
        jobs: Number of copies that are tested at the same time.
        first_check: Whether to check first that all tests pass with all guards.

    Yields:
        For each guard a dictionary with the tests that passed without it, in the order of the guards.
    """
    tests = sorted({test for guard in guards for test in guard.tests})
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies = [make_copy(Path(folder) / str(number)) for number in range(jobs)]
        # Whole files in each part: tests of one file share what is slow to make.
        files = sorted({test.partition("::")[0] for test in tests})
        parts = [[test for test in tests if test.partition("::")[0] in files[i::jobs]] for i in range(jobs)]
        if first_check:
            failed = set().union(*pool.map(failing, copies, parts))
            if failed:
                sys.exit(f"these tests fail although no guard is removed: {', '.join(sorted(failed))}")
            print(f"{len(tests)} tests pass with all guards", flush=True)
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for copy in copies:
            free.put(copy)

        # In this thread: in Python 3.11 two threads cannot parse at the same time.
        changed = [without(guard, (ROOT / guard.file).read_text(encoding="utf-8")) for guard in guards]

        def remove(guard: Guard, text: str) -> list[str]:
            copy = free.get()
            try:
                return unnoticed(copy, guard, text)
            finally:
                free.put(copy)

        for guard, passed in zip(guards, pool.map(remove, guards, changed), strict=True):
            word = f"NOT NOTICED by {', '.join(passed)}" if passed else "noticed"
            print(f"{word:<8}  {guard.name}", flush=True)
            # The commit for each guard: the results of another session may be next to it in the file.
            commit = provenance.jaxae_commit()
            yield {**guard._asdict(), "passed": passed, "commit": commit}


def earlier() -> list[dict[str, Any]]:
    """Return the results of earlier sessions."""
    file = HERE / "guards.json"
    return json.loads(file.read_text(encoding="utf-8"))["guards"] if file.exists() else []


def is_noticed(guard: Guard) -> bool:
    """Return whether an earlier session has found that the removal of this very guard is noticed."""
    same = {"text": guard.text, "instead": guard.instead, "tests": list(guard.tests), "passed": []}
    return any(same.items() <= result.items() for result in earlier())


def merged(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results with those of earlier sessions for the other guards of the table."""
    by_name = {result["name"]: result for result in [*earlier(), *results]}
    return [by_name[guard.name] for guard in GUARDS if guard.name in by_name]


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return the results as a table in Markdown."""
    lines = ["# Guards of the reliability code", ""]
    lines += ["Written by `guards.py`. The tests of a row fail if its guard is removed from the code.", ""]
    lines += ["| guard | file | tests |", "|---|---|---|"]
    for result in results:
        tests = ", ".join(f"`{test.rpartition('::')[2]}`" for test in result["tests"])
        missed = f"; passed without it: {len(result['passed'])}" if result["passed"] else ""
        lines.append(f"| {result['name']} | `{result['file']}` | {tests}{missed} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Check the guards; exit with 1 if the removal of one is not noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="*",
        default=[""],
        metavar="TEXT",
        help="guards whose name or file has one of these",
    )
    parser.add_argument("--jobs", type=int, default=1, help="copies that are tested at once (default: 1)")
    parser.add_argument("--missing", action="store_true", help="only guards without a result of this table")
    parser.add_argument(
        "--no-first-check", action="store_true", help="do not check first that all tests pass with all guards"
    )
    arguments = parser.parse_args()
    chosen = [
        guard
        for guard in GUARDS
        if any(text.lower() in f"{guard.name} {guard.file}".lower() for text in arguments.only)
    ]
    if not chosen:
        parser.error(f"--only {' '.join(arguments.only)}: no guard has such a text in its name or file")
    chosen = [guard for guard in chosen if not (arguments.missing and is_noticed(guard))]
    results: list[dict[str, Any]] = []
    for result in check(chosen, arguments.jobs, not arguments.no_first_check):
        # After each guard: a study that is stopped keeps what it has found.
        results.append(result)
        content = {**provenance.of_study(__file__), "guards": merged(results)}
        directory.write_json(HERE / "guards.json", content)
        directory.write_text(HERE / "guards.md", table(content["guards"]))
    missed = sum(bool(result["passed"]) for result in results)
    print(f"{len(results)} guards removed one at a time: {len(results) - missed} noticed, {missed} not")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
