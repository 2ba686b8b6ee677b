"""Convolutions as products of matrices where the program runs on a CPU; elsewhere the device's own.

XLA (of jaxlib 0.10.2) brings the derivatives of a convolution into the form for which it has fast code only
outside of loops, and an epoch is a loop: measured, 20 to 80 times the time (64 images of 16x16, 32 channels).
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array


def convolve(
    x: Array, kernel: Array, strides: Sequence[int], padding: Any, *, dimension_numbers: Any, **others: Any
) -> Array:
    """[B, H, W, C], [kh, kw, C, D] -> [B, h, w, D]: for a linen `Conv` without dilation or groups."""
    if jax.default_backend() != "cpu":
        return jax.lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=dimension_numbers, **others
        )
    window = kernel.shape[:2]
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], window, strides, padding)
    padded = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    height, width = (
        (size - extent) // stride + 1
        for size, extent, stride in zip(padded.shape[1:3], window, strides, strict=True)
    )
    corners = itertools.product(*map(range, window))
    seen = [
        padded[:, top : top + height * strides[0] : strides[0], left : left + width * strides[1] : strides[1]]
        for top, left in corners
    ]
    return _products(seen, kernel.reshape(-1, kernel.shape[-1]))


Conv = functools.partial(nn.Conv, conv_general_dilated=convolve)


class ConvTranspose(nn.Module):
    """[B, h, w, C] -> [B, 2 h, 2 w, D]: linen's transposed convolution of stride 2, 4x4 kernel, SAME."""

    features: int
    """D, channels that it gives."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[B, h, w, C] -> [B, 2 h, 2 w, D]."""
        kernel = self.param("kernel", nn.linear.default_kernel_init, (4, 4, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        kernel, bias = kernel.astype(x.dtype), bias.astype(x.dtype)
        doubled = upsample if jax.default_backend() == "cpu" else _transposed
        return doubled(x, kernel) + bias.reshape(1, 1, 1, -1)


def upsample(x: Array, kernel: Array) -> Array:
    """[B, h, w, C], [4, 4, C, D] -> [B, 2 h, 2 w, D]: a quarter of the pixels by each 2x2 of the weights.

    In one dimension y[2 i] = w0 x[i - 1] + w2 x[i] and y[2 i + 1] = w1 x[i] + w3 x[i + 1].
    """
    size, height, width, _ = x.shape
    padded = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    pairs = list(itertools.product((0, 1), repeat=2))
    quarters = []
    for down, right in pairs:
        seen = [padded[:, down + i : down + i + height, right + j : right + j + width] for i, j in pairs]
        quarters.append(_products(seen, kernel[down::2, right::2].reshape(-1, kernel.shape[-1])))
    whole = jnp.stack(quarters, axis=3).reshape(size, height, width, 2, 2, -1)
    return whole.swapaxes(2, 3).reshape(size, 2 * height, 2 * width, -1)


def _transposed(x: Array, kernel: Array) -> Array:
    return jax.lax.conv_transpose(x, kernel, (2, 2), "SAME")


def _products(seen: list[Array], matrix: Array) -> Array:
    """What windows see [B, h, w, C], for each place in the window, times the weights of all of them."""
    together = jnp.concatenate(seen, axis=-1)
    return (together.reshape(-1, len(matrix)) @ matrix).reshape(*together.shape[:-1], -1)
