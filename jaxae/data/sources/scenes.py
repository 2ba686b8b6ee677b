"""`scenes`: images of two objects with a caption that names both, 32x32 pixels, rendered by jaxae.

A caption is "a small red square left of a large blue circle". Each object has a size, a colour and a shape.
The colours differ, and the first object is left of or above the second one. This gives 432 captions, which
are the names of the labels. The captions of test rows occur in no training row, so that a model has to
combine their attributes in a new way. N is the number of scenes.
"""

import functools
import math

import numpy as np

from jaxae.data.data_spec import number_of
from jaxae.data.original import Original, Table
from jaxae.data.row_source import ArraySource, Mapped, Source
from jaxae.data.sources.sprites import SAMPLES, samples
from jaxae.errors import JaxaeError

SIZES = ("small", "large")
COLOURS = ("red", "green", "blue")
SHAPES = ("square", "circle", "triangle")
RELATIONS = ("left of", "above")
NAMES = (
    "first size",
    "first colour",
    "first shape",
    "second size",
    "second colour",
    "second shape",
    "relation",
)
VALUES = (SIZES, COLOURS, SHAPES, SIZES, COLOURS, SHAPES, RELATIONS)
LEVELS = tuple(map(len, VALUES))
SEED, NUM_DEFAULT, NUM_MOST = 2025, 20_000, 1_000_000  # every caption has enough placements for NUM_MOST rows

PIXELS = 32
# Pixels across of a small and a large object: odd, so that the centre of an object is the centre of a pixel.
WIDTHS = (7, 11)
PATCH = 11
# Centres of a small and a large object in the left or upper half: one or two pixels stay black at the border,
# two or more between the halves.
CENTRES = (range(5, 12), range(6, 10))
# A step of 11 is coprime to the numbers of values, 2 and 3, so held-out labels spread over all attributes.
HELD_OUT_EVERY, HELD_OUT_FIRST = 11, 5


