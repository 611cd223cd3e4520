"""What came in and is not sealed yet, as one process remembers it between two questions."""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from kahriz.store.sealed import DamagedError
from kahriz.store.unsealed import Rows

_OLDEST = "SELECT min(id) FROM unsealed"
_NEWER = "SELECT id, n, crc, data FROM unsealed WHERE id > ? ORDER BY id"


@dataclass(frozen=True, slots=True)
class _Piece:
    """The rows of some batches that came one after another, in order."""

    last_id: int
    rows: Rows


class Tail:
    """The unsealed batches, read once and kept in order; several threads may ask.

    A piece is forgotten when the last of its batches is sealed. Until then it may hold readings
    that are sealed as well: of one key the batch that came last is always among them, so laying
    the pieces over what is sealed is right at any moment of the sealing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: tuple[_Piece, ...] = ()
        self._seen = 0

    def begin(self, reader: sqlite3.Connection) -> list[Rows]:
        """Begin `reader`'s transaction; return what is not sealed as of it, oldest first."""
        # Under one lock, so that no thread drops what another's older view still needs.
        with self._lock:
            reader.execute("BEGIN")
            oldest = reader.execute(_OLDEST).fetchone()[0]
            kept = [p for p in self._pieces if oldest is not None and p.last_id >= oldest]
            if oldest is not None:
                found = reader.execute(_NEWER, (self._seen,)).fetchall()
                if found:
                    rows = Rows.merged([checked(*row) for row in found])
                    kept = _stacked([*kept, _Piece(found[-1][0], rows)])
                    self._seen = found[-1][0]
            self._pieces = tuple(kept)
            return [piece.rows for piece in kept]


def checked(id: int, n: int, crc: int, data: bytes) -> Rows:
    """Return the rows of one batch, or say that it is not what was written."""
    if zlib.crc32(data) != crc:
        raise DamagedError(f"row {id} of table unsealed: the checksum does not match")
    return Rows.from_bytes(data, n)


def unsealed_up_to(reader: sqlite3.Connection, upto: int) -> Rows | None:
    """Return the rows of the batches up to one, in order; None: there is no batch."""
    found = reader.execute(
        "SELECT id, n, crc, data FROM unsealed WHERE id <= ? ORDER BY id", (upto,)
    ).fetchall()
    return Rows.merged([checked(*row) for row in found]) if found else None


def _stacked(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return few pieces, each at least twice as long as the next: adding one stays cheap."""
    stack = list(pieces)
    while len(stack) > 1 and len(stack[-2].rows) < 2 * len(stack[-1].rows):
        newest, older = stack.pop(), stack.pop()
        stack.append(_Piece(newest.last_id, Rows.merged([older.rows, newest.rows])))
    return stack
