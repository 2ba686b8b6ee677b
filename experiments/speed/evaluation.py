"""Measure the long bounds and the groups of measures: seconds, share of the matrix-product rate, peak memory.

    python experiments/speed/evaluation.py [--rows 100] [--num-samples 5000]

IWELBO_5000 and annealed importance sampling on a default VAE 784-400-20, and each group of `--measures all`
on a run of the digits, including t-SNE. Every row is a fresh process, pinned to one core; processor seconds
count. The rate of matrix products of the decoder's own shapes is measured in the same process.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sections

import jaxae
from jaxae import keys
from jaxae.data.own.given_rows import GivenRows
from jaxae.estimators.annealing import annealed
from jaxae.estimators.importance import importance
from jaxae.evaluation.measure_groups import GROUPS
from jaxae.runs import opening
from jaxae.types import Batch, Examples

SIZES = (20, 400, 784)  # widths of the decoder's layers, input first
CHAINS, TEMPERATURES, LEAPFROG = 16, 100, 10
BOUNDS = "IWELBO", "AIS"  # names that no group of measures has


def decoder_flops(codes: int) -> float:
    """Return the floating point operations of the matrix products that decode some codes."""
    return 2.0 * codes * sum(first * second for first, second in itertools.pairwise(SIZES))


def bound_flops(rows: int, num_samples: int) -> float:
    """Return those of IWELBO_k: each of the k draws of a row is decoded once."""
    return decoder_flops(rows * num_samples)


def annealing_flops(rows: int, chains: int, temperatures: int, leapfrog: int) -> float:
    """Return those of annealed importance sampling.

    A leapfrog step decodes and goes back to the code, which costs the same again. Each transition also
    evaluates its first point.
    """
    return 2.0 * decoder_flops(rows * chains * temperatures * (leapfrog + 1))


def model_and_rows(num: int) -> tuple[Any, Any, np.ndarray]:
    """Return a default VAE at its initialisation, and rows of noise."""
    x = np.random.RandomState(0).rand(num, 28, 28, 1).round().astype(np.float32)
    data = jaxae.DataSpec(num_validation=0, num_test=0)
    experiment = jaxae.Experiment(model=jaxae.VAE(latent_dim=SIZES[0]), data=data, batch_size=1)
    # Preparing a run tells the model the shape of its data.
    model = opening.prepare(experiment, 0, GivenRows(x)).experiment.model
    variables = jax.jit(model.init)(keys.root(0), Batch(jnp.asarray(x[:1])))
    return model, variables, x


def bound(num: int, num_samples: int) -> tuple[Callable[[], Any], float]:
    """Return the computation of IWELBO_k and its floating point operations."""
    model, variables, x = model_and_rows(num)
    examples = Examples(jnp.asarray(x), (), jnp.ones(()))
    act = lambda: importance(model, variables, examples, keys.root(1), num_samples).iwelbo  # noqa: E731
    return act, bound_flops(num, num_samples)


def annealing(num: int) -> tuple[Callable[[], Any], float]:
    """Return the computation of annealed importance sampling and its floating point operations."""
    model, variables, x = model_and_rows(num)
    settings: dict[str, Any] = {
        "num_chains": CHAINS,
        "num_temperatures": TEMPERATURES,
        "num_leapfrog": LEAPFROG,
    }
    run = jax.jit(lambda x: annealed(model, variables, Batch(x), keys.root(1), **settings).log_weights)
    rows = jnp.asarray(x)
    return lambda: run(rows), annealing_flops(num, CHAINS, TEMPERATURES, LEAPFROG)


def product_rate(rows: int = 4000) -> float:
    """Return the GFLOP/s of the decoder's two matrix products alone, the best of five."""
    z, first, second = jnp.ones((rows, SIZES[0])), jnp.ones(SIZES[:2]), jnp.ones(SIZES[1:])

    @jax.jit
    def products(z: Any) -> Any:
        # Each product needs the last result, so that XLA cannot move it out of the loop.
        again = lambda _, z: z + 1e-9 * ((z @ first) @ second)[:, : SIZES[0]]  # noqa: E731
        return jax.lax.fori_loop(0, 20, again, z)

    seconds = sections.in_turns({"products": lambda: products(z).block_until_ready()}, 5)["products"]
    return 20 * decoder_flops(rows) / min(seconds) / 1e9


