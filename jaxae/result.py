"""A trained autoencoder as a user holds it."""

import dataclasses
import functools
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
from jaxae.experiment import Experiment, example_batch
from jaxae.run import CHECKPOINTS, Outcome, Run, check_seed, fingerprint, make_record
from jaxae.training import checkpoint
from jaxae.types import Examples, Key, Variables


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
        return np.asarray(_encode(self._autoencoder, self.variables, self._examples(x, y)))

    def decode(self, z: Any) -> np.ndarray:
        """Codes [N, L] -> the means of p(x|z), f32[N, ...], in the data's unit."""
        batch = example_batch(self.run.dataset)
        shape = jax.eval_shape(self._autoencoder.encode, self.variables, batch).shape[1:]
        return np.asarray(_decode(self._autoencoder, self.variables, _numbers("decode: codes", z, shape)))

    def reconstruct(self, x: Any, y: Any = None) -> np.ndarray:
        """Rows as the data has them [N, ...] -> the means of p(x | encode(x)), f32[N, ...]."""
        return np.asarray(_reconstruct(self._autoencoder, self.variables, self._examples(x, y)))

    def sample(self, num: int, seed: int = 0) -> np.ndarray:
        """The means of p(x|z) at `num` draws of z from the prior, f32[num, ...]."""
        if not hasattr(self._autoencoder, "prior_sample"):
            raise JaxaeError(
                f"sample: {type(self._autoencoder).__name__} has no prior over its codes to draw from"
            )
        if isinstance(num, bool) or not isinstance(num, int) or num < 1:
            raise JaxaeError(f"sample: got {num!r}, expected a whole number > 0")
        check_seed(seed)
        return np.asarray(
            _sample(self._autoencoder, self.variables, keys.named(keys.root(seed), "sample"), num)
        )

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

    def _examples(self, x: Any, y: Any) -> Examples:
        """A user's rows: integers are values as stored in the data, floats are in the data's unit."""
        x, shape = np.asarray(x), self.run.dataset.shape
        if shape[-1] == 1 and x.shape[1:] == shape[:-1]:
            x = x[..., None]
        x = _numbers("x", x, shape)
        scale = self.run.dataset.scale if np.issubdtype(x.dtype, np.integer) else 1.0
        labels = () if y is None else np.asarray(y, np.int32)
        if y is not None and len(labels) != len(x):
            raise JaxaeError(f"y: got {len(labels)} labels for {len(x)} rows")
        return Examples(x, labels, np.float32(scale))


def _numbers(name: str, x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """x [N, *shape] as an array of numbers; JaxaeError where it is none."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise JaxaeError(f"{name}: got dtype {x.dtype}, expected numbers")
    if x.shape[1:] != shape or len(x) == 0:
        raise JaxaeError(
            f"{name}: got shape {x.shape}, expected (N, {', '.join(map(str, shape))}) with N > 0"
        )
    return x


@jax.jit
def _encode(autoencoder: Any, variables: Variables, examples: Examples) -> jax.Array:
    return map_examples(lambda batch, _: autoencoder.encode(variables, batch), examples, _no_noise())


@jax.jit
def _reconstruct(autoencoder: Any, variables: Variables, examples: Examples) -> jax.Array:
    def measure(batch: Any, _: Any) -> jax.Array:
        return reconstruction.reconstruct(autoencoder, variables, batch)

    return map_examples(measure, examples, _no_noise())


@jax.jit
def _decode(autoencoder: Any, variables: Variables, z: jax.Array) -> jax.Array:
    return autoencoder.image(autoencoder.decode(variables, z.astype(jnp.float32)))


@functools.partial(jax.jit, static_argnames="num")
def _sample(autoencoder: Any, variables: Variables, key: Key, num: int) -> jax.Array:
    return autoencoder.image(autoencoder.decode(variables, autoencoder.prior_sample(key, num)))


def _no_noise() -> Key:
    """A key for maps that draw nothing."""
    return keys.root(0)
