"""`scenes`: two objects and a caption that tells all of them, 32x32, rendered by jaxae. N scenes.

"a small red square left of a large blue circle": each object has a size, a colour and a shape, colours
differ, and the first is left of or above the second: 432 captions, which are the labels and their names. The
test rows are of captions of which no training row is, so that what is drawn for them is put together anew.
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
SEED, NUM_DEFAULT, NUM_MOST = 2025, 20_000, 1_000_000  # each caption has more placements than that asks for

PIXELS = 32
WIDTHS = (7, 11)  # pixels across of a small and a large object: odd, so that its centre is a pixel's
PATCH = 11
# Centres of a small and a large object in the left or upper half: a pixel or two stay black at the border,
# two or more between the halves.
CENTRES = (range(5, 12), range(6, 10))
HELD_OUT_EVERY, HELD_OUT_FIRST = 11, 5


def read(name: str) -> Original:
    """`scenes` or `scenes:NUM`: NUM training rows and a tenth as many test rows, the same ones each time.

    Every caption has the same share, but for rounding; no two rows are equal; a larger set holds every
    smaller one. Raises: JaxaeError where NUM is not 1 to 1000000.
    """
    num = number_of(name, NUM_DEFAULT, range(1, NUM_MOST + 1))
    seen = sorted(set(range(len(all_attributes()))) - set(held_out()))
    tables = {"train": _table(*drawn(np.array(seen), num), name)}
    tables["test"] = _table(*drawn(np.array(held_out()), -(-num // 10)), name)
    return Original(tables, scale=255.0, classes=captions())


@functools.lru_cache(maxsize=1)
def all_attributes() -> np.ndarray:
    """i64[432, 7]: the attributes of each label, in the order of `NAMES`, numbers into `VALUES`; sorted."""
    every = np.stack(np.unravel_index(np.arange(math.prod(LEVELS)), LEVELS), axis=-1)
    every = every[every[:, 1] != every[:, 4]]
    every.flags.writeable = False  # it is shared by all that ask
    return every


@functools.lru_cache(maxsize=1)
def captions() -> tuple[str, ...]:
    """The caption of each label."""
    return tuple(caption(attributes) for attributes in all_attributes())


def held_out() -> tuple[int, ...]:
    """The 39 labels of the test rows: every eleventh, 5, 16, 27, ...

    Every attribute, every pair of one object's, and every object as first and as second, is in training too.
    """
    return tuple(range(HELD_OUT_FIRST, len(all_attributes()), HELD_OUT_EVERY))


def caption(attributes: np.ndarray) -> str:
    """Seven attributes -> "a SIZE COLOUR SHAPE RELATION a SIZE COLOUR SHAPE"."""
    first, second, words = slice(0, 3), slice(3, 6), [VALUES[i][k] for i, k in enumerate(attributes)]
    return f"a {' '.join(words[first])} {words[6]} a {' '.join(words[second])}"


def parse(text: str) -> tuple[int, ...]:
    """The seven attributes of a caption. Raises: JaxaeError where it is none of the 432."""
    if text not in _numbers():
        raise JaxaeError(
            f"scenes: {text!r} is no caption; expected one as {captions()[0]!r}: {', '.join(SIZES)};"
            f" {', '.join(COLOURS)}; {', '.join(SHAPES)}; {', '.join(RELATIONS)}; two colours"
        )
    return tuple(all_attributes()[_numbers()[text]].tolist())


@functools.lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    return {text: number for number, text in enumerate(captions())}


@functools.cache
def placements(first: int, second: int, relation: int) -> np.ndarray:
    """i64[M, 2, 2]: every pair of centres (column, row) for objects of two sizes, sorted; see `_placed`."""
    every = np.stack(np.meshgrid(*[np.arange(PIXELS)] * 4, indexing="ij"), axis=-1).reshape(-1, 2, 2)
    found = every[_placed(np.array([first]), np.array([second]), np.array([relation]), every)]
    found.flags.writeable = False  # it is shared by all that ask
    return found


def drawn(pool: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels i64[num], those of `pool` in turn, and positions i64[num, 2, 2], each time the label's next."""
    # NumPy promises that RandomState's stream is frozen for ever, which Generator's is not.
    order = np.random.RandomState(SEED).permutation(pool)
    positions = np.empty((num, 2, 2), np.int64)
    for turn, label in enumerate(order[:num]):
        sizes_and_relation = all_attributes()[label, [0, 3, 6]]
        places, mine = placements(*sizes_and_relation.tolist()), positions[turn :: len(order)]
        mine[:] = places[np.random.RandomState([SEED, label]).permutation(len(places))[: len(mine)]]
    return order[np.arange(num) % len(order)], positions


