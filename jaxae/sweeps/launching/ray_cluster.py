"""Connection to a Ray cluster that trains the groups of a sweep: a running one, or one on this machine."""

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

ANSWER_SECONDS = 10.0  # time in which the cluster at RAY_ADDRESS must accept a connection
# Prefixes of environment variables that every worker receives. They must be set before jax is imported.
PASSED_ON = ("JAX_", "XLA_", "NPROC", "TF_CPP_MIN_LOG_LEVEL")
RESOURCES = {"cpu": "CPU", "gpu": "GPU", "tpu": "TPU"}  # platform of jax -> resource of Ray


def ray() -> Any:
    """Import ray. Raises: JaxaeError if it is not installed."""
    try:
        import ray as module
    except ImportError:
        raise JaxaeError("launcher: ray is not installed; pip install 'jaxae[ray]' brings it") from None
    return module


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """Yield ray, connected to a cluster: a running one, or a new one on this machine.

    A running cluster is one that this process is connected to, that RAY_ADDRESS names, or that `ray start`
    started. On exit, a connection or cluster that this function made is closed.

    Raises:
        JaxaeError: If no cluster can be reached or started.
    """
    connection = ray()
    if connection.is_initialized():
        yield connection
        return
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)  # otherwise Ray logs its start and its end
    try:
        _connect(connection)
        yield connection
    finally:
        connection.shutdown()
        logger.setLevel(level)


def slots(connection: Any, devices: int) -> int:
    """Return the number of groups that the cluster can train at the same time, at least 1.

    Args:
        connection: ray, connected.
        devices: Number of devices of each group.

    Returns:
        The sum over nodes; a group cannot be spread over two nodes.
    """
    kind = RESOURCES[jax.default_backend()]
    return max(1, sum(int(node.get(kind, 0) // devices) for node in _nodes(connection)))


def lacking(connection: Any, devices: int) -> str | None:
    """Return a warning if no node has enough accelerators for a group; the group then waits for a new node.

    Args:
        connection: ray, connected.
        devices: Number of devices of the group.

    Returns:
        The warning; None if a node has them, and always on CPU.
    """
    kind = RESOURCES[jax.default_backend()]
    if kind == "CPU" or any(node.get(kind, 0) >= devices for node in _nodes(connection)):
        return None
    return (
        f"no node of the cluster has {devices} {kind}s; groups wait for one; a smaller --devices needs fewer"
    )


def needs(connection: Any, group: Group, lane_bytes: int) -> dict[str, Any]:
    """Return the options of Ray's task for a group: devices, memory and environment variables.

    The devices are of the kind that this process has. On CPU a group may have more devices than the largest
    node has cores; its devices then share the cores.

    Args:
        connection: ray, connected.
        group: The group.
        lane_bytes: Bytes that a lane needs in training.

    Returns:
        Keyword arguments for `options` of a remote function.
    """
    platform, nodes = jax.default_backend(), _nodes(connection)
    environment = {"runtime_env": {"env_vars": _environment(platform, group.devices)}}
    if platform != "cpu":
        return {"num_cpus": 1, **_accelerators(platform, group.devices), **environment}
    # At most the resources of the largest node: Ray would let a larger task wait forever.
    cores = max((int(node.get("CPU", 0)) for node in nodes), default=0)
    memory = max((node.get("memory", 0) for node in nodes), default=0)
    resources = {"num_cpus": min(group.devices, max(1, cores))}
    return {**resources, "memory": int(min(group.width * lane_bytes, memory)), **environment}


def _accelerators(platform: str, devices: int) -> dict[str, Any]:
    """Return the resource request for accelerators; TPUs are custom resources in Ray."""
    return {"num_gpus": devices} if platform == "gpu" else {"resources": {RESOURCES[platform]: devices}}


def _environment(platform: str, devices: int) -> dict[str, str]:
    """Return the environment variables that must be set before a worker imports jax."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    # The number of host devices is the group's, not that of this process.
    flags = [flag for flag in variables.get("XLA_FLAGS", "").split() if not flag.startswith(FORCED)]
    if platform == "cpu":
        variables["JAX_PLATFORMS"] = "cpu"
        flags += [f"{FORCED}={devices}"] if devices > 1 else []
    return {**variables, "XLA_FLAGS": " ".join(flags)}


def _nodes(connection: Any) -> list[dict[str, float]]:
    """Return the resources of each node that is alive."""
    return [node["Resources"] for node in connection.nodes() if node["Alive"]]


def _connect(connection: Any) -> None:
    """Connect without output, and restore the signal handlers of this process, which Ray replaces."""
    _check_address(os.environ.get("RAY_ADDRESS", ""))
    _bring_token()
    # Otherwise a cluster that Ray starts here sends statistics of its use to Ray's servers after a minute.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    in_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with warnings.catch_warnings():
            # jax and Python warn about a fork in a process with threads. Ray forks only to execute another
            # program.
            warnings.filterwarnings("ignore", ".*fork", RuntimeWarning)
            warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
            connection.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, connection.exceptions.RayError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JaxaeError(f"launcher: Ray cannot be reached or started ({reason})") from None
    finally:
        for number, handler in handlers.items():
            if in_main and handler is not None:
                signal.signal(number, handler)


def _check_address(address: str) -> None:
    """Raise JaxaeError if no server accepts a connection at HOST:PORT."""
    # Ray itself would try for minutes before it fails.
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise JaxaeError(f"launcher: no Ray cluster answers at RAY_ADDRESS {address} ({reason})") from None


def _bring_token() -> None:
    """Set a token for a new cluster if there is none."""
    # Ray requires a token (since 2.60), and would write a new one to the user's home folder.
    has_one = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if not has_one and not (Path.home() / ".ray" / "auth_token").exists():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
