"""Layouts of the lanes of a program: one after another, side by side, or distributed over devices. R lanes.

`map`: one lane after another inside the compiled program, each with the bits of a single run.
`vmap`: all lanes side by side in batched operations; bits depend on the number of lanes.
`devices`: lanes are distributed over devices, and mapped or vmapped on each; devices exchange nothing.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxae import keys
from jaxae.data.free_memory import free_bytes
from jaxae.errors import JaxaeError, nearest
from jaxae.sweeps.groups import lanes as single_lane
from jaxae.sweeps.groups.lanes import Lane, Part
from jaxae.training import epoch
from jaxae.types import Batch, Examples

NAMES = ("auto", "map", "vmap", "devices", "devices:map", "devices:vmap")
AXIS = "lanes"
# On CPU vmap pays only if a lane's arithmetic is small compared with the dispatch of its operations.
# Measured on two cores, 16 runs: 64-32-2 takes 0.10 s by vmap and 0.18 s by map, 784-400-20 2.25 and 1.49 s.
FEW_PARAMETERS = 30_000
# More lanes in one group are not faster, and the rows of a group are written only when its last lane has
# ended.
MOST_LANES = 64


class Layout(NamedTuple):
    """Placement of the lanes of a group on devices."""

    inside: str  # "map" or "vmap", on each device
    devices: int
    width: int  # number of lanes, a multiple of `devices`

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
    """Return the layout for runs of one structure; `auto` chooses the layout that was measured to be fastest.

    Args:
        name: One of `NAMES`.
        num_lanes: Number of runs.
        num_parameters: Number of parameters of one run.
        lane_bytes: Bytes that a lane needs in training.
        most_lanes: Largest number of lanes in one group; None: all that fit in memory.
        most_devices: Largest number of devices; None: all.

    Returns:
        The layout. Its width may be smaller than `num_lanes`: the runs then form several groups.

    Raises:
        JaxaeError: If the name is unknown, or there are fewer devices than `most_devices`.
    """
    check_name(name)
    kind, _, inside = name.partition(":")
    available = jax.local_device_count()
    if most_devices is not None and not 1 <= most_devices <= available:
        raise JaxaeError(
            f"devices: got {most_devices}, expected 1 to {available}, the number of devices of this process"
        )
    devices = min(most_devices or available, num_lanes) if kind in ("auto", "devices") else 1
    if kind in ("map", "vmap"):
        inside = kind
    elif not inside:
        tiny = num_parameters <= FEW_PARAMETERS
        # A single lane is mapped, so that it has the bits of a single run.
        inside = "vmap" if num_lanes > 1 and (tiny or jax.default_backend() != "cpu") else "map"
    # At least one lane, even if the estimate exceeds the memory: the estimate may be too high.
    room = max(1, int(memory_budget() // max(lane_bytes, 1)) // devices)
    most = most_lanes or min(MOST_LANES * devices, room * devices)
    groups = -(-num_lanes // max(most, devices))
    width = -(-num_lanes // groups)  # groups of about one size: few lanes of the last group are idle
    return Layout(inside, devices, -(-width // devices) * devices)  # rounded up to a multiple of `devices`


def check_name(name: str) -> None:
    """Raise JaxaeError for a name that is not a layout."""
    if name not in NAMES:
        raise JaxaeError(f"layout: got {name!r}; {nearest(name, NAMES)}")


def memory_budget() -> float:
    """Return the bytes that the lanes of all local devices may use: half of the memory.

    On an accelerator this is half of the devices' own memory, on CPU half of the memory that is free now.
    """
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return 0.5 * stats["bytes_limit"] * jax.local_device_count()
    return 0.5 * free_bytes()


start = jax.jit(jax.vmap(single_lane.start))


def like(experiments: Any, seeds: Any, halted: Any, batch: Batch) -> Lane:
    """Return the shapes and types of a group's lanes; nothing is computed.

    Args:
        experiments: Experiments of the runs, leaves f32[R].
        seeds: Seeds, u32[R].
        halted: bool[R], True for lanes that pad the group.
        batch: A batch of one example, or its shapes and types.

    Returns:
        A `Lane` of `jax.ShapeDtypeStruct`, leaves [R, ...].
    """

    def lane(arguments: tuple[Any, Array, Array], batch: Batch) -> Lane:
        experiment, seed, halted = arguments
        return single_lane.start(experiment, epoch.begin(experiment, keys.root(seed), batch), halted)

    def lanes(arguments: Any, batch: Batch) -> Lane:
        return jax.lax.map(functools.partial(lane, batch=batch), arguments)

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
    """Return the lanes after the epochs first, ..., last.

    Args:
        layout: Layout of the lanes.
        experiments: Experiments of the runs, leaves f32[R].
        seeds: Seeds, u32[R].
        lanes: Lanes after epoch `first` - 1, leaves [R, ...]; donated.
        rows: (training rows, validation rows).
        first: i32[], first epoch, counted from 1.
        last: i32[], last epoch.

    Returns:
        The lanes, leaves [R, ...].
    """

    def lane(shared: Any, experiment: Any, seed: Array, lane: Lane) -> Lane:
        side_by_side = layout.inside == "vmap"
        return single_lane.advance(experiment, keys.root(seed), lane, *shared, side_by_side=side_by_side)

    return _over_lanes(layout, lane, in_place=True)((rows, first, last), experiments, seeds, lanes)


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
    """Return one part of the scores of every lane over a split; see `lanes.scores`.

    Args:
        experiments: Experiments of the runs, leaves f32[R].
        seeds: Seeds, u32[R].
        lanes: Lanes after their last epoch, leaves [R, ...].
        examples: Rows of the split.
        layout: Layout of the lanes.
        part: Part of the scores.
        split: Name of the split.
        num_steps: Number of steps of the whole run.
        at_once: Number of codes that are decoded at the same time.

    Returns:
        The scores, leaves [R, ...].
    """

    def lane(examples: Examples, experiment: Any, seed: Array, lane: Lane) -> Any:
        sizes: dict[str, Any] = {"part": part, "split": split, "num_steps": num_steps, "at_once": at_once}
        return single_lane.scores(experiment, keys.root(seed), lane, examples, **sizes)

    # Scores need memory for many draws, so lanes run one after another whatever the layout.
    return _over_lanes(layout._replace(inside="map"), lane)(examples, experiments, seeds, lanes)


def place(layout: Layout, lanes: Any) -> Any:
    """Put the arrays of lanes on the devices where the layout's programs expect them.

    Args:
        layout: Layout of the lanes.
        lanes: Pytree of arrays [R, ...].

    Returns:
        The same arrays, sharded along R over the layout's devices.
    """
    if layout.devices == 1:
        return jax.tree.map(jax.numpy.asarray, lanes)
    return jax.device_put(lanes, _sharding(layout, AXIS))


def place_rows(layout: Layout, rows: Any) -> Any:
    """Copy rows to every device of the layout.

    Args:
        layout: Layout of the lanes.
        rows: Pytree of arrays [N, ...].

    Returns:
        The same arrays, replicated over the layout's devices.
    """
    return rows if layout.devices == 1 else jax.device_put(rows, of_rows(layout))


def abstract(layout: Layout, lanes: Any) -> Any:
    """Return the shapes, types and sharding of the arrays of lanes.

    Args:
        layout: Layout of the lanes.
        lanes: Pytree of arrays [R, ...], or their shapes and types.

    Returns:
        `jax.ShapeDtypeStruct` for each array, sharded as the layout's programs return it.
    """
    sharding = None if layout.devices == 1 else _sharding(layout, AXIS)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), lanes)


def of_rows(layout: Layout) -> NamedSharding | None:
    """Return the sharding of rows: replicated on all devices; None for one device."""
    return None if layout.devices == 1 else _sharding(layout)


def _sharding(layout: Layout, *axes: str) -> NamedSharding:
    return NamedSharding(_mesh(layout), PartitionSpec(*axes))


def _over_lanes(layout: Layout, lane: Callable[..., Any], *, in_place: bool = False) -> Callable[..., Any]:
    """Return `lane(shared, *arguments)` of one lane as a function of arguments [R, ...].

    With `in_place` the last argument has the form of the values, which take its place.
    """

    def inside(shared: Any, *arguments: Any) -> Any:
        run_lane = functools.partial(lane, shared)
        if layout.inside == "vmap":
            return jax.vmap(run_lane)(*arguments)
        if in_place:
            return _replaced(run_lane, *arguments)
        # lax.map without a batch size is a loop: each iteration has the operations, and the bits, of one run.
        return jax.lax.map(lambda lane_arguments: run_lane(*lane_arguments), arguments)

    if layout.devices == 1:
        return inside

    def sharded(shared: Any, *arguments: Any) -> Any:
        specs = PartitionSpec(), *(PartitionSpec(AXIS) for _ in arguments)
        # check_vma=False: `while` loops whose counter is the same on all devices do not pass that check.
        program = jax.shard_map(
            inside, mesh=_mesh(layout), in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False
        )
        return program(shared, *arguments)

    return sharded


def _replaced(run_lane: Callable[..., Any], *arguments: Any) -> Any:
    """Return the last argument [R, ...] with each lane replaced by `run_lane` of its arguments.

    `lax.map` would keep old and new states of all lanes at the same time: twice the memory, all of which
    each call would write.
    """
    *constant, states = arguments

    def replace(states: Any, item: tuple[Array, Any]) -> tuple[Any, None]:
        number, own = item
        state = jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, number, keepdims=False), states)
        new = run_lane(*own, jax.lax.optimization_barrier(state))
        put = functools.partial(jax.lax.dynamic_update_index_in_dim, index=number, axis=0)
        return jax.tree.map(put, states, new), None

    numbers = jax.numpy.arange(len(jax.tree.leaves(states)[0]))
    return jax.lax.scan(replace, states, (numbers, tuple(constant)))[0]


@functools.cache
def _mesh(layout: Layout) -> Mesh:
    devices = jax.local_devices()[: layout.devices]
    return jax.make_mesh((layout.devices,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)
