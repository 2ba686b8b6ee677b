"""What a run is: an `Experiment` (a pytree), resolved against its data and checked at the edge."""

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
from jaxae.specs.pytree import fields, replace, spec
from jaxae.specs.records import validate
from jaxae.types import Batch


@spec
class EarlyStopping:
    """Stops when the validation loss has not improved for `patience` validations.

    There is one validation every `validate_every` epochs.
    """

    patience: Annotated[int, Gt(0)] = 10
    """Validations without improvement before the run stops."""
    min_delta: Annotated[float, Ge(0)] = 0.0
    """What counts as improvement, in the unit of the loss (nats)."""
    warm_up: Annotated[int, Ge(0)] = 0
    """Epochs at the start whose validations are not counted (a KL warm-up)."""


@spec
class Experiment:
    """An autoencoder, its data and its training: floats are traced, the rest is structure."""

    data: DataSpec = DataSpec()
    """What is learned from."""
    model: Model = VAE()
    """The model and its objective."""
    optimizer: Optimizer = Adam()
    """How parameters follow gradients."""
    batch_size: Annotated[int, Gt(0)] = 100
    """Examples in a step; an epoch leaves out the rows that fill no batch, other ones each time."""
    epochs: Annotated[int, Gt(0)] = 50
    """Passes over the training rows."""
    clip_norm: Annotated[float, Gt(0)] | None = None
    """Largest global norm of a gradient; None does not clip."""
    ema_decay: Annotated[float, Ge(0), Lt(1)] | None = None
    """Decay a step of the parameters' moving average, used for every evaluation; None keeps none."""
    compute_dtype: Literal["float32", "bfloat16", "float64"] = "float32"
    """Precision: bfloat16 is that of the nets' products alone, float64 that of the whole run."""
    validate_every: Annotated[int, Gt(0)] = 1
    """Epochs between validations; the last epoch is always validated."""
    checkpoint_every: Annotated[int, Gt(0)] = 10
    """Epochs between checkpoints; the last epoch is always saved."""
    early_stopping: EarlyStopping | None = None
    """When to stop before `epochs`; None never does."""

    def check(self) -> None:
        """Raises ValueError for fields that do not fit together."""
        if self.early_stopping and self.data.num_validation == 0:
            raise ValueError("early_stopping needs validation rows, but data.num_validation is 0")


def resolve(experiment: Experiment, dataset: AnyDataset) -> Experiment:
    """The experiment, checked, with what depends on the data filled in (`model.data_shape`).

    Raises: JaxaeError for a value out of range, a shape that does not fit the data, data that a likelihood
    cannot hold, a batch larger than the training rows or smaller than its statistics need, more steps than 32
    bits count, or a method of the autoencoder that fails.
    """
    experiment = fill(experiment, dataset)
    batch = example_batch(dataset, experiment.batch_size)
    with precision.of(experiment):
        contract.check(experiment.model, batch, experiment.compute_dtype, experiment.optimizer)
    warn_of_batches(experiment.model, experiment.batch_size)
    return experiment


def fill(experiment: Experiment, dataset: AnyDataset) -> Experiment:
    """`resolve` without the trial of the autoencoder, which a sweep makes once for each structure."""
    contract.check_methods(experiment.model)
    validate(experiment, Experiment)
    contract.check_fields(experiment.model)
    if isinstance(experiment.model, DataDependent):
        experiment = replace(experiment, "model", contract.fitted(experiment.model, dataset))
    elif dataset.tokenizer and not isinstance(experiment.model, TokenModel):
        name = type(experiment.model).__name__
        raise JaxaeError(f"model: got {name}, but tokens are for a model of tokens, TokenPrior")
    model = experiment.model
    if isinstance(model, DataShaped) and "data_shape" in fields(model):
        if model.data_shape not in ((), dataset.shape):
            raise JaxaeError(
                f"model.data_shape: got {model.data_shape}, but the data's examples are {dataset.shape}"
            )
        experiment = replace(experiment, "model.data_shape", dataset.shape)
    if experiment.early_stopping and len(dataset.validation.x) == 0:
        raise JaxaeError("early_stopping: needs validation rows, but the data have none")
    num_rows = len(dataset.train.x)
    if isinstance(model, ExampleCount) and model.num_examples == 0:
        experiment = replace(experiment, "model.num_examples", num_rows)
    if experiment.batch_size > num_rows:
        raise JaxaeError(
            f"batch_size: got {experiment.batch_size}, but there are only {num_rows} training rows"
        )
    an_epoch = num_steps(experiment, num_rows)
    if experiment.epochs * an_epoch >= 2**31:
        most = (2**31 - 1) // an_epoch
        raise JaxaeError(
            f"epochs: got {experiment.epochs}, at {an_epoch} steps an epoch; expected at most {most}"
        )
    _check_tokens(experiment.model, dataset)
    check_likelihoods(experiment.model, dataset, experiment.data.binarize)
    check_batches(experiment.model, dataset, experiment.batch_size)
    _check_labels(experiment, dataset)
    return experiment


def as_arrays(experiment: Experiment) -> Experiment:
    """The experiment with f32[] leaves (f64[] where it computes in float64).

    A single run then compiles to what a lane of a sweep does.
    """
    with precision.of(experiment):
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, precision.dtype(experiment)), experiment)


def num_steps(experiment: Experiment, num_rows: int) -> int:
    """Steps in an epoch over `num_rows` training rows."""
    return num_rows // experiment.batch_size


def example_batch(dataset: AnyDataset, batch_size: int = 1) -> Batch:
    """A batch's shapes and types as the autoencoder sees them, without data."""
    x: Any = jax.ShapeDtypeStruct((batch_size, *dataset.shape), jnp.float32)
    if dataset.labels is None:
        return Batch(x)
    dtype, shape = dataset.labels
    return Batch(x, jax.ShapeDtypeStruct((batch_size, *shape), np.dtype(dtype)))


def _check_tokens(model: Model, dataset: AnyDataset) -> None:
    """Check that a model of tokens knows as many codes and positions as its data have. Raises: JaxaeError."""
    if not (dataset.tokenizer and isinstance(model, TokenModel)):
        return
    expected = {"num_codes": dataset.tokenizer.num_codes, "num_positions": math.prod(dataset.shape)}
    given = {"num_codes": model.num_codes, "num_positions": model.num_positions}
    for name, number in expected.items():
        if given[name] != number:
            raise JaxaeError(f"model.{name}: got {given[name]}, but the tokens have {number}")


def _check_labels(experiment: Experiment, dataset: AnyDataset) -> None:
    """An autoencoder that is told labels needs them, and no others than it knows."""
    model, y = experiment.model, dataset.train.y
    num_classes = model.num_classes if isinstance(model, Conditional | Classifier) else 0
    if not num_classes:
        return
    if isinstance(y, tuple) or y.ndim != 1 or y.dtype.kind not in "iu":
        given = "has no labels" if isinstance(y, tuple) else f"has labels {y.dtype}{list(y.shape[1:])}"
        raise JaxaeError(
            f"model.num_classes: got {num_classes}, but the data {given}; expected whole numbers"
        )
    labels = np.concatenate([getattr(dataset, name).y for name in ("train", "validation", "test")])
    if labels.min() < 0 or labels.max() >= num_classes:
        raise JaxaeError(
            f"model.num_classes: got {num_classes}, but the data's labels are "
            f"{labels.min()} to {labels.max()}; expected {labels.max() + 1}"
        )
