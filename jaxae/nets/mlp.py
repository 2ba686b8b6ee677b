"""The multilayer perceptron."""

import math
from typing import Annotated, Literal

from annotated_types import Gt
from flax import linen as nn
from jax import Array

from jaxae.nets.calls import flat
from jaxae.specs.field_docs import with_attributes
from jaxae.types import Params, Shape

Activation = Literal["relu", "tanh", "sigmoid", "softplus", "gelu", "silu"]


@with_attributes
class MLP(nn.Module):
    """Multilayer perceptron, [B, ...] -> [B, *shape]: hidden layers of `widths` units, then a linear layer.

    The input is flattened; a condition, if given, is appended to it.

    Example:
        >>> import jax, jaxae
        >>> from jaxae import keys
        >>> net, x = jaxae.MLP(widths=(16,)), jax.numpy.ones((5, 28, 28, 1))
        >>> params = jaxae.nets.init(net, keys.root(0), x, (2,))
        >>> {name: layer["kernel"].shape for name, layer in params.items()}
        {'Dense_0': (784, 16), 'Dense_1': (16, 2)}
    """

    widths: tuple[Annotated[int, Gt(0)], ...] = (400,)
    """Units of the hidden layers, first to last; () is a linear map."""
    activation: Activation = "relu"
    """Nonlinearity after each hidden layer."""

    @nn.compact
    def __call__(self, x: Array, shape: Shape, condition: Array | None = None) -> Array:
        """Compute [B, ...] -> [B, *shape]; a condition [B, K] is appended to the flattened x."""
        x = flat(x, condition)
        for width in self.widths:
            x = getattr(nn, self.activation)(nn.Dense(width)(x))
        # [B, prod(shape)] -> [B, *shape].
        return nn.Dense(math.prod(shape))(x).reshape(x.shape[0], *shape)


def biases(params: Params) -> Params:
    """Return the parameters of an MLP without its matrices: {"Dense_0": {"bias": ...}, ...}."""
    return {name: {"bias": layer["bias"]} for name, layer in params.items()}


def transposed(encoder: Params, decoder: Params) -> Params:
    """Return an MLP's parameters made of the transposed matrices of an encoder and the biases of a decoder.

    Args:
        encoder: Parameters of the encoder, an MLP with matrices W_1, ..., W_n.
        decoder: Biases of the decoder, as `biases` returns them.

    Returns:
        Parameters of an MLP with the matrices W_n^T, ..., W_1^T.
    """
    # Views of the encoder's matrices, not copies: gradients of both nets add up in one matrix.
    kernels = [encoder[f"Dense_{number}"]["kernel"].T for number in reversed(range(len(encoder)))]
    return {
        f"Dense_{number}": {"kernel": kernel, **decoder[f"Dense_{number}"]}
        for number, kernel in enumerate(kernels)
    }
