"""Floating point operations of a training step, from a formula: matrix products and convolutions only.

A product [M, K] @ [K, N] counts 2 M K N. A training step computes each layer's output, the gradient of its
weights and that of its input, three products of one size. The first layer needs no gradient of its input.
Elementwise operations, the optimiser and random numbers are not counted.
"""

import itertools
from collections.abc import Iterable
from typing import NamedTuple


class Layer(NamedTuple):
    """A layer of a net, for a whole batch."""

    forward: int
    """Operations of its output."""
    products: int = 3
    """Products of this size in a step: 2 if the input is the data, whose gradient nobody needs."""


def dense(rows: int, *sizes: int, first: bool = False) -> tuple[Layer, ...]:
    """Return the layers of a multilayer perceptron with `sizes` units, from its inputs to its outputs."""
    pairs = itertools.pairwise(sizes)
    return tuple(
        Layer(2 * rows * inner * outer, 2 if first and number == 0 else 3)
        for number, (inner, outer) in enumerate(pairs)
    )


def conv(rows: int, side: int, kernel: int, inner: int, outer: int, first: bool = False) -> tuple[Layer, ...]:
    """Return a convolution to `outer` channels of side x side pixels; padding counts like pixels."""
    return (Layer(2 * rows * side**2 * kernel**2 * inner * outer, 2 if first else 3),)


def upsampling(rows: int, side: int, inner: int, outer: int) -> tuple[Layer, ...]:
    """Return a transposed 4x4 convolution of stride 2 from `inner` channels of side x side pixels."""
    # Each input pixel is multiplied by all 16 places of the kernel.
    return (Layer(2 * rows * side**2 * 16 * inner * outer),)


def of_step(layers: Iterable[Layer]) -> int:
    """Return the operations of one training step."""
    return sum(layer.forward * layer.products for layer in layers)
