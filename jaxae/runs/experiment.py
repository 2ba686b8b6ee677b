"""`Experiment`: everything that defines a run except its seed, and its checks against the data."""

import math
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Lt

from jaxae import contract
from jaxae.autoencoders.vae import VAE
from jaxae.contract.compatibility import check_batches, check_likelihoods, warn_of_batches
from jaxae.data import AnyDataset
from jaxae.data.data_spec import DataSpec
from jaxae.data.location import with_counts
from jaxae.data.splits import settled
from jaxae.display.html import preformatted
from jaxae.errors import JaxaeError
from jaxae.maths import precision
from jaxae.optimizers import Adam
from jaxae.protocols.capabilities import (
    Classifier,
    Conditional,
    DataDependent,
    DataShaped,
    ExampleCount,
    Model,
    TokenModel,
)
from jaxae.protocols.parts import Optimizer
from jaxae.runs import passed_trials
from jaxae.specs.pytree import fields, replace, spec
from jaxae.specs.records import validate
from jaxae.specs.short_repr import short_repr
from jaxae.training import epoch
from jaxae.types import Batch


@spec
class EarlyStopping:
    """Rule to stop a run when the validation loss has not improved for `patience` validations.

    A run validates every `validate_every` epochs.

    Example:
        >>> import jaxae
        >>> jaxae.EarlyStopping(patience=5, warm_up=20)
        EarlyStopping(patience=5, min_delta=0.0, warm_up=20)
    """

    patience: Annotated[int, Gt(0)] = 10
    """Validations without improvement before the run stops."""
    min_delta: Annotated[float, Ge(0)] = 0.0
    """Smallest decrease of the validation loss that counts as improvement, in the loss's unit (nats)."""
    warm_up: Annotated[int, Ge(0)] = 0
    """Epochs at the start whose validations do not count, such as those of a KL warm-up."""


@spec
class Experiment:
    """Data, model and training of a run. With a seed it defines every number of the run.

    An experiment is a pytree. Its floats (learning rate, KL weight, noise level) are traced, so changing one
    never recompiles. All other fields (widths, latent dimension, names) are structure, and changing one
    compiles another program. On the command line the fields are options: `--model.latent_dim 8`.

    Example:
        >>> import dataclasses
        >>> import jaxae
        >>> experiment = jaxae.Experiment(
        ...     data=jaxae.DataSpec(name="mnist", binarize="dynamic"),
        ...     model=jaxae.VAE(latent_dim=32, beta=jaxae.schedules.Linear(steps=1000)),
        ...     optimizer=jaxae.Adam(learning_rate=3e-4),
        ...     epochs=100,
        ... )
        >>> dataclasses.replace(experiment, batch_size=200).batch_size
        200
    """

    data: DataSpec = DataSpec()
    """Data to learn from.

    If rows are given to `fit`, the name and the folder are ignored; splits and binarisation still apply.
    """
    model: Model = VAE()
    """The model with its loss, such as `VAE(latent_dim=8)`."""
    optimizer: Optimizer = Adam()
    """The optimiser of the parameters."""
    batch_size: Annotated[int, Gt(0)] = 100
    """Examples in each step. Rows that fill no batch are left out of an epoch, other rows each time."""
    epochs: Annotated[int, Gt(0)] = 50
    """Passes over the training rows. If `steps` is given, it decides and this number follows from it."""
    steps: Annotated[int, Gt(0)] | None = None
    """Updates of the parameters, the same for data of any size. The last epoch may be a part of a pass.

    None trains `epochs` passes. Validations and checkpoints come at the ends of epochs in both cases.
    """
    clip_norm: Annotated[float, Gt(0)] | None = None
    """Largest global norm of the gradient; longer gradients are scaled down to it. None does not clip."""
    ema_decay: Annotated[float, Ge(0), Lt(1)] | None = None
    """Decay, for each step, of the parameters' moving average, which is then evaluated; None keeps none."""
    compute_dtype: Literal["float32", "bfloat16", "float64"] = "float32"
    """Precision. bfloat16 applies to the matrix products of the nets only, float64 to the whole run."""
    validate_every: Annotated[int, Gt(0)] = 1
    """Epochs between validations; the last epoch is always validated."""
    checkpoint_every: Annotated[int, Gt(0)] = 10
    """Epochs between checkpoints; the last epoch is always saved."""
    early_stopping: EarlyStopping | None = None
    """When to stop before `epochs`; None never does."""

    def __repr__(self) -> str:
        # All fields of all parts would be a line of 2,000 characters. Records do not use it.
        return short_repr(self, ("data", "model", "optimizer", "batch_size", "epochs"))

    def _repr_html_(self) -> str:
        return preformatted(repr(self))

    def check(self) -> None:
        """Check that the fields fit together; raise ValueError otherwise."""
        if self.early_stopping and self.data.num_validation == 0:
            raise ValueError("early_stopping needs validation rows, but data.num_validation is 0")


