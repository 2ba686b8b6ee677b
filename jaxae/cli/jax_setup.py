"""Set up jax for a command: the persistent compilation cache and the devices of a run."""

import os

import jax
from jax.sharding import Mesh

from jaxae.cli.devices import num_cores
from jaxae.runs import provenance
from jaxae.training import parallel, processes


def keep_compiled_programs() -> None:
    """Switch on jax's persistent compilation cache, unless the environment already chooses one.

    JAX_ENABLE_COMPILATION_CACHE=false switches it off, JAX_COMPILATION_CACHE_DIR moves it.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(provenance.cache_folder()))
    # By default jax keeps only programs that took over a second to compile. Small ones count here: with
    # all of them kept, a whole start took 2.2 s instead of 4.8 s.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


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