def alone(work: str, rows: int, num_samples: int) -> dict[str, float]:
    """Measure one bound in this process: first call, second call, rate, share and peak."""
    act, work_flops = bound(rows, num_samples) if work == "IWELBO" else annealing(rows)
    before = product_rate()
    times = [time.process_time()]
    for _ in range(2):
        jax.block_until_ready(act())
        times.append(time.process_time())
    seconds = times[2] - times[1]
    peak = sections.peak_mib()
    # The better of both: another process may disturb one of them.
    gflops, rate = work_flops / seconds / 1e9, max(before, product_rate())
    first = times[1] - times[0]
    found = {"first": first, "seconds": seconds, "gflops": gflops, "product_gflops": rate}
    return {**found, "share": gflops / rate, "peak_mib": peak}


def group(name: str, folder: str) -> dict[str, float]:
    """Measure one group of measures on a run, in this process."""
    result = jaxae.load(folder)
    start = time.process_time()
    measured = jaxae.measure(result, name)
    numbers = sum(map(len, measured.values()))
    seconds = time.process_time() - start
    return {"seconds": seconds, "numbers": numbers, "peak_mib": sections.peak_mib()}


def projection(folder: str) -> dict[str, float]:
    """Measure t-SNE of the codes of a run's test rows."""
    from sklearn.manifold import TSNE

    result = jaxae.load(folder)
    codes = np.asarray(result.encode(result.run.dataset.test.x / np.float32(result.run.dataset.scale)))
    start = time.process_time()
    TSNE(random_state=0).fit_transform(codes.reshape(len(codes), -1))
    return {"seconds": time.process_time() - start, "numbers": len(codes), "peak_mib": sections.peak_mib()}


def in_process(*arguments: Any) -> dict[str, Any]:
    """Run one work of this script in a fresh process, and return its figures."""
    command = [sys.executable, __file__, "--alone", *map(str, arguments)]
    # Without the user's cache, whose content would decide what is compiled.
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    if done.returncode:
        raise SystemExit(f"{arguments[0]}: {done.stderr.strip()[-500:]}")
    print(*arguments, done.stdout.strip().splitlines()[-1], flush=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def tables(bounds: dict[str, Any], groups: dict[str, Any]) -> str:
    """Format both tables."""
    names = "first", "seconds", "gflops", "product_gflops", "share", "peak_mib"
    head = ["bound", "first call, s", "second call, s", "GFLOP/s", "products, GFLOP/s", "share", "peak, MiB"]
    first = sections.table(
        head, [[work, *(found.get(name, "-") for name in names)] for work, found in bounds.items()]
    )
    columns = "seconds", "numbers", "peak_mib"
    rows = [[name, *(found.get(key, "-") for key in columns)] for name, found in groups.items()]
    return f"{first}\n\n{sections.table(['group of measures', 's', 'numbers', 'peak, MiB'], rows)}"


def main() -> None:
    """Measure all works, or one of them in this process, and write the section."""
    parser = sections.parser(__doc__ or "")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--num-samples", type=int, default=5000)
    parser.add_argument("--groups", nargs="*", default=[*GROUPS, "t-SNE"])
    parser.add_argument("--epochs", type=int, default=50, help="epochs of the run on the digits")
    parser.add_argument("--alone", nargs="+")
    options = parser.parse_args()
    sections.pin()
    if options.alone:
        work, *rest = options.alone
        if work in BOUNDS:
            print(json.dumps(alone(work, *map(int, rest))))
        else:
            print(json.dumps(projection(*rest) if work == "t-SNE" else group(work, *rest)))
        return
    bounds = {work: in_process(work, options.rows, options.num_samples) for work in BOUNDS}
    with tempfile.TemporaryDirectory() as name:
        nets: dict[str, Any] = {part: jaxae.MLP(widths=(256,)) for part in ("encoder", "decoder")}
        model = jaxae.VAE(**nets, latent_dim=10, likelihood=jaxae.Gaussian(std=0.15))
        jaxae.fit(jaxae.Experiment(model=model, batch_size=64, epochs=options.epochs), run_dir=f"{name}/run")
        groups = {group: in_process(group, f"{name}/run") for group in options.groups}
    notes = (
        f"{options.rows} rows, {options.num_samples} draws; {CHAINS} chains of {TEMPERATURES} temperatures. "
        "Groups: processor seconds with compilation, default settings, test rows of the digits."
    )
    results = {"bounds": bounds, "groups": groups, "rows": options.rows, "num_samples": options.num_samples}
    sections.write(options.out, __file__, "Bounds and measures", notes, tables(bounds, groups), results)


if __name__ == "__main__":
    main()
