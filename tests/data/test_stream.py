from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxae.data import Dataset, DataSpec, Source, batches, from_arrays, load
from jaxae.types import Examples
from tests.data.files import bytes_of, complaint, write_amat, write_classes, write_mnist

COUNTS = {"num_validation": 5, "num_test": 4}
KINDS = ["npy", "float npy", "int npy", "npz", "png", "rgb png", "idx", "amat", "digits", "tfds"]


def data_of(kind: str, folder: Path) -> DataSpec:
    """A small data set of each kind, 30 rows or more."""
    arrays = {
        "npy": bytes_of((30, 6, 5)),
        "float npy": bytes_of((30, 4)) / 3.0,
        "int npy": bytes_of((30, 4)).astype(np.int64),
    }
    if kind in arrays:
        np.save(folder / "x.npy", arrays[kind])
        return DataSpec(name=str(folder / "x.npy"), **COUNTS)
    if kind == "npz":
        np.savez(folder / "x.npz", x=bytes_of((30, 6, 5)), y=bytes_of((30,), 3))
        return DataSpec(name=str(folder / "x.npz"), **COUNTS)
    if kind.endswith("png"):
        write_classes(folder / "images", 30, (6, 5, 3) if kind == "rgb png" else (6, 5))
        return DataSpec(name=str(folder / "images"), **COUNTS)
    if kind == "tfds":
        from jaxae.data.prepare import prepare

        write_classes(folder / "images", 30)
        prepare("insects", folder / "images", folder / "tfds")
        return DataSpec(name="tfds:insects", folder=str(folder / "tfds"), **COUNTS)
    {"idx": write_mnist, "amat": write_amat, "digits": lambda folder: None}[kind](folder)  # type: ignore[operator]
    return DataSpec(
        name={"idx": "mnist", "amat": "binarized_mnist"}.get(kind, kind), folder=str(folder), **COUNTS
    )


def both(kind: str, folder: Path, **changes: Any) -> tuple[Dataset, Dataset]:
    data = data_of(kind, folder)
    fields = {name: getattr(data, name) for name in DataSpec.__dataclass_fields__} | changes  # type: ignore[attr-defined]
    return load(DataSpec(**fields)), load(DataSpec(**fields | {"stream": True}))


def order_of(num_rows: int, num_steps: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, num_rows, (num_steps, 6))


