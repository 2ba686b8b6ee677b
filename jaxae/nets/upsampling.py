"""Convolutions as matrix products on CPU; on other devices the device's own convolution.

XLA (jaxlib 0.10.2) rewrites the derivatives of a convolution into its fast form only outside of loops, and an
epoch is a loop. Measured inside one: 20 to 80 times as long (64 images of 16x16, 32 channels).
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
    """Convolve [B, H, W, C] with [kh, kw, C, D] -> [B, h, w, D], without dilation or groups.

    Args:
        x: Images, f32[B, H, W, C].
        kernel: Weights, f32[kh, kw, C, D].
        strides: Strides of height and width.
        padding: "SAME", "VALID", or (before, after) for each of the two axes.
        dimension_numbers: Layout of the axes, as linen gives it; used on other devices than CPU only.
        **others: Further arguments of `jax.lax.conv_general_dilated`, used on other devices than CPU only.

    Returns:
        f32[B, h, w, D].
    """
    # Chosen when the program is traced: one process never mixes the two forms.
    if jax.default_backend() != "cpu":
        return jax.lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=dimension_numbers, **others
        )
    kernel_size = kernel.shape[:2]
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], kernel_size, strides, padding)
    padded = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    height, width = (
        (size - extent) // stride + 1
        for size, extent, stride in zip(padded.shape[1:3], kernel_size, strides, strict=True)
    )
    corners = itertools.product(*map(range, kernel_size))
    # One shifted and strided view of the image for each place of the kernel, [B, h, w, C] each.
    views = [
        padded[:, top : top + height * strides[0] : strides[0], left : left + width * strides[1] : strides[1]]
        for top, left in corners
    ]
    return _multiply_views(views, kernel.reshape(-1, kernel.shape[-1]))


# linen calls `conv_general_dilated` in place of lax's: same parameters, same names, another computation.
Conv = functools.partial(nn.Conv, conv_general_dilated=convolve)


class ConvTranspose(nn.Module):
    """Transposed convolution of stride 2 with a 4x4 kernel, [B, h, w, C] -> [B, 2 h, 2 w, D].

    It computes the same as linen's `ConvTranspose(features, (4, 4), (2, 2), "SAME")`.
    """

    features: int
    """Number of output channels, D."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Compute [B, h, w, C] -> [B, 2 h, 2 w, D]."""
        kernel = self.param("kernel", nn.linear.default_kernel_init, (4, 4, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # linen creates float32 parameters in any case; products follow the precision of x.
        kernel, bias = kernel.astype(x.dtype), bias.astype(x.dtype)
        apply_kernel = upsample if jax.default_backend() == "cpu" else _conv_transpose
        return apply_kernel(x, kernel) + bias.reshape(1, 1, 1, -1)


def upsample(x: Array, kernel: Array) -> Array:
    """Convolve [B, h, w, C] with [4, 4, C, D], transposed and with stride 2, -> [B, 2 h, 2 w, D].

    In one dimension y[2 i] = w0 x[i - 1] + w2 x[i] and y[2 i + 1] = w1 x[i] + w3 x[i + 1]. So in two
    dimensions each quarter of the output pixels is a convolution with one 2x2 part of the kernel.

    Args:
        x: Images, f32[B, h, w, C].
        kernel: Weights, f32[4, 4, C, D].

    Returns:
        f32[B, 2 h, 2 w, D], equal to `jax.lax.conv_transpose` with "SAME" up to rounding.
    """
    size, height, width, _ = x.shape
    # One pixel of zeros on each side, for x[-1] and x[h]; each quarter's windows start at 0 or at 1.
    padded = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    offsets = list(itertools.product((0, 1), repeat=2))
    quarters = []
    for down, right in offsets:
        views = [padded[:, down + i : down + i + height, right + j : right + j + width] for i, j in offsets]
        quarters.append(_multiply_views(views, kernel[down::2, right::2].reshape(-1, kernel.shape[-1])))
    # [B, h, w, 4, D] -> [B, h, w, 2, 2, D]; the swap then interleaves rows: [B, h, 2, w, 2, D].
    whole = jnp.stack(quarters, axis=3).reshape(size, height, width, 2, 2, -1)
    return whole.swapaxes(2, 3).reshape(size, 2 * height, 2 * width, -1)


def _conv_transpose(x: Array, kernel: Array) -> Array:
    return jax.lax.conv_transpose(x, kernel, (2, 2), "SAME")


def _multiply_views(views: list[Array], matrix: Array) -> Array:
    """Multiply the views [B, h, w, C] of all places of a window by their weights: [B, h, w, D]."""
    # One large matrix product in place of kh kw small ones: [B, h, w, kh kw C] @ [kh kw C, D].
    columns = jnp.concatenate(views, axis=-1)
    return (columns.reshape(-1, len(matrix)) @ matrix).reshape(*columns.shape[:-1], -1)
