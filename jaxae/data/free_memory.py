"""The memory that is free, and the check that rows fit into it before they are read."""

import os
import re
from pathlib import Path

from jaxae.errors import JaxaeError

SHARE = 0.9  # of the free memory that rows may take: other parts of a run need some as well


def free_bytes() -> float:
    """Return the bytes of memory that are free now, or a guess where the system does not tell."""
    info = Path("/proc/meminfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    available = re.search(r"MemAvailable: +(\d+) kB", text)
    if available:
        return 1024.0 * int(available[1])
    # Without /proc (macOS): half of the whole memory, because other processes use a share of it.
    sysconf = getattr(os, "sysconf", None)
    # Windows reports no memory without another package: 4 GiB, which machines with jax have.
    return 0.5 * sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES") if sysconf else float(2**32)


def check_room(where: str, num_bytes: float) -> None:
    """Raise JaxaeError if rows do not fit in memory.

    Args:
        where: File and name of the rows, for the message.
        num_bytes: Bytes of the rows, as the file declares them.
    """
    free = free_bytes()
    if num_bytes > SHARE * free:
        raise JaxaeError(
            f"{where}: needs {num_bytes / 1e9:,.1f} GB of memory, but {free / 1e9:,.1f} GB are free; "
            "data.stream reads rows of a .npy, .h5 or image file in parts"
        )