def resolve(experiment: Experiment, dataset: AnyDataset) -> Experiment:
    """Check an experiment against its data, and fill in the fields that depend on them (`model.data_shape`).

    Args:
        experiment: The experiment.
        dataset: Its data.

    Returns:
        The resolved experiment.

    Raises:
        JaxaeError: If a value is out of range, a shape does not fit the data, a likelihood cannot hold the
            data, a batch is larger than the training rows or smaller than its statistics need, the steps
            exceed 32 bits, or a method of the autoencoder fails.
    """
    experiment = fill(experiment, dataset)
    batch = example_batch(dataset, experiment.batch_size)
    digest = passed_trials.digest(experiment, batch)
    if not passed_trials.has_passed(digest):
        with precision.of(experiment):
            contract.check(experiment.model, batch, experiment.compute_dtype, experiment.optimizer)
        passed_trials.keep(digest)
    warn_of_batches(experiment.model, experiment.batch_size)
    return experiment


def fill(experiment: Experiment, dataset: AnyDataset) -> Experiment:
    """Resolve an experiment without the trial call of the autoencoder.

    A sweep makes that trial once for each structure and not for each run.

    Args:
        experiment: The experiment.
        dataset: Its data.

    Returns:
        The experiment with the fields that depend on the data.

    Raises:
        JaxaeError: As `resolve`, except for methods that fail.
    """
    # First of all: the checks below call methods of the model, which may be a user's.
    contract.check_methods(experiment.model)
    validate(experiment, Experiment)
    # Before anything is recorded: None and shares become the numbers of rows that they mean.
    experiment = replace(experiment, "data", settled(with_counts(experiment.data), dataset.num_rows))
    contract.check_fields(experiment.model)
    if isinstance(experiment.model, DataDependent):
        experiment = replace(experiment, "model", contract.fitted(experiment.model, dataset))
    # Tokens are numbers of codes without an order. A likelihood of real numbers would fit them in silence.
    elif dataset.tokenizer and not isinstance(experiment.model, TokenModel):
        name = type(experiment.model).__name__
        raise JaxaeError(f"model: got {name}, expected a model of tokens such as TokenPrior, for tokens")
    model = experiment.model
    if isinstance(model, DataShaped) and "data_shape" in fields(model):
        # An experiment from a record has its shape already: other data
        # of that shape are welcome, others are not.
        if model.data_shape not in ((), dataset.shape):
            raise JaxaeError(
                f"model.data_shape: got {model.data_shape}, but the data's examples are {dataset.shape}"
            )
        experiment = replace(experiment, "model.data_shape", dataset.shape)
    # `Experiment.check` sees `num_validation` only; an official split
    # or rows from Python may have none as well.
    if experiment.early_stopping and len(dataset.validation.x) == 0:
        raise JaxaeError("early_stopping: needs validation rows, but the data have none")
    num_rows = len(dataset.train.x)
    # 0 is "not known yet"; a number from the user stays, even if fewer rows are used.
    if isinstance(model, ExampleCount) and model.num_examples == 0:
        experiment = replace(experiment, "model.num_examples", num_rows)
    if experiment.batch_size > num_rows:
        held_out = " and ".join(f"{dataset.num_rows[name]} {name}" for name in ("validation", "test"))
        raise JaxaeError(
            f"batch_size: got {experiment.batch_size}, but there are only {num_rows} training rows next to"
            f" {held_out} rows; lower batch_size, data.num_validation or data.num_test"
        )
    steps_per_epoch = num_steps(experiment, num_rows)
    if experiment.steps is not None:
        experiment = replace(experiment, "epochs", -(-experiment.steps // steps_per_epoch))  # rounded up
    # Steps are counted in i32, on the device.
    if (experiment.steps or 0) >= 2**31:
        raise JaxaeError(f"steps: got {experiment.steps}, expected less than 2^31, counted in 32 bits")
    if experiment.epochs * steps_per_epoch >= 2**31:
        most_epochs = (2**31 - 1) // steps_per_epoch
        raise JaxaeError(
            f"epochs: got {experiment.epochs}, expected at most {most_epochs} "
            f"(of {steps_per_epoch} steps each, counted in 32 bits)"
        )
    _check_tokens(experiment.model, dataset)
    check_likelihoods(experiment.model, dataset, experiment.data.binarize)
    check_batches(experiment.model, dataset, experiment.batch_size)
    _check_labels(experiment, dataset)
    return experiment


def as_arrays(experiment: Experiment) -> Experiment:
    """Return the experiment with f32[] leaves, or f64[] if it computes in float64.

    A single run then compiles to the same program as one run of a sweep.
    """
    with precision.of(experiment):
        # Python floats would be weakly typed: another trace, and other promotions, than arrays of a sweep.
        # NumPy makes the arrays, since jnp.asarray of a float compiles a program.
        dtype = precision.dtype(experiment)
        return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf, dtype)), experiment)


