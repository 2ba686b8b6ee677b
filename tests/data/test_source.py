import numpy as np
import pytest

from jaxae.data import row_source
from jaxae.data.row_source import ArraySource, Mapped, Rows, Source

X = np.arange(7 * 3, dtype=np.float32).reshape(7, 3)


@pytest.mark.parametrize("indices", [[], [3], [6, 0, 3], [2, 2, 0, 2]])
def test_take_gives_rows_in_the_order_asked_for(indices: list[int]) -> None:
    rows = ArraySource(X).take(np.array(indices, int))
    assert rows.shape == (len(indices), 3) and (rows == X[indices]).all()


def test_rows_and_maps_compose() -> None:
    some = Rows(ArraySource(X), np.array([5, 1, 2]))
    doubled = Mapped(some, lambda rows: (2 * rows[:, :2]).astype(np.int16), (2,), np.dtype(np.int16))
    assert doubled.shape == (3, 2) and len(doubled) == 3
    assert (doubled.take(np.array([2, 0])) == 2 * X[[2, 5], :2]).all()
    assert doubled.take(np.array([0])).dtype == doubled.dtype


@pytest.mark.parametrize("chunk_bytes", [1, 24, 25, 10_000])
def test_chunks_cover_every_row_once_in_order(monkeypatch: pytest.MonkeyPatch, chunk_bytes: int) -> None:
    monkeypatch.setattr(row_source, "CHUNK_BYTES", chunk_bytes)
    pieces = list(row_source.chunks(ArraySource(X)))
    assert [start for start, _ in pieces] == [
        sum(len(rows) for _, rows in pieces[:i]) for i in range(len(pieces))
    ]
    assert (np.concatenate([rows for _, rows in pieces]) == X).all()
    assert max(len(rows) for _, rows in pieces) == min(7, max(1, chunk_bytes // 12))


def test_in_memory_is_a_copy() -> None:
    copy = row_source.in_memory(ArraySource(X))
    assert (copy == X).all() and not np.shares_memory(copy, X)


def test_sources_fulfil_the_protocol() -> None:
    assert isinstance(ArraySource(X), Source) and isinstance(Rows(ArraySource(X), np.arange(2)), Source)
