"""A trained autoencoder as what is learned over its tokens sees it: images to tokens, tokens to images.

`data.name` "tokens:RUN" are the tokens of all rows of that run, with the labels that its rows have; for
"captions:RUN" the condition of a row is the words of its label's name. N rows, P positions, K codes.
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
from jaxae.data.location import OF_RUNS as PREFIXES
from jaxae.data.rows import presented
from jaxae.errors import JaxaeError
from jaxae.estimators.codebook import all_tokens, grid_of
from jaxae.estimators.terms import ROWS_AT_ONCE
from jaxae.maths import precision
from jaxae.memory import by_rows, first_guess
from jaxae.protocols import capabilities
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.experiment import example_batch
from jaxae.runs.result import Result
from jaxae.specs.pytree import fields, replace
from jaxae.tokens.conditions import Text
from jaxae.training import checkpoint
from jaxae.types import Examples, Variables

_in_its_precision = precision.within(lambda tokenizer: tokenizer.result.experiment)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedTokenizer:
    """A run whose autoencoder has tokens, with its best state."""

    result: Result
    text: Text | None
    """How captions become words; None where conditions are labels."""

    @property
    def num_codes(self) -> int:
        """K."""
        return self._autoencoder.num_codes

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of an example's tokens; P is its product."""
        return grid_of(self._autoencoder, self.result.variables, example_batch(self.dataset))

    @property
    def dataset(self) -> AnyDataset:
        """The images."""
        return self.result.run.dataset

    @functools.cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the best state's parameters and codebook: what tokens and images depend on."""
        digests = checkpoint.digests(jax.device_get(self.result.variables))
        return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()

    @_in_its_precision
    def tokens(self, examples: Examples) -> np.ndarray:
        """Rows as they lie in the data -> uint8, uint16 or i32[N, *grid]."""
        if not len(examples.x):
            found = np.zeros((0, *self.grid), np.int32)
        else:
            found = np.asarray(all_tokens(self._autoencoder, self.result.variables, examples))
        kind = next(t for t in (np.uint8, np.uint16, np.int32) if self.num_codes <= np.iinfo(t).max + 1)
        return found.reshape(-1, *self.grid).astype(kind)

    @_in_its_precision
    def images(self, tokens: Any) -> np.ndarray:
        """int[N, P] or [N, *grid] -> the means of p(x|z), f32[N, ...]."""
        flat = np.asarray(tokens, np.int32).reshape(len(tokens), -1)
        at_once = min(ROWS_AT_ONCE, first_guess(self.dataset.shape))
        return by_rows(_images, (self._autoencoder, self.result.variables), (flat,), at_once)

    @functools.cached_property
    def captions(self) -> np.ndarray | None:
        """The words of each label's name, i32[labels, T]; None where conditions are labels."""
        return None if self.text is None else self.text.tokens(self.dataset.classes)

    @functools.cached_property
    def _autoencoder(self) -> capabilities.Tokenizer:
        model = last_autoencoder(self.result.run)
        assert isinstance(model, capabilities.Tokenizer)  # `load` has checked it
        return model


def is_of_tokens(data: DataSpec) -> bool:
    """Whether the data are tokens of a run."""
    return data.name.partition(":")[0] in PREFIXES


def run_of(data: DataSpec) -> Path:
    """The directory of the run whose tokens `data` asks for.

    Raises: JaxaeError where none is named, or none is there.
    """
    kind, _, named = data.name.partition(":")
    if not named:
        raise JaxaeError(f"data.name: got {data.name!r}; of which run? --tokenizer RUN, or {kind}:RUN")
    folder = Path(named).expanduser()
    if not os.path.exists(folder):  # which takes a name that no file can have as well
        told = f"got {data.name!r}, but there is no {folder}; expected a run's directory"
        raise JaxaeError(f"data.name: {told}")
    return folder


def of_run(result: Result, data: DataSpec) -> TrainedTokenizer:
    """Return the tokenizer of a run, without reading rows. Raises: JaxaeError for a run without tokens."""
    _check(result, data)
    text = Text.of(_named(result)) if data.name.startswith("captions") else None
    return TrainedTokenizer(result, text)


def tokenized(tokenizer: TrainedTokenizer, data: DataSpec) -> Dataset:
    """Return the tokens of every row of the tokenizer's run, in its splits."""
    dataset = tokenizer.dataset
    parts = {name: _split(tokenizer, name) for name in SPLITS}
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
    """Return `data` with the absolute path of the tokenizer's run; None for a run without a directory."""
    path, kind = tokenizer.result.run.path, data.name.partition(":")[0]
    return replace(data, "name", f"{kind}:{path.absolute()}") if path else None


def _split(tokenizer: TrainedTokenizer, name: str) -> Examples:
    """The tokens of a split, and their conditions."""
    images = presented(tokenizer.dataset, name, tokenizer.result.experiment.data)
    y = images.y if tokenizer.captions is None else tokenizer.captions[np.asarray(images.y)]
    return Examples(tokenizer.tokens(images), y, np.float32(1.0))


def _check(result: Result, data: DataSpec) -> None:
    """JaxaeError for a run without tokens, and for options that its own data have decided."""
    if not isinstance(result.experiment.model, capabilities.Tokenizer):
        name = type(result.experiment.model).__name__
        raise JaxaeError(f"data.name: {data.name!r} is a run of {name}, which has no tokens; VQVAE has")
    plain = DataSpec()
    for name in fields(data):
        given, default = getattr(data, name), getattr(plain, name)
        if name != "name" and given != default:
            raise JaxaeError(
                f"data.{name}: got {given!r}; rows and splits of tokens are those of their run: leave it out"
            )


def _named(result: Result) -> tuple[str, ...]:
    """The captions, by label. Raises: JaxaeError for data without."""
    names = result.run.dataset.classes
    if not names:
        raise JaxaeError(
            f"data.name: {result.experiment.data.name} has no names of its labels to make captions of"
        )
    return names


def _hash(images: str, parts: dict[str, Examples]) -> str:
    """SHA-256 of the images' hash, and of tokens and conditions."""
    digest = hashlib.sha256(images.encode())
    for name, part in parts.items():
        arrays = [part.x] if isinstance(part.y, tuple) else [part.x, np.asarray(part.y)]
        for array in arrays:
            digest.update(f"{name} {array.dtype} {array.shape};".encode() + array.tobytes())
    return digest.hexdigest()


@jax.jit
def _images(autoencoder: capabilities.Tokenizer, variables: Variables, tokens: jax.Array) -> jax.Array:
    def one(row: jax.Array) -> jax.Array:
        return autoencoder.image(autoencoder.decode(variables, autoencoder.embed(variables, row[None])))[0]

    return jax.vmap(one)(tokens)
