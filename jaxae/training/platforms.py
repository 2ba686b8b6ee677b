"""The platform that jax computes on: an error where it cannot be used, a warning of an idle accelerator."""

import functools
import importlib.metadata
import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

import jax

from jaxae.errors import JaxaeError, nearest

VARIABLE = "JAX_PLATFORMS"
# Platform -> what pip installs for it; "" for one that jaxae has no extra for.
EXTRAS = {"cpu": "", "cuda": "jaxae[cuda]", "gpu": "jaxae[cuda]", "rocm": "", "tpu": "jaxae[tpu]"}
# Not /proc/driver/nvidia: there a container sees the driver of its host, whose GPU it may not have.
DEVICE_FILES = {
    "an NVIDIA GPU": ("cuda", ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")),
    "a TPU": ("tpu", ("/dev/accel0",)),
}


@functools.cache
def check() -> None:
    """Start jax's platforms, and warn once of an accelerator that is present and unused.

    To be called before the first computation, and after `jax.distributed.initialize`.
    Raises: JaxaeError for a platform that cannot be used, naming JAX_PLATFORMS and what is valid.
    """
    was_started = _is_started()
    with _Captured() as captured:
        message = problem()
    if message:
        raise JaxaeError(message)
    # Of a jax that was started before, jax itself has given this warning.
    idle = None if was_started else idle_accelerator(captured.reason)
    if idle and jax.process_index() == 0:
        print(f"jaxae: warning: {idle}", file=sys.stderr)


def problem(raised: Exception | None = None) -> str | None:
    """Return why jax cannot start on the platforms asked for, in one line; None where it can.

    Args:
        raised: What has been raised already. Of `cpu,x` jax raises for x once, and then goes on with cpu.
    """
    if str(raised).startswith("Unable to initialize backend"):
        return _explain(_asked(), str(raised))
    try:
        jax.devices()
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # a bare assertion: cuda is asked for, but no GPU is there
        return _explain(_asked(), str(error))
    return None


def idle_accelerator(reason: str = "") -> str | None:
    """Return a warning where the CPU computes while the machine has an accelerator, else None.

    Args:
        reason: Why jax did not start on it, if jax has said so.
    """
    if jax.default_backend() != "cpu" or _asked():
        return None  # the second is the user's choice
    present = [
        (name, platform)
        for name, (platform, files) in DEVICE_FILES.items()
        if any(Path(file).exists() for file in files)
    ]
    if not present:
        return None
    name, platform = present[0]
    if platform in installed():
        way_out = f"{VARIABLE}={platform} shows why" + (f" ({reason})" if reason else "")
    else:
        way_out = f"pip install '{EXTRAS[platform]}' uses it"
    return f"this machine has {name}, but the run works on the CPU; {way_out}; {VARIABLE}=cpu silences this"


def installed() -> list[str]:
    """Return the platforms that are installed here, whether or not their devices are present."""
    plugins = [point.name for point in importlib.metadata.entry_points(group="jax_plugins")]
    named = [next((known for known in EXTRAS if known in name), name) for name in plugins]
    tpu = ["tpu"] if importlib.util.find_spec("libtpu") else []
    return list(dict.fromkeys(["cpu", *named, *tpu]))


def _asked() -> str | None:
    """The platforms that JAX_PLATFORMS, or a call of jax.config.update, asks for."""
    return jax.config.values["jax_platforms"] or None


def _explain(asked: str | None, error: str) -> str:
    reason = " ".join(error.split()).partition(" (set JAX_PLATFORMS")[0]
    if not asked:
        return f"jax cannot start: {reason}"
    here = f"installed here: {', '.join(installed())}"
    names = asked.split(",")
    unknown = [name for name in names if name not in EXTRAS and name not in installed()]
    if unknown:
        return f"{VARIABLE}: got {asked!r}; {nearest(unknown[0], EXTRAS)}; {here}"
    missing = [name for name in names if name not in installed() and not (name == "gpu" and _has_gpu())]
    if missing:
        extra = EXTRAS.get(missing[0])
        install = f"; pip install '{extra}' brings {missing[0]}" if extra else ""
        return f"{VARIABLE}: got {asked!r}, but {missing[0]} is not installed; {here}{install}"
    return (
        f"{VARIABLE}: got {asked!r}, but no such device can be used ({reason or 'none is present'}); {here}"
    )


def _has_gpu() -> bool:
    return bool({"cuda", "rocm"} & set(installed()))


def _is_started() -> bool:
    """Whether jax has started its platforms already, for which it has no public name (0.10.2)."""
    from jax._src import xla_bridge

    return getattr(xla_bridge, "backends_are_initialized", lambda: False)()


class _Captured(logging.Filter):
    """Keeps what jax logs about an idle accelerator to itself: `check` says it in one line."""

    reason = ""
    logger = logging.getLogger("jax._src.xla_bridge")

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the reason of a failed start; let other records pass."""
        message = " ".join(record.getMessage().split())
        if "failed to initialize" in message:
            self.reason = message
        return not (self.reason or "may be present on this machine" in message)

    def __enter__(self) -> "_Captured":
        self.logger.addFilter(self)
        return self

    def __exit__(self, *error: Any) -> None:
        self.logger.removeFilter(self)
