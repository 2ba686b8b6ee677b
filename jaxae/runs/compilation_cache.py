"""jax's persistent compilation cache: programs that a process has compiled are loaded by the next one."""

import contextlib
import hashlib
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import jax

from jaxae.errors import warn
from jaxae.runs import provenance

LIMITS = {  # variable of the environment -> option of jax, by which only slow or large programs are kept
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "jax_persistent_cache_min_compile_time_secs",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "jax_persistent_cache_min_entry_size_bytes",
}
SUFFIX = "-cache"  # end of the names of jax's entries
SEAL = b"\njaxae sha256 "  # stands before the digest at the end of an entry that jaxae has written
_warned: set[str] = set()  # kinds of problems that this process has reported


def keep_compiled_programs() -> None:
    """Switch on jax's persistent compilation cache, in `~/.cache/jaxae`, unless the user has chosen.

    JAX_COMPILATION_CACHE_DIR or `jax_compilation_cache_dir` in jax's configuration moves the cache.
    JAX_ENABLE_COMPILATION_CACHE=false or `jax_enable_compilation_cache` switches it off. Several processes of
    one run never use it: a process that finds its program runs ahead of those that compile together.
    """
    values = jax.config.values
    if jax.distributed.is_initialized() or not values["jax_enable_compilation_cache"]:
        return
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and values["jax_compilation_cache_dir"] is None:
        folder = provenance.cache_folder()
        if (reason := _problem(folder)) is not None:
            advice = "JAX_COMPILATION_CACHE_DIR names another folder"
            _warn_once("folder", f"{_cannot_keep(folder, reason)}; {advice}")
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # By default jax keeps only programs that took over a second to compile. Small ones count here: with
        # all of them kept, a whole start took 2.2 s instead of 4.8 s.
        for variable, option in LIMITS.items():
            if variable not in os.environ:
                jax.config.update(option, 0)
    check_entries()


def check_entries() -> None:
    """Check each entry of jax's cache when it is read, from now on; damaged ones are removed."""
    # Not public in jax 0.10 to 0.12, which has no hook for this. In a version without these names, jax warns
    # of each damaged entry, and compiles its program again at every start.
    with contextlib.suppress(ImportError, AttributeError):
        from jax._src import compilation_cache as entries

        try:
            entries._initialize_cache()
        except OSError as error:  # the user's folder; jax goes on without a cache
            _warn_once("folder", _cannot_keep(jax.config.values["jax_compilation_cache_dir"], error.strerror))
        if entries._cache is not None and not isinstance(entries._cache, CheckedCache):
            checked: Any = CheckedCache(entries._cache, entries.decompress_executable)
            entries._cache = checked


class CheckedCache:
    """jax's cache, in which a damaged entry is the same as a missing one.

    jax compresses entries without a digest (zstd) or with a weak one (zlib). A program with a flipped bit
    would compute other numbers, so entries in jaxae's own folder end with their SHA-256.
    """

    def __init__(self, cache: Any, decompress: Any) -> None:
        self._cache, self._decompress = cache, decompress
        self._folder = Path(str(cache.path))
        self._seals = self._folder == provenance.cache_folder() and not cache.eviction_enabled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def get(self, key: str) -> bytes | None:
        """Return an entry, or None if it is missing.

        Args:
            key: Key of the program.

        Returns:
            The entry as jax has made it. None also for a damaged entry, which is removed.
        """
        try:
            stored = self._cache.get(key)
            return None if stored is None else self._checked(stored)
        # Any exception: each decompressor has its own.
        except Exception:
            self._remove(self._folder / f"{key}{SUFFIX}")
            return None

    def put(self, key: str, value: bytes) -> None:
        """Write an entry; a folder that cannot be written is reported once.

        Args:
            key: Key of the program.
            value: The entry as jax has made it.
        """
        try:
            if self._seals:
                self._write(self._folder / f"{key}{SUFFIX}", value + SEAL + _digest(value))
            else:
                self._cache.put(key, value)
        except OSError as error:
            _warn_once("folder", _cannot_keep(self._folder, error.strerror))

    def _checked(self, stored: bytes) -> bytes:
        """Return the entry without its seal. Raises: Exception if it is damaged."""
        value, seal, digest = stored.rpartition(SEAL)
        if seal and digest == _digest(value):
            return value
        # Written by jax or by an older version of jaxae: at least it can be decompressed as a whole.
        if seal or not self._decompress(stored):
            raise ValueError("the digest differs")
        return stored

    def _remove(self, entry: Path) -> None:
        """Remove a damaged entry, so that the program is written again after it was compiled."""
        with contextlib.suppress(OSError):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        _warn_once(
            "damaged",
            f"{self._folder}: a compiled program is damaged; such programs are removed and compiled again",
        )

    def _write(self, entry: Path, content: bytes) -> None:
        """Write an entry as a whole: a process may be killed at any moment, and another one may read."""
        if entry.exists():
            return
        temporary = self._folder / f".{os.getpid()}-{threading.get_ident()}.part"
        try:
            temporary.write_bytes(content)
            temporary.replace(entry)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).hexdigest().encode()


def _cannot_keep(folder: Any, reason: str | None) -> str:
    return f"{folder}: compiled programs cannot be kept there ({reason})"


def _warn_once(kind: str, message: str) -> None:
    """Print a warning, the first one of its kind in this process: a start reads about thirty programs."""
    if kind not in _warned:
        _warned.add(kind)
        warn(message)


def _problem(folder: Path) -> str | None:
    """Return why programs cannot be written to a folder, which is made if it is missing; None if they can."""
    # Otherwise jax warns once for each program, for example if the home directory is read-only.
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or type(error).__name__
    return None if os.access(folder, os.W_OK) else "Permission denied"
