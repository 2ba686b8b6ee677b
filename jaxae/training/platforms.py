"""Check the platform of jax: raise an error if it cannot be used, warn of an accelerator that is idle."""

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
# Platform -> the extra of jaxae that installs it; "" if jaxae has no extra for it.
EXTRAS = {"cpu": "", "cuda": "jaxae[cuda]", "gpu": "jaxae[cuda]", "rocm": "", "tpu": "jaxae[tpu]"}
# Not /proc/driver/nvidia: a container sees the driver of its host there, even if it may not use the GPU.
DEVICE_FILES = {
    "an NVIDIA GPU": ("cuda", ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")),
    "a TPU": ("tpu", ("/dev/accel0",)),
}


@functools.cache
def check() -> None:
    """Start jax's platforms, and warn once if the machine has an accelerator that is not used.

    Call this before the first computation, and after `jax.distributed.initialize`.

    Raises:
        JaxaeError: If jax cannot use the platform; it names JAX_PLATFORMS and the valid platforms.
    """
    was_started = _is_started()
    with _Captured() as captured:
        message = problem()
    if message:
        raise JaxaeError(message)
    # If jax was started before, it has already printed its own warning.
    warning = None if was_started else idle_accelerator(captured.reason)
    if warning and jax.process_index() == 0:
        print(f"jaxae: warning: {warning}", file=sys.stderr)


def problem(raised: Exception | None = None) -> str | None:
    """Return in one line why jax cannot start on the chosen platforms; None if it can.

    Args:
        raised: The exception that was raised before, if any. For JAX_PLATFORMS=cpu,x jax raises for x only
            once, and then continues with cpu.
    """
    if str(raised).startswith("Unable to initialize backend"):
        return _explain(_chosen(), str(raised))
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        # jax raises a bare AssertionError if JAX_PLATFORMS=cuda and the machine has no GPU.
        return _explain(_chosen(), str(error))
    return None


def idle_accelerator(reason: str = "") -> str | None:
    """Return a warning if the CPU computes although the machine has an accelerator, else None.

    Args:
        reason: The reason why jax did not start on the accelerator, if jax has logged one.
    """
    # A user who sets JAX_PLATFORMS has chosen the CPU and needs no warning.
    if jax.default_backend() != "cpu" or _chosen():
        return None
    present = [
        (name, platform)
        for name, (platform, files) in DEVICE_FILES.items()
        if any(Path(file).exists() for file in files)
    ]
    if not present:
        return None
    name, platform = present[0]
    if platform in installed():
        advice = f"to see why: {VARIABLE}={platform}" + (f" ({reason})" if reason else "")
    else:
        advice = f"to use it: pip install '{EXTRAS[platform]}'"
    return (
        f"this machine has {name}, but jax computes on the CPU; {advice}; "
        f"to silence this warning: {VARIABLE}=cpu"
    )


def installed() -> list[str]:
    """Return the platforms that are installed, whether or not the machine has their devices."""
    plugins = [point.name for point in importlib.metadata.entry_points(group="jax_plugins")]
    # Plugins have names such as xla_cuda12: find the platform in the name.
    named = [next((known for known in EXTRAS if known in name), name) for name in plugins]
    tpu = ["tpu"] if importlib.util.find_spec("libtpu") else []
    return list(dict.fromkeys(["cpu", *named, *tpu]))


def _chosen() -> str | None:
    """Return the platforms that JAX_PLATFORMS or jax.config.update chooses, "cuda,cpu"; None if unset."""
    return jax.config.values["jax_platforms"] or None


def _explain(chosen: str | None, error: str) -> str:
    """Explain why jax cannot start: an unknown name, a platform not installed, or no such device."""
    reason = " ".join(error.split()).partition(" (set JAX_PLATFORMS")[0]
    if not chosen:
        return f"jax cannot start: {reason}"
    listed = f"installed here: {', '.join(installed())}"
    # "gpu" is an alias of jax for cuda or rocm, so it is no plugin of this name.
    names = chosen.split(",")
    unknown = [name for name in names if name not in EXTRAS and name not in installed()]
    if unknown:
        return f"{VARIABLE}: got {chosen!r}; {nearest(unknown[0], EXTRAS)}; {listed}"
    missing = [name for name in names if name not in installed() and not (name == "gpu" and _has_gpu())]
    if missing:
        extra = EXTRAS.get(missing[0])
        install = f"; to install {missing[0]}: pip install '{extra}'" if extra else ""
        return f"{VARIABLE}: got {chosen!r}, but {missing[0]} is not installed; {listed}{install}"
    reason = reason or "no device found"
    return f"{VARIABLE}: got {chosen!r}, but jax cannot use such a device ({reason}); {listed}"


def _has_gpu() -> bool:
    """Return whether a platform for GPUs is installed."""
    return bool({"cuda", "rocm"} & set(installed()))


def _is_started() -> bool:
    """Return whether jax has already started its platforms."""
    # jax 0.10.2 has no public function for this. If the private one disappears, the answer is False.
    from jax._src import xla_bridge

    return getattr(xla_bridge, "backends_are_initialized", lambda: False)()


class _Captured(logging.Filter):
    """Filter that drops jax's log messages about an idle accelerator; `check` prints one line instead."""

    reason = ""
    logger = logging.getLogger("jax._src.xla_bridge")

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the reason of a failed start, and drop it from the log; let other records pass."""
        message = " ".join(record.getMessage().split())
        if "failed to initialize" in message:
            self.reason = message
        return not (self.reason or "may be present on this machine" in message)

    def __enter__(self) -> "_Captured":
        self.logger.addFilter(self)
        return self

    def __exit__(self, *error: Any) -> None:
        self.logger.removeFilter(self)
