"""The launchers that have a name: `--launcher ray`, `jaxae.sweep(..., launcher="ray")`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

from jaxae.errors import JaxaeError, nearest
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.launching.launch_job import Job, Launcher
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options, Store

Name = Literal["local", "ray"]  # each has its place in LAUNCHERS


class LocalLauncher:
    """Trains groups one after another in this process."""

    def connected(
        self, store: Store, programs: Sequence[Program], options: Options
    ) -> AbstractContextManager[int | None]:
        """Need nothing."""
        return nullcontext()

    def run(self, job: Job) -> list[Group]:
        """Train each group; while one trains, the program of the next is compiled."""
        held = []
        for number, group in enumerate(job.groups):
            for soon in job.groups[number : number + 2]:
                groups.compile_ahead(groups.prepare(job.program(soon), soon))
            if not job.train(group):
                held.append(group)
        return held


def _ray() -> Launcher:
    from jaxae.sweeps.launching.ray_launcher import RayLauncher

    return RayLauncher()


LAUNCHERS: dict[str, Callable[[], Launcher]] = dict(zip(get_args(Name), (LocalLauncher, _ray), strict=True))


def find(launcher: Any) -> Launcher:
    """Return the launcher of a name, or a launcher of the caller's own unchanged.

    Raises: JaxaeError for an unknown name, a library that is not installed, or an object that is no launcher.
    """
    if isinstance(launcher, str) and launcher in LAUNCHERS:
        return LAUNCHERS[launcher]()
    if isinstance(launcher, Launcher) and not isinstance(launcher, type):
        return launcher
    if isinstance(launcher, str):
        raise JaxaeError(f"launcher: got {launcher!r}; {nearest(launcher, LAUNCHERS)}")
    raise JaxaeError(
        f"launcher: got {launcher!r}, expected one of {', '.join(LAUNCHERS)}, "
        "or an object with the methods connected and run (see jaxae.Launcher)"
    )
