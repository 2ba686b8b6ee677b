"""Convolutional layers: on a CPU as products of matrices, elsewhere the device's own convolution.

XLA (jaxlib 0.10.2 and 0.12.0) rewrites the derivatives of a convolution into its fast form only outside of
loops, and an epoch is a loop. Measured inside one: 20 to 80 times as long (64 images of 16x16, 32 channels).
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.sharding import AxisType

from jaxae.nets.products import by_transposed
from jaxae.nets.windows import Geometry, Pair, geometry, overlap_add, windows
from jaxae.types import Key

# Windows of stride 1 are many times as large as the image. Images are convolved in chunks if each pixel is in
# at least this number of windows and the windows of the batch take more than twice these bytes.
FEWEST_COPIES = 9
_IS_WHOLE = contextvars.ContextVar("whole batches", default=False)
CACHE_BYTES = 3 * 2**19  # what the second-level cache of one core holds, or nearly


def convolve(
    x: Array, kernel: Array, strides: Sequence[int], padding: Any, *, dimension_numbers: Any, **others: Any
) -> Array:
    """Convolve [B, H, W, C] with [kh, kw, C, D] -> [B, h, w, D].

    Args:
        x: Images, f32[B, H, W, C].
        kernel: Weights, f32[kh, kw, C, D].
        strides: Strides of height and width.
        padding: "SAME", "VALID", or (before, after) for each of the two axes.
        dimension_numbers: Layout of the axes, as linen gives it.
        **others: Further arguments of `jax.lax.conv_general_dilated`. With dilation or groups the device's
            own convolution is used on a CPU too.

    Returns:
        f32[B, h, w, D].
    """
    if not _is_as_product(x) or not _is_plain(others):
        return jax.lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=dimension_numbers, **others
        )
    places = geometry(x.shape[1:3], kernel.shape[:2], strides, padding)
    by_windows = functools.partial(_multiply_windows, places=places)
    at_once = _images_at_once(x, places)
    if at_once == len(x):
        return by_windows(x, kernel)
    # The backward pass copies the windows of a chunk again, instead of reading those of all images from
    # memory.
    chunk = jax.checkpoint(lambda images: by_windows(images, kernel), prevent_cse=False)
    return jax.lax.map(chunk, x.reshape(-1, at_once, *x.shape[1:])).reshape(len(x), *places.counts, -1)


@contextlib.contextmanager
def in_whole_batches() -> Iterator[None]:
    """Convolve without chunks what is traced inside, to count its operations: XLA counts a loop's once."""
    before = _IS_WHOLE.set(True)
    try:
        yield
    finally:
        _IS_WHOLE.reset(before)


