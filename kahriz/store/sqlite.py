"""Observations in one SQLite file beside the service: the default, nothing to install.

A batch is one transaction, on disk when `write` returns (write-ahead log, synchronous=FULL), and
costs one row: its columns as they are. `tidy` makes of these rows one small sealed row a
datastream and day, in short transactions; a read lays what is not sealed yet over what is. The
newest of each datastream is kept once more, so that "now" costs their number and not the length
of the history. docs/decisions/0007-sealed-days.md says why and what it costs.

Limits: one writing process at a time (a second one waits, then is told the file is locked); the
folder has to be on a local disk, because SQLite's write-ahead log does not work over a network.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from kahriz.clock import from_ms, to_ms
from kahriz.errors import ConfigError, StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality, Series
from kahriz.store import sqlite_sealing
from kahriz.store.rows import newest_of_each_stream, settle
from kahriz.store.sealed import DamagedError, Stretch, joined
from kahriz.store.sqlite_file import SqliteFile
from kahriz.store.sqlite_schema import DAY_MS, shrink
from kahriz.store.sqlite_tail import Tail
from kahriz.store.unsealed import Rows

_INSERT = "INSERT INTO unsealed (n, crc, data) VALUES (?, ?, ?)"
_WAITING = "SELECT ifnull(sum(n), 0), count(*) FROM unsealed"
_RENEW = """
INSERT INTO latest (stream, t, v, q) VALUES (?, ?, ?, ?)
ON CONFLICT (stream) DO UPDATE SET t = excluded.t, v = excluded.v, q = excluded.q
WHERE excluded.t >= latest.t"""
_SEALED = """
SELECT id, stream, first, last, n, crc, data FROM sealed
WHERE stream = ? AND first >= ? AND first < ? AND last >= ?"""
_LATEST = "SELECT name, t, v, q FROM latest JOIN datastream ON datastream.id = latest.stream"

SEAL_AFTER = timedelta(hours=1)
SEAL_ROWS = 200_000
SEAL_BATCHES = 5_000
MOST_ROWS = 600_000
MOST_BATCHES = 20_000
"""When more waits, `write` seals twice of what it takes; at twice as much, all of it."""

_QUALITIES = {int(quality): quality for quality in Quality}


class SqliteStore:
    """One file, written by one process and read by many; see the contract."""

    def __init__(
        self, url: str, token: str = "", *, read_only: bool = False, busy_s: float = 5.0
    ) -> None:
        name = url.removeprefix("sqlite:///")
        if name == url or not name:
            raise ConfigError("store.url", f"{url!r} names no file", "sqlite:///FILE")
        self._path = Path(name).absolute()
        self._read_only = read_only
        self._file = SqliteFile(self._path, read_only=read_only, busy_s=busy_s)
        self._tail = Tail()
        self._memory = _Known(opening=-1, rows=0, batches=0)
        self._sealing = threading.Lock()
        self._plan: sqlite_sealing.Plan | None = None
        self._sealed_at: datetime | None = None
        self._has_spare = False

    def write(self, batch: ObservationBatch) -> None:
        """Store `batch` in one transaction; see the contract."""
        if self._read_only:
            raise StoreUnavailable(f"{self._path}: opened for reading only")
        settled = settle(batch)
        if len(settled.rows):
            self._write_settled(batch.take(settled.rows))
            if self._memory.exceeds(MOST_ROWS, MOST_BATCHES):
                # The batch is kept, whatever comes of this.
                with suppress(StoreUnavailable):
                    self._seal_in_passing(len(settled.rows))
        if settled.refused:
            raise StoreRejected(next(iter(settled.refused.values())), tuple(settled.refused))

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        """Return the observations of one datastream in [start, end)."""
        with self._reader() as reader:
            parts = self._parts(reader, datastream, to_ms(start), to_ms(end))
        if not parts:
            return Series.empty(datastream)
        found = joined(parts)
        time = found.time.view("datetime64[ms]")
        return Series(datastream, time, found.value, found.quality)

    def latest(self) -> Mapping[DatastreamId, Observation]:
        """Return the newest observation of every datastream."""
        with self._file.reader() as reader:
            rows = reader.execute(_LATEST).fetchall()
        return {name: Observation(name, from_ms(t), v, _QUALITIES[q]) for name, t, v, q in rows}

    def check(self) -> None:
        """Look whether the file is there and can be read, and whether it is still the same."""
        if not self._read_only:
            with self._file.writer():
                pass
        with self._file.reader() as reader:
            reader.execute("SELECT 1 FROM datastream LIMIT 1").fetchone()

    def tidy(self, now: datetime) -> bool:
        """Seal a part of what came in, some 10 ms of work; return whether there is more.

        Nothing is done before `SEAL_AFTER` has passed since the last time, or much has come in.
        """
        if self._read_only:
            return False
        if self._plan is not None or self._is_due(now):
            self._has_spare = True
            self._sealed_at = now
            return self._seal_some() or self._has_spare
        if self._has_spare:
            with self._file.writer() as writer:
                self._has_spare = shrink(writer)
        return self._has_spare

    def close(self) -> None:
        """Close every connection; the last one empties the write-ahead log into the file."""
        self._file.close()

    def _write_settled(self, batch: ObservationBatch) -> None:
        used = [batch.datastreams[i] for i in np.unique(batch.stream).tolist()]
        with self._file.transaction() as writer:
            known = self._known(writer)
            new = _enlist(writer, [name for name in used if name not in known.ids])
            ids = known.ids | new if new else known.ids
            place = np.array([ids.get(name, 0) for name in batch.datastreams], np.int32)
            time = batch.time.astype(np.int64)
            _insert(writer, Rows(place[batch.stream], time, batch.value, batch.quality))
            known.rows += len(batch)
            known.batches += 1
        known.ids.update(new)

    def _known(self, writer: sqlite3.Connection) -> _Known:
        """Return what is remembered of the file that `writer` has open; within a transaction."""
        if self._memory.opening != self._file.opening:
            self._memory = _Known(self._file.opening, *writer.execute(_WAITING).fetchone())
        return self._memory

    def _parts(
        self, reader: sqlite3.Connection, datastream: DatastreamId, start: int, end: int
    ) -> list[Stretch]:
        """Return what there is in [start, end) ms: first what is sealed, then what came later."""
        tail = self._tail.begin(reader, self._file.opening)
        found = reader.execute("SELECT id FROM datastream WHERE name = ?", (datastream,)).fetchone()
        if found is None or start >= end:
            return []
        sealed = reader.execute(_SEALED, (found[0], start // DAY_MS * DAY_MS, end, start))
        parts = []
        for id, *row in sorted(sealed):
            try:
                parts.append(sqlite_sealing.opened(*row).between(start, end))
            except DamagedError as error:
                day = f"{from_ms(row[1]):%Y-%m-%d}"
                where = f"row {id} of table sealed"
                raise DamagedError(f"{datastream} on {day}: {error} ({where})") from error
        parts += [rows.of(found[0], start, end) for rows in tail]
        return [part for part in parts if len(part)]

    def _is_due(self, now: datetime) -> bool:
        if self._memory.opening != self._file.opening:
            with self._file.transaction() as writer:
                self._known(writer)
        if self._memory.exceeds(SEAL_ROWS, SEAL_BATCHES):
            return True
        was = self._sealed_at
        is_time = was is None or not was <= now < was + SEAL_AFTER
        return is_time and self._memory.exceeds(0, 0)

    def _seal_some(self) -> bool:
        """Seal a part of what is planned; a failure undoes it, and the next time plans anew."""
        with self._sealing:
            plan, self._plan = self._plan, None
            sealed_at, self._sealed_at = self._sealed_at, None
            if plan is None:
                with self._reader() as reader:
                    plan = sqlite_sealing.plan(reader, SEAL_ROWS)
            if plan is None:
                return False
            with self._file.transaction() as writer:
                more = sqlite_sealing.seal_some(writer, plan)
                if not more:
                    known = self._known(writer)
                    known.rows, known.batches = writer.execute(_WAITING).fetchone()
            if more:
                self._plan = plan
            if more or plan.is_all:
                self._sealed_at = sealed_at  # else what is left is as old
            return more

    def _seal_in_passing(self, rows: int) -> None:
        """Seal more than comes in, because nobody tidies or not fast enough; at worst all."""
        steps = 2 + 2 * rows // sqlite_sealing.ROWS
        while self._seal_some():
            steps -= 1
            if steps <= 0 and not self._memory.exceeds(2 * MOST_ROWS, 2 * MOST_BATCHES):
                return

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the file until the end."""
        with self._file.reader() as reader:
            try:
                yield reader
            except DamagedError as error:
                raise StoreUnavailable(f"{self._path}: the file is damaged: {error}") from error
            finally:
                reader.rollback()


@dataclass(slots=True)
class _Known:
    """What is remembered of one opening of the file."""

    opening: int
    rows: int
    batches: int
    ids: dict[DatastreamId, int] = field(default_factory=dict)

    def exceeds(self, rows: int, batches: int) -> bool:
        """Return whether more than that is not sealed yet."""
        return self.rows > rows or self.batches > batches


def _enlist(writer: sqlite3.Connection, names: list[DatastreamId]) -> dict[DatastreamId, int]:
    found = {}
    for name in names:
        writer.execute("INSERT OR IGNORE INTO datastream (name) VALUES (?)", (name,))
        row = writer.execute("SELECT id FROM datastream WHERE name = ?", (name,))
        found[name] = row.fetchone()[0]
    return found


def _insert(writer: sqlite3.Connection, rows: Rows) -> None:
    data = rows.to_bytes()
    writer.execute(_INSERT, (len(rows), zlib.crc32(data), data))
    newest = newest_of_each_stream(rows.stream)
    columns = (rows.stream, rows.time, rows.value, rows.quality)
    writer.executemany(_RENEW, zip(*(column[newest].tolist() for column in columns), strict=True))
