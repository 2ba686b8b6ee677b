"""Callbacks: functions that receive the progress of a run or sweep and may stop it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from jaxae.errors import JaxaeError
from jaxae.training.loop import EpochResult


class Callback(Protocol):
    """Protocol of a callback of a run: any function or object that can be called after each epoch."""

    def __call__(self, epoch: EpochResult, saved: bool, /) -> bool | None:
        """Receive one epoch.

        Args:
            epoch: Number, losses, terms and seconds of the epoch. Its `carry` is overwritten by the next
                epoch: copy the parts that you want to keep.
            saved: Whether a checkpoint of this epoch was written.

        Returns:
            True to save and stop the run; False or None to go on.
        """
        ...


Callbacks = Callback | Sequence[Callback]


def combine(callbacks: Any, name: str = "callbacks") -> Callable[..., bool]:
    """Combine callbacks to one function: it calls all of them and returns whether one returned True.

    Args:
        callbacks: One callback, or a sequence of them; () for none.
        name: Name of the argument, for messages.

    Returns:
        The function. It passes its arguments on to each callback.

    Raises:
        JaxaeError: If a callback cannot be called.

    Example:
        >>> stop = combine([lambda epoch: epoch == 3, lambda epoch: None])
        >>> stop(2), stop(3)
        (False, True)
    """
    functions = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(functions, Sequence) or isinstance(functions, str):
        raise JaxaeError(f"{name}: got {callbacks!r}, expected a function or a list of functions")
    for position, function in enumerate(functions):
        if not callable(function):
            raise JaxaeError(f"{name}[{position}]: got {function!r}, expected a function")

    def call_all(*arguments: Any) -> bool:
        # A list first: `any` over a generator would not call the callbacks after the first True.
        answers = [bool(function(*arguments)) for function in functions]
        return any(answers)

    return call_all
