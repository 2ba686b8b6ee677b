"""The multilayer perceptron."""

import math
from typing import Annotated, Literal

from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.nets.calls import flat
from jaxae.types import Params, Shape

Activation = Literal["relu", "tanh", "sigmoid", "softplus", "gelu", "silu"]


class MLP(nn.Module):
    """[B, ...] -> [B, *shape]: flatten, one hidden layer for each of `widths`, a linear last layer."""

    widths: tuple[Annotated[int, Gt(0)], ...] = (400,)
    """Units of the hidden layers, first to last; () is a linear map."""
    activation: Activation = "relu"
    """The nonlinearity after each hidden layer."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape, condition: Array | None = None) -> Array:
        """[B, ...] -> [B, *shape]; a condition [B, K] stands beside the flattened x."""
        x = flat(x, condition)
        for width in self.widths:
            x = getattr(nn, self.activation)(nn.Dense(width)(x))
        return nn.Dense(math.prod(shape))(x).reshape(x.shape[0], *shape)


def biases(params: Params) -> Params:
    """An MLP's parameters without its matrices."""
    return {name: {"bias": layer["bias"]} for name, layer in params.items()}


def transposed(encoder: Params, decoder: Params) -> Params:
    """An MLP's parameters: the encoder's matrices, transposed, last to first, and `decoder`'s biases."""
    kernels = [encoder[f"Dense_{number}"]["kernel"].T for number in reversed(range(len(encoder)))]
    return {
        f"Dense_{number}": {"kernel": kernel, **decoder[f"Dense_{number}"]}
        for number, kernel in enumerate(kernels)
    }
