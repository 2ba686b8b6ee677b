"""The folder of files that jaxae can make again: compiled programs and outlines of classes."""

import os
from pathlib import Path


def folder() -> Path:
    """Return `~/.cache/jaxae`, or the same below XDG_CACHE_HOME; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxae"
