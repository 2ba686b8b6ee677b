"""Detector of scenes: the nearest image that the renderer of `scenes` can draw, by least squares.

Nothing is learned. Each colour has a separate channel, so that the nearest scene can be found object by
object. In each channel, all sizes, shapes, centres and blurs are compared. The detector takes the object t
with the smallest squared distance to the channel x. This is the object with the largest gain over black,

    |x|^2 - |x - t|^2 = 2 <x, t> - |t|^2.

One correlation for each template gives the gains at all centres. Blurred objects are among the templates
because a sharp circle is nearer to a blurred square than a sharp square is. N is the number of images.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy import fft

from jaxae.data.sources import scenes
from jaxae.errors import JaxaeError

BLURS = (0.0, 0.5, 1.0, 1.5)  # standard deviations in pixels
MARGIN = 4  # pixels around a patch into which a blur reaches
PATCH = scenes.PATCH + 2 * MARGIN
# Period of the Fourier transform. With 40, no template at any centre wraps around into the image.
PERIOD = 40
FIRST, NUM_CENTRES = 5, 22  # centres go from 5 to 26; for large objects from 6 to 25
CHUNK = 64  # images at a time: 30 MB
MOST_RESIDUAL, LEAST_GAIN = 0.5, 0.25  # limits for a scene that counts as found


class Detected(NamedTuple):
    """Detected scenes; attributes and positions have the form that `scenes.render` takes.

    Attributes:
        attributes: Attributes i64[N, 7].
        positions: Centres (column, row) i64[N, 2, 2].
        residual: |x - scene|^2 / |x|^2, f64[N]. It is 0 for a rendered image, about 1 or more for other
            images, and inf for a black image.
        found: Whether the image shows a scene, bool[N]. If False, the other values have no meaning.
    """

    attributes: np.ndarray
    positions: np.ndarray
    residual: np.ndarray
    found: np.ndarray


def attribute_accuracy(images: np.ndarray, captions: list[str]) -> dict[str, np.ndarray]:
    """Compare each image with its caption: 1 for each attribute that is right, else 0.

    All attributes are 0 if no scene is found. The first object is the left or upper one, so a wrong relation
    may exchange the two objects. Guessing gives 1/2 for sizes and the relation, 1/3 for colours and shapes.

    Args:
        images: Images f32[N, 32, 32, 3] in [0, 1].
        captions: N captions, see `scenes.captions`.

    Returns:
        For each of the seven attributes in `scenes.NAMES`, f64[N] of 0 and 1.

    Raises:
        JaxaeError: If the numbers of images and captions differ, or if a text is no caption.
    """
    if len(images) != len(captions):
        raise JaxaeError(f"scenes: {len(images)} images for {len(captions)} captions")
    expected = np.array([scenes.parse(text) for text in captions], np.int64).reshape(-1, len(scenes.NAMES))
    detected = detect(images)
    is_right = ((detected.attributes == expected) & detected.found[:, None]).astype(np.float64)
    return dict(zip(scenes.NAMES, is_right.T, strict=True))


def detect(images: np.ndarray) -> Detected:
    """Find the scene that is nearest to each image f32[N, 32, 32, 3] in [0, 1].

    The result is exact for images of `scenes.render`. A scene counts as found if all of these hold: exactly
    two colours have an object whose gain is at least a quarter of its |t|^2; the distances across and down
    differ; the residual is below 0.5. A further object of the same colour shows in the residual only.

    Values outside [0, 1] are clipped, and values that are not finite count as black.

    Raises:
        JaxaeError: If the shape or dtype of the images is another one.
    """
    images = _check_images(np.asarray(images))
    # `max(1, ...)`: without images, one empty chunk still gives arrays of the right shapes to concatenate.
    parts = [_find_objects(images[start : start + CHUNK]) for start in range(0, max(1, len(images)), CHUNK)]
    gain, energy, size, shape, centre = (np.concatenate(part) for part in zip(*parts, strict=True))
    # The two channels with the largest gains. The stable sort makes ties independent of the machine.
    colours = np.sort(np.argsort(-gain, axis=1, kind="stable")[:, :2], axis=1)
    order, is_above, is_clear = _arrange(np.take_along_axis(centre, colours[..., None], axis=1))
    colours = np.take_along_axis(colours, order, axis=1)
    sizes, shapes = (np.take_along_axis(values, colours, axis=1) for values in (size, shape))
    objects = np.stack([sizes, colours, shapes], axis=-1).reshape(len(images), 6)
    is_present = gain >= LEAST_GAIN * energy
    residual = _compute_residual(images, np.take_along_axis(gain, colours, axis=1).sum(axis=1))
    return Detected(
        attributes=np.concatenate([objects, is_above[:, None]], axis=1).astype(np.int64),
        positions=np.take_along_axis(centre, colours[..., None], axis=1),
        residual=residual,
        found=(is_present.sum(axis=1) == 2) & is_clear & (residual < MOST_RESIDUAL),
    )


def _arrange(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the order of objects i64[N, 2], whether the first is above, and whether that is clear, bool[N].

    `centre` holds the centres (column, row) i64[N, 2, 2]. Equal distances make the relation unclear.
    """
    across, down = (centre[:, 1] - centre[:, 0]).T
    is_above = np.abs(down) > np.abs(across)
    is_swapped = np.where(is_above, down, across) < 0
    order = np.stack([is_swapped, ~is_swapped], axis=1).astype(np.int64)
    return order, is_above, np.abs(down) != np.abs(across)


