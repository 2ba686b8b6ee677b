"""Image files as Pillow reads them: headers, pixels, and a source that decodes on demand. N images, H W C."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.files import one_line
from jaxae.errors import JaxaeError

# What holds pixels, of what Pillow opens: not vector graphics, films, icons of many sizes or data formats.
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".dib"),
    *(".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".jp2", ".j2k", ".qoi"),
)
GREY_MODES = ("1", "L", "LA")
DEEP_GREY_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class Header(NamedTuple):
    """What a file says of its image, without its pixels."""

    mode: str  # Pillow's, but "I;16" for every 16-bit grey image
    size: tuple[int, int]  # width, height
    is_deep: bool  # 16 bits a channel
    has_alpha: bool
    has_frames: bool  # more than one

    @property
    def is_grey(self) -> bool:
        """Whether one channel holds it."""
        return self.mode in (*GREY_MODES, *DEEP_GREY_MODES)


@dataclass(frozen=True, eq=False)
class ImageSource:
    """Pixels [N, H, W, C] of image files; a thread's `take` decodes its own.

    uint8, or with `is_deep` f32 in [0, 1]: k / 65535 of 16-bit grey images, k / 255 of others.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int, int]
    is_deep: bool = False

    @property
    def dtype(self) -> np.dtype:
        """uint8 or float32."""
        return np.dtype(np.float32 if self.is_deep else np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self.paths), *self.size)

    def __len__(self) -> int:
        """N."""
        return len(self.paths)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Pixels [n, H, W, C]."""
        rows = [decode(self.paths[index], self.size[-1]) for index in indices]
        rows = [unit_interval(row) for row in rows] if self.is_deep else rows
        return np.stack(rows) if rows else np.empty((0, *self.size), self.dtype)


def decode(path: Path, num_channels: int) -> np.ndarray:
    """Decode one image to [H, W, C]: uint16 for 16-bit grey images, else uint8. Transparency is dropped."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if _mode(image) in DEEP_GREY_MODES:
                pixels = np.array(image).astype(np.uint16)[..., None]
                return np.repeat(pixels, num_channels, axis=-1)
            # By way of RGBA, since Pillow warns about palettes with transparency.
            opaque = image.convert("RGBA") if image.mode == "P" else image
            pixels = np.array(opaque.convert("L" if num_channels == 1 else "RGB"))
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise JaxaeError(f"{path}: not a readable image: {one_line(error)}") from error
    return pixels.reshape(*pixels.shape[:2], num_channels)


def unit_interval(pixels: np.ndarray) -> np.ndarray:
    """uint8 or uint16 -> f32 in [0, 1], 1 the largest number of the dtype."""
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def header(path: Path) -> Header:
    """Read what a file says of its image, without decoding the pixels.

    Raises: JaxaeError for a file that is no image, and for pixels that are neither 8 nor 16 bits a channel.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode = _mode(image)
            has_alpha = mode.endswith("A") or "transparency" in image.info
            has_frames = bool(getattr(image, "is_animated", False))
            found = Header(mode, image.size, _is_deep(image), has_alpha, has_frames)
    except Exception as error:
        raise JaxaeError(f"{path}: not a readable image: {one_line(error)}") from error
    if mode not in GREY_MODES + DEEP_GREY_MODES + COLOUR_MODES:
        raise JaxaeError(
            f"{path}: pixels of mode {mode}, expected 8 or 16 bits a channel (grey or colour); save other"
            " numbers as floats in a .npy file"
        )
    return found


def _mode(image: Any) -> str:
    """Pillow's mode; its 32 bits of a PGM file hold 16, which it has scaled to 0..65535."""
    return "I;16" if image.mode == "I" and image.format == "PPM" else image.mode


def _is_deep(image: Any) -> bool:
    """Whether a channel has 16 bits in the file; of colour Pillow reads the upper 8."""
    if _mode(image) in DEEP_GREY_MODES:
        return True
    arguments = [tile[3] for tile in image.tile]
    parts = [part for each in arguments for part in (each if isinstance(each, tuple) else (each,))]
    is_ppm = image.format == "PPM"
    bits = max((math.log2(part + 1) for part in parts if is_ppm and isinstance(part, int)), default=0)
    return bits > 8 or any(isinstance(part, str) and ";16" in part for part in parts)
