"""Images, read by Pillow: headers, pixels, and a source that decodes images on demand.

An image is a file, the bytes of a file, or an image that Pillow has opened.

N is the number of images, H W C an image.
"""

import contextlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxae.data.data_spec import DataSpec
from jaxae.data.files import one_line
from jaxae.errors import JaxaeError, warn

# Formats of pixels that Pillow opens: no vector graphics, films, icons of many sizes or scientific formats.
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".dib"),
    *(".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".jp2", ".j2k", ".qoi"),
)
# Modes of Pillow: LA is grey with alpha, P and PA have a palette. I;16 is 16-bit grey in some byte order.
GREY_MODES = ("1", "L", "LA")
DEEP_GREY_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class Picture(NamedTuple):
    """An image that is not yet decoded.

    Attributes:
        content: The path of a file, the bytes of a file, or an image of Pillow.
        where: Where the image was found, for error messages.
    """

    content: Any
    where: str


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
    """Source of the pixels [N, H, W, C] of images; each call of `take` decodes in its own thread.

    Attributes:
        images: The images.
        size: H, W, C of every image.
        resize: Whether images are cropped and scaled to that size; if not, they have it.
        is_deep: False for uint8 pixels. True for f32 pixels in [0, 1]: k / 65535 of 16-bit grey images and
            k / 255 of others.
    """

    images: tuple["Picture", ...]
    size: tuple[int, int, int]
    is_deep: bool = False
    resize: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the pixels, uint8 or float32."""
        return np.dtype(np.float32 if self.is_deep else np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (N, H, W, C)."""
        return (len(self.images), *self.size)

    def __len__(self) -> int:
        """Return the number of images, N."""
        return len(self.images)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return pixels [n, H, W, C]."""
        num_pixels = self.size[0] if self.resize else None
        rows = [decode(self.images[index], self.size[-1], num_pixels) for index in indices]
        rows = [unit_interval(row) for row in rows] if self.is_deep else rows
        return np.stack(rows) if rows else np.empty((0, *self.size), self.dtype)


def pictures_of(paths: Sequence[Path]) -> tuple[Picture, ...]:
    """Return the images of some files."""
    return tuple(Picture(path, str(path)) for path in paths)


def decode(picture: Picture, num_channels: int, num_pixels: int | None = None) -> np.ndarray:
    """Decode one image to [H, W, C]: uint16 for 16-bit grey images, else uint8. Transparency is dropped.

    Args:
        picture: The image.
        num_channels: The number of channels, 1 (grey) or 3 (RGB).
        num_pixels: Height and width to which the image is cropped at the centre and scaled, or None.

    Returns:
        The pixels.

    Raises:
        JaxaeError: If Pillow cannot read the image.
    """
    with _opened(picture) as image:
        if _get_mode(image) in DEEP_GREY_MODES:
            # Not `image.convert("L")`, which clips 16-bit values at 255 instead of scaling them.
            pixels = _fit_deep(np.array(image).astype(np.uint16), num_pixels)[..., None]
            return np.repeat(pixels, num_channels, axis=-1)
        # P images go through RGBA, since Pillow warns about palettes with transparency.
        opaque = image.convert("RGBA") if image.mode == "P" else image
        pixels = np.array(_fit(opaque.convert("L" if num_channels == 1 else "RGB"), num_pixels))
    return pixels.reshape(*pixels.shape[:2], num_channels)


def _fit(image: Any, num_pixels: int | None) -> Any:
    """Return the largest central square of an image, scaled to `num_pixels` x `num_pixels`."""
    from PIL import Image, ImageOps

    if num_pixels is None:
        return image
    # Pillow's bicubic filter widens with the scale, so that small images have no aliasing.
    return ImageOps.fit(image, (num_pixels, num_pixels), Image.Resampling.BICUBIC)


def _fit_deep(pixels: np.ndarray, num_pixels: int | None) -> np.ndarray:
    """Return `_fit` of uint16 pixels, which Pillow scales exactly only as floats."""
    from PIL import Image

    if num_pixels is None:
        return pixels
    scaled = np.array(_fit(Image.fromarray(pixels.astype(np.float32)), num_pixels))
    # The bicubic filter overshoots at edges.
    return np.clip(np.round(scaled), 0, 65535).astype(np.uint16)


@contextlib.contextmanager
def _opened(picture: Picture) -> Iterator[Any]:
    """Open an image, and raise every error of Pillow as JaxaeError."""
    from PIL import Image

    content = io.BytesIO(picture.content) if isinstance(picture.content, bytes) else picture.content
    try:
        # An image that the user has opened stays open.
        with (
            Image.open(content)
            if isinstance(content, Path | io.BytesIO)
            else (contextlib.nullcontext(content)) as image
        ):
            yield image
    # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        raise JaxaeError(f"{picture.where}: not a readable image: {one_line(error)}") from error


def unit_interval(pixels: np.ndarray) -> np.ndarray:
    """Convert uint8 or uint16 pixels to f32 in [0, 1], where 1 is the largest number of the dtype."""
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def header(picture: Picture) -> Header:
    """Read the header of an image, without decoding the pixels.

    Raises:
        JaxaeError: If the file is no image, or if a channel has neither 8 nor 16 bits.
    """
    with _opened(picture) as image:
        mode = _get_mode(image)
        has_alpha = mode.endswith("A") or "transparency" in image.info
        has_frames = bool(getattr(image, "is_animated", False))
        image_header = Header(mode, image.size, _is_deep(image), has_alpha, has_frames)
    # Modes I and F (32 bits) have no known white, so their scale cannot be guessed.
    if mode not in GREY_MODES + DEEP_GREY_MODES + COLOUR_MODES:
        raise JaxaeError(
            f"{picture.where}: pixels of mode {mode}, expected 8 or 16 bits a channel (grey or colour); save"
            " other numbers as floats in a .npy file"
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
    tiles = getattr(image, "tile", [])  # images made in Python have none
    arguments = [tile[3] if isinstance(tile[3], tuple) else (tile[3],) for tile in tiles]
    parts = [part for argument in arguments for part in argument]
    is_ppm = image.format == "PPM"
    bits = max((math.log2(part + 1) for part in parts if is_ppm and isinstance(part, int)), default=0)
    return bits > 8 or any(isinstance(part, str) and ";16" in part for part in parts)


def sources(groups: Mapping[str, Sequence[Picture]], data: DataSpec, where: str) -> dict[str, ImageSource]:
    """Return the sources of the images of each split; parts of images that are dropped are warnings.

    Args:
        groups: Split -> images.
        data: The spec with `resize` and `grey`.
        where: Where the images were found, for warnings.

    Returns:
        Split -> source.

    Raises:
        JaxaeError: If images cannot be read, or differ in size and are not resized.
    """
    pictures = [picture for group in groups.values() for picture in group]
    headers = [header(picture) for picture in pictures]
    # 16 bits are kept for grey images only: of 16-bit colour, Pillow reads the upper 8 bits.
    is_deep = any(image.is_deep and image.is_grey for image in headers)
    size, is_resized = common_size(pictures, headers, data), data.resize is not None
    _warn_of_headers(where, headers)
    return {name: ImageSource(tuple(group), size, is_deep, is_resized) for name, group in groups.items()}


def common_size(
    pictures: Sequence[Picture], headers: Sequence[Header], data: DataSpec
) -> tuple[int, int, int]:
    """Return (H, W, C) of all images; C is 1 if every image is grey or is converted to grey, else 3.

    Args:
        pictures: The images.
        headers: Their headers.
        data: The spec with `resize` and `grey`.

    Returns:
        Height, width and number of channels.

    Raises:
        JaxaeError: If two images differ in size and are not resized.
    """
    num_channels = 1 if data.grey or all(image.is_grey for image in headers) else 3
    if data.resize is not None:
        return data.resize, data.resize, num_channels
    for picture, image_header in zip(pictures, headers, strict=True):
        if image_header.size != headers[0].size:
            (width, height), (first_width, first_height) = image_header.size, headers[0].size
            raise JaxaeError(
                f"{picture.where}: {height}x{width} pixels, but {pictures[0].where} has"
                f" {first_height}x{first_width}; expected images of one size, or data.resize"
            )
    width, height = headers[0].size
    return height, width, num_channels


def _warn_of_headers(where: str, headers: Sequence[Header]) -> None:
    """Print a warning for each property of images that is lost in reading."""
    flags_by_message = {
        "have an alpha channel or transparency, which is dropped": [image.has_alpha for image in headers],
        "have several frames, of which only the first is read": [image.has_frames for image in headers],
        "have colours of 16 bits a channel, of which the upper 8 bits are read": [
            image.is_deep and not image.is_grey for image in headers
        ],
    }
    for message, flags in flags_by_message.items():
        if any(flags):
            warn(f"{where}: {sum(flags)} of {len(headers)} images {message}")
