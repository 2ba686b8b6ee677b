"""The nouns. Shapes: B batch, S Monte Carlo samples, L latent, D pixels, H W C image, N examples."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from jax import Array

Key = Array  # from keys.py: used once, never stored, never reused
Shape = tuple[int, ...]
Params = Any  # a pytree of f32 arrays, as linen gives it
Terms = dict[str, Array]  # name -> f32[B], to be minimised, never averaged; nats where it is a density


class Batch(NamedTuple):
    """What an autoencoder sees: x f32[B, ...] in the data's unit, y the condition (or ())."""

    x: Any  # an Array, or the shape and dtype of one
    y: Any = ()


class Examples(NamedTuple):
    """A split as it lies in memory: x uint8[N, ...] or f32[N, ...], y i32[N] or (), scale f32[].

    `x / scale` is what the autoencoder sees: uint8 stays uint8 on the device, four times smaller. Rows that
    each training step binarises are grey until then.
    """

    x: Any
    y: Any
    scale: Any


class Variables(NamedTuple):
    """params: learned by gradients; extra: carried along, not learned (an EMA codebook), () for most."""

    params: Params
    extra: Any = ()


@runtime_checkable
class Model(Protocol):
    """A spec (hyperparameters) with pure methods: what can be trained.

    Schedules among its fields are numbers by the time that `terms` is called: those of the step.
    """

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh variables for batches shaped like `batch`."""

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Named f32[B] to be minimised, never averaged or weighted, and the new `extra`."""

    def weights(self, step: Array) -> dict[str, Any]:
        """The weight of each term at `step` i32[]; names exactly those of `terms`."""


@runtime_checkable
class Autoencoder(Model, Protocol):
    """A model with codes: the whole contract between an autoencoder and jaxae."""

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """The deterministic code f32[B, L] (a posterior's mean)."""

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """f32[B, L] -> the parameters of p(x|z), by name (`logits`, `mean`), never an image.

        y: the condition, where the autoencoder takes one.
        """

    def image(self, parameters: dict[str, Array]) -> Array:
        """The mean of p(x|z) from what `decode` gave: f32[B, ...] in the data's unit."""
