"""A trained autoencoder as a user holds it."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import keys, runs
from jaxae.errors import JaxaeError
from jaxae.evaluation import reconstruction
from jaxae.evaluation.terms import map_examples
from jaxae.experiment import Experiment
from jaxae.run import CHECKPOINTS, Outcome, Run, fingerprint, make_record
from jaxae.training import checkpoint
from jaxae.types import Examples, Variables


@dataclasses.dataclass(frozen=True)
class Result:
    """What `jaxae.fit` and `jaxae.load` give. Arrays in and out are numpy's, images in [0, 1]."""

    run: Run
    outcome: Outcome
    scores: dict[str, Any]

    @property
    def experiment(self) -> Experiment:
        """The resolved experiment."""
        return self.run.experiment

    @property
    def history(self) -> list[dict[str, Any]]:
        """One entry an epoch: terms on train and validation rows, seconds."""
        return self.outcome.history

    @property
    def variables(self) -> Variables:
        """The best parameters, as the autoencoder's pure methods take them."""
        return self.outcome.variables

    def encode(self, x: Any, y: Any = None) -> np.ndarray:
        """Rows as the data has them [N, ...] -> their codes f32[N, L] (a posterior's mean)."""
        return self._map(lambda batch, _: self._autoencoder.encode(self.variables, batch), x, y)

    def decode(self, z: Any) -> np.ndarray:
        """Codes [N, L] -> the means of p(x|z), f32[N, ...], in the data's unit."""
        codes = jnp.asarray(z, jnp.float32)
        if codes.ndim != 2:
            raise JaxaeError(f"decode: got codes of shape {codes.shape}, expected [N, L]")
        return np.asarray(jax.jit(self._image)(codes))

    def reconstruct(self, x: Any, y: Any = None) -> np.ndarray:
        """Rows as the data has them [N, ...] -> the means of p(x | encode(x)), f32[N, ...]."""

        def measure(batch: Any, _: Any) -> jax.Array:
            return reconstruction.reconstruct(self._autoencoder, self.variables, batch)

        return self._map(measure, x, y)

    def sample(self, num: int, seed: int = 0) -> np.ndarray:
        """The means of p(x|z) at `num` draws of z from the prior, f32[num, ...]."""
        if not hasattr(self._autoencoder, "prior_sample"):
            raise JaxaeError(
                f"sample: {type(self._autoencoder).__name__} has no prior over its codes to draw from"
            )
        key = keys.named(keys.root(seed), "sample")
        return np.asarray(jax.jit(lambda key: self._image(self._autoencoder.prior_sample(key, num)))(key))

    def save(self, path: str | Path) -> Path:
        """Writes a run's directory that `jaxae.load` and the command line read.

        Raises: JaxaeError where there is one already.
        """
        record = make_record(self.run, Path(path).name, sys.argv)
        folder = runs.create(Path(path), "", 0)
        runs.write_json(folder / runs.RECORD, record)
        for line in self.history:
            runs.append_history(folder, line)
        state = self.outcome.carry
        checkpoint.save(folder / CHECKPOINTS, len(self.history), state, fingerprint(folder))
        if self.scores:  # scores.json says that a run is finished
            runs.write_json(folder / runs.SCORES, self.scores)
        return folder

    @property
    def _autoencoder(self) -> Any:
        return self.run.experiment.autoencoder

    def _image(self, z: jax.Array) -> jax.Array:
        return self._autoencoder.image(self._autoencoder.decode(self.variables, z))

    def _map(self, measure: Any, x: Any, y: Any) -> np.ndarray:
        return self._over(measure, self._examples(x, y))

    def _over(self, measure: Any, examples: Examples) -> np.ndarray:
        mapped = jax.jit(lambda examples, key: map_examples(measure, examples, key))
        return np.asarray(mapped(jax.tree.map(jnp.asarray, examples), keys.named(self.run.key, "eval")))

    def _examples(self, x: Any, y: Any) -> Examples:
        """A user's rows: integers are values as stored in the data, floats are in the data's unit."""
        x, shape = np.asarray(x), self.run.dataset.shape
        if x.ndim == len(shape) and shape[-1] == 1:
            x = x[..., None]
        if x.shape[1:] != shape or len(x) == 0:
            raise JaxaeError(
                f"x: got shape {np.shape(x)}, expected (N, {', '.join(map(str, shape))}) with N > 0"
            )
        scale = self.run.dataset.scale if np.issubdtype(x.dtype, np.integer) else 1.0
        labels = () if y is None else np.asarray(y, np.int32)
        return Examples(x, labels, np.float32(scale))