def init_kernel(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
    """Draw a kernel [kh, kw, C, D] as linen's default does, to the bit.

    Args:
        key: Key of the draw.
        shape: Shape of the kernel.
        dtype: Its type.

    Returns:
        The kernel, of variance 1 / (kh kw C).
    """
    # As a matrix: XLA unrolls short loops over the places of a kernel, and then compiles twice as long.
    return nn.linear.default_kernel_init(key, (math.prod(shape[:-1]), shape[-1]), dtype).reshape(shape)


# linen calls `conv_general_dilated` in place of lax's: same parameters, same names, another computation.
Conv = functools.partial(nn.Conv, conv_general_dilated=convolve, kernel_init=init_kernel)


class ConvTranspose(nn.Module):
    """Transposed convolution, [B, h, w, C] -> [B, s h, s w, D], for upsampling by the stride s.

    It computes the same as linen's `ConvTranspose(features, kernel_size, strides, "SAME")`, and has the same
    parameters.
    """

    features: int
    """Number of output channels, D."""
    kernel_size: Pair = (4, 4)
    """Height and width of the kernel, in pixels."""
    strides: Pair = (2, 2)
    """Factors by which height and width grow."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Compute [B, h, w, C] -> [B, s h, s w, D]."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", init_kernel, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # linen creates float32 parameters in any case; products follow the precision of x.
        kernel, bias = kernel.astype(x.dtype), bias.astype(x.dtype)
        apply_kernel = upsample if _is_as_product(x) else _conv_transpose
        return apply_kernel(x, kernel, self.strides) + bias.reshape(1, 1, 1, -1)


def upsample(x: Array, kernel: Array, strides: Pair = (2, 2)) -> Array:
    """Convolve [B, h, w, C] with [kh, kw, C, D], transposed, -> [B, sh h, sw w, D].

    Each pixel is multiplied with the whole kernel, which gives a window of the output. The windows are added
    where they overlap.

    Args:
        x: Images, f32[B, h, w, C].
        kernel: Weights, f32[kh, kw, C, D].
        strides: Factors by which height and width grow, (sh, sw).

    Returns:
        f32[B, sh h, sw w, D], equal to `jax.lax.conv_transpose` with "SAME" up to rounding.
    """
    batch, height, width, channels = x.shape
    (tall, wide, *_), (down, right) = kernel.shape, strides
    padding = _dropped(height, tall, down), _dropped(width, wide, right)
    # jax.lax.conv_transpose counts the places of a kernel from the other end.
    matrix = kernel[::-1, ::-1].transpose(2, 0, 1, 3).reshape(channels, -1)
    parts = multiply(x.reshape(-1, channels), matrix)
    places = Geometry((tall, wide), strides, padding, (height, width))
    return overlap_add(
        parts.reshape(batch, height, width, tall, wide, -1), (down * height, right * width), places
    )


def multiply(x: Array, matrix: Array) -> Array:
    """Multiply f32[N, K] by f32[K, D] for large N.

    Args:
        x: Many rows.
        matrix: The matrix.

    Returns:
        f32[N, D], x @ matrix.
    """
    inner, outer = matrix.shape
    return x @ matrix if inner <= outer else by_transposed(x, matrix)


def _multiply_windows(x: Array, kernel: Array, places: Geometry) -> Array:
    """Multiply the windows of images by a kernel, [B, H, W, C] and [kh, kw, C, D] -> [B, h, w, D]."""
    # A 1x1 kernel of stride 1 needs no windows: they would be a copy of the image.
    is_pointwise = places[:3] == ((1, 1), (1, 1), ((0, 0), (0, 0)))
    columns = x if is_pointwise else windows(x, places)
    products = multiply(
        columns.reshape(-1, math.prod(kernel.shape[:3])), kernel.reshape(-1, kernel.shape[-1])
    )
    return products.reshape(x.shape[0], *places.counts, -1)


def _images_at_once(x: Array, places: Geometry) -> int:
    """Return the number of images whose windows are in memory at the same time, a divisor of all of them."""
    copies = math.prod(places.kernel) / math.prod(places.strides)
    window_bytes = math.prod(places.counts) * math.prod(places.kernel) * x.shape[-1] * x.dtype.itemsize
    # Where the compiler shards the batch, it would gather all chunks on each device: a loop is not sharded.
    is_sharded = AxisType.Auto in jax.sharding.get_abstract_mesh().axis_types
    if _IS_WHOLE.get() or is_sharded or copies < FEWEST_COPIES or len(x) * window_bytes <= 2 * CACHE_BYTES:
        return len(x)
    return max(
        n for n in range(1, len(x) + 1) if len(x) % n == 0 and (n == 1 or n * window_bytes <= CACHE_BYTES)
    )


def _dropped(count: int, extent: int, stride: int) -> Pair:
    """Return the pixels of all windows, before and after, that lie outside of the image of "SAME" padding."""
    before = extent - 1 - (extent - 1 if stride > extent - 1 else -(-(extent + stride - 2) // 2))
    # Negative if the kernel is smaller than the stride: the last pixels of the image are in no window.
    return before, (count - 1) * stride + extent - before - count * stride


def _conv_transpose(x: Array, kernel: Array, strides: Pair) -> Array:
    return jax.lax.conv_transpose(x, kernel, strides, "SAME")


def _is_as_product(x: Array) -> bool:
    """Return whether the convolution of these images is computed as a matrix product."""
    # Chosen when the program is traced: one process never mixes the two forms. A program for any batch size,
    # which is exported, runs on other devices too.
    return jax.default_backend() == "cpu" and x.ndim == 4 and isinstance(x.shape[0], int)


def _is_plain(others: dict[str, Any]) -> bool:
    """Return whether there are no dilations and no groups among the arguments of a convolution."""
    dilations = (factor for name in ("lhs_dilation", "rhs_dilation") for factor in others.get(name) or ())
    groups = (others.get(f"{name}_group_count", 1) for name in ("feature", "batch"))
    return all(number == 1 for number in (*dilations, *groups))
