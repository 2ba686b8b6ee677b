"""Format README.md from the results: the tables, and the explanations that they need."""

from typing import Any

TITLES = {
    "examples": "PyTorch, the loop of pytorch/examples (DataLoader, a PIL image and ToTensor each)",
    "preloaded": "PyTorch, rows preloaded as one tensor, Adam",
    "fused": "PyTorch, the same with fused Adam",
    "tuned": "PyTorch, the same with one head, binarised by comparison",
    "jaxae": "**jaxae**, as `jaxae train` runs it",
}

TEMPLATE = """# How fast: the same VAE in jaxae and in PyTorch

Written by `make bench` (`JAXAE_DATA=FOLDER make bench`), do not edit; all figures are in `results.json`.

The work of every contender: one epoch over {rows:,} training images of MNIST; a VAE 784-400-20 with
ReLU, batches of 100, Adam at 1e-3, Bernoulli likelihood from logits summed over pixels plus the KL
divergence, the mean over the batch; images shuffled every epoch and binarised anew at every
presentation. Nothing is evaluated inside the timed part. jaxae is the real code path: the order, the
guard against numbers that are not finite, the gradient's norm, the line in the history; no checkpoint
falls into these epochs, as PyTorch saves nothing either. Each contender is a process pinned to its
cores, which sleeps while another one runs; a round is one epoch of each; {rounds} rounds after a first
epoch that is not counted. {used} of them are in the table: whole rounds in which other processes used 0.1
cores or more are left out for all contenders, unless fewer than three would remain.

{tables}
"Faster" is PyTorch's seconds over jaxae's in the same round, the median and the range over the
rounds. "Start": the first epoch's seconds beyond the median epoch's: initialisation, and with jaxae also
compilation (without the persistent cache, which `jaxae train` has switched on). "Test ELBO": nats, after
{epochs} epochs, for all by one NumPy formula with one draw on the same binarised test images; they must
agree up to the seed, or the work is not the same.

**Caveat.** What is compared is a library together with its matrix products. {caveat} That part of a
ratio belongs to the library and this processor, not to jaxae, and may be another one elsewhere. The
ratios count, the seconds do not.

{circumstances}
"""

COLUMNS = (
    "seconds an epoch (range)",
    "processor seconds",
    "jaxae is faster by (range)",
    "start, s",
    "test ELBO",
)


def readme(results: dict[str, Any]) -> str:
    """Format the page."""
    return TEMPLATE.format(
        rows=results["rows"],
        rounds=" and ".join(str(len(part["rounds"])) for part in results["threads"].values()),
        used=" and ".join(str(part["rounds_used"]) for part in results["threads"].values()),
        epochs=" and ".join(str(len(part["rounds"]) + 1) for part in results["threads"].values()),
        tables="\n".join(
            table(int(threads), part["summary"]) for threads, part in results["threads"].items()
        ),
        caveat=caveat(results),
        circumstances=circumstances(results),
    )


def table(threads: int, summary: dict[str, dict[str, Any]]) -> str:
    """Format the table of the contenders at one number of threads."""
    first = "one thread" if threads == 1 else f"{threads} threads"
    header = f"| {' | '.join((first, *COLUMNS))} |\n{'|---' * (len(COLUMNS) + 1)}|\n"
    return header + "".join(_row(TITLES[name], entry) for name, entry in summary.items())


def caveat(results: dict[str, Any]) -> str:
    """Describe the rates of both libraries' matrix products, as measured between the rounds."""
    sentences = []
    for threads, part in results["threads"].items():
        rates = part["products"]
        told = [
            f"{rates['xla'][size]:.0f} against PyTorch's {rates['torch'][size]:.0f} GFLOP/s {where}"
            for size, where in (("1024", "on 1024 x 1024 matrices"), ("VAE", "on the shapes of this VAE"))
            if len(rates) == 2
        ]
        if told:
            plural = "s" if int(threads) > 1 else ""
            sentences.append(f"With {threads} thread{plural}, XLA's ran at {' and '.join(told)}.")
    return " ".join(sentences)


def circumstances(results: dict[str, Any]) -> str:
    """Describe the machine, the versions and the date, and how quiet the machine was."""
    versions = ", ".join(
        f"{name} {results['versions'][name]}" for name in ("python", "jax", "flax", "optax", "torch")
    )
    entries = [entry for part in results["threads"].values() for entry in part["summary"].values()]
    others = max(entry["others"] for entry in entries)
    verdict = "quiet" if others < 0.1 else "**not quiet, these figures are worth nothing**"
    return (
        f"{results['device']['processor']}, {results['cores']} cores; {versions}; seed {results['seed']}; "
        f"{results['date']}; commit {results['commit'] or 'none'}. While a contender ran, other processes "
        f"used {others:.2f} cores at most (median over the rounds): the machine was {verdict}."
    )


def _row(title: str, entry: dict[str, Any]) -> str:
    low, high = entry["seconds_range"]
    ratio = ""
    if "ratio" in entry and title != TITLES["jaxae"]:
        ratio = "{:.2f} ({:.2f}-{:.2f})".format(entry["ratio"], *entry["ratio_range"])
    return (
        f"| {title} | {entry['seconds']:.2f} ({low:.2f}-{high:.2f}) | {entry['cpu_seconds']:.2f} | {ratio} "
        f"| {entry['start_seconds']:.1f} | {entry['test_elbo']:.2f} |\n"
    )
