"""Autoencoders as scikit-learn transformers: `jaxae.sklearn.AutoencoderTransformer`.

It works in pipelines, grid searches and cross-validation. `import jaxae` does not import this module, since
scikit-learn is slow to import.
"""

import dataclasses
from numbers import Integral
from typing import Any, NoReturn, Self

import jax
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxae.autoencoders.plain import AE
from jaxae.data import DataSpec, Unread
from jaxae.errors import JaxaeError, nearest
from jaxae.estimators.bound_scores import has_draws, row_elbos
from jaxae.maths import precision
from jaxae.optimizers import Adam
from jaxae.protocols.capabilities import Autoencoder, Classifier, Conditional
from jaxae.runs.api import fit
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.experiment import EarlyStopping, Experiment, example_batch
from jaxae.runs.result import Result, _encode, _reconstruct
from jaxae.specs.pytree import is_node, paths, replace
from jaxae.types import Examples

PARTS: dict[str, Any] = {
    "model": AE(),
    "optimizer": Adam(),
    "early_stopping": EarlyStopping(),
}  # the values of None
SETTINGS = ("batch_size", "epochs", "clip_norm", "ema_decay", "compute_dtype")


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Autoencoder whose `transform` encodes rows and whose `inverse_transform` decodes codes.

    `fit` trains the model with `jaxae.fit`. Fields of the model, the optimiser and the early stopping are
    parameters too, with `__` in place of the dot: `model__latent_dim`, `model__encoder__widths`,
    `optimizer__learning_rate`. Without `validation_fraction` all rows train, and the last epoch is used;
    with it, the epoch of the lowest validation loss.

    Args:
        model: Autoencoder without a condition; None is `jaxae.AE()`.
        optimizer: Optimiser of the parameters; None is `jaxae.Adam()`.
        epochs: Passes over the training rows.
        batch_size: Rows in each step; at most all training rows.
        early_stopping: When to stop before `epochs`; needs a `validation_fraction`. None never does.
        validation_fraction: Share of the rows that is kept out of training to choose the epoch, 0 to 1.
        shape: Shape of one example, such as (28, 28, 1) for images in rows of 784 columns; None for tables.
        clip_norm: As in `jaxae.Experiment`.
        ema_decay: As in `jaxae.Experiment`.
        compute_dtype: As in `jaxae.Experiment`.
        random_state: Seed of the run, 0 to 2^32 - 1, or a `RandomState` that one is drawn from. None draws
            one from NumPy's global state. The seed 0 gives the numbers of `jaxae.fit(..., seed=0)`.

    Attributes:
        result_: The trained model, a `jaxae.Result` without its rows.
        n_features_in_: Number of columns of the rows.
        feature_names_in_: Names of the columns, if the rows were a data frame.

    Example:
        >>> import jaxae
        >>> from jaxae.sklearn import AutoencoderTransformer
        >>> from sklearn.datasets import load_digits
        >>> x = load_digits().data / 16
        >>> encoder = AutoencoderTransformer(jaxae.AE(latent_dim=8), epochs=2)
        >>> encoder.fit_transform(x).shape
        (1797, 8)
        >>> encoder.set_params(model__latent_dim=3).fit(x).get_feature_names_out()[0]
        'autoencodertransformer0'
    """

    def __init__(
        self,
        model: Any = None,
        *,
        optimizer: Any = None,
        epochs: int = 50,
        batch_size: int = 100,
        early_stopping: EarlyStopping | None = None,
        validation_fraction: float = 0.0,
        shape: tuple[int, ...] | None = None,
        clip_norm: float | None = None,
        ema_decay: float | None = None,
        compute_dtype: str = "float32",
        random_state: Any = 0,
    ) -> None:
        # As scikit-learn requires: nothing is checked or changed before `fit`.
        self.model = model
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.shape = shape
        self.clip_norm = clip_norm
        self.ema_decay = ema_decay
        self.compute_dtype = compute_dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the autoencoder.

        Args:
            X: Rows [N, D]; values in [0, 1] for likelihoods of the unit interval.
            y: Labels [N] for a model with a classifier (`jaxae.Stacked`); other models ignore them.

        Returns:
            The estimator.

        Raises:
            JaxaeError: If the model or a parameter does not fit the rows.
            Diverged: If a number is not finite.
        """
        rows = self._rows(validate_data(self, X, dtype=np.float32, ensure_min_samples=2))
        experiment, labels = self._experiment(len(rows)), None
        if isinstance(experiment.model, Classifier) and experiment.model.num_classes:
            labels = y
        result = fit(experiment, rows, labels, seed=self._seed(), progress=False)
        # Without the rows: a pickled pipeline holds the weights, not the data that it was trained on.
        self.result_ = dataclasses.replace(
            result, run=dataclasses.replace(result.run, dataset=_without_rows(result))
        )
        batch = example_batch(self.result_.run.dataset)
        self._n_features_out = jax.eval_shape(self._model.encode, self.result_.variables, batch).shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode rows [N, D] to codes f32[N, L]: the posterior's means in a variational model."""
        return self._map_rows(_encode, self._examples(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode codes [N, L] to the means of p(x|z), f32[N, D]."""
        check_is_fitted(self)
        rows = self.result_.decode(check_array(X, dtype=np.float32))
        return rows.reshape(len(rows), -1)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the score of each row, higher is better: the ELBO in nats, or minus the squared error.

        The ELBO is the mean over 16 draws, whose noise depends on the row only. A model without an ELBO has
        minus the squared error of the reconstruction, summed over the columns.

        Args:
            X: Rows [N, D].

        Returns:
            f32[N].
        """
        rows = self._examples(X)
        if has_draws(self._model):
            with precision.of(self.result_.experiment):
                return np.asarray(row_elbos(self._model, self.result_.variables, rows))
        error = (rows.x - self._map_rows(_reconstruct, rows)) ** 2
        return -error.reshape(len(error), -1).sum(axis=1)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `score_samples`, by which a grid search chooses; higher is better.

        Args:
            X: Rows [N, D].
            y: Not used.

        Returns:
            The mean.
        """
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with `deep` also the fields of the parts, as `model__latent_dim`."""
        params = super().get_params(deep=False)
        if deep:
            for part, default in PARTS.items():
                # `early_stopping=None` means none, but its fields can be set, which creates it.
                value = params[part] if params[part] is not None else default
                inner = paths(value) if is_node(value) else ()
                params |= {f"{part}__{path.replace('.', '__')}": each for path, _, each in inner}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; a field of a part by `model__latent_dim`.

        Args:
            **params: New values.

        Returns:
            The estimator.

        Raises:
            ValueError: If there is no such parameter; the message gives the nearest one.
        """
        super().set_params(**{name: value for name, value in params.items() if "__" not in name})
        for name, value in params.items():
            part, _, path = name.partition("__")
            if not path:
                continue
            valid = self.get_params()
            if name not in valid:
                raise ValueError(f"{name}: no such parameter; {nearest(name, valid)}")
            before = getattr(self, part) if getattr(self, part) is not None else PARTS[part]
            setattr(self, part, replace(before, path.replace("__", "."), _plain(value)))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _model(self) -> Any:
        """Trained model with its schedules at their last step."""
        check_is_fitted(self)
        return last_autoencoder(self.result_.run)

    def _experiment(self, num_rows: int) -> Experiment:
        model = PARTS["model"] if self.model is None else self.model
        name = type(model).__name__
        if not isinstance(model, Autoencoder):
            raise JaxaeError(f"model: {name} has no codes (no methods encode, decode and image)")
        if isinstance(model, Conditional) and model.num_classes:
            raise JaxaeError(f"model: {name} is conditional, but transform gets no labels; use jaxae.fit")
        num_validation = round(float(self.validation_fraction) * num_rows)
        if self.early_stopping and not num_validation:
            raise JaxaeError("early_stopping: needs validation rows; set validation_fraction, such as 0.1")
        settings = {name: _plain(getattr(self, name)) for name in SETTINGS}
        # Small tables, and the folds of a cross-validation, may have fewer rows than a batch.
        settings["batch_size"] = min(settings["batch_size"], num_rows - num_validation)
        return Experiment(
            data=DataSpec(num_validation=num_validation, num_test=0),
            model=model,
            optimizer=PARTS["optimizer"] if self.optimizer is None else self.optimizer,
            early_stopping=self.early_stopping,
            **settings,
        )

    def _seed(self) -> int:
        """Return the seed of the run: the number itself, or one drawn from a `RandomState`."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _map_rows(self, program: Any, rows: Examples) -> np.ndarray:
        """Return the values of a program of the result for each row."""
        # Not by the methods of the result: they print a warning for rows outside of the data's span, which
        # are usual in the folds of a cross-validation.
        with precision.of(self.result_.experiment):
            return self.result_._map_rows(program, self._model, rows)

    def _rows(self, X: np.ndarray) -> np.ndarray:
        return X if self.shape is None else X.reshape(len(X), *self.shape)

    def _examples(self, X: Any) -> Examples:
        """Check rows and return them in the model's unit, with scale 1."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        return Examples(self._rows(rows), (), np.float32(1.0))


def _plain(value: Any) -> Any:
    """Return a NumPy number as Python's: grids of `np.logspace` hold `np.float64`."""
    return value.item() if isinstance(value, np.generic) else value


def _without_rows(result: Result) -> Unread:
    """Return the facts of a result's data, from which rows cannot be read again."""
    dataset = result.run.dataset
    return Unread(dataset.facts, dataset.hash, dataset.description, _refuse_rows)


def _refuse_rows() -> NoReturn:
    raise JaxaeError("result_: an estimator does not keep the rows of fit; use jaxae.fit to keep them")
