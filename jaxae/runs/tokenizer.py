"""Trained autoencoders as tokenizers: images to tokens, tokens to images.

Data with the name "tokens:RUN" are the tokens of all rows of that run, with the rows' labels. For
"captions:RUN" the condition of a row is the words of its label's name. Shapes: N rows, P positions, K codes.
"""

import dataclasses
import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxae.data import AnyDataset, Dataset
from jaxae.data.data_spec import DataSpec
from jaxae.data.facts import SPLITS
from jaxae.data.files import expanded
from jaxae.data.location import OF_RUNS as PREFIXES
from jaxae.data.location import with_counts
from jaxae.data.rows import presented
from jaxae.errors import JaxaeError
from jaxae.estimators.codebook import all_tokens, grid_of
from jaxae.estimators.terms import ROWS_AT_ONCE
from jaxae.maths import precision
from jaxae.memory import by_rows, first_guess
from jaxae.protocols import capabilities
from jaxae.runs import references
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.experiment import example_batch
from jaxae.runs.result import Result
from jaxae.specs.pytree import fields, replace
from jaxae.tokens.conditions import Text
from jaxae.training import checkpoint
from jaxae.types import Examples, Variables

_in_its_precision = precision.within(lambda tokenizer: tokenizer.result.experiment)


# eq=False: compared by identity, since == of the arrays inside has no single truth value.
@dataclasses.dataclass(frozen=True, eq=False)
class TrainedTokenizer:
    """A run whose autoencoder has tokens, with its best state."""

    result: Result
    """The run."""
    text: Text | None
    """Vocabulary of captions; None if conditions are labels."""

    @property
    def num_codes(self) -> int:
        """Number of codes, K."""
        return self._autoencoder.num_codes

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of an example's tokens; P is its product."""
        return grid_of(self._autoencoder, self.result.variables, example_batch(self.dataset))

    @property
    def dataset(self) -> AnyDataset:
        """The images."""
        return self.result.run.dataset

    @functools.cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the best state's parameters and codebook, on which tokens and images depend."""
        # Of the weights and not of the run: a run that has been trained further has other tokens.
        digests = checkpoint.digests(jax.device_get(self.result.variables))
        return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()

    @_in_its_precision
    def tokens(self, examples: Examples) -> np.ndarray:
        """Return the tokens of rows as they are stored: uint8, uint16 or i32[N, *grid]."""
        # A split may be empty, but the program below needs at least one row.
        if not len(examples.x):
            tokens = np.zeros((0, *self.grid), np.int32)
        else:
            tokens = np.asarray(all_tokens(self._autoencoder, self.result.variables, examples))
        # The smallest type that holds K codes, since the tokens of all rows stay in memory.
        dtype = next(t for t in (np.uint8, np.uint16, np.int32) if self.num_codes <= np.iinfo(t).max + 1)
        return tokens.reshape(-1, *self.grid).astype(dtype)

    @_in_its_precision
    def images(self, tokens: Any) -> np.ndarray:
        """Return the means of p(x|z), f32[N, ...], of tokens int[N, P] or [N, *grid]."""
        flat = np.asarray(tokens, np.int32).reshape(len(tokens), -1)
        # Memory is needed for the images, not for the tokens: the first guess is for an image's shape.
        at_once = min(ROWS_AT_ONCE, first_guess(self.dataset.shape))
        return by_rows(_images, (self._autoencoder, self.result.variables), (flat,), at_once)

    @functools.cached_property
    def captions(self) -> np.ndarray | None:
        """Words of each label's name, i32[labels, T]; None if conditions are labels."""
        # One entry for each label, not for each row: all rows of a class have the same caption.
        return None if self.text is None else self.text.tokens(self.dataset.classes)

    @functools.cached_property
    def _autoencoder(self) -> capabilities.Tokenizer:
        model = last_autoencoder(self.result.run)
        assert isinstance(model, capabilities.Tokenizer)  # `load` has checked it
        return model


def is_of_tokens(data: DataSpec) -> bool:
    """Return whether the data are tokens of a run."""
    return data.name.partition(":")[0] in PREFIXES


def run_of(data: DataSpec) -> Path:
    """Return the directory of the run whose tokens `data` names.

    Raises:
        JaxaeError: If no run is named, or it does not exist.
    """
    kind, _, run_name = data.name.partition(":")
    if not run_name:
        raise JaxaeError(f"data.name: got {data.name!r}, expected {kind}:RUN, or --tokenizer RUN")
    folder = references.resolve(expanded(run_name))
    if not os.path.exists(folder):  # Path.exists raises for a name that is too long
        problem = f"got {data.name!r}, but there is no {folder}; expected a run's directory"
        raise JaxaeError(f"data.name: {problem}")
    return folder


