"""How a command sets jax up: compiled programs that are kept, and the devices of a run."""

import os

import jax
from jax.sharding import Mesh

from jaxae.cli.devices import num_cores
from jaxae.runs import provenance
from jaxae.training import parallel, processes


def keep_compiled_programs() -> None:
    """Turns jax's persistent compilation cache on, unless the environment has chosen one already.

    Set JAX_ENABLE_COMPILATION_CACHE=false to do without, or JAX_COMPILATION_CACHE_DIR to keep it elsewhere.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(provenance.cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def mesh(devices: int, distributed: bool) -> Mesh | None:
    """The devices that share each batch; with `distributed` this process first joins the others of its run.

    Raises: JaxaeError for devices or processes that are not there.
    """
    if not distributed:
        keep_compiled_programs()
        return parallel.make_mesh(devices)
    # Without kept programs: one process would find its own and go ahead of others that compile together.
    processes.join()
    found = parallel.make_mesh(devices, distributed)
    if not processes.is_first(found):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Gloo writes there as well
    return found


def print_device(num_devices: int = 1) -> None:
    """Print the platform and the devices that the command works on."""
    device = provenance.environment()["device"]
    share, cores = f"{num_devices} of {device['count']}", num_cores()
    name = f"{device['kind']} ({share})"
    if device["platform"] == "cpu":
        name = f"{device['processor']}, {cores} core{'s' if cores > 1 else ''}"
        name += f" ({share} devices)" if device["count"] > 1 else ""
    print(f"device      {device['platform']}: {name}", flush=True)
