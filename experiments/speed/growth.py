"""Measure how the cost of a training step grows with the sizes of a work, and draw the curves.

    python experiments/speed/growth.py [--axes width k] [--rounds 5]

One size changes at a time, the others keep the values of the table. Steps are those of `jaxae train`, on one
core, in processor seconds; the values of an axis take turns. Writes growth.json, growth.md and growth.png.
Takes about fifteen minutes.
"""

import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matrix_products
import numpy as np
import sections

import jaxae
from jaxae import keys
from jaxae.runs.experiment import as_arrays
from jaxae.training import ahead, loop
from jaxae.types import Batch

SECONDS = 0.3  # of one measurement of a value
EPOCHS = 4  # of a run over rows; the first one is not counted


@dataclass(frozen=True)
class Point:
    """A training step that is measured."""

    model: Any
    """The model."""
    batch: int = 100
    """Rows in a step."""
    shape: tuple[int, ...] = (28, 28, 1)
    """Shape of one row."""


@dataclass(frozen=True)
class Axis:
    """A size that changes, and what stays the same."""

    title: str
    """What changes in which work."""
    values: tuple[int, ...]
    """Its values."""
    point: Callable[[int], Point]
    """The step for a value."""


def vae(width: int = 400, latent: int = 20) -> Any:
    """Return a VAE of fully connected layers 784-width-latent and back."""
    nets: dict[str, Any] = {name: jaxae.MLP(widths=(width,)) for name in ("encoder", "decoder")}
    return jaxae.VAE(**nets, latent_dim=latent)


def iwae(k: int) -> Any:
    """Return an IWAE 784-200-200-50 with k samples."""
    nets: dict[str, Any] = {name: jaxae.MLP(widths=(200, 200)) for name in ("encoder", "decoder")}
    return jaxae.IWAE(**nets, latent_dim=50, num_samples=k)


def conv_vae(channels: int = 32) -> Any:
    """Return a VAE with two convolutions of stride 2, the second of twice as many channels."""
    encoder = jaxae.ConvEncoder(channels=(channels, 2 * channels))
    decoder = jaxae.ConvDecoder(channels=(2 * channels, channels))
    return jaxae.VAE(encoder=encoder, decoder=decoder, latent_dim=20)


def vq_vae(codes: int) -> Any:
    """Return the VQ-VAE of configs/vq_vae_mnist.py with another number of codes."""
    return jaxae.VQVAE(
        encoder=jaxae.GridEncoder(channels=(16, 32), num_blocks=1, block_width=16),
        decoder=jaxae.GridDecoder(channels=(32, 16), num_blocks=1, block_width=16),
        grid=(7, 7),
        quantiser=jaxae.EMACodebook(num_codes=codes),
    )


AXES = {
    "width": Axis(
        "hidden units of a VAE 784-width-20, batch 100",
        (25, 50, 100, 200, 400, 800, 1600, 3200),
        lambda width: Point(vae(width=width)),
    ),
    "latent": Axis(
        "latent dimensions of a VAE 784-400-latent, batch 100",
        (2, 8, 32, 128, 512, 2048),
        lambda latent: Point(vae(latent=latent)),
    ),
    "batch": Axis(
        "rows in a batch of a VAE 784-400-20",
        (1, 4, 16, 64, 256, 1024, 4096),
        lambda batch: Point(vae(), batch=batch),
    ),
    "k": Axis(
        "samples k of an IWAE 784-200-200-50, batch 20",
        (1, 2, 5, 10, 20, 50, 100, 200),
        lambda k: Point(iwae(k), batch=20),
    ),
    "channels": Axis(
        "channels of the first convolution of a VAE on 28x28x1, batch 100",
        (4, 8, 16, 32, 64, 128),
        lambda channels: Point(conv_vae(channels)),
    ),
    "side": Axis(
        "height and width of the images of a convolutional VAE (channels 32, 64), batch 20",
        (8, 16, 32, 64, 128),
        lambda side: Point(conv_vae(), batch=20, shape=(side, side, 3)),
    ),
    "codes": Axis(
        "codes of a VQ-VAE on 28x28x1 with 7x7 tokens, batch 100",
        (16, 64, 256, 1024, 4096, 16384),
        lambda codes: Point(vq_vae(codes)),
    ),
}


def stepper(point: Point) -> Callable[[], float]:
    """Compile the steps of a point; return a function that measures the processor seconds of a step."""
    model = jaxae.specs.pytree.replace(point.model, "data_shape", point.shape)
    experiment = as_arrays(jaxae.Experiment(model=model, batch_size=point.batch))
    x = np.random.default_rng(0).integers(0, 256, (point.batch, *point.shape), np.uint8)
    one = Batch(jnp.asarray(x), jnp.zeros((point.batch,), jnp.int32))
    state = {"carry": loop.begin(experiment, keys.root(0), Batch(one.x / 255.0, one.y))}

    def run(steps: int) -> float:
        rows = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (steps, *leaf.shape)), one)
        start = time.process_time()
        # The carry is donated, so the new one takes its place.
        state["carry"], info = loop.run_chunk(
            experiment, keys.root(0), state["carry"], rows, jnp.float32(255)
        )
        jax.block_until_ready((state["carry"], info))
        return (time.process_time() - start) / steps

    run(2)
    # Enough steps for about `SECONDS`, and at most 64, since the rows of all of them are in memory.
    steps = min(64, max(2, round(SECONDS / run(2))))
    run(steps)
    return lambda: run(steps)


