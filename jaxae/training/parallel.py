"""One run over several devices: each batch is divided among them, all else is on each of them.

The compiler does the work. Under a mesh with the axis AXIS, `divided` and `replicated` tell it how a
batch and a state lie; it divides what follows from the batch and adds the all-reduce of the gradients.
Means, norms and noise are those of the whole batch, so the numbers are those of one device but for the
order of sums: equal to 1e-6, until a last digit decides on which side of its kink a relu lies. Without a
mesh nothing is told, and the program is what it always was.
"""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxae.errors import JaxaeError
from jaxae.training import platforms

AXIS = "batch"
EVERYWHERE, BY_ROWS, BY_ROWS_OF_STEPS = PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(None, AXIS)


def make_mesh(devices: int = 1, distributed: bool = False) -> Mesh | None:
    """The first `devices` of this process, or of every process that jax.distributed has joined.

    None for one device of one process, which needs no mesh.
    Raises: JaxaeError for a number of devices that is not there, processes that have not joined, or a
    platform that jax cannot use.
    """
    if distributed and not jax.distributed.is_initialized():
        raise JaxaeError(
            f"distributed: got {distributed}, but jax.distributed.initialize() has not been called"
        )
    platforms.check()
    processes = range(jax.process_count()) if distributed else [jax.process_index()]
    there = [[d for d in jax.devices() if d.process_index == number] for number in processes]
    if len({len(local) for local in there}) > 1:
        raise JaxaeError(
            f"distributed: the processes have {', '.join(str(len(local)) for local in there)} devices; "
            "expected the same number in each"
        )
    fewest = min(len(local) for local in there)
    if isinstance(devices, bool) or not isinstance(devices, int) or not 1 <= devices <= fewest:
        raise JaxaeError(f"devices: got {devices!r}, expected {_valid(fewest, distributed)}")
    chosen = [device for local in there for device in local[:devices]]
    # Auto: jax.make_mesh would take Explicit axes, with which gathers and convolutions must be annotated.
    return Mesh(np.array(chosen), (AXIS,), axis_types=(AxisType.Auto,)) if len(chosen) > 1 else None


def check_batch(batch_size: int, mesh: Mesh | None) -> None:
    """Raises JaxaeError for a batch that the mesh's devices cannot share evenly."""
    if mesh is not None and batch_size % mesh.size:
        raise JaxaeError(
            f"batch_size: got {batch_size}, expected a multiple of {mesh.size}, the devices that share it"
        )


def devices_by_process(mesh: Mesh | None) -> list[int]:
    """How many devices each process gives to a run: [1] for an ordinary one."""
    if mesh is None:
        return [1]
    processes = [device.process_index for device in mesh.devices.flat]
    return [processes.count(number) for number in sorted(set(processes))]


def over(mesh: Mesh | None) -> contextlib.AbstractContextManager[Any]:
    """While inside, programs are compiled for the mesh; it must not stay open over a generator's yield."""
    return contextlib.nullcontext() if mesh is None else jax.set_mesh(mesh)


def divided(batch: Any) -> Any:
    """A traced batch [B, ...] with its rows divided over the ambient mesh's devices."""
    return _constrained(batch, BY_ROWS)


def replicated(tree: Any) -> Any:
    """A traced tree, whole on each of the ambient mesh's devices."""
    return _constrained(tree, EVERYWHERE)


def _constrained(tree: Any, spec: PartitionSpec) -> Any:
    if AXIS not in jax.sharding.get_abstract_mesh().axis_names:
        return tree
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)


def replicate(tree: Any, mesh: Mesh | None) -> Any:
    """Arrays, the same in each process, on every device of the mesh."""
    return _put(tree, mesh, EVERYWHERE)


def divide_steps(tree: Any, mesh: Mesh | None) -> Any:
    """The batches of some steps [num_steps, B, ...], each device with its rows of each step."""
    return _put(tree, mesh, BY_ROWS_OF_STEPS)


def _put(tree: Any, mesh: Mesh | None, spec: PartitionSpec) -> Any:
    if mesh is None:
        return jax.tree.map(jnp.asarray, tree)
    sharding = NamedSharding(mesh, spec)

    def put(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        # Not device_put, which first compares the whole array between the processes.
        return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)

    return jax.tree.map(put, tree)


def gather(tree: Any, mesh: Mesh | None) -> Any:
    """Arrays that are whole on every device of the mesh, on this process's first device alone."""
    return tree if mesh is None else jax.tree.map(jnp.asarray, jax.device_get(tree))


def _valid(fewest: int, distributed: bool) -> str:
    whose = "that every process has" if distributed else "that this process has"
    hint = ""
    if jax.default_backend() == "cpu":
        hint = "; XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of a CPU before jax starts"
    return f"a whole number from 1 to {fewest}, the {jax.default_backend()} devices {whose}{hint}"
