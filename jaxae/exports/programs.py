"""The programs of a trained model that can be exported: encode, decode, sample and others.

A program is a function of arrays that holds the weights. N is the number of rows, which a caller chooses.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import keys
from jaxae.errors import JaxaeError
from jaxae.estimators import reconstruction
from jaxae.maths import precision
from jaxae.protocols.capabilities import (
    Autoencoder,
    Classifier,
    Conditional,
    Generative,
    Model,
    Tokenizer,
    TokenModel,
)
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.experiment import example_batch
from jaxae.runs.result import Result
from jaxae.tokens.sampling import Sampling, program_of
from jaxae.types import Batch, Key

PARTS = ("all", "encoder", "decoder", "sampler")
ROWS = "N"  # the symbol of the number of rows in a shape


class Port(NamedTuple):
    """An input of a program."""

    name: str
    shape: tuple[int | str, ...]  # "N" is the number of rows
    dtype: str
    meaning: str


class Program(NamedTuple):
    """A function of arrays [N, ...] that holds the weights of a model."""

    name: str
    part: str  # encoder, decoder or sampler; "all" for a program that spans two of them
    call: Callable[..., jax.Array]
    inputs: tuple[Port, ...]
    meaning: str  # of its output
    is_by_row: bool = True  # whether each row of the output depends on the same row of the inputs only

    def abstract(self, rows: Any) -> list[jax.ShapeDtypeStruct]:
        """Return the shapes and types of the inputs for this number of rows, which may be symbolic."""
        return [
            jax.ShapeDtypeStruct(tuple(rows if size == ROWS else size for size in port.shape), port.dtype)
            for port in self.inputs
        ]


def programs_of(result: Result, part: str) -> list[Program]:
    """Return the programs of a part of a trained model.

    Args:
        result: The trained model.
        part: "encoder", "decoder", "sampler", or "all" for everything that the model has.

    Returns:
        The programs; at least one.

    Raises:
        JaxaeError: If the model has no such part; the message gives the reason.
    """
    model = last_autoencoder(result.run)
    if isinstance(model, TokenModel) and result.run.dataset.tokenizer:
        programs = list(_of_token_model(model, result))
    elif isinstance(model, Autoencoder):
        programs = list(_of_autoencoder(model, result))
    else:
        raise JaxaeError(
            f"export: {type(model).__name__} has no codes (no methods encode, decode and image); "
            "--format safetensors exports its weights"
        )
    chosen = [program for program in programs if part in ("all", program.part)]
    if not chosen:
        raise JaxaeError(f"--part {part}: {_absent(model, part)}")
    return chosen


def _absent(model: Model, part: str) -> str:
    """Return the reason why a model has no programs of a part."""
    name = type(model).__name__
    if isinstance(model, TokenModel):
        return f"{name} is a prior over tokens and has no {part}; export the run of its tokenizer"
    return f"{name} has no prior over its codes to draw from"


def _of_autoencoder(model: Autoencoder, result: Result) -> Iterator[Program]:
    variables, batch = result.variables, example_batch(result.run.dataset)
    code = jax.eval_shape(model.encode, variables, batch).shape[1:]
    x, y = _rows_port(result), _label_ports(model, result)
    z = Port("z", (ROWS, *code), _real(), "codes, as encode returns them")

    def encode(x: Any, *y: Any) -> jax.Array:
        return model.encode(variables, Batch(x, *y))

    def decode(z: Any, *y: Any) -> jax.Array:
        # `image` turns the parameters of p(x|z) into its mean: a program never returns logits.
        return model.image(model.decode(variables, z, *y))

    def reconstruct(x: Any, *y: Any) -> jax.Array:
        return reconstruction.reconstruct(model, variables, Batch(x, *y))

    mean = "means of p(x|z) in the unit of x"
    yield Program("encode", "encoder", encode, (x, *y), "codes (the mean of q(z|x) in a variational model)")
    yield Program("decode", "decoder", decode, (z, *y), mean)
    yield Program("reconstruct", "all", reconstruct, (x, *y), f"{mean}, at the code z of each row")
    yield from _of_tokenizer(model, result, (x, *y))
    if isinstance(model, Classifier) and model.num_classes:
        yield Program(
            "logits",
            "encoder",
            lambda x, *y: model.logits(variables, Batch(x, *y)),
            (x, *y),
            "logits of the labels",
        )
    if isinstance(model, Generative):
        yield _sampler(model, result, decode, y)


def _of_tokenizer(model: Autoencoder, result: Result, inputs: tuple[Port, ...]) -> Iterator[Program]:
    """Yield the programs of a model whose code is a sequence of tokens."""
    if not isinstance(model, Tokenizer):
        return
    variables = result.variables
    shape = jax.eval_shape(model.tokens, variables, example_batch(result.run.dataset)).shape[1:]
    last = model.num_codes - 1
    tokens = Port("tokens", (ROWS, *shape), "int32", f"tokens, 0 to {last}")
    yield Program(
        "tokens",
        "encoder",
        lambda x, *y: model.tokens(variables, Batch(x, *y)),
        inputs,
        f"tokens, 0 to {last}",
    )
    yield Program(
        "embed",
        "decoder",
        lambda tokens: model.embed(variables, tokens),
        (tokens,),
        "codes of tokens, as decode takes them",
    )


def _sampler(model: Generative, result: Result, decode: Any, y: tuple[Port, ...]) -> Program:
    """Return the program of `Result.sample`: draws from the prior, decoded one by one."""

    def sample(seed: Any, rows: Any) -> jax.Array:
        z = model.prior_sample(result.variables, _sample_key(seed), rows.shape[0])
        return by_row(decode)(z, rows) if y else by_row(decode)(z)

    meaning = "means of p(x|z) in the unit of x, for z from the prior"
    return Program("sample", "sampler", sample, (_SEED, *(y or (_COUNT,))), meaning, is_by_row=False)


def _of_token_model(model: TokenModel, result: Result) -> Iterator[Program]:
    """Yield the samplers of a prior over tokens: tokens, and the images that its tokenizer makes of them."""
    variables, tokenizer = result.variables, result.run.dataset.tokenizer
    decoder = last_autoencoder(tokenizer.result.run)
    assert isinstance(decoder, Tokenizer)  # a tokenizer's run has been checked when it was loaded

    def sample_tokens(seed: Any, rows: Any) -> jax.Array:
        num = rows.shape[0]
        prefix = model.prefix(Batch(jnp.zeros(num), rows)) if model.condition else model.null_prefix(num)
        key = _sample_key(seed)
        return program_of(model)(model, variables, key, Sampling(), jnp.arange(num), prefix)

    def image(tokens: Any) -> jax.Array:
        weights = tokenizer.result.variables
        return decoder.image(decoder.decode(weights, decoder.embed(weights, tokens)))

    inputs = _SEED, _condition_port(model, result)
    last = tokenizer.num_codes - 1
    yield Program(
        "sample",
        "sampler",
        lambda seed, rows: by_row(image)(sample_tokens(seed, rows)),
        inputs,
        "means of p(x|z) of drawn tokens, in the unit of the images",
        is_by_row=False,
    )
    yield Program(
        "sample_tokens",
        "sampler",
        sample_tokens,
        inputs,
        f"drawn tokens, 0 to {last}, row by row of their grid",
        is_by_row=False,
    )


def by_row(call: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Return the function that applies `call` to batches of one row.

    A row's values then do not depend on the rows next to it, as in the methods of a result.
    """
    return jax.vmap(lambda *rows: call(*(row[None] for row in rows))[0])