def measured(axis: Axis, rounds: int) -> dict[int, float]:
    """Return the median processor milliseconds of a step for each value of an axis."""
    steppers = {value: stepper(axis.point(value)) for value in axis.values}
    turns = [{value: step() for value, step in steppers.items()} for _ in range(rounds)]
    return {value: 1e3 * statistics.median(turn[value] for turn in turns) for value in axis.values}


def exponents(costs: dict[int, float]) -> dict[int, float]:
    """Return log(cost / previous cost) / log(value / previous value): 1 where the cost is proportional."""
    pairs = list(costs.items())
    return {
        value: math.log(cost / before) / math.log(value / smaller)
        for (smaller, before), (value, cost) in itertools.pairwise(pairs)
    }


def over_rows(num_rows: tuple[int, ...]) -> dict[str, dict[int, float]]:
    """Return milliseconds for 1,000 rows of an epoch, of rows in memory and of rows streamed from a file."""
    found: dict[str, dict[int, float]] = {"in memory": {}, "streamed": {}}
    with tempfile.TemporaryDirectory() as folder:
        for num in num_rows:
            file = Path(folder) / "rows.npy"
            np.save(file, np.random.default_rng(0).integers(0, 256, (num, 28, 28, 1), np.uint8))
            for name, costs in found.items():
                costs[num] = _epoch_seconds(file, name == "streamed") * 1e6 / num
    return found


def _epoch_seconds(file: Path, stream: bool) -> float:
    """Return the median processor seconds of an epoch over a file, after the first one."""
    times: list[float] = []

    def note(epoch: Any, saved: bool) -> None:
        # The scores are compiled in a thread, whose time is not that of an epoch.
        ahead.wait()
        times.append(time.process_time())

    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(name=str(file), stream=stream, num_validation=0, num_test=0),
        model=vae(),
        batch_size=100,
        epochs=EPOCHS,
    )
    jaxae.fit(experiment, callbacks=[note], progress=False)
    return float(np.median(np.diff(times)))


def section(axis: Axis, costs: dict[int, float]) -> str:
    """Return the heading and the table of an axis."""
    slopes = exponents(costs)
    rows = [[f"{value:,}", cost, 1e3 * cost / value, slopes.get(value, "")] for value, cost in costs.items()]
    head = ["value", "ms a step", "us a step for one of it", "exponent"]
    return f"## {axis.title[0].upper()}{axis.title[1:]}\n\n{sections.table(head, rows)}"


def draw(file: Path, curves: dict[str, dict[int, float]]) -> None:
    """Draw the cost of a step over each size, with a line of slope 1 through the last point."""
    import matplotlib.pyplot as plt

    columns = 3
    rows = -(-len(curves) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(10, 3 * rows), squeeze=False, layout="constrained")
    for place in axes.flat[len(curves) :]:
        place.remove()
    for place, (name, costs) in zip(axes.flat, curves.items(), strict=False):
        values, milliseconds = np.array(list(costs)), np.array(list(costs.values()))
        place.loglog(values, milliseconds, "o-", label="measured")
        place.loglog(values, milliseconds[-1] * values / values[-1], ":", color="grey", label="proportional")
        place.set(title=name, xlabel=name, ylabel="ms a step")
    axes.flat[0].legend()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure all axes, and write the section and the figure."""
    parser = sections.parser(__doc__ or "")
    parser.add_argument("--axes", nargs="+", default=[*AXES], choices=[*AXES])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 500_000])
    options = parser.parse_args()
    sections.pin()
    curves = {name: measured(AXES[name], options.rounds) for name in options.axes}
    rows = over_rows(tuple(options.rows))
    body = [section(AXES[name], costs) for name, costs in curves.items()]
    table = [[f"{num:,}", *(costs[num] for costs in rows.values())] for num in options.rows]
    title = "## Rows of an epoch of a VAE 784-400-20, batch 100: ms for 1,000 rows"
    body.append(f"{title}\n\n{sections.table(['rows', *rows], table)}")
    rate = matrix_products.rates("xla", matrix_products.SQUARE)["square"]
    notes = (
        "Processor milliseconds of a training step on one core, the median of "
        f"{options.rounds} rounds in turns; matrix products of 1024 ran at {rate:.0f} GFLOP/s. *Exponent*: "
        "slope between a value and the one before on logarithmic axes, 1 where the cost is proportional."
        "\n\n![Cost of a step over each size](growth.png)"
    )
    results = {"steps_ms": curves, "rows_ms_for_1000": rows, "gflops_of_products": rate}
    draw(options.out / "growth.png", curves)
    sections.write(options.out, __file__, "How the cost grows", notes, "\n\n".join(body), results)


if __name__ == "__main__":
    main()
