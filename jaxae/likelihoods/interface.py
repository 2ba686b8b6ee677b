"""What every likelihood offers an autoencoder."""

from typing import Any, ClassVar, Literal

from jax import Array

from jaxae.types import Key, Params, Shape

Support = Literal["unit interval", "reals"]


class Comparison:
    """How x is compared with what the decoder gave. Abstract: specs add `distortion` and `parameters`.

    `data_shape` is the shape of an example; the net's outputs are f32[..., *output_shape(data_shape)].
    """

    is_density: ClassVar[bool] = False
    support: ClassVar[Support] = "reals"
    unit: ClassVar[str] = ""  # of `distortion`; empty where a class does not say

    def init(self) -> Params:
        """Its own learned parameters, {} for most."""
        return {}

    def output_shape(self, data_shape: Shape) -> Shape:
        """The shape of the net's output for one example."""
        return data_shape

    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """The net's outputs f32[..., *output_shape] and what `init` began, as named parameters of p(x|z)."""
        raise NotImplementedError

    def mean(self, parameters: dict[str, Array]) -> Array:
        """E[x|z], f32[..., *event]: the image; here the parameter of that name."""
        return parameters["mean"]


class Density(Comparison):
    """A comparison that is a density or a mass: abstract, specs add `log_prob`, `sample`, `parameters`.

    A mass on the levels k / (num_levels - 1) from 0 to 1 has the number of them as `num_levels`; data between
    them are then refused before a run begins.
    """

    is_density: ClassVar[bool] = True
    unit: ClassVar[str] = "nats"

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """log p(x|z), with its normaliser; [..., *event] -> [...], nats."""
        raise NotImplementedError

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """x ~ p(x|z), f32[..., *event], in the data's unit."""
        raise NotImplementedError

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """-log p(x|z), below 0 where a density is above 1; [..., *event] -> [...], nats."""
        return -self.log_prob(parameters, x, event_ndim)
