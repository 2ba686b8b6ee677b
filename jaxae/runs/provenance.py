"""The origin of a number: versions, device, flags, command and commit."""

import datetime
import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from jaxae.runs import user_cache

_PACKAGE = Path(__file__).resolve().parents[1]
PACKAGES = ("jaxae", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
# Parts of the environment on which the bitwise promise of `resume` depends. Elsewhere a resumed run is
# correct, but its last digits differ.
BITWISE = ("versions", "device", "flags")
# Versions of jaxae whose runs are equal to the bit: `tests/test_old_runs.py` resumes a run of the first one.
SAME_BITS = {"0.1.0", "0.2.0"}
# Names whose value changes no bits. `count` is the number of devices on the machine; the number that share a
# batch does change bits. For x64, the experiment's compute_dtype decides in which mode a run computes.
IGNORED_FIELDS = {"count", "x64"}
OLD_DEFAULTS = {"divided_over": [1]}  # value of a name in records that are older than the name
MAX_DIFF_BYTES = 2**20  # of each diff that is kept
FORCED = "--xla_force_host_platform_device_count"  # several CPU devices: no bits change (measured)


def provenance(command: list[str], divided_over: Sequence[int] = (1,)) -> dict[str, Any]:
    """Return the circumstances of a run for its record.

    Args:
        command: The command that started the run.
        divided_over: Number of devices of each process that share a batch.

    Returns:
        The environment, the command and the commits.
    """
    commits = {"commit": commit(), "jaxae_commit": jaxae_commit()}
    return {**environment(divided_over), "command": command, **commits}


def of_study(file: str) -> dict[str, Any]:
    """Return the circumstances and the date of a script in experiments/, for the results that it commits."""
    script = "/".join(Path(file).resolve().parts[-3:])
    return {"date": datetime.date.today().isoformat(), **provenance(["python", script, *sys.argv[1:]])}


def environment(divided_over: Sequence[int] = (1,)) -> dict[str, Any]:
    """Return versions, device and numerical flags; equal environments give equal bits.

    Args:
        divided_over: Number of devices of each process that share a batch.

    Returns:
        Values that JSON can hold, under "versions", "device" and "flags".
    """
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    device = jax.devices()[0]
    return {
        "versions": {"python": platform.python_version(), **versions},
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
            "divided_over": list(divided_over),
            # jax names every CPU "cpu"; other vector instructions (AVX2, AVX-512) give other last digits.
            "processor": _processor(),
        },
        "flags": {
            "XLA_FLAGS": " ".join(
                flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(FORCED)
            ),
            "x64": bool(jax.config.values["jax_enable_x64"]),
            "matmul_precision": jax.config.values["jax_default_matmul_precision"],
            "threefry_partitionable": bool(jax.config.values["jax_threefry_partitionable"]),
        },
    }


def differences(recorded: dict[str, Any], divided_over: Sequence[int] = (1,)) -> list[str]:
    """Return which parts of the environment differ from a record's, as `jax 0.10.2 -> 0.12.0`.

    Args:
        recorded: The record.
        divided_over: Number of devices of each process that share a batch.

    Returns:
        One text for each difference that may change bits.
    """
    environment_now = environment(divided_over)
    changes = []
    for group in BITWISE:
        for name, value in environment_now[group].items():
            recorded_value = recorded.get(group, {}).get(name, OLD_DEFAULTS.get(name))
            has_same_bits = name == "jaxae" and {recorded_value, value} <= SAME_BITS
            if recorded_value != value and name not in IGNORED_FIELDS and not has_same_bits:
                changes.append(f"{name} {recorded_value} -> {value}")
    return changes


def commit(folder: Path | None = None) -> str | None:
    """Return the commit of a folder's git tree, with `-dirty` if files differ from it; None outside git.

    Args:
        folder: The folder; None is the working directory.
    """
    # One call for commit and changes. Untracked files do not count: runs/ alone would make every tree dirty.
    status = _git("status", "--porcelain=v2", "--branch", "--untracked-files=no", folder=folder)
    lines = (status or "").splitlines()
    head = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    dirty = any(not line.startswith("#") for line in lines)
    return None if head == "(initial)" else head + ("-dirty" if dirty else "")


@functools.cache
def jaxae_commit() -> str | None:
    """Return the commit of jaxae's source tree, as `commit`; None if jaxae is not run from a checkout."""
    # jaxae may be installed in an environment inside another project's tree, which does not track its files.
    is_tracked = _git("ls-files", "--error-unmatch", "__init__.py", folder=_PACKAGE) is not None
    return commit(_PACKAGE) if is_tracked else None


def uncommitted() -> dict[str, str]:
    """Return the uncommitted changes of each dirty tree: name of the file to keep them in -> diff.

    The trees are those of the working directory and of jaxae. Binary files are left out, and a diff is cut at
    1 MiB.
    """
    # If the working directory is jaxae's own checkout, both trees are one: one diff is enough.
    root = _git("rev-parse", "--show-toplevel")
    trees: dict[str, tuple[str | None, Path | None]] = {"uncommitted.diff": (commit(), None)}
    if (jaxae_commit() or "").endswith("-dirty") and root != _git(
        "rev-parse", "--show-toplevel", folder=_PACKAGE
    ):
        trees["uncommitted-jaxae.diff"] = (jaxae_commit(), _PACKAGE)
    dirty = {name: folder for name, (head, folder) in trees.items() if (head or "").endswith("-dirty")}
    return {name: text for name, folder in dirty.items() if (text := _diff(folder))}


def _diff(folder: Path | None) -> str:
    # A user's git settings must not change the diff, or `git apply` could not read it.
    options = "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative"
    text = _git("diff", *options, "HEAD", folder=folder) or ""
    if len(text.encode()) <= MAX_DIFF_BYTES:
        return text + "\n" if text else ""
    start = text.encode()[:MAX_DIFF_BYTES].decode(errors="ignore")
    return f"{start}\n... cut here: {len(text.encode())} bytes in all\n"


def _git(*arguments: str, folder: Path | None = None) -> str | None:
    directory = ["-C", str(folder)] if folder else []
    try:
        # No optional locks: `git status` would write to the index while the user works with git. A timeout,
        # since git on a network file system may hang.
        process = subprocess.run(
            ["git", "--no-optional-locks", *directory, *arguments],
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.decode(errors="replace").rstrip("\n")


def _processor() -> str:
    """Return the processor's model, as far as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def cache_folder() -> Path:
    """Return the folder of compiled programs, separate for each jaxlib, Python and processor."""
    machine = "".join(c if c.isalnum() else "-" for c in _processor().lower())
    # A program that was compiled for another processor may use instructions that this one does not have.
    return (
        user_cache.folder()
        / f"xla-{importlib.metadata.version('jaxlib')}-py{sys.version_info.minor}-{machine}"
    )
