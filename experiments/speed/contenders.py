"""Contenders of the benchmark: the function that trains, its title, and what must be installed for it."""

import importlib.util
from typing import NamedTuple

TORCH, XLA = "torch", "xla"


class Contender(NamedTuple):
    """A way to train a work."""

    module: str
    """Module of the function `train(work, variant, x, seed, epochs, after_epoch)`."""
    function: str
    """Name of the function."""
    title: str
    """Its name in tables."""
    library: str
    """Library of its matrix products: torch or xla."""
    needs: tuple[str, ...] = ()
    """Modules that must be installed."""
    min_threads: int = 1
    """Smallest number of cores on which it makes sense."""


def _torch(function: str, title: str, module: str = "contender_torch") -> Contender:
    return Contender(module, function, f"PyTorch, {title}", TORCH, ("torch",))


CONTENDERS = {  # in the order of a round
    "examples": Contender(
        "contender_examples",
        "train",
        "PyTorch, the loop of pytorch/examples (DataLoader, a PIL image and ToTensor each)",
        TORCH,
        ("torch", "PIL"),
    ),
    "preloaded": _torch("preloaded", "rows preloaded as one tensor, Adam"),
    "fused": _torch("fused", "rows preloaded, fused Adam"),
    "channels_last": _torch("channels_last", "fused Adam, channels_last"),
    "compile": _torch("compiled", "fused Adam, torch.compile"),
    "jacfwd": _torch("jacfwd", "torch.func.jacfwd, fused Adam"),
    "jacrev": _torch("jacrev", "torch.func.jacrev, fused Adam"),
    "vqp": Contender(
        "contender_torch",
        "vector_quantize",
        "PyTorch with vector-quantize-pytorch, fused Adam",
        TORCH,
        ("torch", "vector_quantize_pytorch"),
    ),
    "pythae": Contender("contender_pythae", "train", "pythae's trainer", TORCH, ("torch", "pythae")),
    "torch_lanes": _torch("one_after_another", "one run after another, fused Adam", "contender_torch_sweeps"),
    "torch_vmap": _torch("side_by_side", "torch.func.vmap over runs", "contender_torch_sweeps"),
    "torch_two": _torch("two_processes", "two processes, fused Adam", "contender_torch_sweeps")._replace(
        min_threads=2
    ),
    "pythae_lanes": Contender(
        "contender_pythae",
        "one_after_another",
        "pythae's trainer, one run after another",
        TORCH,
        ("torch", "pythae"),
    ),
    "flax": Contender(
        "contender_flax", "train", "Flax's example: a jitted step, batches by NumPy", XLA, ("flax",)
    ),
    "bare": Contender(
        "contender_jaxae", "bare", "the same step in a bare lax.scan, without jaxae's bookkeeping", XLA
    ),
    "jaxae": Contender("contender_jaxae", "train", "**jaxae**, as `jaxae train` runs it", XLA),
    "jaxae_lanes": Contender("contender_jaxae_sweeps", "train", "**jaxae**, as `jaxae sweep` runs it", XLA),
}
HINTS = {
    "torch": "pip install 'jaxae[bench]'",
    "vector_quantize_pytorch": "pip install 'jaxae[bench]'",
    "pythae": "pip install --no-deps pythae cloudpickle imageio tqdm",  # its pins are old
}


def missing(name: str) -> str | None:
    """Return why a contender cannot run here, with the way out; None if it can."""
    for module in CONTENDERS[name].needs:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed ({HINTS.get(module, f'pip install {module}')})"
    return None