def same(left: Any, right: Any) -> bool:
    """Whether two (x, y) chunks are equal to the bit."""
    return all(
        (a == () and b == ())
        if isinstance(a, tuple)
        else (a.dtype == b.dtype and a.shape == b.shape and (a == b).all())
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_streamed_data_is_that_in_memory(kind: str, tmp_path: Path) -> None:
    memory, stream = both(kind, tmp_path)
    assert isinstance(memory.train.x, np.ndarray) and not isinstance(stream.train.x, np.ndarray)
    assert isinstance(stream.train.x, Source)
    assert (memory.hash, memory.shape, f"{memory.description}, streamed") == (
        stream.hash,
        stream.shape,
        stream.description,
    )
    assert stream.train.x.shape == memory.train.x.shape and stream.train.x.dtype == memory.train.x.dtype
    everything = stream.train.x.take(np.arange(len(memory.train.x)))
    assert same((everything, stream.train.y), (memory.train.x, memory.train.y))
    assert stream.train.scale == memory.train.scale
    for name in ("validation", "test"):
        left, right = getattr(memory, name), getattr(stream, name)
        assert isinstance(right.x, np.ndarray) and same((left.x, left.y), (right.x, right.y))


@pytest.mark.parametrize("kind", ["npy", "png", "tfds"])
@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_batches_come_in_the_given_order_and_go_on_exactly(
    kind: str, num_threads: int, tmp_path: Path
) -> None:
    memory, stream = both(kind, tmp_path)
    order = order_of(len(memory.train.x), 17)
    settings: dict[str, Any] = {"start": 2, "chunk": 4, "num_threads": num_threads}
    chunks = list(batches(stream.train, order, **settings))
    y = memory.train.y
    expected = [
        (memory.train.x[rows], () if isinstance(y, tuple) else y[rows])
        for rows in np.split(order[2:], [4, 8, 12])
    ]
    assert [len(x) for x, _ in chunks] == [4, 4, 4, 3]
    assert all(same(left, right) for left, right in zip(chunks, expected, strict=True))
    for passed in range(len(chunks) + 1):
        first = batches(stream.train, order, **settings)
        for _ in range(passed):
            next(first)
        again = batches(stream.train, order, **settings)
        again.set_state(first.get_state())
        for rest in (list(again), list(first)):
            assert len(rest) == len(chunks) - passed
            assert all(same(left, right) for left, right in zip(rest, chunks[passed:], strict=True))


def test_going_back_on_the_same_iterator() -> None:
    dataset = from_arrays(bytes_of((30, 4)), None, DataSpec(stream=True, **COUNTS))
    iterator = batches(dataset.train, order_of(21, 9), chunk=2)
    next(iterator)
    state = iterator.get_state()
    rest = list(iterator)
    iterator.set_state(state)
    assert len(rest) == 4 and all(same(a, b) for a, b in zip(iterator, rest, strict=True))


def test_arrays_in_memory_are_streamed_alike() -> None:
    x, y = bytes_of((30, 4)), bytes_of((30,), 3).astype(np.int32)
    order = order_of(30, 5)
    chunks = list(batches(Examples(x, y, np.float32(255)), order, chunk=5))
    assert len(chunks) == 1 and same(chunks[0], (x[order], y[order]))
    assert list(batches(Examples(x, (), np.float32(255)), order, start=5, chunk=5)) == []


@pytest.mark.parametrize(
    "wrong",
    [{"chunk": 0}, {"chunk": 2, "start": 6}, {"chunk": 2, "start": -1}, {"chunk": 2, "num_threads": -1}],
)
def test_settings_that_make_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="for 5 steps"):
        batches(Examples(bytes_of((30, 4)), (), np.float32(1)), order_of(30, 5), **wrong)  # type: ignore[arg-type]


def test_binarising_a_stream(tmp_path: Path) -> None:
    memory, stream = both("npy", tmp_path, binarize="threshold")
    assert (stream.train.x.take(np.arange(21)) == memory.train.x).all() and stream.train.scale == 255
    assert stream.train.x.dtype == np.uint8 == stream.train.x.take(np.arange(2)).dtype
    memory, stream = both("npy", tmp_path, binarize="dynamic")
    assert (stream.train.x.take(np.arange(21)) == memory.train.x).all() and stream.train.scale == 255
    assert (stream.test.x == memory.test.x).all() and set(np.unique(stream.test.x)) == {0, 255}
    said = complaint(load, DataSpec(name=str(tmp_path / "x.npy"), binarize="static", stream=True))
    assert "data.stream" in said and "'static'" in said and "'dynamic'" in said


def test_a_mapped_file_is_not_read_into_memory(tmp_path: Path) -> None:
    """A sparse file of 64 GiB: it cannot be in memory, yet rows of it can be taken."""
    from jaxae.data import original
    from jaxae.data.sources import arrays

    shape = (1 << 26, 1024)
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=shape)
    mapped[-1] = 7
    del mapped
    table = arrays.npy(tmp_path / "x.npy").tables["train"]
    rows = original.represented(table.x, table.where)
    assert rows.shape == shape and (rows.take(np.array([shape[0] - 1, 0]))[:, 0] == [7, 0]).all()


def test_an_image_that_breaks_while_training_is_named(tmp_path: Path) -> None:
    _, stream = both("png", tmp_path)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"")
    said = complaint(next, batches(stream.train, order_of(21, 4), chunk=2))
    assert "not a readable image" in said
