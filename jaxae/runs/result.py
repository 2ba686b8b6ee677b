"""The result of a run: encode, decode, reconstruct, sample, save."""

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxae import keys
from jaxae.data import accepted
from jaxae.data.own import reading
from jaxae.data.rows import as_seen, in_model_unit, loaded, warn_of_values, with_scale
from jaxae.errors import JaxaeError, nearest
from jaxae.estimators import reconstruction
from jaxae.estimators.terms import ROWS_AT_ONCE
from jaxae.maths import precision
from jaxae.memory import by_rows, first_guess
from jaxae.protocols.capabilities import Autoencoder, Conditional, Generative, Model, TokenModel
from jaxae.runs import directory
from jaxae.runs.execution import CHECKPOINTS, last_autoencoder, scores
from jaxae.runs.experiment import Experiment, example_batch
from jaxae.runs.result_html import result_html
from jaxae.runs.run_record import check_seed, fingerprint, make_record, write_record
from jaxae.runs.run_types import Outcome, Run
from jaxae.specs import public
from jaxae.specs.pytree import fields
from jaxae.specs.records import validate
from jaxae.tokens.sampling import Sampling, sample
from jaxae.training import checkpoint
from jaxae.types import Batch, Examples, Key, Variables

_in_its_precision = precision.within(lambda result: result.experiment)


