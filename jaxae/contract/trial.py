"""Trial of one method at a time: it is traced on shapes, as training does, and nothing is computed."""

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
    """Model or part, and the shapes of the arguments of its methods. B batch, L latent dimensions."""

    model: object
    batch: Batch  # shapes of a training batch
    compute_dtype: str = "float32"
    variables: Variables = Variables((), ())  # shapes, once `init` has been tried
    z: Any = None  # shape of a code of each example, f32[B, L]; None for a model without codes
    where: str = "model"  # dotted name of the model or the part in an experiment

    @property
    def name(self) -> str:
        """Name of the model's class."""
        return type(self.model).__name__

    @property
    def size(self) -> int:
        """Number of examples in the batch, B."""
        return self.batch.x.shape[0]

    @property
    def training(self) -> Variables:
        """Variables with `params` in the precision of training."""
        # `extra` keeps its precision, as in the training step.
        cast = functools.partial(step.cast, dtype=self.compute_dtype)
        return self.variables._replace(params=jax.eval_shape(cast, self.variables.params))

    @property
    def latent(self) -> int | str:
        """Size of a code, L, or the text "L" if it is not known."""
        return "L" if self.z is None else self.z.shape[1]

    def call(self, method: str, *arguments: Any, static: tuple[Any, ...] = (), **named: Any) -> Any:
        """Return the shapes of a method's result.

        Args:
            method: Name of the method.
            *arguments: Traced positional arguments, as shapes.
            static: Positional arguments that follow them and are not traced, such as a number of draws.
            **named: Keyword arguments that are not traced.

        Returns:
            The result with `jax.ShapeDtypeStruct` in place of arrays and numbers.

        Raises:
            JaxaeError: If the attribute is no method, or the method raises an exception.
        """
        if not callable(getattr(self.model, method)):
            attribute = kind(getattr(self.model, method))
            raise JaxaeError(f"{self.where}: {self.name}.{method} is {attribute}, expected a method")
        # A list, since `eval_shape` refuses results that are no arrays, which are mistakes to be reported.
        results = []

        def traced(model: object, *arguments: Any) -> None:
            # Schedules inside a model are numbers when its methods are called. A schedule that is tried
            # itself must stay one.
            is_schedule = isinstance(self.model, Schedule)
            resolved = model if is_schedule else schedules.at(model, jnp.zeros((), jnp.int32))
            results.append(jax.tree.map(_shape, getattr(resolved, method)(*arguments, *static, **named)))

        try:
            jax.eval_shape(traced, self.floats, *arguments)
        except JaxaeError:
            raise  # its message is already one for users
        except Exception as error:  # a user's code may raise anything
            raise self.raised(method, error) from error
        return results[0]

    def static(self, method: str, *arguments: Any) -> Any:
        """Call a method of plain values, without tracing.

        Args:
            method: Name of the method.
            *arguments: Its arguments.

        Returns:
            Its result.

        Raises:
            JaxaeError: If the method raises an exception.
        """
        try:
            return getattr(self.model, method)(*arguments)
        except Exception as error:  # a user's code may raise anything
            raise self.raised(method, error) from error

    def raised(self, method: str, error: Exception) -> JaxaeError:
        """Return the error for a method that raised an exception.

        Args:
            method: Name of the method.
            error: The exception.

        Returns:
            The error, with a message of one line.
        """
        situation = f" for examples of shape {self.batch.x.shape[1:]}"
        return JaxaeError(raised(self.model, method, error, situation, self.where))

    def part(self, path: str) -> "Trial":
        """Return the trial of a part, given its dotted name in the model."""
        return self._replace(model=get(self.model, path), where=f"{self.where}.{path}")

    @property
    def floats(self) -> Any:
        """Model with shapes in place of its floats, which are traced, as hyperparameters of a sweep are."""
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.float32), self.model)

    def expect(self, method: str, result: Any, *shape: int | str, numbers: Any = np.floating) -> Any:
        """Check the shape and the dtype of a method's result.

        Args:
            method: Name of the method.
            result: The result, as shapes.
            *shape: Expected sizes: a number, "B" for the size of the batch, or another letter for any size.
            numbers: Expected class of NumPy scalars.

        Returns:
            The result.

        Raises:
            JaxaeError: If the result is no array of this shape and dtype.
        """
        # "B" is known; other letters stay texts, which no size is compared with.
        sizes = [self.size if size == "B" else size for size in shape]
        has_rank = isinstance(result, jax.ShapeDtypeStruct) and len(result.shape) == len(sizes)
        if not has_rank or any(
            isinstance(expected, int) and expected != size
            for expected, size in zip(sizes, result.shape, strict=True)
        ):
            expected_shape = f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
            raise self.wrong(
                method, f"gave {kind(result)} for a batch of {self.size}, expected shape {expected_shape}"
            )
        if not jnp.issubdtype(result.dtype, numbers):
            expected_dtype = {np.floating: "floats", np.bool_: "booleans"}.get(numbers, "whole numbers")
            raise self.wrong(method, f"gave dtype {result.dtype}, expected {expected_dtype}")
        return result

    def wrong(self, method: str, description: str) -> JaxaeError:
        """Return the error for a method with a wrong result.

        Args:
            method: Name of the method.
            description: End of the message, such as "gave a dict, expected an array".

        Returns:
            The error, with the line of the user's file if there is one.
        """
        return JaxaeError(f"{self.where}: {self.name}.{method} {description}{self.place(method)}")

    def place(self, method: str) -> str:
        """Return ` (file:line)` of a method in the user's file, or ""."""
        return place(getattr(type(self.model), method, None))


def key(number: int) -> Any:
    """Return the shape of a random key; `number` tells the reader which calls share one."""
    return jax.eval_shape(keys.root, number)


def path_of(path: Any) -> str:
    """Return the text of a path in a tree, such as `['w']`."""
    return jax.tree_util.keystr(path)


def _shape(leaf: Any) -> Any:
    """Return the shape and dtype of a number or an array; anything else as it is."""
    if isinstance(leaf, jax.Array):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)  # the dtype of a key is not a NumPy dtype
    # Python and NumPy numbers count as arrays: `weights` may return 1.0.
    is_number = isinstance(leaf, np.ndarray | np.generic | bool | int | float)
    return jax.ShapeDtypeStruct(np.shape(leaf), jnp.result_type(leaf)) if is_number else leaf
