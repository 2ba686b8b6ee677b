"""Image files, read by Pillow: headers, pixels, and a source that decodes images on demand.

N is the number of images, H W C an image.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.files import one_line
from jaxae.errors import JaxaeError

# Formats of pixels that Pillow opens: no vector graphics, films, icons of many sizes or scientific formats.
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".dib"),
    *(".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".jp2", ".j2k", ".qoi"),
)
# Modes of Pillow: LA is grey with alpha, P and PA have a palette. I;16 is 16-bit grey in some byte order.
GREY_MODES = ("1", "L", "LA")
DEEP_GREY_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class Header(NamedTuple):
    """Header of an image file, without its pixels.

    Attributes:
        mode: Pillow's mode, but "I;16" for every 16-bit grey image.
        size: Width and height in pixels.
        is_deep: Whether a channel has 16 bits in the file.
        has_alpha: Whether there is an alpha channel or transparency.
        has_frames: Whether there is more than one frame.
    """

    mode: str  # Pillow's, but "I;16" for every 16-bit grey image
    size: tuple[int, int]  # width, height: Pillow's order
    is_deep: bool  # 16 bits a channel
    has_alpha: bool
    has_frames: bool  # more than one

    @property
    def is_grey(self) -> bool:
        """Whether one channel holds the image."""
        return self.mode in (*GREY_MODES, *DEEP_GREY_MODES)


@dataclass(frozen=True, eq=False)
class ImageSource:
    """Source of the pixels [N, H, W, C] of image files; each call of `take` decodes in its own thread.

    Attributes:
        paths: The files.
        size: H, W, C of every image.
        is_deep: False for uint8 pixels. True for f32 pixels in [0, 1]: k / 65535 of 16-bit grey images and
            k / 255 of others.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int, int]
    is_deep: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the pixels, uint8 or float32."""
        return np.dtype(np.float32 if self.is_deep else np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, H, W, C)."""
        return (len(self.paths), *self.size)

    def __len__(self) -> int:
        """Return the number of images, N."""
        return len(self.paths)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return pixels [n, H, W, C]."""
        rows = [decode(self.paths[index], self.size[-1]) for index in indices]
        rows = [unit_interval(row) for row in rows] if self.is_deep else rows
        return np.stack(rows) if rows else np.empty((0, *self.size), self.dtype)


def decode(path: Path, num_channels: int) -> np.ndarray:
    """Decode one image to [H, W, C]: uint16 for 16-bit grey images, else uint8. Transparency is dropped.

    Args:
        path: The image file.
        num_channels: The number of channels, 1 (grey) or 3 (RGB).

    Returns:
        The pixels.

    Raises:
        JaxaeError: If Pillow cannot read the image.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if _get_mode(image) in DEEP_GREY_MODES:
                # Not `image.convert("L")`, which clips 16-bit values at 255 instead of scaling them.
                pixels = np.array(image).astype(np.uint16)[..., None]
                return np.repeat(pixels, num_channels, axis=-1)
            # P images go through RGBA, since Pillow warns about palettes with transparency.
            opaque = image.convert("RGBA") if image.mode == "P" else image
            pixels = np.array(opaque.convert("L" if num_channels == 1 else "RGB"))
    # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        raise JaxaeError(f"{path}: not a readable image: {one_line(error)}") from error
    return pixels.reshape(*pixels.shape[:2], num_channels)


def unit_interval(pixels: np.ndarray) -> np.ndarray:
    """Convert uint8 or uint16 pixels to f32 in [0, 1], where 1 is the largest number of the dtype."""
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def header(path: Path) -> Header:
    """Read the header of an image file, without decoding the pixels.

    Raises:
        JaxaeError: If the file is no image, or if a channel has neither 8 nor 16 bits.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode = _get_mode(image)
            has_alpha = mode.endswith("A") or "transparency" in image.info
            has_frames = bool(getattr(image, "is_animated", False))
            image_header = Header(mode, image.size, _is_deep(image), has_alpha, has_frames)
    except Exception as error:
        raise JaxaeError(f"{path}: not a readable image: {one_line(error)}") from error
    # Modes I and F (32 bits) have no known white, so their scale cannot be guessed.
    if mode not in GREY_MODES + DEEP_GREY_MODES + COLOUR_MODES:
        raise JaxaeError(
            f"{path}: pixels of mode {mode}, expected 8 or 16 bits a channel (grey or colour); save other"
            " numbers as floats in a .npy file"
        )
    return image_header


def _get_mode(image: Any) -> str:
    """Return Pillow's mode, but "I;16" for 16-bit PGM files."""
    # Pillow reads a 16-bit PGM file as mode I (32 bits), with values that it has scaled to 0..65535.
    return "I;16" if image.mode == "I" and image.format == "PPM" else image.mode


def _is_deep(image: Any) -> bool:
    """Return whether a channel has 16 bits in the file; Pillow keeps only the upper 8 bits of colour."""
    if _get_mode(image) in DEEP_GREY_MODES:
        return True
    # Pillow has no attribute for this. The decoder's arguments in `tile` hold the raw mode ("RGB;16B") or,
    # for PPM files, the largest value.
    arguments = [tile[3] if isinstance(tile[3], tuple) else (tile[3],) for tile in image.tile]
    parts = [part for argument in arguments for part in argument]
    is_ppm = image.format == "PPM"
    bits = max((math.log2(part + 1) for part in parts if is_ppm and isinstance(part, int)), default=0)
    return bits > 8 or any(isinstance(part, str) and ";16" in part for part in parts)