@dataclasses.dataclass(frozen=True, repr=False)
class Result:
    """A trained model with its data, scores and history, as `jaxae.fit` and `jaxae.load` return it.

    Methods take and return NumPy arrays. Rows are given as `train`, `validation` or `test`, as any `Examples`
    (its scale and its labels are used), or as an array:

    - Floats and bools are in the model's unit (images in [0, 1]).
    - Integers are in the unit in which the data are stored. They are divided by `run.dataset.scale`: 255 for
      bytes, 16 for the digits, 1 for tables.
    - Values that leave the data's span by more than half of its width are accepted with a warning.

    All methods use the variables of the best epoch, those of `last` the variables of the last epoch. A row's
    values do not depend on the rows next to it.

    Example:
        >>> import jaxae
        >>> result = jaxae.fit(jaxae.Experiment(model=jaxae.VAE(latent_dim=2), epochs=1))
        >>> z = result.encode(result.test)
        >>> z.shape
        (300, 2)
        >>> result.decode(z[:5]).shape
        (5, 8, 8, 1)
        >>> result.reconstruct(result.test.x[:5]).shape
        (5, 8, 8, 1)
        >>> result.sample(16, seed=1).shape
        (16, 8, 8, 1)
        >>> result.scores["units"]["elbo"], result.scores["epoch"]
        ('nats', 1)
        >>> result.last.scores["chosen_by"], result.last.scores["epoch"]
        ('last epoch', 1)
    """

    run: Run
    """The resolved experiment, the data, the seed and the directory."""
    outcome: Outcome
    """The last and the best state of training, and the history."""
    recorded_scores: dict[str, Any] | None = None
    """The scores if they are known, {} for a run that is not finished; None computes them at first use."""

    def __repr__(self) -> str:
        test = (self.recorded_scores or {}).get("test", {})
        name = next((each for each in ("elbo", "log_prob", "squared_error", "loss") if each in test), None)
        parts = [self.run.summary, self.outcome.summary]
        if name:
            unit = (self.recorded_scores or {}).get("units", {}).get(name, "")
            parts.append(f"test {name} {test[name]:.5g} {unit}".rstrip())
        return f"Result({'; '.join(parts)})"

    def _repr_html_(self) -> str:
        return result_html(self)

    @functools.cached_property
    def scores(self) -> dict[str, Any]:
        """Scores of the best epoch on validation and test rows, with their units; content of scores.json."""
        return scores(self.run, self.outcome) if self.recorded_scores is None else self.recorded_scores

    @functools.cached_property
    def last(self) -> "Result":
        """The same run after its last epoch: all methods use the variables of that epoch.

        Its scores are computed at their first use. After `load` the last epoch is that of the newest
        checkpoint.

        Raises:
            JaxaeError: If the run is one of a sweep, which keeps the best state only.

        Example:
            >>> result.scores["epoch"], result.last.scores["epoch"]  # doctest: +SKIP
            (37, 50)
        """
        if not self.outcome.has_last:
            raise JaxaeError("last: a run of a sweep keeps its best epoch only; train it with jaxae.fit")
        return Result(self.run, dataclasses.replace(self.outcome, shows="last"))

    @property
    def experiment(self) -> Experiment:
        """The resolved experiment."""
        return self.run.experiment

    @property
    def history(self) -> list[dict[str, Any]]:
        """One dictionary for each epoch: terms on training and validation rows, seconds."""
        return self.outcome.history

    @property
    def variables(self) -> Variables:
        """Variables of the best (or last) epoch, as the autoencoder's pure methods take them."""
        return self.outcome.variables

    @functools.cached_property
    def train(self) -> Examples:
        """Training rows as the model sees them, f32 x and labels y.

        Rows with dynamic binarisation are drawn once and kept.
        """
        return self._split("train")

    @functools.cached_property
    def validation(self) -> Examples:
        """Validation rows as the model sees them, f32 x and labels y."""
        return self._split("validation")

    @functools.cached_property
    def test(self) -> Examples:
        """Test rows as the model sees them, f32 x and labels y."""
        return self._split("test")

    @_in_its_precision
    def encode(self, x: Any, y: Any = None) -> np.ndarray:
        """Return the deterministic code of each row: the posterior's mean in a variational model.

        Args:
            x: Rows [N, ...], or `Examples`; see the class for units.
            y: Labels [N], by number or name, which a conditional model needs; None takes those of `Examples`.

        Returns:
            Codes f32[N, L].

        Raises:
            JaxaeError: If the model has no codes, or x or y does not fit it.

        Example:
            >>> codes = result.encode(images)  # doctest: +SKIP
        """
        return self._map_rows(_encode, self._autoencoder("encode"), self._examples(x, y))

    @_in_its_precision
    def decode(self, z: Any, y: Any = None) -> np.ndarray:
        """Return the mean of p(x|z) for each code.

        Args:
            z: Codes [N, L].
            y: Labels [N], by number or name, which a conditional model needs.

        Returns:
            Means in the model's unit, f32[N, ...]; images in [0, 1], never logits.

        Raises:
            JaxaeError: If the model has no codes, or z or y does not fit it.

        Example:
            >>> images = result.decode(codes)  # doctest: +SKIP
        """
        batch = example_batch(self.run.dataset)
        model = self._autoencoder("decode")
        # The shape of a code, without computing one: decoding needs no data, which may be elsewhere.
        shape = jax.eval_shape(model.encode, self.variables, batch).shape[1:]
        z = _as_numbers("decode: codes", z, shape)
        return self._decode_rows(model, z, self._labels(y, len(z)))

    @_in_its_precision
    def reconstruct(self, x: Any, y: Any = None) -> np.ndarray:
        """Return the mean of p(x|z) at the deterministic code z of each row.

        Args:
            x: Rows [N, ...], or `Examples`; see the class for units.
            y: Labels [N], by number or name, which a conditional model needs; None takes those of `Examples`.

        Returns:
            Reconstructions in the model's unit, f32[N, ...].

        Raises:
            JaxaeError: If the model has no codes, or x or y does not fit it.

        Example:
            >>> error = ((result.test.x - result.reconstruct(result.test)) ** 2).mean()  # doctest: +SKIP
        """
        return self._map_rows(_reconstruct, self._autoencoder("reconstruct"), self._examples(x, y))

    @_in_its_precision
    def sample(self, num: int, seed: int = 0, y: Any = None, **sampling: Any) -> np.ndarray:
        """Draw z from the prior and return the means of p(x|z), without the noise of the likelihood.

        Args:
            num: Number of draws.
            seed: Seed of the draws; equal seeds give equal draws.
            y: Condition of a conditional model, by number or name: one label for each draw, or one for all.
                Texts for a model of captions.
            **sampling: Fields of `jaxae.Sampling`, such as `temperature=0.9`, for a prior over tokens.

        Returns:
            Means in the model's unit, f32[num, ...].

        Raises:
            JaxaeError: If the model has no prior, or an argument is invalid.

        Example:
            >>> eights = result.sample(64, seed=1, y=8)  # doctest: +SKIP
        """
        if tokenizer := self.run.dataset.tokenizer:
            # A prior over tokens draws tokens; the tokenizer's autoencoder turns them into images.
            return tokenizer.images(self.sample_tokens(num, seed, y, **sampling))
        if sampling:
            name = type(self._model).__name__
            option = next(iter(sampling))
            raise JaxaeError(f"{option}: is an option for priors over tokens, but the model is {name}")
        model = self._model
        if not isinstance(model, Generative):
            raise JaxaeError(f"sample: {type(model).__name__} has no prior over its codes to draw from")
        key, labels = _sample_key(num, seed), self._labels(_repeat(y, num), num)
        return self._decode_rows(model, _prior_sample(model, self.variables, key, num), labels)

    @_in_its_precision
    def sample_tokens(
        self, num: int, seed: int = 0, y: Any = None, *, given: Any = None, **sampling: Any
    ) -> np.ndarray:
        """Draw tokens from a prior over tokens, without decoding them to images.

        Args:
            num: Number of draws.
            seed: Seed of the draws; equal seeds give equal draws.
            y: Condition, as for `sample`.
            given: Tokens to keep, int[num, P], with -1 where a token is drawn; None draws all. A drawn token
                depends on the tokens before it, in the order of the grid, and not on those after it.
            **sampling: Fields of `jaxae.Sampling`, such as `temperature=0.9`.

        Returns:
            Tokens i32[num, P].

        Raises:
            JaxaeError: If the model is not a prior over tokens, or an argument is invalid.
        """
        if not self.run.dataset.tokenizer:
            name = type(self._model).__name__
            raise JaxaeError(f"sample_tokens: {name} is not a prior over tokens")
        for name in sampling:
            if name not in fields(Sampling):
                raise JaxaeError(f"{name}: no such setting; {nearest(name, fields(Sampling))}")
        # Before Sampling(...), whose TypeError would not give the valid names.
        settings, key = validate(Sampling(**sampling)), _sample_key(num, seed)
        if not isinstance(self._model, TokenModel):
            raise JaxaeError(
                f"sample_tokens: {type(self._model).__name__} has no logits of tokens to draw from"
            )
        condition = () if y is None else self._condition(self._model.condition, _repeat(y, num), num)
        kept = () if given is None else _kept_tokens(given, num, self._model)
        return np.asarray(sample(self._model, self.variables, key, condition, num, settings, kept))

    def _condition(self, condition: Any, y: Any, num: int) -> np.ndarray:
        """Return the condition of a token model: labels i32[num], or the words of texts i32[num, T]."""
        text, y = self.run.dataset.tokenizer.text, accepted.labels(y)
        if text is not None:
            return text.tokens(y.tolist()) if y.dtype.kind == "U" else np.asarray(y, np.int32)
        return self._labels(y, num) if condition is None or y.ndim == 1 else np.asarray(y, np.int32)

    def save(self, path: str | Path) -> Path:
        """Write the run to a new directory that `jaxae.load` and the command line read.

        Args:
            path: New or empty directory.

        Returns:
            The directory.

        Raises:
            JaxaeError: If the directory is not empty or cannot be made, or this is the view `last`.

        Example:
            >>> folder = result.save("runs/vae-digits")  # doctest: +SKIP
            >>> jaxae.load(folder).scores == result.scores  # doctest: +SKIP
            True
        """
        if self.outcome.shows == "last":
            raise JaxaeError("save: a run is saved with both states; call it on the result and not on `last`")
        # Before the directory is made: a value that no record can hold leaves nothing behind.
        record = make_record(self.run, Path(path).name, sys.argv)
        folder = directory.create(Path(path), "", 0)
        if self.run.initial:
            self.run.initial.save(folder, self.outcome.carry.state.variables)
        write_record(self.run.at(folder), record)
        for line in self.history:
            directory.append_history(folder, line)
        state = self.outcome.carry
        checkpoint.save(folder / CHECKPOINTS, len(self.history), state, fingerprint(folder))
        # Last of all, since scores.json says that a run is finished.
        if self.scores:
            directory.write_json(folder / directory.SCORES, self.scores)
        return folder

    def export(self, folder: str | Path, **options: Any) -> Path:
        """Write the model to files that work without jaxae.

        Args:
            folder: New or empty directory.
            **options: `part`, `format` and `platforms`, as for `jaxae.export`.

        Returns:
            The folder.

        Raises:
            JaxaeError: As for `jaxae.export`; then nothing is written.

        Example:
            >>> folder = result.export("vae", part="decoder")  # doctest: +SKIP
        """
        # Looked up, since the package of exports imports this one.
        return public.get("export")(self, folder, **options)

    def _map_rows(self, program: Any, model: Autoencoder, examples: Examples) -> np.ndarray:
        """Return the values of a jitted program of rows for each of the user's rows."""
        fixed = model, self.variables
        return by_rows(program, fixed, (examples.x, examples.y), self._at_once)

    def _decode_rows(self, model: Autoencoder, z: Any, y: Any) -> np.ndarray:
        """Return the means of p(x|z), f32[N, ...]."""
        return by_rows(_decode, (model, self.variables), (z, y), self._at_once)

    @property
    def _at_once(self) -> int:
        """Largest number of rows that are encoded or decoded at once."""
        return min(ROWS_AT_ONCE, first_guess(self.run.dataset.shape))

    @property
    def _model(self) -> Model:
        """Model with its schedules at their last step."""
        return last_autoencoder(self.run)

    def _autoencoder(self, method: str) -> Autoencoder:
        """Return the model if it has codes; raise JaxaeError, naming the method of the result, if not."""
        if not isinstance(self._model, Autoencoder):
            name = type(self._model).__name__
            raise JaxaeError(f"{method}: {name} has no codes (no methods encode, decode and image)")
        return self._model

    def _split(self, name: str) -> Examples:
        return as_seen(self.run.dataset, name, self.experiment.data)

    def _examples(self, x: Any, y: Any) -> Examples:
        """Return a user's rows in the model's unit, and their labels; see the class."""
        dataset = self.run.dataset
        if isinstance(x, Examples):
            # A given y wins over the labels of the rows: images of one
            # class can be encoded under another condition.
            given, y = loaded(x), x.y if y is None and not isinstance(x.y, tuple) else y
        else:
            x = reading.to_array(x, self.experiment.data, "x")
            given = with_scale(accepted.rows(x), dataset)
        given = given._replace(x=_as_numbers("x", _add_channel(given.x, dataset.shape), dataset.shape))
        rows = in_model_unit(given)
        warn_of_values(given, rows, dataset, self.experiment.data.binarize != "none")
        # Scale 1: the rows have been divided already.
        return Examples(rows, self._labels(y, len(rows)), np.float32(1.0))

    def _labels(self, y: Any, num: int) -> Any:
        """Return labels as i32[num], () for none; raise JaxaeError if a conditional model lacks them."""
        # `Conditional` only: a stack of autoencoders has labels for its
        # classifier, which codes and images ignore.
        model = self._model
        num_classes = model.num_classes if isinstance(model, Conditional) else 0
        if y is None and num_classes:
            name = type(self._model).__name__
            raise JaxaeError(
                f"y: is missing; {name} is conditional and needs a label, 0 to {num_classes - 1}"
            )
        if y is None:
            return ()
        labels = self._label_numbers(accepted.labels(y))
        if labels.shape != (num,):
            problem = f"{len(labels)} labels" if labels.ndim == 1 else f"labels of shape {labels.shape}"
            raise JaxaeError(f"y: got {problem} for {num} rows")
        if labels.dtype.kind not in "iu":
            raise JaxaeError(f"y: got dtype {labels.dtype}, expected whole numbers")
        if num_classes and (labels.min() < 0 or labels.max() >= num_classes):
            raise JaxaeError(
                f"y: got labels {labels.min()} to {labels.max()}, expected 0 to {num_classes - 1}"
            )
        return labels.astype(np.int32)

    def _label_numbers(self, y: np.ndarray) -> np.ndarray:
        """Return the numbers of names of labels, numbers as they are; raise JaxaeError for unknown names."""
        if y.dtype.kind != "U":
            return y
        names = self.run.dataset.classes
        for name in y.reshape(-1):
            if name not in names:
                hint = nearest(str(name), names) if names else "the labels of the data have no names"
                raise JaxaeError(f"y: got {str(name)!r}, which is not a label; {hint}")
        return np.array([names.index(name) for name in y.reshape(-1)], np.int32).reshape(y.shape)