def read(name: str) -> Original:
    """Return `scenes` or `scenes:NUM`: NUM training rows and a tenth of that number of test rows.

    The rows are the same each time. All captions have the same share, up to rounding. No two rows are equal.
    A larger set contains every smaller one.

    Raises:
        JaxaeError: If NUM is not 1 to 1000000.
    """
    num = number_of(name, NUM_DEFAULT, range(1, NUM_MOST + 1))
    seen = sorted(set(range(len(all_attributes()))) - set(held_out()))
    tables = {"train": _make_table(*drawn(np.array(seen), num), name)}
    tables["test"] = _make_table(*drawn(np.array(held_out()), -(-num // 10)), name)
    return Original(tables, scale=255.0, classes=captions())


@functools.lru_cache(maxsize=1)
def all_attributes() -> np.ndarray:
    """Return the attributes of each label, i64[432, 7], sorted: indices into `VALUES`, ordered as `NAMES`."""
    attributes = np.stack(np.unravel_index(np.arange(math.prod(LEVELS)), LEVELS), axis=-1)
    attributes = attributes[attributes[:, 1] != attributes[:, 4]]
    attributes.flags.writeable = False  # the cached array is shared by all callers
    return attributes


@functools.lru_cache(maxsize=1)
def captions() -> tuple[str, ...]:
    """Return the caption of each label."""
    return tuple(caption(attributes) for attributes in all_attributes())


def held_out() -> tuple[int, ...]:
    """Return the 39 labels of the test rows: every eleventh label, 5, 16, 27, ...

    Training rows contain every attribute, every pair of attributes of one object, and every object in the
    first and in the second place.
    """
    return tuple(range(HELD_OUT_FIRST, len(all_attributes()), HELD_OUT_EVERY))


def caption(attributes: np.ndarray) -> str:
    """Return the caption "a SIZE COLOUR SHAPE RELATION a SIZE COLOUR SHAPE" of seven attributes.

    Example:
        >>> caption((0, 0, 0, 1, 2, 1, 0))
        'a small red square left of a large blue circle'
    """
    first, second, words = slice(0, 3), slice(3, 6), [VALUES[i][k] for i, k in enumerate(attributes)]
    return f"a {' '.join(words[first])} {words[6]} a {' '.join(words[second])}"


def parse(text: str) -> tuple[int, ...]:
    """Return the seven attributes of a caption.

    Raises:
        JaxaeError: If the text is none of the 432 captions.

    Example:
        >>> parse("a small red square left of a large blue circle")
        (0, 0, 0, 1, 2, 1, 0)
    """
    if text not in _map_captions():
        raise JaxaeError(
            f"scenes: {text!r} is not a caption; expected one such as {captions()[0]!r}: {', '.join(SIZES)};"
            f" {', '.join(COLOURS)}; {', '.join(SHAPES)}; {', '.join(RELATIONS)}; two colours"
        )
    return tuple(all_attributes()[_map_captions()[text]].tolist())


@functools.lru_cache(maxsize=1)
def _map_captions() -> dict[str, int]:
    """Return the label of each caption."""
    return {text: number for number, text in enumerate(captions())}


@functools.cache
def placements(first: int, second: int, relation: int) -> np.ndarray:
    """Return every pair of centres (column, row) for two objects, i64[M, 2, 2], sorted.

    Args:
        first: The size of the first object, 0 (small) or 1 (large).
        second: The size of the second object.
        relation: 0 for "left of", 1 for "above".

    Returns:
        The M pairs of centres that `_is_valid` accepts.
    """
    positions = np.stack(np.meshgrid(*[np.arange(PIXELS)] * 4, indexing="ij"), axis=-1).reshape(-1, 2, 2)
    # Arrays [1], which broadcast against all positions.
    one_scene = [np.array([number]) for number in (first, second, relation)]
    positions = positions[_is_valid(one_scene[0], one_scene[1], one_scene[2], positions)]
    positions.flags.writeable = False  # the cached array is shared by all callers
    return positions


def drawn(pool: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels and positions of rows, the same each time.

    Args:
        pool: The labels to use. Rows take them in turn, in an order that a fixed seed shuffles.
        num: The number of rows.

    Returns:
        Labels i64[num], and positions i64[num, 2, 2]: for each row the next placement of its label.
    """
    # NumPy promises that the stream of RandomState never changes, but not that of Generator.
    order = np.random.RandomState(SEED).permutation(pool)
    positions = np.empty((num, 2, 2), np.int64)
    for turn, label in enumerate(order[:num]):
        sizes_and_relation = all_attributes()[label, [0, 3, 6]]
        valid_positions = placements(*sizes_and_relation.tolist())
        # One permutation for each label: its first k positions are distinct, and the same for every `num`.
        label_order = np.random.RandomState([SEED, label]).permutation(len(valid_positions))
        rows = positions[turn :: len(order)]  # a view, so the next line fills `positions`
        rows[:] = valid_positions[label_order[: len(rows)]]
    return order[np.arange(num) % len(order)], positions


def render(attributes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Render scenes on black, uint8[N, 32, 32, 3]: 255 inside of objects, with antialiased edges.

    Args:
        attributes: Attributes int[N, 7], see `all_attributes`.
        positions: Centres (column, row) of both objects, int[N, 2, 2], see `placements`.

    Returns:
        The images.

    Raises:
        JaxaeError: If a row is no valid scene.
    """
    attributes, positions = _check_scenes(np.asarray(attributes), np.asarray(positions))
    images = np.zeros((len(attributes), PIXELS, PIXELS, 3), np.uint8)
    # A writeable view: row i, window (row, column) is the patch to write. One assignment fills all images.
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2), writeable=True)
    for number in range(2):
        size, colour, shape = attributes[:, 3 * number : 3 * number + 3].T
        column, row = positions[:, number].T - PATCH // 2
        # Colours differ, so that no object writes into the channel of the other.
        # Colours differ, so that no object writes into the channel of the other.
        windows[np.arange(len(images)), row, column, colour] = patches()[size, shape]
    return images


@functools.lru_cache(maxsize=1)
def patches() -> np.ndarray:
    """Return each size and shape in the middle of a patch, uint8[2, 3, 11, 11], 255 inside.

    The grey of a pixel is the share of its 65 samples that are inside, as for `sprites`. No sample is exactly
    on an edge. A triangle stands on its base and is as wide as it is high.
    """
    u, v = samples(PATCH)
    # Implicit functions of a square, a circle and a triangle: at most half of the width inside.
    sides = (np.maximum(np.abs(u), np.abs(v)), np.hypot(u, v), np.maximum(-v, v + 2.0 * np.abs(u)))
    counts = np.array([[(side <= width / 2).sum(axis=0) for side in sides] for width in WIDTHS])
    # Rounded in integers, so that every machine gives the same bytes.
    pixels = ((255 * counts + SAMPLES // 2) // SAMPLES).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels


def _make_table(labels: np.ndarray, positions: np.ndarray, name: str) -> Table:
    """Return a table of rows that are rendered on demand."""

    def scenes(rows: np.ndarray) -> np.ndarray:
        return render(all_attributes()[labels[rows]], positions[rows])

    rows: Source = ArraySource(np.arange(len(labels)))
    return Table(Mapped(rows, scenes, (PIXELS, PIXELS, 3), np.dtype(np.uint8)), labels, name)


def _check_scenes(attributes: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return attributes and positions as i64, or raise JaxaeError if a row is no valid scene."""
    num = len(attributes)
    for array, shape in ((attributes, (num, len(LEVELS))), (positions, (num, 2, 2))):
        if array.shape != shape or array.dtype.kind not in "iu":
            got = f"{array.dtype} {array.shape}"
            raise JaxaeError(
                f"scenes: got {got}, expected integers {shape}: attributes [N, 7], positions [N, 2, 2]"
            )
    wrong = ((attributes < 0) | (attributes >= LEVELS)).any(axis=1) | (attributes[:, 1] == attributes[:, 4])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise JaxaeError(
            f"scenes: attributes {attributes[row].tolist()} in row {row}, expected 0 to"
            f" {[level - 1 for level in LEVELS]}, and two colours"
        )
    first, _, _, second, _, _, relation = attributes.T
    is_misplaced = ~_is_valid(first, second, relation, positions)
    if is_misplaced.any():
        row = int(np.argmax(is_misplaced))
        valid = f"scenes.placements({first[row]}, {second[row]}, {relation[row]})"
        got = f"positions {positions[row].tolist()} in row {row}"
        raise JaxaeError(f"scenes: got {got}, expected one of {valid}")
    return attributes.astype(np.int64, copy=False), positions.astype(np.int64, copy=False)


def _is_valid(
    first: np.ndarray, second: np.ndarray, relation: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """Return whether each pair of centres is valid, bool[N].

    It is valid if each object is in its half and off the border, and if the distance along the relation is
    the larger one.
    """
    is_above = (relation == RELATIONS.index("above"))[:, None, None]
    # `along` is the coordinate of the relation (columns for "left of", rows for "above"); each is [2, N].
    along, across = np.where(is_above, positions[..., ::-1], positions).transpose(2, 1, 0)
    low, high = (np.array([centres[end] for centres in CENTRES]) for end in (0, -1))
    is_inside = np.ones(len(positions), bool)
    for number, size in enumerate((first, second)):
        # Distance from the outer border: left or top for the first object, right or bottom for the second.
        depth = PIXELS - 1 - along[number] if number else along[number]
        is_inside &= (low[size] <= depth) & (depth <= high[size])
        is_inside &= (low[size] <= across[number]) & (across[number] < PIXELS - low[size])
    return is_inside & (along[1] - along[0] > np.abs(across[1] - across[0]))
