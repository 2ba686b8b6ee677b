"""Set up jax for a command: the compilation cache and the devices of a run."""

import os

from jax.sharding import Mesh

from jaxae.cli.devices import num_cores
from jaxae.runs import provenance
from jaxae.runs.compilation_cache import keep_compiled_programs as keep_compiled_programs
from jaxae.training import parallel, processes


def mesh(devices: int, distributed: bool) -> Mesh | None:
    """Return the mesh of the devices that share each batch.

    Args:
        devices: Number of devices of this process, or of each process if `distributed`.
        distributed: Whether this process first joins the other processes of its run.

    Returns:
        The mesh; None for one device of one process, which needs no mesh.

    Raises:
        JaxaeError: If the machine has fewer devices, or no cluster can be joined.
    """
    if not distributed:
        keep_compiled_programs()
        return parallel.make_mesh(devices)
    # No cache here: a process that finds its program in the cache runs ahead of those that compile together.
    processes.join()
    run_mesh = parallel.make_mesh(devices, distributed)
    if not processes.is_first(run_mesh):
        # Redirect the file descriptor and not sys.stdout: Gloo, the CPU collectives, writes there from C++.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return run_mesh


def print_device(num_devices: int = 1) -> None:
    """Print the platform and the devices that the command works on.

    Args:
        num_devices: Number of devices in use, of those that the process has.
    """
    device = provenance.environment()["device"]
    share, cores = f"{num_devices} of {device['count']}", num_cores()
    name = f"{device['kind']} ({share})"
    if device["platform"] == "cpu":
        # jax calls every CPU "cpu", so the name of the processor and its cores say more.
        name = f"{device['processor']}, {cores} core{'s' if cores > 1 else ''}"
        name += f" ({share} devices)" if device["count"] > 1 else ""
    print(f"device      {device['platform']}: {name}", flush=True)
