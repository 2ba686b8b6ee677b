"""Where the groups of a sweep are trained: in this process, or over a Ray cluster."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from jaxae.errors import JaxaeError, nearest
from jaxae.sweeps import launch_ray, ray_cluster
from jaxae.sweeps import sweep as sweeps
from jaxae.sweeps.group import Observer
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Store

LAUNCHERS = ("local", "ray")


def check(launcher: str) -> None:
    """Raises JaxaeError for a launcher that there is not, or whose library is not installed."""
    if launcher not in LAUNCHERS:
        raise JaxaeError(f"launcher: got {launcher!r}; {nearest(str(launcher), LAUNCHERS)}")
    if launcher == "ray":
        ray_cluster.ray()


@contextlib.contextmanager
def ready(
    launcher: str, store: Store, programs: Sequence[Program], options: sweeps.Options
) -> Iterator[int | None]:
    """What the launcher needs is there while inside; yields the most lanes that new groups are to have."""
    if launcher == "local":
        yield None
    else:
        with launch_ray.ready(store, programs, options) as most_lanes:
            yield most_lanes


def run(
    launcher: str,
    store: Store,
    programs: Sequence[Program],
    todo: Sequence[Group],
    options: sweeps.Options,
    observe: Observer,
    stop: Callable[[], bool],
) -> list[Group]:
    """Trains groups; returns those that other processes hold. Raises: Interrupted (everything is saved)."""
    if launcher == "local":
        return sweeps.run(store, programs, todo, options, observe)
    return launch_ray.run(store, programs, todo, options, observe, stop)
