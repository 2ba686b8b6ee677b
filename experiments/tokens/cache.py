"""Measure tokens per second with and without the cache, for grids of 32x32 tokens of 2048 codes.

    python experiments/tokens/cache.py [--grid 32] [--num 8] [--positions 16]

Both ways sample from the same prior (width 256, 4 layers, 8 heads) with the same keys. Each is compiled
before it is timed. One grid (`alone`) is sampled as a whole both ways, and the tokens must agree. For `--num`
grids at once, sampling with the cache is timed as a whole, and recomputation at `--positions` positions only.
Without a cache every position runs the same program over all P positions, whatever has been drawn. So the
seconds of recomputation are those of `--positions` times P / `--positions`. Writes cache.json next to this
file. Takes six minutes on two cores.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxae import keys, nets
from jaxae.runs import provenance
from jaxae.tokens.sampling import Sampling, draw, sample, sample_by_recomputation
from jaxae.tokens.token_prior import TokenPrior
from jaxae.types import Batch, Variables

HERE = Path(__file__).parent
NET = nets.Transformer(width=256, num_layers=4, num_heads=8)
PLAIN = Sampling()


def timed(act: Callable[[], Any], repeats: int) -> tuple[float, np.ndarray]:
    """Call a function repeatedly; return the fewest seconds of `repeats` calls, and its result.

    A first call, which compiles, is not timed.
    """
    found = np.asarray(act())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(act())
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def part(prior: TokenPrior, variables: Variables, num: int, positions: int) -> Callable[[], Array]:
    """Return a function that draws the first `positions` of `sample_by_recomputation`, for `num` grids."""
    prefix = prior.null_prefix(num)

    @jax.jit
    def run(variables: Variables, key: Array) -> Array:
        def step(tokens: Array, position: Array) -> tuple[Array, None]:
            logits = prior.logits(variables, tokens, prefix)[:, position]
            return tokens.at[:, position].set(draw(logits, key, position, PLAIN)), None

        tokens = jnp.zeros((num, prior.num_positions), jnp.int32)
        return jax.lax.scan(step, tokens, jnp.arange(positions))[0]

    return lambda: run(variables, keys.root(1))


def compared(prior: TokenPrior, num: int, cached: float, recomputed: float) -> dict[str, float]:
    """Return the seconds and tokens per second of `num` grids, both ways."""
    tokens = num * prior.num_positions
    return {
        "num": num,
        "cached_seconds": cached,
        "recomputed_seconds": recomputed,
        "cached_tokens_per_second": tokens / cached,
        "recomputed_tokens_per_second": tokens / recomputed,
        "ratio": recomputed / cached,
    }


def alone(prior: TokenPrior, variables: Variables) -> dict[str, Any]:
    """Measure one grid as a whole, both ways."""
    given = (), 1, PLAIN
    cached, tokens = timed(lambda: sample(prior, variables, keys.root(1), *given), 3)
    recomputed, again = timed(lambda: sample_by_recomputation(prior, variables, keys.root(1), *given), 1)
    assert (tokens == again).all(), "the cache changes the tokens"
    return compared(prior, 1, cached, recomputed)


def together(prior: TokenPrior, variables: Variables, num: int, positions: int) -> dict[str, Any]:
    """Measure `num` grids at once: the cache as a whole, recomputation at some positions."""
    cached, tokens = timed(lambda: sample(prior, variables, keys.root(1), (), num, PLAIN), 3)
    seconds, again = timed(part(prior, variables, num, positions), 2)
    assert (tokens[:, :positions] == again[:, :positions]).all(), "the cache changes the tokens"
    recomputed = seconds * prior.num_positions / positions
    return {**compared(prior, num, cached, recomputed), "recomputed_at_positions": positions}


def main() -> None:
    """Measure both cases, print them, and write cache.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--grid", type=int, default=32)
    parser.add_argument("--num", type=int, default=8)
    parser.add_argument("--positions", type=int, default=16)
    asked = parser.parse_args()
    prior = TokenPrior(net=NET, num_codes=2048, data_shape=(asked.grid, asked.grid))
    variables = jax.jit(prior.init)(keys.root(0), Batch(jnp.zeros((1, asked.grid, asked.grid))))
    result = {
        "positions": prior.num_positions,
        "num_codes": prior.num_codes,
        "width": NET.width,
        "layers": NET.num_layers,
        "heads": NET.num_heads,
        "together": together(prior, variables, asked.num, asked.positions),
        "alone": alone(prior, variables),
        **provenance.of_study(__file__),
    }
    print(json.dumps(result, indent=2))
    (HERE / "cache.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