def _compute_residual(images: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return (|x|^2 - gain) / |x|^2, f64[N]; inf where x is black."""
    # float64, since the two terms nearly cancel for a rendered image.
    energy = (images.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
    return np.divide(energy - gain, energy, out=np.full(len(images), np.inf), where=energy > 0)


def _find_objects(images: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the best object t of each channel: gain, |t|^2, size, shape [n, 3], and centre [n, 3, 2]."""
    templates, spectra, squares = _make_templates()
    channels = fft.rfft2(np.moveaxis(images, -1, 1), s=(PERIOD, PERIOD))
    window = slice(FIRST, FIRST + NUM_CENTRES)
    # By Fourier transforms: <x, t> at all centres, [n, 3, T, 22, 22], for T templates.
    products = fft.irfft2(channels[:, :, None] * spectra, s=(PERIOD, PERIOD))[..., window, window]
    # -inf at centres where an object would touch the border, so that argmax never takes them.
    gains = 2.0 * products - squares[:, None, None] + _mask_border()
    flat = gains.reshape(*gains.shape[:2], squares.size * NUM_CENTRES**2)
    best = flat.argmax(axis=-1)
    kind, row, column = np.unravel_index(best, gains.shape[2:])
    size, shape, _ = np.stack(np.unravel_index(kind, templates.shape[:3]))
    centre = np.stack([column, row], axis=-1) + FIRST
    return np.take_along_axis(flat, best[..., None], axis=-1)[..., 0], squares[kind], size, shape, centre


@functools.lru_cache(maxsize=1)
def _make_templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return templates f64[2, 3, blurs, 19, 19], their conjugate spectra c64[T, 40, 21], and |t|^2 f32[T].

    T is the number of templates: sizes times shapes times blurs.
    """
    sharp = np.pad(scenes.patches() / 255.0, ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    kernels = np.array([_make_blur(sigma) for sigma in BLURS])
    # A Gaussian blur is separable: one kernel along rows (b, i, j) and the same along columns (b, l, k).
    templates = np.einsum("bij,zsjk,blk->zsbil", kernels, sharp, kernels)
    flat = templates.reshape(-1, PATCH, PATCH)
    canvas = np.zeros((len(flat), PERIOD, PERIOD))
    canvas[:, :PATCH, :PATCH] = flat
    # The centre of each template is moved to pixel (0, 0), so that correlations are indexed by centres.
    centred = np.roll(canvas, (-(PATCH // 2), -(PATCH // 2)), axis=(1, 2))
    squares = (flat**2).sum(axis=(1, 2)).astype(np.float32)
    return templates, np.conj(fft.rfft2(centred)).astype(np.complex64), squares


def _make_blur(sigma: float) -> np.ndarray:
    """Return the Gaussian filter along one axis, f64[19, 19]; columns sum to 1 except near the ends."""
    steps = np.arange(-PATCH, PATCH + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2) if sigma else (steps == 0).astype(np.float64)
    pixels = np.arange(PATCH)
    return (weights / weights.sum())[pixels[:, None] - pixels + PATCH]


@functools.lru_cache(maxsize=1)
def _mask_border() -> np.ndarray:
    """Return f32[T, 22, 22]: -inf at centres where an object of that size would touch the border, else 0."""
    centres = np.arange(FIRST, FIRST + NUM_CENTRES)
    lows = np.array([centres_of[0] for centres_of in scenes.CENTRES])[:, None]
    is_inside = (lows <= centres) & (centres < scenes.PIXELS - lows)
    penalty = np.where(is_inside[:, :, None] & is_inside[:, None, :], 0.0, -np.inf).astype(np.float32)
    return np.repeat(penalty, len(scenes.SHAPES) * len(BLURS), axis=0)


def _check_images(images: np.ndarray) -> np.ndarray:
    """Return the images as f32[N, 32, 32, 3] in [0, 1], or raise JaxaeError for another shape or dtype."""
    size = (scenes.PIXELS, scenes.PIXELS, 3)
    if images.ndim != 4 or images.shape[1:] != size or images.dtype.kind != "f":
        got = f"{images.dtype} {images.shape}"
        raise JaxaeError(f"scenes: images of {got}, expected floats in [0, 1] of shape [N, 32, 32, 3]")
    return np.clip(np.nan_to_num(images.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)
