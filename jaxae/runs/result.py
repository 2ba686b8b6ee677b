"""A trained autoencoder as a user holds it."""

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxae import keys
from jaxae.data import accepted
from jaxae.data.rows import as_seen, in_model_unit, loaded, warn_of_values, with_scale
from jaxae.errors import JaxaeError, nearest
from jaxae.estimators import reconstruction
from jaxae.estimators.terms import ROWS_AT_ONCE
from jaxae.maths import precision
from jaxae.memory import by_rows, first_guess
from jaxae.protocols.capabilities import Autoencoder, Conditional, Generative, Model, TokenModel
from jaxae.runs import directory
from jaxae.runs.execution import CHECKPOINTS, last_autoencoder
from jaxae.runs.experiment import Experiment, example_batch
from jaxae.runs.run_record import check_seed, fingerprint, make_record, write_record
from jaxae.runs.run_types import Outcome, Run
from jaxae.specs.pytree import fields
from jaxae.specs.records import validate
from jaxae.tokens.sampling import Sampling, sample
from jaxae.training import checkpoint
from jaxae.types import Batch, Examples, Key, Variables

_in_its_precision = precision.within(lambda result: result.experiment)


@dataclasses.dataclass(frozen=True)
class Result:
    """What `jaxae.fit` and `jaxae.load` give. Arrays in and out are numpy's, in the model's unit.

    Rows are given as `train`, `validation` or `test`, as any `Examples` (its scale and its labels are used),
    or as an array. Floats and bools are in the model's unit (images in [0, 1]). Integers are in the unit in
    which the data are stored and are divided by `run.dataset.scale`: 255 for bytes, 16 for the digits, 1 for
    tables. Values that leave the data's span by more than half of its width are taken, with a warning.
    """

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

    @functools.cached_property
    def train(self) -> Examples:
        """The training rows as the model sees them, f32 x and labels y; dynamic ones are drawn once."""
        return self._split("train")

    @functools.cached_property
    def validation(self) -> Examples:
        """The validation rows as the model sees them, f32 x and labels y."""
        return self._split("validation")

    @functools.cached_property
    def test(self) -> Examples:
        """The test rows as the model sees them, f32 x and labels y."""
        return self._split("test")

    @_in_its_precision
    def encode(self, x: Any, y: Any = None) -> np.ndarray:
        """Rows [N, ...], or `Examples` -> their codes f32[N, L] (a posterior's mean)."""
        return self._by_rows(_encode, self._autoencoder("encode"), self._examples(x, y))

    @_in_its_precision
    def decode(self, z: Any, y: Any = None) -> np.ndarray:
        """Codes [N, L], and labels y [N] under a condition -> the means of p(x|z), f32[N, ...]."""
        batch = example_batch(self.run.dataset)
        model = self._autoencoder("decode")
        shape = jax.eval_shape(model.encode, self.variables, batch).shape[1:]
        z = _numbers("decode: codes", z, shape)
        return self._decoded(model, z, self._labels(y, len(z)))

    @_in_its_precision
    def reconstruct(self, x: Any, y: Any = None) -> np.ndarray:
        """Rows [N, ...], or `Examples` -> the means of p(x | encode(x)), f32[N, ...]."""
        return self._by_rows(_reconstruct, self._autoencoder("reconstruct"), self._examples(x, y))

    @_in_its_precision
    def sample(self, num: int, seed: int = 0, y: Any = None, **sampling: Any) -> np.ndarray:
        """The means of p(x|z) at `num` draws of z from the prior, f32[num, ...].

        y: under a condition, a label for each, or one for all; by its number or its name. Of captions, texts.
        sampling: of a prior over tokens, fields of `jaxae.Sampling`, such as temperature=0.9.
        """
        if tokenizer := self.run.dataset.tokenizer:
            return tokenizer.images(self.sample_tokens(num, seed, y, **sampling))
        if sampling:
            name = type(self._model).__name__
            raise JaxaeError(f"{next(iter(sampling))}: is for priors over tokens, and {name} is none")
        model = self._model
        if not isinstance(model, Generative):
            raise JaxaeError(f"sample: {type(model).__name__} has no prior over its codes to draw from")
        key, labels = _sample_key(num, seed), self._labels(_for_each(y, num), num)
        return self._decoded(model, _prior_sample(model, self.variables, key, num), labels)

    @_in_its_precision
    def sample_tokens(self, num: int, seed: int = 0, y: Any = None, **sampling: Any) -> np.ndarray:
        """Draws from a prior over tokens, i32[num, P]; see `sample`."""
        if not self.run.dataset.tokenizer:
            name = type(self._model).__name__
            raise JaxaeError(f"sample_tokens: {name} is no prior over tokens")
        for name in sampling:
            if name not in fields(Sampling):
                raise JaxaeError(f"{name}: no such setting; {nearest(name, fields(Sampling))}")
        settings, key = validate(Sampling(**sampling)), _sample_key(num, seed)
        if not isinstance(self._model, TokenModel):
            raise JaxaeError(
                f"sample_tokens: {type(self._model).__name__} has no logits of tokens to draw from"
            )
        condition = () if y is None else self._condition(self._model.condition, _for_each(y, num), num)
        return np.asarray(sample(self._model, self.variables, key, condition, num, settings))

    def _condition(self, condition: Any, y: Any, num: int) -> np.ndarray:
        """Return the condition of a token model: labels i32[num], or the words of texts i32[num, T]."""
        text, y = self.run.dataset.tokenizer.text, accepted.labels(y)
        if text is not None:
            return text.tokens(y.tolist()) if y.dtype.kind == "U" else np.asarray(y, np.int32)
        return self._labels(y, num) if condition is None or y.ndim == 1 else np.asarray(y, np.int32)

    def save(self, path: str | Path) -> Path:
        """Writes a run's directory that `jaxae.load` and the command line read.

        Raises: JaxaeError where there is one already.
        """
        record = make_record(self.run, Path(path).name, sys.argv)
        folder = directory.create(Path(path), "", 0)
        write_record(self.run.at(folder), record)
        for line in self.history:
            directory.append_history(folder, line)
        state = self.outcome.carry
        checkpoint.save(folder / CHECKPOINTS, len(self.history), state, fingerprint(folder))
        if self.scores:  # scores.json says that a run is finished
            directory.write_json(folder / directory.SCORES, self.scores)
        return folder

    def _by_rows(self, program: Any, model: Autoencoder, examples: Examples) -> np.ndarray:
        """Return what a program of rows gives for each of a user's rows."""
        fixed = model, self.variables
        return by_rows(program, fixed, (examples.x, examples.y), self._at_once)

    def _decoded(self, model: Autoencoder, z: Any, y: Any) -> np.ndarray:
        """The means of p(x|z), f32[N, ...]."""
        return by_rows(_decode, (model, self.variables), (z, y), self._at_once)

    @property
    def _at_once(self) -> int:
        """The most rows that are encoded or decoded at once."""
        return min(ROWS_AT_ONCE, first_guess(self.run.dataset.shape))

    @property
    def _model(self) -> Model:
        """The model with its schedules at their last step."""
        return last_autoencoder(self.run)

    def _autoencoder(self, method: str) -> Autoencoder:
        """Return the model if it has codes. Raises: JaxaeError that names the method of a result."""
        if not isinstance(self._model, Autoencoder):
            raise JaxaeError(f"{method}: {type(self._model).__name__} has no codes, which encode would give")
        return self._model

    def _split(self, name: str) -> Examples:
        return as_seen(self.run.dataset, name, self.experiment.data)

    def _examples(self, x: Any, y: Any) -> Examples:
        """A user's rows in the model's unit, and their labels; see the class."""
        dataset = self.run.dataset
        if isinstance(x, Examples):
            given, y = loaded(x), x.y if y is None and not isinstance(x.y, tuple) else y
        else:
            given = with_scale(accepted.rows(x), dataset)
        given = given._replace(x=_numbers("x", _with_channels(given.x, dataset.shape), dataset.shape))
        rows = in_model_unit(given)
        warn_of_values(given, rows, dataset, self.experiment.data.binarize != "none")
        return Examples(rows, self._labels(y, len(rows)), np.float32(1.0))

    def _labels(self, y: Any, num: int) -> Any:
        """A user's labels as i32[num], () for none; JaxaeError where a condition lacks them."""
        # A stack's labels are its head's, which neither codes nor images need.
        model = self._model
        num_classes = model.num_classes if isinstance(model, Conditional) else 0
        if y is None and num_classes:
            name = type(self._model).__name__
            raise JaxaeError(
                f"y: is missing; {name} is conditional and needs a label, 0 to {num_classes - 1}"
            )
        if y is None:
            return ()
        labels = self._numbered(accepted.labels(y))
        if labels.shape != (num,):
            given = f"{len(labels)} labels" if labels.ndim == 1 else f"labels of shape {labels.shape}"
            raise JaxaeError(f"y: got {given} for {num} rows")
        if labels.dtype.kind not in "iu":
            raise JaxaeError(f"y: got dtype {labels.dtype}, expected whole numbers")
        if num_classes and (labels.min() < 0 or labels.max() >= num_classes):
            raise JaxaeError(
                f"y: got labels {labels.min()} to {labels.max()}, expected 0 to {num_classes - 1}"
            )
        return labels.astype(np.int32)

    def _numbered(self, y: np.ndarray) -> np.ndarray:
        """Names of labels as their numbers; numbers as they are. Raises: JaxaeError for an unknown name."""
        if y.dtype.kind != "U":
            return y
        names = self.run.dataset.classes
        for name in y.reshape(-1):
            if name not in names:
                valid = nearest(str(name), names) if names else "the data have no names of labels"
                raise JaxaeError(f"y: {str(name)!r} is no label; {valid}")
        return np.array([names.index(name) for name in y.reshape(-1)], np.int32).reshape(y.shape)