def _kept_tokens(given: Any, num: int, model: TokenModel) -> np.ndarray:
    """Return tokens to keep as i32[num, P], -1 for none; raise JaxaeError if they do not fit the model."""
    # Tokens of another length would be cut or repeated without a message by jax's indexing.
    shape = (num, model.num_positions)
    tokens = np.asarray(given)
    if tokens.shape != shape or tokens.dtype.kind not in "iu":
        raise JaxaeError(
            f"given: got shape {tokens.shape} and dtype {tokens.dtype}, "
            f"expected whole numbers of shape {shape}"
        )
    if tokens.min() < -1 or tokens.max() >= model.num_codes:
        raise JaxaeError(
            f"given: got {tokens.min()} to {tokens.max()}, expected 0 to {model.num_codes - 1}, or -1 to draw"
        )
    return tokens.astype(np.int32)


def _repeat(y: Any, num: int) -> Any:
    """Repeat one condition `num` times if it was given once for all."""
    return y if y is None or np.ndim(y) else [y] * num


def _sample_key(num: Any, seed: Any) -> Key:
    """Check `num` and `seed` and return the sampling key; raise JaxaeError if either is invalid."""
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise JaxaeError(f"sample: got {num!r}, expected a whole number > 0")
    check_seed(seed)
    # A stream apart from those of training: the seed of a run gives its samples no noise of its training.
    return keys.named(keys.root(seed), "sample")


