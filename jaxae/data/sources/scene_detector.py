"""What an image shows, by the renderer of `scenes` itself: least squares over all its objects. N images.

Each colour is a channel of its own, so that the scene nearest to an image is found object by object: of every
size, shape, centre and blur the one with the smallest squared distance in its channel, by way of

    |x|^2 - |x - t|^2 = 2 <x, t> - |t|^2,

the gain of an object t over black, from one correlation each. Blurred objects are among the templates since a
sharp circle is nearer to a blurred square than a sharp square is. Nothing is learned.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy import fft

from jaxae.data.sources import scenes
from jaxae.errors import JaxaeError

BLURS = (0.0, 0.5, 1.0, 1.5)  # standard deviations in pixels
MARGIN = 4  # pixels around a patch that a blur reaches into
PATCH = scenes.PATCH + 2 * MARGIN
PERIOD = 40  # of the Fourier transform: no template at any centre reaches around it back into the image
FIRST, NUM_CENTRES = 5, 22  # centres go from 5 to 26; for large objects from 6 to 25
CHUNK = 64  # images at a time: 30 MB
MOST_RESIDUAL, LEAST_GAIN = 0.5, 0.25  # of a scene that counts as found


class Detected(NamedTuple):
    """Attributes i64[N, 7] and centres (column, row) i64[N, 2, 2] as `scenes.render` takes them.

    residual: f64[N], |x - scene|^2 / |x|^2: 0 for a rendered image, about 1 or more for junk, inf for black;
    found: bool[N], whether the image shows a scene at all; where it does not, the rest means nothing.
    """

    attributes: np.ndarray
    positions: np.ndarray
    residual: np.ndarray
    found: np.ndarray


def attribute_accuracy(images: np.ndarray, captions: list[str]) -> dict[str, np.ndarray]:
    """Images f32[N, 32, 32, 3] and N captions -> for each of the seven attributes f64[N], 1 where it is so.

    0 in all where no scene is found. The first object is the left or upper one, so that a wrong relation may
    exchange the objects. Guessing gives 1/2 for sizes and the relation, 1/3 for colours and shapes.
    """
    if len(images) != len(captions):
        raise JaxaeError(f"scenes: {len(images)} images for {len(captions)} captions")
    wanted = np.array([scenes.parse(text) for text in captions], np.int64).reshape(-1, len(scenes.NAMES))
    detected = detect(images)
    right = ((detected.attributes == wanted) & detected.found[:, None]).astype(np.float64)
    return dict(zip(scenes.NAMES, right.T, strict=True))


def detect(images: np.ndarray) -> Detected:
    """The scene nearest to each image f32[N, 32, 32, 3] in [0, 1]; exact for what `scenes.render` gives.

    Found are two objects of two colours, each with a quarter of its template's |t|^2 or more as gain, no
    object of the third colour, one distance larger than the other, and a residual below 0.5. A further object
    of the same colour is told by the residual alone. Values beyond [0, 1] are clipped, what is not finite is
    black.
    """
    images = _checked(np.asarray(images))
    parts = [_objects(images[start : start + CHUNK]) for start in range(0, max(1, len(images)), CHUNK)]
    gain, energy, size, shape, centre = (np.concatenate(part) for part in zip(*parts, strict=True))
    colours = np.sort(np.argsort(-gain, axis=1, kind="stable")[:, :2], axis=1)
    order, is_above, is_clear = _arranged(np.take_along_axis(centre, colours[..., None], axis=1))
    colours = np.take_along_axis(colours, order, axis=1)
    of_two = [np.take_along_axis(values, colours, axis=1) for values in (size, shape)]
    objects = np.stack([of_two[0], colours, of_two[1]], axis=-1).reshape(len(images), 6)
    present = gain >= LEAST_GAIN * energy
    residual = _residual(images, np.take_along_axis(gain, colours, axis=1).sum(axis=1))
    return Detected(
        attributes=np.concatenate([objects, is_above[:, None]], axis=1).astype(np.int64),
        positions=np.take_along_axis(centre, colours[..., None], axis=1),
        residual=residual,
        found=(present.sum(axis=1) == 2) & is_clear & (residual < MOST_RESIDUAL),
    )


def _arranged(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres i64[N, 2, 2] -> (the order of objects i64[N, 2], is it above, is that clear: bool[N])."""
    across, down = (centre[:, 1] - centre[:, 0]).T
    is_above = np.abs(down) > np.abs(across)
    swapped = np.where(is_above, down, across) < 0
    return np.stack([swapped, ~swapped], axis=1).astype(np.int64), is_above, np.abs(down) != np.abs(across)


