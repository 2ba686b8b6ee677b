"""How the lanes of a program are laid out: one after another, side by side, and over devices. R lanes.

`map`: one after another inside the compiled program, each with the bits of a single run.
`vmap`: side by side, one batched operation for all of them; bits depend on how many lanes there are.
`devices`: dealt to the devices, where they are mapped or vmapped; devices exchange nothing.
"""

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxae import keys
from jaxae.errors import JaxaeError, nearest
from jaxae.sweeps.groups import lanes as one
from jaxae.sweeps.groups.lanes import Lane, Part
from jaxae.training import epoch
from jaxae.types import Batch, Examples

NAMES = ("auto", "map", "vmap", "devices", "devices:map", "devices:vmap")
AXIS = "lanes"
# On CPU, side by side pays where a lane's arithmetic is small beside the dispatch of its operations.
FEW_PARAMETERS = 30_000
# More lanes in one group bring nothing, and a group's rows are written when its last lane has ended.
MOST_LANES = 64


class Layout(NamedTuple):
    """Where the lanes of a group go; `width` of them, a multiple of `devices`."""

    inside: str  # map or vmap
    devices: int
    width: int

    def __str__(self) -> str:
        return self.inside if self.devices == 1 else f"devices:{self.inside}x{self.devices}"


def choose(
    name: str,
    num_lanes: int,
    num_parameters: int,
    lane_bytes: int,
    most_lanes: int | None = None,
    most_devices: int | None = None,
) -> Layout:
    """The layout for `num_lanes` runs of one structure: what `auto` leaves open is as measured.

    `lane_bytes`: what a lane occupies while it trains. `most_lanes`: at once, None for what memory allows;
    `most_devices`: None for all. Raises: JaxaeError for a name that is none, and more devices than there are.
    """
    check_name(name)
    kind, _, inside = name.partition(":")
    available = jax.local_device_count()
    if most_devices is not None and not 1 <= most_devices <= available:
        raise JaxaeError(f"devices: got {most_devices}, expected 1 to {available}, which there are")
    devices = min(most_devices or available, num_lanes) if kind in ("auto", "devices") else 1
    if kind in ("map", "vmap"):
        inside = kind
    elif not inside:
        tiny = num_parameters <= FEW_PARAMETERS
        inside = "vmap" if num_lanes > 1 and (tiny or jax.default_backend() != "cpu") else "map"
    room = max(1, int(memory_budget() // max(lane_bytes, 1)) // devices)
    most = most_lanes or min(MOST_LANES * devices, room * devices)
    groups = -(-num_lanes // max(most, devices))
    each = -(-num_lanes // groups)  # groups of about one size: few lanes are left that only fill the last
    return Layout(inside, devices, -(-each // devices) * devices)


def check_name(name: str) -> None:
    """Raises JaxaeError for a name that is no layout."""
    if name not in NAMES:
        raise JaxaeError(f"layout: got {name!r}; {nearest(name, NAMES)}")


def memory_budget() -> float:
    """Bytes that the lanes of all local devices may occupy: half of what is free, or of the devices' own."""
    device = jax.local_devices()[0]
    told = device.memory_stats() if device.platform != "cpu" else None
    if told and "bytes_limit" in told:
        return 0.5 * told["bytes_limit"] * jax.local_device_count()
    info = Path("/proc/meminfo")
    available = re.search(r"MemAvailable: +(\d+) kB", info.read_text()) if info.exists() else None
    if available:
        return 0.5 * 1024 * int(available[1])
    return 0.25 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # of which others have a share


start = jax.jit(jax.vmap(one.start))


def like(experiments: Any, seeds: Any, halted: Any, batch: Batch) -> Lane:
    """Return the shapes and types of a group's lanes; nothing is computed.

    Args:
        experiments: the runs' experiments, leaves f32[R].
        seeds: u32[R].
        halted: bool[R].
        batch: an example of a batch, or its shapes and types.
    """

    def lane(each: tuple[Any, Array, Array], batch: Batch) -> Lane:
        experiment, seed, halted = each
        return one.start(experiment, epoch.begin(experiment, keys.root(seed), batch), halted)

    def lanes(each: Any, batch: Batch) -> Lane:
        return jax.lax.map(functools.partial(lane, batch=batch), each)

    return jax.eval_shape(lanes, (experiments, seeds, halted), batch)


@functools.partial(jax.jit, static_argnames="layout", donate_argnames="lanes")
def advance(
    layout: Layout,
    experiments: Any,
    seeds: Array,
    lanes: Lane,
    rows: tuple[Examples, Examples],
    first: Array,
    last: Array,
) -> Lane:
    """The lanes after the epochs first, ..., last i32[], over (training rows, validation rows)."""

    def lane(shared: Any, experiment: Any, seed: Array, lane: Lane) -> Lane:
        side_by_side = layout.inside == "vmap"
        return one.advance(experiment, keys.root(seed), lane, *shared, side_by_side=side_by_side)

    return _over_lanes(layout, lane)((rows, first, last), experiments, seeds, lanes)


@functools.partial(jax.jit, static_argnames=("layout", "part", "split", "num_steps", "at_once"))
def score(
    experiments: Any,
    seeds: Array,
    lanes: Lane,
    examples: Examples,
    *,
    layout: Layout,
    part: Part,
    split: str,
    num_steps: int,
    at_once: int,
) -> Any:
    """A part of what is measured of each lane over a split, [R, ...]; see `lanes.scores`."""

    def lane(examples: Examples, experiment: Any, seed: Array, lane: Lane) -> Any:
        sizes: dict[str, Any] = {"part": part, "split": split, "num_steps": num_steps, "at_once": at_once}
        return one.scores(experiment, keys.root(seed), lane, examples, **sizes)

    # Scores take memory for many draws: one lane after another whatever the layout.
    return _over_lanes(layout._replace(inside="map"), lane)(examples, experiments, seeds, lanes)


def place(layout: Layout, lanes: Any) -> Any:
    """Arrays [R, ...] where the layout's programs leave them."""
    if layout.devices == 1:
        return jax.tree.map(jax.numpy.asarray, lanes)
    return jax.device_put(lanes, _sharding(layout, AXIS))


def place_rows(layout: Layout, rows: Any) -> Any:
    """Rows that every device needs."""
    return rows if layout.devices == 1 else jax.device_put(rows, of_rows(layout))


def abstract(layout: Layout, lanes: Any) -> Any:
    """The shapes and types of arrays [R, ...], where the layout's programs leave them."""
    sharding = None if layout.devices == 1 else _sharding(layout, AXIS)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), lanes)


def of_rows(layout: Layout) -> NamedSharding | None:
    """Where rows lie: on each of several devices, or on the one."""
    return None if layout.devices == 1 else _sharding(layout)


def _sharding(layout: Layout, *axes: str) -> NamedSharding:
    return NamedSharding(_mesh(layout), PartitionSpec(*axes))


def _over_lanes(layout: Layout, lane: Callable[..., Any]) -> Callable[..., Any]:
    """`lane(shared, *arguments)` of one lane -> of [R, ...] arguments."""

    def inside(shared: Any, *arguments: Any) -> Any:
        of_one = functools.partial(lane, shared)
        if layout.inside == "vmap":
            return jax.vmap(of_one)(*arguments)
        return jax.lax.map(lambda each: of_one(*each), arguments)

    if layout.devices == 1:
        return inside

    def spread(shared: Any, *arguments: Any) -> Any:
        specs = PartitionSpec(), *(PartitionSpec(AXIS) for _ in arguments)
        # Without the check of replication, which `while` loops with a common counter do not pass.
        program = jax.shard_map(
            inside, mesh=_mesh(layout), in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False
        )
        return program(shared, *arguments)

    return spread


@functools.cache
def _mesh(layout: Layout) -> Mesh:
    devices = jax.local_devices()[: layout.devices]
    return jax.make_mesh((layout.devices,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)
