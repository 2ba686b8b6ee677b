"""The table of guards is true of the present code: each change applies, and each test exists."""

import ast
import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments" / "reliability"))

import guard_table  # noqa: E402
import guards  # noqa: E402


@functools.cache
def functions(file: str) -> set[str]:
    """The names of the functions of a test file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("guard", guard_table.GUARDS, ids=lambda guard: guard.name)
def test_each_guard_can_be_removed_and_has_tests(guard: guard_table.Guard) -> None:
    guards.without(guard, (ROOT / guard.file).read_text(encoding="utf-8"))
    assert guard.tests
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert name in functions(file), f"{file} has no {name}"


def test_each_guard_has_its_own_name() -> None:
    names = [guard.name for guard in guard_table.GUARDS]
    assert len(names) == len(set(names))


def test_a_guard_that_the_code_no_longer_has_is_named() -> None:
    guard = guard_table.Guard("One writer", "a.py", "lock()", "pass", ())
    for source, count in [("", 0), ("lock()\nlock()\n", 2)]:
        with pytest.raises(ValueError, match=f"One writer: its text occurs {count} times in a.py"):
            guards.without(guard, source)
    with pytest.raises(ValueError, match="no effect"):
        guards.without(guard._replace(instead="lock( )"), "lock()\n")
    assert guards.without(guard, "lock()\n") == "pass\n"