def _for_each(y: Any, num: int) -> Any:
    """One condition for all, given once, for each of `num`."""
    return y if y is None or np.ndim(y) else [y] * num


def _sample_key(num: Any, seed: Any) -> Key:
    """What draws are made with. Raises: JaxaeError for a number or a seed that is none."""
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise JaxaeError(f"sample: got {num!r}, expected a whole number > 0")
    check_seed(seed)
    return keys.named(keys.root(seed), "sample")


def _with_channels(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Grey images [N, H, W] as [N, H, W, 1], where that is the data's shape."""
    return x[..., None] if shape[-1] == 1 and x.shape[1:] == shape[:-1] else x


def _numbers(name: str, x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """x [N, *shape] as an array of numbers; JaxaeError where it is none."""
    x = accepted.rows(x, name)
    if x.dtype.kind not in "fiub":
        raise JaxaeError(f"{name}: got dtype {x.dtype}, expected numbers")
    if x.shape[1:] != shape or len(x) == 0:
        raise JaxaeError(
            f"{name}: got shape {x.shape}, expected (N, {', '.join(map(str, shape))}) with N > 0"
        )
    return x


# Each row is a batch of one, so that what it gives does not depend on the rows that it is given with.


@jax.jit
def _encode(autoencoder: Autoencoder, variables: Variables, x: jax.Array, y: Any) -> jax.Array:
    return jax.vmap(lambda batch: autoencoder.encode(variables, batch)[0])(_alone(x, y))


@jax.jit
def _reconstruct(autoencoder: Autoencoder, variables: Variables, x: jax.Array, y: Any) -> jax.Array:
    def one(batch: Batch) -> jax.Array:
        return reconstruction.reconstruct(autoencoder, variables, batch)[0]

    return jax.vmap(one)(_alone(x, y))


@jax.jit
def _decode(autoencoder: Autoencoder, variables: Variables, z: jax.Array, y: Any) -> jax.Array:
    def one(z: jax.Array, y: Any) -> jax.Array:
        return autoencoder.image(autoencoder.decode(variables, z, y))[0]

    return jax.vmap(one)(*_as_batches((z.astype(precision.real()), y)))


@functools.partial(jax.jit, static_argnames="num")
def _prior_sample(autoencoder: Generative, variables: Variables, key: Key, num: int) -> jax.Array:
    return autoencoder.prior_sample(variables, key, num)


def _alone(x: jax.Array, y: Any) -> Batch:
    """Rows [N, ...] in the model's unit as N batches of one, [N, 1, ...]."""
    return Batch(*_as_batches((x, y)))


def _as_batches(rows: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[:, None], rows)
