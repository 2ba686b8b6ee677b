"""A Ray cluster to launch a sweep's groups on: one that is running, else one of this machine's own."""

import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from jaxae.errors import JaxaeError
from jaxae.runs.provenance import FORCED
from jaxae.sweeps.store import Group

ANSWER_SECONDS = 10.0  # for a cluster that RAY_ADDRESS names
PASSED_ON = ("JAX_", "XLA_", "NPROC", "TF_CPP_MIN_LOG_LEVEL")  # of the environment, to every worker
RESOURCES = {"cpu": "CPU", "gpu": "GPU", "tpu": "TPU"}  # platform -> what Ray calls its devices


def ray() -> Any:
    """ray, imported where it is needed. Raises: JaxaeError where it is not installed."""
    try:
        import ray as found
    except ImportError:
        raise JaxaeError("launcher: ray is not installed; pip install 'jaxae[ray]' brings it") from None
    return found


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """ray, connected: as it is already, to the cluster of RAY_ADDRESS or `ray start`, or to one of its own.

    What was begun here is ended here. Raises: JaxaeError where there is no cluster to be had.
    """
    found = ray()
    if found.is_initialized():
        yield found
        return
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        _connect(found)
        yield found
    finally:
        found.shutdown()
        logger.setLevel(level)


def slots(found: Any, devices: int) -> int:
    """How many groups of so many devices are trained at once."""
    kind = RESOURCES[jax.default_backend()]
    return max(1, sum(int(node.get(kind, 0) // devices) for node in _nodes(found)))


def lacking(found: Any, devices: int) -> str | None:
    """What is to be said where no node has so many accelerators: groups wait for one that has."""
    kind = RESOURCES[jax.default_backend()]
    if kind == "CPU" or any(node.get(kind, 0) >= devices for node in _nodes(found)):
        return None
    return f"no node of the cluster has {devices} {kind}s; groups wait for one (--devices asks for fewer)"


def needs(found: Any, group: Group, lane_bytes: int) -> dict[str, Any]:
    """What a group asks Ray for: devices of the kind that this process has, memory, and its environment.

    On CPU, devices may be more than the cores of the largest node: they share them.
    """
    platform, nodes = jax.default_backend(), _nodes(found)
    environment = {"runtime_env": {"env_vars": _environment(platform, group.devices)}}
    if platform != "cpu":
        return {"num_cpus": 1, **_accelerators(platform, group.devices), **environment}
    cores = max((int(node.get("CPU", 0)) for node in nodes), default=0)
    memory = max((node.get("memory", 0) for node in nodes), default=0)
    asked = {"num_cpus": min(group.devices, max(1, cores))}
    return {**asked, "memory": int(min(group.width * lane_bytes, memory)), **environment}


def _accelerators(platform: str, devices: int) -> dict[str, Any]:
    return {"num_gpus": devices} if platform == "gpu" else {"resources": {RESOURCES[platform]: devices}}


def _environment(platform: str, devices: int) -> dict[str, str]:
    """What must be said before jax is imported."""
    told = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    flags = [flag for flag in told.get("XLA_FLAGS", "").split() if not flag.startswith(FORCED)]
    if platform == "cpu":
        told["JAX_PLATFORMS"] = "cpu"
        flags += [f"{FORCED}={devices}"] if devices > 1 else []
    return {**told, "XLA_FLAGS": " ".join(flags)}


def _nodes(found: Any) -> list[dict[str, float]]:
    """What each node that is alive has."""
    return [node["Resources"] for node in found.nodes() if node["Alive"]]


def _connect(found: Any) -> None:
    """Connects, quietly, and leaves this process's signal handlers as they were."""
    _check_address(os.environ.get("RAY_ADDRESS", ""))
    _bring_token()
    in_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with warnings.catch_warnings():
            # jax and Python warn of a fork among threads; Ray's is the beginning of another program.
            warnings.filterwarnings("ignore", ".*fork", RuntimeWarning)
            warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
            found.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, found.exceptions.RayError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JaxaeError(f"launcher: Ray cannot be reached or started ({reason})") from None
    finally:
        for number, handler in handlers.items():
            if in_main and handler is not None:
                signal.signal(number, handler)


def _check_address(address: str) -> None:
    """Ray itself would wait for minutes. Raises: JaxaeError where nobody answers at HOST:PORT."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise JaxaeError(f"launcher: no Ray cluster answers at RAY_ADDRESS {address} ({reason})") from None


def _bring_token() -> None:
    """A token for a cluster of its own: Ray asks for one, and would write it to the home folder."""
    has_one = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if not has_one and not (Path.home() / ".ray" / "auth_token").exists():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
