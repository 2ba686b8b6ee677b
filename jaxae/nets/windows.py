"""The windows of an image that a kernel is multiplied with, and their sum back into an image.

`windows` copies the window of each place of a kernel. `overlap_add` is its transpose: it adds windows to an
image at their places. A convolution is `windows` and one matrix product, a transposed convolution is one
matrix product and `overlap_add`. So each is the derivative of the other.

The linear map has two forms, because XLA compiles them to loops of different speed on a CPU. A gather copies
windows fast, but its transpose is a scatter, which is slow. Slices of blocks are slower to copy, but their
transpose is a sum of a few padded blocks, which is fast. So `windows` computes by the gather and is
differentiated by the blocks, and `overlap_add` the other way round. In this way both have fast gradients, and
derivatives of every order and mode.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

try:
    from jax.experimental.scheduling_groups import xla_metadata_call
except ImportError:  # it may move in a later jax; without it the numbers are the same and the step is slower
    xla_metadata_call = None  # type: ignore[assignment]

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Places of the windows of an image; each field has one entry for the height and one for the width."""

    kernel: Pair  # size of a window
    strides: Pair  # distance of two windows
    padding: tuple[Pair, Pair]  # zeros (before, after); a negative number crops
    counts: Pair  # number of windows, (h, w)


def geometry(size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], padding: Any) -> Geometry:
    """Return the places of the windows that fit in a padded image.

    Args:
        size: Height and width of the image.
        kernel: Height and width of a window.
        strides: Distance of two windows, vertically and horizontally.
        padding: "SAME", "VALID", or (before, after) for each of the two axes.

    Returns:
        The geometry.
    """
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(size, kernel, strides, padding)
    above, left = padding
    height, width = (
        (extent + sum(zeros) - window) // stride + 1
        for extent, window, stride, zeros in zip(size, kernel, strides, (above, left), strict=True)
    )
    return Geometry(_pair(kernel), _pair(strides), (_pair(above), _pair(left)), (height, width))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def windows(x: Array, places: Geometry) -> Array:
    """Copy the windows of images, f32[B, H, W, C] -> f32[B, h, w, kh, kw, C].

    Args:
        x: Images.
        places: Where the windows are.

    Returns:
        The windows; pixels outside of the image are 0.
    """
    return _compiled_alone(functools.partial(_gather, places=places), x)


@windows.defjvp
def _windows_jvp(places: Geometry, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return windows(*primals, places), _slice_blocks(*tangents, places)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def overlap_add(parts: Array, size: Pair, places: Geometry) -> Array:
    """Add windows to images at their places, f32[B, h, w, kh, kw, C] -> f32[B, H, W, C].

    Args:
        parts: The windows.
        size: Height and width of the images, (H, W).
        places: Where the windows are; what lies in the padding is dropped.

    Returns:
        The images, with 0 where no window is.
    """
    return _compiled_alone(_transposed(_slice_blocks, parts, size, places), parts)


@overlap_add.defjvp
def _overlap_add_jvp(
    size: Pair, places: Geometry, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    tangent = _compiled_alone(_transposed(_gather, *tangents, size, places), *tangents)
    return overlap_add(*primals, size, places), tangent


def _gather(x: Array, places: Geometry) -> Array:
    """Copy all windows by one gather."""
    padded = jax.lax.pad(
        x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*pair, 0) for pair in places.padding), (0, 0, 0)]
    )
    starts = (np.arange(count) * stride for count, stride in zip(places.counts, places.strides, strict=True))
    # The number of the image is part of each index. Without it, XLA gathers [h, w, B, ...] and copies once
    # more.
    corners = np.stack(np.meshgrid(np.arange(len(x)), *starts, indexing="ij"), axis=-1)
    dimensions = jax.lax.GatherDimensionNumbers(
        offset_dims=(3, 4, 5), collapsed_slice_dims=(0,), start_index_map=(0, 1, 2)
    )
    window = (1, *places.kernel, x.shape[-1])
    return jax.lax.gather(padded, corners.astype(np.int32), dimensions, window, mode="promise_in_bounds")


def _slice_blocks(x: Array, places: Geometry) -> Array:
    """Copy all windows by slices of the image in blocks of one stride, [B, h', w', sh, sw C]."""
    (height, width), (down, right) = places.counts, places.strides
    # A window covers this number of blocks; the last one only in part, if the stride does not divide it.
    rows, columns = (
        -(-extent // stride) for extent, stride in zip(places.kernel, places.strides, strict=True)
    )
    tall, wide = height + rows - 1, width + columns - 1
    (above, _), (left, _) = places.padding
    edges = [(above, tall * down - x.shape[1] - above, 0), (left, wide * right - x.shape[2] - left, 0)]
    padded = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    blocks = padded.reshape(len(x), tall, down, wide, right * x.shape[-1]).swapaxes(2, 3)
    views = [
        jnp.stack([blocks[:, i : i + height, j : j + width] for j in range(columns)], axis=4)
        for i in range(rows)
    ]
    # [B, h, w, rows, sh, columns, sw C] -> [B, h, w, rows sh, columns sw, C]
    whole = jnp.stack(views, axis=3).reshape(len(x), height, width, rows * down, columns * right, -1)
    return whole[:, :, :, : places.kernel[0], : places.kernel[1]]


def _transposed(
    function: Callable[..., Array], parts: Array, size: Pair, places: Geometry
) -> Callable[[Array], Array]:
    """Return the transpose of a linear function of images: [B, h, w, kh, kw, C] -> [B, H, W, C]."""
    image = jax.ShapeDtypeStruct((parts.shape[0], *size, parts.shape[-1]), parts.dtype)
    transpose = jax.linear_transpose(functools.partial(function, places=places), image)
    return lambda parts: transpose(parts)[0]


def _pair(numbers: Sequence[int]) -> Pair:
    first, second = numbers
    return first, second


def _compiled_alone(function: Callable[[Array], Array], x: Array) -> Array:
    """Apply a function that XLA compiles as a separate loop, not fused with the operations around it."""
    # Fused, the nonlinearity before a convolution is computed again for each place of the kernel, and the
    # windows are indexed in one flat loop that is not vectorised: 2 to 4 times as long.
    return function(x) if xla_metadata_call is None else xla_metadata_call(function, inlineable="false")(x)