def _sample_key(seed: Any) -> Key:
    """Return the key of `Result.sample`, so that a seed gives the same draws as there."""
    return keys.named(keys.root(seed), "sample")


def _real() -> str:
    return str(precision.real())


_SEED = Port("seed", (), "uint32", "seed of the draws; equal seeds give equal draws")
_COUNT = Port("rows", (ROWS,), "int32", "zeros; their number is the number of draws")


def _rows_port(result: Result) -> Port:
    dataset = result.run.dataset
    low, high = (f"{value:.6g}" for value in dataset.span)
    unit = f"stored values divided by {dataset.scale:g}" if dataset.scale != 1 else "values as stored"
    binary = ", binarised" if result.experiment.data.binarize != "none" else ""
    return Port("x", (ROWS, *dataset.shape), _real(), f"rows: {unit}, {low} to {high} in the data{binary}")


def _label_ports(model: Model, result: Result) -> tuple[Port, ...]:
    """Return the input for the labels of a conditional model; () for other models."""
    num = model.num_classes if isinstance(model, Conditional) else 0
    return (Port("y", (ROWS,), "int32", f"labels, 0 to {num - 1}"),) if num else ()


def _condition_port(model: TokenModel, result: Result) -> Port:
    """Return the input for the condition of a prior over tokens; only its length counts without one."""
    if model.condition is None:
        return _COUNT
    y = example_batch(result.run.dataset).y
    is_text = len(y.shape) > 1
    meaning = "words of the captions by number, 0 after the last" if is_text else "labels"
    return Port("y", (ROWS, *y.shape[1:]), "int32", meaning)


def words_of(result: Result) -> list[str]:
    """Return the words that a condition of captions numbers from 1; [] for other models."""
    tokenizer = result.run.dataset.tokenizer
    return list(tokenizer.text.vocabulary) if tokenizer and tokenizer.text else []


def zeros(program: Program, rows: int = 3) -> list[np.ndarray]:
    """Return inputs of the right shapes and types, filled with zeros.

    Args:
        program: The program.
        rows: The number of rows.

    Returns:
        One array for each input.
    """
    return [np.zeros(each.shape, each.dtype) for each in program.abstract(rows)]
