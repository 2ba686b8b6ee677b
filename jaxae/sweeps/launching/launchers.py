"""The launchers that have a name: `--launcher ray`, `jaxae.sweep(..., launcher="ray")`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

from jaxae.errors import JaxaeError, nearest
from jaxae.sweeps.groups import group_training as groups
from jaxae.sweeps.launching.launch_job import Job, Launcher
from jaxae.sweeps.plan import Program
from jaxae.sweeps.store import Group, Options, Store

Name = Literal["local", "ray"]  # in the order of LAUNCHERS


class LocalLauncher:
    """Launcher that trains groups one after another in this process."""

    def connected(
        self, store: Store, programs: Sequence[Program], options: Options
    ) -> AbstractContextManager[int | None]:
        """Acquire nothing, and set no limit on lanes.

        Args:
            store: Not used.
            programs: Not used.
            options: Not used.

        Returns:
            A context manager that yields None.
        """
        return nullcontext()

    def run(self, job: Job) -> list[Group]:
        """Train each group, and compile the programs of the next group meanwhile."""
        held = []
        for number, group in enumerate(job.groups):
            # XLA compiles in other threads: the next group finds its programs ready.
            for upcoming in job.groups[number : number + 2]:
                groups.compile_ahead(groups.prepare(job.program(upcoming), upcoming))
            if not job.train(group):
                held.append(group)
        return held


def _ray() -> Launcher:
    from jaxae.sweeps.launching.ray_launcher import RayLauncher  # here: ray is an optional dependency

    return RayLauncher()


LAUNCHERS: dict[str, Callable[[], Launcher]] = dict(zip(get_args(Name), (LocalLauncher, _ray), strict=True))


def find(launcher: Any) -> Launcher:
    """Return the launcher with a name; a launcher object is returned unchanged.

    Args:
        launcher: A name in `LAUNCHERS`, or a launcher.

    Returns:
        The launcher.

    Raises:
        JaxaeError: If the name is unknown, its library is not installed, or the object is not a launcher.
    """
    if isinstance(launcher, str) and launcher in LAUNCHERS:
        return LAUNCHERS[launcher]()
    # A class has the methods as well: without the second test a forgotten `()` would fail later.
    if isinstance(launcher, Launcher) and not isinstance(launcher, type):
        return launcher
    if isinstance(launcher, str):
        raise JaxaeError(f"launcher: got {launcher!r}; {nearest(launcher, LAUNCHERS)}")
    raise JaxaeError(
        f"launcher: got {launcher!r}, expected one of {', '.join(LAUNCHERS)}, "
        "or an object with the methods connected and run (see jaxae.Launcher)"
    )
