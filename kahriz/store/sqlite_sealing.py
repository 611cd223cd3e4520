"""Sealing: what came in as batches becomes one small row a datastream and day.

It goes over the batches up to one (`upto`), in the order (datastream, time), some days of some
datastreams a transaction, and deletes the batches in the last one. How far it has come stands in
the file, so a crash anywhere goes on from there; doing a part again would change nothing either,
because a reading is known by its key and the batches are laid over what is sealed when read.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kahriz.store.sealed import DamagedError, Stretch, joined, unseal
from kahriz.store.sqlite_schema import (
    DAY_MS,
    INSERT_SEALED,
    checksum,
    in_stretches,
    sealed_row,
)
from kahriz.store.sqlite_tail import unsealed_up_to
from kahriz.store.unsealed import Rows

# Of batches that somebody has deleted nothing is left to go on with.
_PLACE = """
SELECT upto, stream, t FROM sealing WHERE EXISTS (SELECT 1 FROM unsealed WHERE id <= upto)"""
_BEGIN = "INSERT INTO sealing (upto, stream, t, moved) VALUES (?, ?, ?, 0)"
_GO_ON = "UPDATE sealing SET stream = ?, t = ?, moved = ?"
_OF_DAY = """
SELECT id, stream, first, last, n, crc, data FROM sealed
WHERE stream = ? AND first >= ? AND first < ? ORDER BY id"""

# A transaction of some 10 ms: whoever writes meanwhile waits no longer.
DAYS = 32
ROWS = 20_000
_WHOLE = 1440
"""A stretch of fewer readings is joined with what comes: a day of minutes is one stretch."""


@dataclass(slots=True)
class Plan:
    """The batches up to one, and how much of them is sealed already.

    Attributes
    ----------
    upto
        The last of the batches.
    is_all
        Whether no batch waited after it when the plan was made.
    rows
        What they hold, in order.
    ends
        Positions at which a day of a datastream ends.
    at, day
        The first row, and the first day, that is not sealed.
    """

    upto: int
    is_all: bool
    rows: Rows
    ends: NDArray[np.intp]
    at: int
    day: int

    @property
    def place(self) -> tuple[int, int]:
        """The (stream, time) of the first row that is not sealed."""
        if self.at == len(self.rows):
            return int(self.rows.stream[-1]), int(self.rows.time[-1]) + 1
        return int(self.rows.stream[self.at]), int(self.rows.time[self.at])


def plan(reader: sqlite3.Connection, most: int) -> Plan | None:
    """Return what is to be sealed: of what came in, or the rest of what was begun before.

    Some more than `most` readings are taken at once: the memory it needs is theirs.
    """
    begun = reader.execute(_PLACE).fetchone()
    newest = reader.execute("SELECT max(id) FROM unsealed").fetchone()[0]
    if newest is None:
        return None
    upto: int = begun[0] if begun else _enough(reader, most)
    rows = unsealed_up_to(reader, upto)
    if rows is None:
        return None
    day = rows.time // DAY_MS
    changes = (rows.stream[1:] != rows.stream[:-1]) | (day[1:] != day[:-1])
    ends = np.append(np.flatnonzero(changes) + 1, len(rows))
    at = _position(rows, begun[1], begun[2]) if begun else 0
    return Plan(upto, upto == newest, rows, ends, at, int(np.searchsorted(ends, at, side="right")))


def _enough(reader: sqlite3.Connection, most: int) -> int:
    """Return the batch up to which there are `most` readings; the newest where there are fewer."""
    upto = rows = 0
    for upto, n in reader.execute("SELECT id, n FROM unsealed ORDER BY id"):  # noqa: B007
        rows += n
        if rows >= most:
            break
    return upto


def seal_some(writer: sqlite3.Connection, plan: Plan) -> bool:
    """Seal a part of `plan` in `writer`'s transaction; return whether there is more.

    Nothing is done, and nothing more is to be done, when the file has moved on without this plan.
    """
    if not _is_still_true(writer, plan):
        return False
    begun, first_day = plan.at, plan.day
    while plan.day < len(plan.ends) and not _is_enough(plan, begun, first_day):
        end = int(plan.ends[plan.day])
        part = plan.rows[plan.at : end]
        new = Stretch(part.time, part.value, part.quality)
        _seal_day(writer, int(part.stream[0]), new)
        plan.at, plan.day = end, plan.day + 1
    if plan.day == len(plan.ends):
        writer.execute("DELETE FROM unsealed WHERE id <= ?", (plan.upto,))
        writer.execute("DELETE FROM sealing")
        return False
    writer.execute(_GO_ON, (*plan.place, plan.at))
    return True


def _is_enough(plan: Plan, begun: int, first_day: int) -> bool:
    return plan.day - first_day >= DAYS or plan.at - begun >= ROWS


def _is_still_true(writer: sqlite3.Connection, plan: Plan) -> bool:
    """Begin the plan in the file if nobody has; whether the file says what the plan says."""
    begun = writer.execute(_PLACE).fetchone()
    if begun is None and plan.at == 0:
        found = writer.execute("SELECT 1 FROM unsealed WHERE id <= ?", (plan.upto,)).fetchone()
        if found:
            writer.execute("DELETE FROM sealing")
            writer.execute(_BEGIN, (plan.upto, *plan.place))
        return found is not None
    return begun is not None and begun == (plan.upto, *plan.place)


def _position(rows: Rows, stream: int, time: int) -> int:
    begin, end = np.searchsorted(rows.stream, np.array([stream, stream + 1], np.int32))
    return int(begin + np.searchsorted(rows.time[begin:end], time))


def _seal_day(writer: sqlite3.Connection, stream: int, new: Stretch) -> None:
    """Join `new` with what is sealed of its day where they meet, or where that is short."""
    begin = int(new.time[0]) // DAY_MS * DAY_MS
    first_new, last_new = int(new.time[0]), int(new.time[-1])
    parts, gone = [], []
    for id, *row in writer.execute(_OF_DAY, (stream, begin, begin + DAY_MS)).fetchall():
        _, first, last, n, *_ = row
        if n >= _WHOLE and (last < first_new or last_new < first):
            continue
        try:
            parts.append(opened(*row))
        except DamagedError:
            continue  # it stays, for whoever reads the day to be told
        gone.append((id,))
    writer.executemany("DELETE FROM sealed WHERE id = ?", gone)
    whole = joined([*parts, new])
    writer.executemany(INSERT_SEALED, [sealed_row(stream, s) for s in in_stretches(whole)])


def opened(stream: int, first: int, last: int, n: int, crc: int, data: bytes) -> Stretch:
    """Return the readings of one row of `sealed`, or say that it is not what was written."""
    if checksum(stream, first, last, n, data) != crc:
        raise DamagedError("the checksum does not match")
    stretch = unseal(data, n, first)
    if stretch.time[-1] != last:
        raise DamagedError("it does not end where it should")
    return stretch