def render(attributes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Attributes int[N, 7] and centres (column, row) int[N, 2, 2] -> uint8[N, 32, 32, 3] on black.

    255 inside, edges antialiased. Raises: JaxaeError for what is no scene (see `placements`).
    """
    attributes, positions = _checked(np.asarray(attributes), np.asarray(positions))
    images = np.zeros((len(attributes), PIXELS, PIXELS, 3), np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2), writeable=True)
    for number in range(2):
        size, colour, shape = attributes[:, 3 * number : 3 * number + 3].T
        column, row = positions[:, number].T - PATCH // 2
        # Colours differ, so that no object writes into the channel of the other.
        windows[np.arange(len(images)), row, column, colour] = patches()[size, shape]
    return images


@functools.lru_cache(maxsize=1)
def patches() -> np.ndarray:
    """uint8[2, 3, 11, 11]: each size and shape in the middle of a patch, 255 inside.

    The share of 65 samples of each pixel that lie inside, as for `sprites`; none lies on an edge. A triangle
    stands on its base, as wide as it is high.
    """
    u, v = samples(PATCH)
    sides = (np.maximum(np.abs(u), np.abs(v)), np.hypot(u, v), np.maximum(-v, v + 2.0 * np.abs(u)))
    counts = np.array([[(side <= width / 2).sum(axis=0) for side in sides] for width in WIDTHS])
    drawn = ((255 * counts + SAMPLES // 2) // SAMPLES).astype(np.uint8)
    drawn.flags.writeable = False
    return drawn


def _table(labels: np.ndarray, positions: np.ndarray, name: str) -> Table:
    """Rows rendered on demand."""

    def scenes(rows: np.ndarray) -> np.ndarray:
        return render(all_attributes()[labels[rows]], positions[rows])

    rows: Source = ArraySource(np.arange(len(labels)))
    return Table(Mapped(rows, scenes, (PIXELS, PIXELS, 3), np.dtype(np.uint8)), labels, name)


def _checked(attributes: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """JaxaeError where some row is no scene."""
    num = len(attributes)
    for array, shape in ((attributes, (num, len(LEVELS))), (positions, (num, 2, 2))):
        if array.shape != shape or array.dtype.kind not in "iu":
            found = f"{array.dtype} {array.shape}"
            raise JaxaeError(
                f"scenes: got {found}, expected integers {shape}: attributes [N, 7], positions [N, 2, 2]"
            )
    wrong = ((attributes < 0) | (attributes >= LEVELS)).any(axis=1) | (attributes[:, 1] == attributes[:, 4])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise JaxaeError(
            f"scenes: attributes {attributes[row].tolist()} in row {row}, expected 0 to"
            f" {[level - 1 for level in LEVELS]}, and two colours"
        )
    first, _, _, second, _, _, relation = attributes.T
    off = ~_placed(first, second, relation, positions)
    if off.any():
        row = int(np.argmax(off))
        known = f"`scenes.placements({first[row]}, {second[row]}, {relation[row]})`"
        raise JaxaeError(f"scenes: positions {positions[row].tolist()} in row {row} are none of {known}")
    return attributes.astype(np.int64, copy=False), positions.astype(np.int64, copy=False)


def _placed(first: np.ndarray, second: np.ndarray, relation: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """bool[N]: each object in its half and off the border, and the distance along the relation the larger."""
    is_above = (relation == RELATIONS.index("above"))[:, None, None]
    along, across = np.where(is_above, positions[..., ::-1], positions).transpose(2, 1, 0)
    low, high = (np.array([centres[end] for centres in CENTRES]) for end in (0, -1))
    inside = np.ones(len(positions), bool)
    for number, size in enumerate((first, second)):
        depth = PIXELS - 1 - along[number] if number else along[number]  # from the border that is its own
        inside &= (low[size] <= depth) & (depth <= high[size])
        inside &= (low[size] <= across[number]) & (across[number] < PIXELS - low[size])
    return inside & (along[1] - along[0] > np.abs(across[1] - across[0]))
