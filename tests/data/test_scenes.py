import itertools
import math
import re
from typing import Any

import numpy as np
import pytest

from jaxae.data import DataSpec, available, load
from jaxae.data.sources import scenes
from jaxae.data.sources.scenes import COLOURS, SHAPES, SIZES
from tests.data.files import complaint

OBJECTS = list(itertools.product(SIZES, COLOURS, SHAPES))
AREAS = {
    (size, shape): width**2 * {"square": 1.0, "circle": math.pi / 4, "triangle": 0.5}[shape]
    for size, width in (("small", 7), ("large", 11))
    for shape in SHAPES
}
GRAMMAR = re.compile(r"a (\w+) (\w+) (\w+) (left of|above) a (\w+) (\w+) (\w+)")


def words(text: str) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """The first object, the relation and the second object of a caption, read without `scenes`."""
    match = GRAMMAR.fullmatch(text)
    assert match
    return match.groups()[:3], match[4], match.groups()[4:]


def some(num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, positions and images of `num` rows over all captions."""
    labels, positions = scenes.drawn(np.arange(432), num)
    return labels, positions, scenes.render(scenes.all_attributes()[labels], positions)


def box(channel: np.ndarray) -> np.ndarray:
    """First and last column, first and last row of what is not black."""
    rows, columns = np.nonzero(channel)
    return np.array([columns.min(), columns.max(), rows.min(), rows.max()])


def test_captions_are_all_pairs_of_objects_of_two_colours_in_both_relations() -> None:
    expected = {
        (first, relation, second)
        for first, second in itertools.product(OBJECTS, OBJECTS)
        for relation in ("left of", "above")
        if first[1] != second[1]
    }
    assert len(scenes.captions()) == len(expected) == 432
    assert {words(text) for text in scenes.captions()} == expected


def test_parsing_undoes_captions_and_labels_are_sorted() -> None:
    attributes = [scenes.parse(text) for text in scenes.captions()]
    assert attributes == sorted(attributes) and (np.array(attributes) == scenes.all_attributes()).all()
    assert scenes.caption((0, 0, 0, 1, 2, 1, 0)) == "a small red square left of a large blue circle"
    assert scenes.parse("a large green triangle above a small red square") == (1, 1, 2, 0, 0, 0, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a red square",
        "a small red square left of a large red circle",
        "a small red square right of a large blue circle",
        "A small red square left of a large blue circle",
    ],
)
def test_other_texts_are_no_captions(text: str) -> None:
    said = complaint(scenes.parse, text)
    assert said.startswith(
        f"scenes: {text!r} is not a caption; expected one such as 'a small red square left of "
    )


def test_rows_of_pixels_are_the_closed_forms_of_their_shapes() -> None:
    """A square's are as wide as it, a triangle's grow by a pixel each, a circle's are its chords."""
    for size, width in enumerate((7, 11)):
        square, circle, triangle = scenes.patches()[size].sum(axis=2) / 255.0
        inside = slice(5 - width // 2, 6 + width // 2)
        steps = np.arange(width)
        edges = np.arange(width + 1) / (width / 2) - 1  # from -1 to 1 of the circle's radius
        chords = np.diff(edges * np.sqrt(1 - edges**2) + np.arcsin(edges)) * (width / 2) ** 2
        np.testing.assert_array_equal(square[inside], np.full(width, width))
        np.testing.assert_allclose(triangle[inside], steps + 0.5, atol=0.05)
        np.testing.assert_allclose(circle[inside], chords, atol=0.1)
        assert [part.sum() for part in (square, circle, triangle)] == pytest.approx(
            [AREAS[SIZES[size], shape] for shape in SHAPES], rel=0.003
        )
    turning = scenes.patches()[:, :2]
    assert (turning == np.rot90(turning, axes=(2, 3))).all()


def test_images_show_what_captions_say() -> None:
    """Read off the pixels: mass tells size and shape, the channel the colour, boxes the relation."""
    labels, positions, images = some(2 * 432)
    captions = scenes.captions()
    for label, centres, image in zip(labels, positions, images / 255.0, strict=True):
        first, relation, second = words(captions[label])
        boxes = []
        for (size, colour, shape), centre in zip((first, second), centres, strict=True):
            channel = image[..., COLOURS.index(colour)]
            assert channel.sum() == pytest.approx(AREAS[size, shape], rel=0.003)
            boxes.append(box(channel))
            assert (boxes[-1].reshape(2, 2).mean(axis=1) == centre).all()
        axis = 0 if relation == "left of" else 2
        assert boxes[0][axis + 1] + 2 < boxes[1][axis]  # two black columns or rows between
        distance = np.abs(centres[1] - centres[0])
        assert distance[axis // 2] > distance[1 - axis // 2]
        (empty,) = set(COLOURS) - {first[1], second[1]}
        assert not image[..., COLOURS.index(empty)].any()
    for border in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]):
        assert not border.any()


def test_placements_are_all_pairs_of_centres_that_keep_the_rules() -> None:
    """A small object left of (above) a large one, by counting."""
    expected = [
        (x, y, u, v)
        for x, y in itertools.product(range(5, 12), range(5, 27))
        for u, v in itertools.product(range(22, 26), range(6, 26))
        if u - x > abs(v - y)
    ]
    assert [tuple(place.reshape(-1)) for place in scenes.placements(0, 1, 0)] == expected
    above = {(y, x, v, u) for x, y, u, v in expected}
    assert {tuple(place.reshape(-1)) for place in scenes.placements(0, 1, 1)} == above


def test_test_rows_are_of_held_out_captions_and_training_rows_of_all_others() -> None:
    dataset = load(DataSpec(name="scenes:4000", num_validation=150))
    assert dataset.classes == scenes.captions()
    held = set(scenes.held_out())
    assert len(held) == 39 and set(dataset.test.y) == held
    assert set(dataset.train.y) == set(range(432)) - held and not set(dataset.validation.y) & held
    assert dataset.description == (
        "scenes:4000: 3,850 train, 150 validation, 400 test, 32x32x3 uint8, 432 classes"
    )


def test_what_is_held_out_is_seen_in_parts() -> None:
    """Every object as first and as second, so every attribute and pair too, in training and in the test."""
    held = [words(scenes.captions()[label]) for label in scenes.held_out()]
    seen = [words(text) for text in scenes.captions() if words(text) not in held]
    for some_captions in (held, seen):
        assert {first for first, _, _ in some_captions} == {second for _, _, second in some_captions}
        assert {first for first, _, _ in some_captions} == set(OBJECTS)
    # The same two objects stand in the other relation in training.
    assert all((first, {"above": "left of"}.get(r, "above"), second) in seen for first, r, second in held)


def test_captions_share_rows_evenly_rows_differ_and_larger_sets_hold_smaller_ones() -> None:
    few, many = (scenes.read(f"scenes:{num}").tables for num in (500, 3000))
    for split, num, pool in (("train", 3000, 393), ("test", 300, 39)):
        counts = np.bincount(many[split].y, minlength=432)
        assert set(counts[counts > 0]) <= {num // pool, num // pool + 1} and (counts > 0).sum() == pool
        rows = many[split].x.take(np.arange(num))
        assert len({row.tobytes() for row in rows}) == num
        assert (few[split].x.take(np.arange(num // 6)) == rows[: num // 6]).all()
        assert (few[split].y == many[split].y[: num // 6]).all()


def test_no_caption_runs_out_of_placements_in_the_largest_set() -> None:
    fewest = min(len(scenes.placements(*key)) for key in itertools.product(range(2), repeat=3))
    assert fewest * 39 > scenes.NUM_MOST // 10 and fewest * 393 > scenes.NUM_MOST


def test_scenes_are_the_same_in_every_version_and_streamed() -> None:
    data = DataSpec(name="scenes:600", num_validation=0)
    hashes = {load(data).hash, load(DataSpec(name="scenes:600", stream=True)).hash}
    assert hashes == {"fc93f2272529e40fb6e2a61940678e68f5db447178b8015c59a42b6a30c9d72a"}
    assert scenes.read("scenes").tables["train"].x.shape == (20_000, 32, 32, 3)
    assert len(scenes.read("scenes:11").tables["test"].y) == 2
    assert scenes.render(np.zeros((0, 7), int), np.zeros((0, 2, 2), int)).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("number", ["0", "1000001", "", "many", "1e3"])
def test_numbers_of_scenes_that_are_none(number: str) -> None:
    said = complaint(load, DataSpec(name=f"scenes:{number}"))
    assert said == f"data 'scenes:{number}': expected scenes or scenes:NUM, NUM from 1 to 1000000"
    assert "two objects and a caption" in dict(available())["scenes"]


GOOD = ([0, 0, 0, 1, 2, 1, 0], [[5, 16], [25, 16]])


@pytest.mark.parametrize(
    ("attributes", "positions", "expected"),
    [
        ([0, 0, 3, 1, 2, 1, 0], GOOD[1], "attributes [0, 0, 3, 1, 2, 1, 0] in row 0, expected 0 to"),
        ([-1, 0, 0, 1, 2, 1, 0], GOOD[1], "[1, 2, 2, 1, 2, 2, 1], and two colours"),
        ([0, 2, 0, 1, 2, 1, 0], GOOD[1], "and two colours"),
        ([0, 0, 0, 1, 2, 1], GOOD[1], "got int64 (1, 6), expected integers (1, 7)"),
        ([0.0, 0, 0, 1, 2, 1, 0], GOOD[1], "got float64 (1, 7)"),
        (GOOD[0], [[5, 16]], "got int64 (1, 1, 2), expected integers (1, 2, 2)"),
        (
            GOOD[0],
            [[4, 16], [25, 16]],
            "got positions [[4, 16], [25, 16]] in row 0, expected one of scenes.placements(0, 1, 0)",
        ),
        (GOOD[0], [[5, 16], [26, 16]], "expected one of scenes.placements(0, 1, 0)"),
        (GOOD[0], [[11, 5], [22, 16]], "expected one of scenes.placements(0, 1, 0)"),
        ([0, 0, 0, 1, 2, 1, 1], GOOD[1], "expected one of scenes.placements(0, 1, 1)"),
    ],
)
def test_what_is_no_scene_is_refused(attributes: Any, positions: Any, expected: str) -> None:
    assert scenes.render(np.array(GOOD[:1]), np.array(GOOD[1:])).any()
    said = complaint(scenes.render, np.array([attributes]), np.array([positions]))
    assert said.startswith("scenes: ") and expected in said