def num_steps(experiment: Experiment, num_rows: int) -> int:
    """Return the number of steps in an epoch; rows that fill no batch are left out.

    With `steps` below a whole pass it is `steps`: the run is one epoch, over a part of the rows.

    Args:
        experiment: The experiment.
        num_rows: Number of training rows.

    Returns:
        Steps for each epoch.
    """
    whole = num_rows // experiment.batch_size
    return min(whole, experiment.steps) if experiment.steps else whole


def total_steps(experiment: Experiment, num_rows: int) -> int:
    """Return the number of steps of a whole run.

    Args:
        experiment: The resolved experiment.
        num_rows: Number of training rows.

    Returns:
        Updates from the start to the end.
    """
    return epoch.total_steps(experiment, num_steps(experiment, num_rows))


def example_batch(dataset: AnyDataset, batch_size: int = 1) -> Batch:
    """Return the shapes and types of a batch as the autoencoder sees it, without data.

    Args:
        dataset: The data.
        batch_size: Examples in the batch.

    Returns:
        A `Batch` of `jax.ShapeDtypeStruct`, for `jax.eval_shape`.
    """
    x: Any = jax.ShapeDtypeStruct((batch_size, *dataset.shape), jnp.float32)
    if dataset.labels is None:
        return Batch(x)
    # A label may be an array: the words of a caption, i32[T].
    dtype, shape = dataset.labels
    return Batch(x, jax.ShapeDtypeStruct((batch_size, *shape), np.dtype(dtype)))


def _check_tokens(model: Model, dataset: AnyDataset) -> None:
    """Check that a model of tokens has the number of codes and positions of its data."""
    if not (dataset.tokenizer and isinstance(model, TokenModel)):
        return
    expected = {"num_codes": dataset.tokenizer.num_codes, "num_positions": math.prod(dataset.shape)}
    given = {"num_codes": model.num_codes, "num_positions": model.num_positions}
    for name, number in expected.items():
        if given[name] != number:
            raise JaxaeError(f"model.{name}: got {given[name]}, but the tokens have {number}")


def _check_labels(experiment: Experiment, dataset: AnyDataset) -> None:
    """Check that data for a conditional model or a classifier have labels in its range."""
    # A model without classes ignores labels, so any labels will do.
    model, y = experiment.model, dataset.train.y
    num_classes = model.num_classes if isinstance(model, Conditional | Classifier) else 0
    if not num_classes:
        return
    if isinstance(y, tuple) or y.ndim != 1 or y.dtype.kind not in "iu":
        problem = "has no labels" if isinstance(y, tuple) else f"has labels {y.dtype}{list(y.shape[1:])}"
        raise JaxaeError(
            f"model.num_classes: got {num_classes}, but the data {problem}; expected whole numbers"
        )
    # All splits: a label that appears in the test rows only would fail at the end of the run.
    labels = np.concatenate([getattr(dataset, name).y for name in ("train", "validation", "test")])
    if labels.min() < 0 or labels.max() >= num_classes:
        raise JaxaeError(
            f"model.num_classes: got {num_classes}, but the data's labels are "
            f"{labels.min()} to {labels.max()}; expected {labels.max() + 1}"
        )