def _residual(images: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(|x|^2 - gain) / |x|^2, f64[N]; inf where x is black."""
    energy = (images.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
    return np.divide(energy - gain, energy, out=np.full(len(images), np.inf), where=energy > 0)


def _objects(images: np.ndarray) -> tuple[np.ndarray, ...]:
    """The best object of each channel: gain, its |t|^2, size, shape [n, 3], and centre [n, 3, 2]."""
    templates, spectra, squares = _bank()
    channels = fft.rfft2(np.moveaxis(images, -1, 1), s=(PERIOD, PERIOD))
    window = slice(FIRST, FIRST + NUM_CENTRES)
    products = fft.irfft2(channels[:, :, None] * spectra, s=(PERIOD, PERIOD))[..., window, window]
    gains = 2.0 * products - squares[:, None, None] + _outside()
    flat = gains.reshape(*gains.shape[:2], squares.size * NUM_CENTRES**2)
    best = flat.argmax(axis=-1)
    kind, row, column = np.unravel_index(best, gains.shape[2:])
    size, shape, _ = np.stack(np.unravel_index(kind, templates.shape[:3]))
    centre = np.stack([column, row], axis=-1) + FIRST
    return np.take_along_axis(flat, best[..., None], axis=-1)[..., 0], squares[kind], size, shape, centre


@functools.lru_cache(maxsize=1)
def _bank() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Templates f64[2, 3, blurs, 19, 19], their spectra's conjugate c64[T, 40, 21], and |t|^2 f32[T]."""
    sharp = np.pad(scenes.patches() / 255.0, ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    kernels = np.array([_blur(sigma) for sigma in BLURS])
    templates = np.einsum("bij,zsjk,blk->zsbil", kernels, sharp, kernels)
    flat = templates.reshape(-1, PATCH, PATCH)
    canvas = np.zeros((len(flat), PERIOD, PERIOD))
    canvas[:, :PATCH, :PATCH] = flat
    centred = np.roll(canvas, (-(PATCH // 2), -(PATCH // 2)), axis=(1, 2))
    squares = (flat**2).sum(axis=(1, 2)).astype(np.float32)
    return templates, np.conj(fft.rfft2(centred)).astype(np.complex64), squares


def _blur(sigma: float) -> np.ndarray:
    """The Gaussian filter along one axis of a patch, f64[19, 19]; columns sum to 1 but at its ends."""
    steps = np.arange(-PATCH, PATCH + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2) if sigma else (steps == 0).astype(np.float64)
    pixels = np.arange(PATCH)
    return (weights / weights.sum())[pixels[:, None] - pixels + PATCH]


@functools.lru_cache(maxsize=1)
def _outside() -> np.ndarray:
    """f32[T, 22, 22]: -inf at centres from where an object of that size would touch the border, else 0."""
    centres = np.arange(FIRST, FIRST + NUM_CENTRES)
    lows = np.array([centres_of[0] for centres_of in scenes.CENTRES])[:, None]
    inside = (lows <= centres) & (centres < scenes.PIXELS - lows)
    free = np.where(inside[:, :, None] & inside[:, None, :], 0.0, -np.inf).astype(np.float32)
    return np.repeat(free, len(scenes.SHAPES) * len(BLURS), axis=0)


def _checked(images: np.ndarray) -> np.ndarray:
    """f32[N, 32, 32, 3] in [0, 1]; JaxaeError where shape or dtype are others."""
    size = (scenes.PIXELS, scenes.PIXELS, 3)
    if images.ndim != 4 or images.shape[1:] != size or images.dtype.kind != "f":
        found = f"{images.dtype} {images.shape}"
        raise JaxaeError(f"scenes: images of {found}, expected floats in [0, 1] of shape [N, 32, 32, 3]")
    return np.clip(np.nan_to_num(images.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)
