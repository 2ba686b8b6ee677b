"""A small tokenizer and a small prior over its tokens, on the digits."""

from pathlib import Path
from typing import Any

import jaxae
from jaxae.runs.result import Result

NETS: dict[str, Any] = {"encoder": jaxae.MLP(widths=(16,)), "decoder": jaxae.MLP(widths=(16,))}
TRUNK = jaxae.Transformer(width=16, num_layers=1, num_heads=2)
DATA = jaxae.DataSpec(num_validation=100, num_test=53)
NUM_CODES, GRID = 9, (2, 2)


def tokenizer(folder: Path | str | None, data: jaxae.DataSpec = DATA, **changes: Any) -> Result:
    """Two epochs of a VQ-VAE of four tokens of nine codes."""
    codebook = jaxae.EMACodebook(num_codes=NUM_CODES)
    settings: dict[str, Any] = {**NETS, "grid": GRID, "code_dim": 3, "quantiser": codebook, **changes}
    experiment = jaxae.Experiment(data=data, model=jaxae.VQVAE(**settings), epochs=2)
    return jaxae.fit(experiment, run_dir=folder)


def experiment(run: Path | str, kind: str = "tokens", condition: Any = None, **changes: Any) -> Any:
    """Two epochs of a prior over the tokens of `run`."""
    return jaxae.Experiment(
        data=jaxae.DataSpec(name=f"{kind}:{run}"),
        model=jaxae.TokenPrior(net=TRUNK, condition=condition),
        **{"epochs": 2, "optimizer": jaxae.Adam(learning_rate=3e-3), **changes},
    )