def _add_channel(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return grey images [N, H, W] as [N, H, W, 1] if the data have that shape."""
    return x[..., None] if shape[-1] == 1 and x.shape[1:] == shape[:-1] else x


def _as_numbers(name: str, x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return x [N, *shape] as an array of numbers; raise JaxaeError if it is not one."""
    x = accepted.rows(x, name)
    if x.dtype.kind not in "fiub":
        raise JaxaeError(f"{name}: got dtype {x.dtype}, expected numbers")
    if x.shape[1:] != shape or len(x) == 0:
        raise JaxaeError(
            f"{name}: got shape {x.shape}, expected (N, {', '.join(map(str, shape))}) with N > 0"
        )
    return x


# In the programs below each row is a batch of one under vmap, so a row's value does not
# depend on the rows that are given with it.


@jax.jit
def _encode(autoencoder: Autoencoder, variables: Variables, x: jax.Array, y: Any) -> jax.Array:
    return jax.vmap(lambda batch: autoencoder.encode(variables, batch)[0])(_batches_of_one(x, y))


@jax.jit
def _reconstruct(autoencoder: Autoencoder, variables: Variables, x: jax.Array, y: Any) -> jax.Array:
    def one(batch: Batch) -> jax.Array:
        return reconstruction.reconstruct(autoencoder, variables, batch)[0]

    return jax.vmap(one)(_batches_of_one(x, y))


@jax.jit
def _decode(autoencoder: Autoencoder, variables: Variables, z: jax.Array, y: Any) -> jax.Array:
    def one(z: jax.Array, y: Any) -> jax.Array:
        # `image` turns the parameters of p(x|z) into its mean: logits are never returned as images.
        return autoencoder.image(autoencoder.decode(variables, z, y))[0]

    return jax.vmap(one)(*_add_batch_axis((z.astype(precision.real()), y)))


@functools.partial(jax.jit, static_argnames="num")
def _prior_sample(autoencoder: Generative, variables: Variables, key: Key, num: int) -> jax.Array:
    return autoencoder.prior_sample(variables, key, num)


def _batches_of_one(x: jax.Array, y: Any) -> Batch:
    """Return rows [N, ...] in the model's unit as N batches of one, [N, 1, ...]."""
    return Batch(*_add_batch_axis((x, y)))


def _add_batch_axis(rows: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[:, None], rows)