def with_directory(name: str) -> str:
    """Return a `data.name` of tokens with the run's directory in place of SWEEP:ID or SWEEP:best.

    Args:
        name: `tokens:RUN` or `captions:RUN`; a name without a run is returned as it is.

    Raises:
        JaxaeError: If the sweep has no such run.
    """
    kind, colon, run_name = name.partition(":")
    is_of_sweep = references.parse(expanded(run_name)) is not None
    return f"{kind}{colon}{references.resolve(expanded(run_name))}" if is_of_sweep else name


def of_run(result: Result, data: DataSpec) -> TrainedTokenizer:
    """Return the tokenizer of a run; no rows are read.

    Args:
        result: The run.
        data: The data that name it.

    Returns:
        The tokenizer.

    Raises:
        JaxaeError: If the run's autoencoder has no tokens, or `data` sets options that the run has decided.
    """
    _check_run(result, data)
    text = Text.of(_label_names(result)) if data.name.startswith("captions") else None
    return TrainedTokenizer(result, text)


def tokenized(tokenizer: TrainedTokenizer, data: DataSpec) -> Dataset:
    """Return the tokens of all rows of the tokenizer's run, in its splits.

    Args:
        tokenizer: The tokenizer.
        data: The data that name it.

    Returns:
        The data set, whose `tokenizer` turns tokens into images.
    """
    dataset = tokenizer.dataset
    parts = {name: _split(tokenizer, name) for name in SPLITS}
    # Scale 1 and the tokens' own range: they are numbers of codes, not pixels to divide.
    low, high = (float(bound(parts["train"].x)) for bound in (np.min, np.max))
    grid = "x".join(map(str, tokenizer.grid))
    return Dataset(
        **parts,
        hash=_hash(dataset.hash, parts),
        shape=tokenizer.grid,
        scale=1.0,
        span=(low, high),
        description=f"{data.name}: {grid} tokens of {tokenizer.num_codes} codes, of {dataset.description}",
        classes=dataset.classes,
        tokenizer=tokenizer,
        location=location(tokenizer, data),
    )


def location(tokenizer: TrainedTokenizer, data: DataSpec) -> DataSpec | None:
    """Return `data` with the absolute path of the tokenizer's run; None for a run without a directory.

    Args:
        tokenizer: The tokenizer.
        data: The data that name it.

    Returns:
        The data's location, or None.
    """
    path, kind = tokenizer.result.run.path, data.name.partition(":")[0]
    # Absolute: a record is read later from other working directories.
    return replace(data, "name", f"{kind}:{path.absolute()}") if path else None


def _split(tokenizer: TrainedTokenizer, name: str) -> Examples:
    """Return the tokens of a split, and their conditions."""
    images = presented(tokenizer.dataset, name, tokenizer.result.experiment.data)
    y = images.y if tokenizer.captions is None else tokenizer.captions[np.asarray(images.y)]
    return Examples(tokenizer.tokens(images), y, np.float32(1.0))


def _check_run(result: Result, data: DataSpec) -> None:
    """Check that the run has tokens, and that `data` sets no option that the run's own data have decided."""
    if not isinstance(result.experiment.model, capabilities.Tokenizer):
        name = type(result.experiment.model).__name__
        raise JaxaeError(f"data.name: got {data.name!r}, a run of {name}, which has no tokens (VQVAE has)")
    # Any other option would be ignored in silence, since the rows and
    # splits are those of the tokenizer's run.
    # Records hold the default numbers of held-out rows, which are not set by the user.
    plain, data = with_counts(DataSpec()), with_counts(data)
    for name in fields(data):
        given, default = getattr(data, name), getattr(plain, name)
        if name != "name" and given != default:
            raise JaxaeError(
                f"data.{name}: got {given!r}, but tokens have the rows and splits of their run; leave it out"
            )


def _label_names(result: Result) -> tuple[str, ...]:
    """Return the captions, by label; raise JaxaeError for data without names of labels."""
    names = result.run.dataset.classes
    if not names:
        raise JaxaeError(
            f"data.name: {result.experiment.data.name} has no names of labels, which captions are made of"
        )
    return names


def _hash(images: str, parts: dict[str, Examples]) -> str:
    """Return the SHA-256 of the images' hash, and of tokens and conditions."""
    digest = hashlib.sha256(images.encode())
    for name, part in parts.items():
        arrays = [part.x] if isinstance(part.y, tuple) else [part.x, np.asarray(part.y)]
        for array in arrays:
            digest.update(f"{name} {array.dtype} {array.shape};".encode() + array.tobytes())
    return digest.hexdigest()


@jax.jit
def _images(autoencoder: capabilities.Tokenizer, variables: Variables, tokens: jax.Array) -> jax.Array:
    # One row at a time under vmap: an image does not depend on the tokens next to it.
    def one(row: jax.Array) -> jax.Array:
        return autoencoder.image(autoencoder.decode(variables, autoencoder.embed(variables, row[None])))[0]

    return jax.vmap(one)(tokens)
