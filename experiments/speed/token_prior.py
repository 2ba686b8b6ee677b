"""Measure a training step and sampling of the token prior against a plain PyTorch transformer.

    python experiments/speed/token_prior.py [--cases mnist one eight]

Both libraries run in one process, pinned to one core, in turns; processor seconds are compared. Without
PyTorch only jaxae is measured. jaxae trains with the program of an epoch, PyTorch with fused AdamW. PyTorch
samples with a cache of keys and values that is allocated once.
"""

import importlib.util
import math
from typing import Any

import jax
import jax.numpy as jnp
import matrix_products
import numpy as np
import sections

import jaxae
from jaxae import keys, nets
from jaxae.memory import bytes_taken
from jaxae.runs.experiment import as_arrays
from jaxae.tokens.sampling import Sampling, sample
from jaxae.tokens.token_prior import TokenPrior
from jaxae.training import epoch, loop
from jaxae.types import Batch, Examples

TRAIN = {  # name: width, layers, heads, codes, grid, rows of a batch
    "mnist": (128, 3, 4, 512, (7, 7), 128),
    "scenes": (128, 4, 4, 512, (8, 8), 64),
}
SAMPLE = {  # name: width, layers, heads, codes, grid, rows
    "one": (128, 4, 4, 512, (32, 32), 1),
    "eight": (128, 4, 4, 512, (32, 32), 8),
}
STEPS = 4  # of an epoch, in a round


def flops(width: int, layers: int, codes: int, positions: int, num: int) -> int:
    """Return the floating point operations of the products of a forward pass over `num` sequences.

    A layer has 12 W^2 weights, and a pair of positions costs 2 W multiplications. The head has K W weights.
    """
    weights = layers * 12 * width**2 + codes * width
    pairs = layers * 2 * width * positions
    return 2 * num * positions * (weights + pairs)


def prior_of(width: int, layers: int, heads: int, codes: int, grid: tuple[int, ...]) -> TokenPrior:
    """Return an unconditional prior."""
    net = nets.Transformer(width=width, num_layers=layers, num_heads=heads)
    return TokenPrior(net=net, num_codes=codes, data_shape=grid)


def contender(case: tuple[Any, ...], rows: np.ndarray) -> Any:
    """Return PyTorch's side of a case, or None without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch
    from token_prior_torch import Contender

    torch.set_num_threads(1)
    width, layers, heads, codes, _, num = case
    sizes = {"width": width, "num_layers": layers, "num_heads": heads, "num_codes": codes}
    return Contender(sizes, rows, num)


def training(case: tuple[Any, ...], rounds: int) -> dict[str, Any]:
    """Measure the milliseconds of a training step."""
    width, layers, _, codes, grid, num = case
    rows = np.random.RandomState(0).randint(0, codes, (STEPS * num, math.prod(grid))).astype(np.int32)
    experiment = as_arrays(
        jaxae.Experiment(
            model=prior_of(*case[:5]),
            optimizer=jaxae.AdamW(learning_rate=2e-3, weight_decay=0.05),
            batch_size=num,
            epochs=1000,
        )
    )
    given = [Examples(jnp.asarray(part.reshape(-1, *grid)), (), jnp.ones(())) for part in (rows, rows[:0])]
    key = keys.root(0)
    carry = jax.jit(epoch.begin)(experiment, key, Batch(jnp.zeros((1, *grid))))
    program = loop.run_epoch.lower(experiment, key, carry, *given, jnp.int32(1)).compile()

    def train() -> float:
        nonlocal carry
        carry, report = program(experiment, key, carry, *given, jnp.int32(1))
        return float(report.train_loss)

    acts = {"jaxae": train}
    if other := contender(case, rows):
        acts["torch"] = other.train
    memory = bytes_taken(program) / 2**20
    # A backward pass costs two forward passes.
    work = 3 * flops(width, layers, codes, math.prod(grid), num)
    return summary(sections.in_turns(acts, rounds), STEPS, work) | {"planned_mib": memory}


def sampling(case: tuple[Any, ...], rounds: int) -> dict[str, Any]:
    """Measure the milliseconds of sampling one position of all rows."""
    width, layers, _, codes, grid, num = case
    prior, length = prior_of(*case[:5]), math.prod(grid)
    variables = jax.jit(prior.init)(keys.root(0), Batch(jnp.zeros((1, *grid))))
    acts = {"jaxae": lambda: sample(prior, variables, keys.root(1), (), num, Sampling())}
    if other := contender(case, np.zeros((1, length), np.int32)):
        acts["torch"] = lambda: other.sample(num)
    # Each position attends to all positions of the cache, as jaxae computes it.
    work = flops(width, layers, codes, length, num) // length
    return summary(sections.in_turns(acts, rounds), length, work)


def summary(seconds: dict[str, list[float]], steps: int, work: int) -> dict[str, Any]:
    """Return milliseconds of a step (the median), GFLOP/s and the ratio to PyTorch."""
    found: dict[str, Any] = {
        f"{name}_ms": 1e3 * float(np.median(each)) / steps for name, each in seconds.items()
    }
    found["gflops"] = work / found["jaxae_ms"] / 1e6
    if "torch" in seconds:
        found["ratio"] = sections.median_ratio(seconds["torch"], seconds["jaxae"])
    return found


def product_rate() -> float:
    """Return the machine's own rate of a matrix product of 1024, in GFLOP/s."""
    return matrix_products.rates("xla", matrix_products.SQUARE)["square"]


def main() -> None:
    """Measure all cases and write the section."""
    parser = sections.parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=[*TRAIN, *SAMPLE], choices=[*TRAIN, *SAMPLE])
    options = parser.parse_args()
    sections.pin()
    rows, cases = [], {}
    for name in options.cases:
        case = TRAIN[name] if name in TRAIN else SAMPLE[name]
        found = (training if name in TRAIN else sampling)(case, options.rounds)
        cases[name] = {**found, "product_gflops": product_rate()}
        share = f"{100 * found['gflops'] / cases[name]['product_gflops']:.0f} %"
        work = "training step" if name in TRAIN else "sampling a position"
        size = f"W {case[0]}, {case[1]} layers, K {case[3]}, {math.prod(case[4])} tokens, {case[5]} rows"
        others = [found.get("torch_ms", "-"), found.get("ratio", "-")]
        rows.append([work, size, found["jaxae_ms"], *others, share, found.get("planned_mib", "-")])
    head = [
        "work",
        "size",
        "jaxae, ms",
        "PyTorch, ms",
        "jaxae is faster by",
        "of the product rate",
        "planned MiB",
    ]
    notes = "Processor milliseconds on one core, medians; ratios within a round. Products are of 1024 x 1024."
    results = {"cases": cases, "rounds": options.rounds, "torch": _version()}
    sections.write(options.out, __file__, "Token prior", notes, sections.table(head, rows), results)


def _version() -> str | None:
    """Return PyTorch's version, or None without it."""
    import importlib.metadata

    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
