"""What a reading process remembers of the batches that are not sealed."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from kahriz.store.sqlite_schema import set_up
from kahriz.store.sqlite_tail import Tail
from kahriz.store.unsealed import Rows


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        set_up(connection, Path("memory"))
        yield connection


def write(file: sqlite3.Connection, *rows: tuple[int, int, float]) -> None:
    stream, time, value = zip(*rows, strict=True)
    data = Rows(
        np.array(stream, np.int32),
        np.array(time, np.int64),
        np.array(value, np.float64),
        np.ones(len(rows), np.uint8),
    ).to_bytes()
    row = (len(rows), zlib.crc32(data), data)
    file.execute("INSERT INTO unsealed (n, crc, data) VALUES (?, ?, ?)", row)


def seen(tail: Tail, file: sqlite3.Connection) -> list[list[tuple[int, int, float]]]:
    pieces = tail.begin(file)
    file.rollback()
    return [
        list(zip(p.stream.tolist(), p.time.tolist(), p.value.tolist(), strict=True)) for p in pieces
    ]


def test_batches_are_merged_in_order_and_the_last_value_wins(file: sqlite3.Connection) -> None:
    tail = Tail()
    write(file, (2, 5, 1.0), (1, 9, 1.0))
    write(file, (2, 5, 2.0), (1, 3, 2.0))

    assert seen(tail, file) == [[(1, 3, 2.0), (1, 9, 1.0), (2, 5, 2.0)]]


def test_a_few_new_rows_do_not_make_it_sort_the_many_again(file: sqlite3.Connection) -> None:
    tail = Tail()
    write(file, *((1, t, 1.0) for t in range(100)))
    seen(tail, file)
    write(file, (1, 50, 2.0))
    two = seen(tail, file)
    for t in range(200, 300):
        write(file, (1, t, 3.0))
        pieces = seen(tail, file)

    assert [len(piece) for piece in two] == [100, 1]
    assert sum(map(len, pieces)) <= 201
    assert len(pieces) <= 8


def test_what_is_sealed_is_forgotten(file: sqlite3.Connection) -> None:
    tail = Tail()
    write(file, *((1, t, 1.0) for t in range(100)))
    seen(tail, file)
    write(file, (1, 100, 1.0))
    seen(tail, file)
    file.execute("DELETE FROM unsealed WHERE id = 1")
    one = seen(tail, file)
    file.execute("DELETE FROM unsealed")
    none = seen(tail, file)
    write(file, (1, 7, 1.0))

    assert one == [[(1, 100, 1.0)]]
    assert none == []
    assert seen(tail, file) == [[(1, 7, 1.0)]]
