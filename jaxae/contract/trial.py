"""One method of a model at a time, by its shapes: floats are traced as in training, nothing is computed."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxae import keys, schedules
from jaxae.contract.messages import kind, place, raised
from jaxae.errors import JaxaeError
from jaxae.protocols.parts import Schedule
from jaxae.specs.pytree import get
from jaxae.training import step
from jaxae.types import Batch, Variables

STEP = jax.ShapeDtypeStruct((), jnp.int32)


class Trial(NamedTuple):
    """A model, or a part of one, and the shapes that its methods are tried with. B the batch, L latent."""

    model: object
    batch: Batch
    compute_dtype: str = "float32"
    variables: Variables = Variables((), ())
    z: Any = None  # a code of each example, f32[B, L]; None for a model without codes
    where: str = "model"  # the dotted name of the model or the part in an experiment

    @property
    def name(self) -> str:
        """The name of the model's class."""
        return type(self.model).__name__

    @property
    def size(self) -> int:
        """B."""
        return self.batch.x.shape[0]

    @property
    def training(self) -> Variables:
        """The variables in the precision of training."""
        cast = functools.partial(step.cast, dtype=self.compute_dtype)
        return self.variables._replace(params=jax.eval_shape(cast, self.variables.params))

    @property
    def latent(self) -> int | str:
        """L, or "L" where it is not known."""
        return "L" if self.z is None else self.z.shape[1]

    def call(self, method: str, *arguments: Any, static: tuple[Any, ...] = (), **named: Any) -> Any:
        """Return the shapes that a method gives. Raises: JaxaeError with what it raised.

        Args:
            method: the name of the method.
            arguments: shapes, by position.
            static: values that follow them by position.
            named: values by name.
        """
        if not callable(getattr(self.model, method)):
            given = kind(getattr(self.model, method))
            raise JaxaeError(f"{self.where}: {self.name}.{method} is {given}, expected a method")
        results = []

        def traced(model: object, *arguments: Any) -> None:
            # A schedule that is a part is tried itself; those in a model or a part are numbers by then.
            is_schedule = isinstance(self.model, Schedule)
            at_start = model if is_schedule else schedules.at(model, jnp.zeros((), jnp.int32))
            results.append(jax.tree.map(_shape, getattr(at_start, method)(*arguments, *static, **named)))

        try:
            jax.eval_shape(traced, self.floats, *arguments)
        except JaxaeError:
            raise
        except Exception as error:  # whatever a user's code may raise
            raise self.raised(method, error) from error
        return results[0]

    def static(self, method: str, *arguments: Any) -> Any:
        """Return what a method of plain values gives. Raises: JaxaeError with what it raised."""
        try:
            return getattr(self.model, method)(*arguments)
        except Exception as error:  # whatever a user's code may raise
            raise self.raised(method, error) from error

    def raised(self, method: str, error: Exception) -> JaxaeError:
        """Return the error for what a method raised."""
        situation = f" for examples of shape {self.batch.x.shape[1:]}"
        return JaxaeError(raised(self.model, method, error, situation, self.where))

    def part(self, path: str) -> "Trial":
        """Return the trial of a part, by its dotted name in the model."""
        return self._replace(model=get(self.model, path), where=f"{self.where}.{path}")

    @property
    def floats(self) -> Any:
        """The model with the shapes of its floats."""
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.float32), self.model)

    def expect(self, method: str, found: Any, *shape: int | str, numbers: Any = np.floating) -> Any:
        """Return what a method gave. Raises: JaxaeError unless it has the shape and the kind of numbers.

        Args:
            method: the name of the method.
            found: what it gave.
            shape: sizes; "B" for the batch's, another letter for any.
            numbers: a class of NumPy's scalars.
        """
        sizes = [self.size if size == "B" else size for size in shape]
        fits = isinstance(found, jax.ShapeDtypeStruct) and len(found.shape) == len(sizes)
        if not fits or any(isinstance(a, int) and a != b for a, b in zip(sizes, found.shape, strict=True)):
            wanted = f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
            raise self.wrong(
                method, f"gave {kind(found)} for a batch of {self.size}, expected shape {wanted}"
            )
        if not jnp.issubdtype(found.dtype, numbers):
            wanted = {np.floating: "floats", np.bool_: "booleans"}.get(numbers, "whole numbers")
            raise self.wrong(method, f"gave dtype {found.dtype}, expected {wanted}")
        return found

    def wrong(self, method: str, description: str) -> JaxaeError:
        """The error for what a method gave."""
        return JaxaeError(f"{self.where}: {self.name}.{method} {description}{self.place(method)}")

    def place(self, method: str) -> str:
        """` (file:line)` of a method in the user's file, or nothing."""
        return place(getattr(type(self.model), method, None))


def key(number: int) -> Any:
    """A key for each trial."""
    return jax.random.fold_in(keys.root(0), number)


def path_of(path: Any) -> str:
    """Where in a tree: `['w']`."""
    return jax.tree_util.keystr(path)


def _shape(leaf: Any) -> Any:
    """Return the shape and dtype of a number or an array; anything else as it is."""
    if isinstance(leaf, jax.Array):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)  # a key's dtype is none of NumPy's
    is_number = isinstance(leaf, np.ndarray | np.generic | bool | int | float)
    return jax.ShapeDtypeStruct(np.shape(leaf), jnp.result_type(leaf)) if is_number else leaf
