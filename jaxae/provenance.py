"""Where a number comes from: versions, device, flags, command and commit."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("jaxae", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
# What the bitwise promise of `resume` rests on: a run that goes on elsewhere is right, but not to the bit.
BITWISE = ("versions", "device", "flags")


def provenance(command: list[str]) -> dict[str, Any]:
    """What a record says of the circumstances of a run."""
    return {**environment(), "command": command, "commit": commit()}


def environment() -> dict[str, Any]:
    """Versions, device and numerical flags: equal environments give equal bits."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    device = jax.devices()[0]
    return {
        "versions": {"python": platform.python_version(), **versions},
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
            "processor": _processor(),
        },
        "flags": {
            "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
            "x64": bool(jax.config.values["jax_enable_x64"]),
            "matmul_precision": jax.config.values["jax_default_matmul_precision"],
            "threefry_partitionable": bool(jax.config.values["jax_threefry_partitionable"]),
        },
    }


def differences(recorded: dict[str, Any]) -> list[str]:
    """`jax 0.10.2 -> 0.12.0`: what of the bitwise promise's conditions differs from a record's."""
    now = environment()
    found = []
    for group in BITWISE:
        for name, value in now[group].items():
            before = recorded.get(group, {}).get(name)
            if before != value:
                found.append(f"{name} {before} -> {value}")
    return found


def commit() -> str | None:
    """The working directory's git commit, with `-dirty` where files differ from it; None outside of git."""
    head = _git("rev-parse", "HEAD")
    return head and head + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """The processor's model where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def cache_folder() -> Path:
    """Where compiled programs are kept between processes, apart for each jaxlib and processor."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    machine = "".join(c if c.isalnum() else "-" for c in _processor().lower())
    return base / "jaxae" / f"xla-{importlib.metadata.version('jaxlib')}-py{sys.version_info.minor}-{machine}"
