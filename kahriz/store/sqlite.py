"""Observations in one SQLite file beside the service: the default, nothing to install.

Write-ahead log, synchronous=FULL: a batch is one transaction, on disk when `write` returns. Rows
are kept in the order they are asked for, by (stream, time), and the newest of each stream once
more, so that "now" costs the number of streams and not the length of the history.

Limits: one writing process at a time (a second one waits, then is told the file is locked); the
folder has to be on a local disk, because SQLite's write-ahead log does not work over a network.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from kahriz.clock import from_ms, to_ms
from kahriz.errors import ConfigError, StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality, Series
from kahriz.store.rows import newest_of_each_stream, settle

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS datastream (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS observation (
    stream INTEGER NOT NULL, t INTEGER NOT NULL, v REAL NOT NULL, q INTEGER NOT NULL,
    PRIMARY KEY (stream, t)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
    stream INTEGER PRIMARY KEY, t INTEGER NOT NULL, v REAL NOT NULL, q INTEGER NOT NULL);
"""
_INSERT = "INSERT OR REPLACE INTO observation (stream, t, v, q) VALUES (?, ?, ?, ?)"
_RENEW = """
INSERT INTO latest (stream, t, v, q) VALUES (?, ?, ?, ?)
ON CONFLICT (stream) DO UPDATE SET t = excluded.t, v = excluded.v, q = excluded.q
WHERE excluded.t >= latest.t"""
_SERIES = """
SELECT t, v, q FROM observation
WHERE stream = (SELECT id FROM datastream WHERE name = ?) AND t >= ? AND t < ? ORDER BY t"""
_LATEST = "SELECT name, t, v, q FROM latest JOIN datastream ON datastream.id = latest.stream"
_ROW = np.dtype([("t", np.int64), ("v", np.float64), ("q", np.uint8)])

# The log is emptied into the file every 16 MiB: fewer, longer writes than SQLite's own 4 MiB.
_CHECKPOINT_PAGES = 4000
_LOG_LIMIT_BYTES = 64 * 2**20

_REASONS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "locked by another process that writes",
    "SQLITE_LOCKED": "locked by another process that writes",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is not an SQLite database, or is damaged",
    "SQLITE_CANTOPEN": "cannot be opened",
    "SQLITE_READONLY": "cannot be written: file or folder is read-only",
    "SQLITE_IOERR": "the disk fails",
    "SQLITE_PERM": "no permission",
    "SQLITE_AUTH": "no permission",
}


class SqliteStore:
    """One writing connection behind a lock; as many reading ones as threads read at once."""

    def __init__(
        self, url: str, token: str = "", *, read_only: bool = False, busy_s: float = 5.0
    ) -> None:
        name = url.removeprefix("sqlite:///")
        if name == url or not name:
            raise ConfigError("store.url", f"{url!r} names no file", "sqlite:///FILE")
        self._path = Path(name).absolute()
        self._read_only = read_only
        self._busy_s = busy_s
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._ids: dict[DatastreamId, int] = {}
        self._idle_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._is_made = read_only
        self._is_closed = False

    def write(self, batch: ObservationBatch) -> None:
        """Store `batch` in one transaction; see the contract."""
        if self._read_only:
            raise StoreUnavailable(f"{self._path}: opened for reading only")
        settled = settle(batch)
        if len(settled.rows):
            with self._lock, self._explained():
                self._write_settled(batch.take(settled.rows))
        if settled.refused:
            raise StoreRejected(next(iter(settled.refused.values())), tuple(settled.refused))

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        """Return the observations of one datastream in [start, end)."""
        with self._explained(), self._reader() as reader:
            found = reader.execute(_SERIES, (datastream, to_ms(start), to_ms(end)))
            rows = np.fromiter(found, dtype=_ROW)
        return Series(
            datastream,
            rows["t"].astype("datetime64[ms]"),
            np.ascontiguousarray(rows["v"]),
            np.ascontiguousarray(rows["q"]),
        )

    def latest(self) -> Mapping[DatastreamId, Observation]:
        """Return the newest observation of every datastream."""
        with self._explained(), self._reader() as reader:
            rows = reader.execute(_LATEST).fetchall()
        return {name: Observation(name, from_ms(t), v, Quality(q)) for name, t, v, q in rows}

    def close(self) -> None:
        """Close every connection; the last one empties the write-ahead log into the file."""
        with self._idle_lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()
        with self._lock:
            self._drop_writer()

    def _write_settled(self, batch: ObservationBatch) -> None:
        writer = self._open_writer()
        try:
            writer.execute("BEGIN IMMEDIATE")
            used = [batch.datastreams[i] for i in np.unique(batch.stream).tolist()]
            new = self._enlist(writer, [name for name in used if name not in self._ids])
            _insert(writer, batch, self._ids | new)
            writer.execute("COMMIT")
        except BaseException:
            # Closing rolls back, and whatever ails the connection is gone with it.
            self._drop_writer()
            raise
        self._ids |= new

    @staticmethod
    def _enlist(writer: sqlite3.Connection, names: list[DatastreamId]) -> dict[DatastreamId, int]:
        found = {}
        for name in names:
            writer.execute("INSERT OR IGNORE INTO datastream (name) VALUES (?)", (name,))
            row = writer.execute("SELECT id FROM datastream WHERE name = ?", (name,))
            found[name] = row.fetchone()[0]
        return found

    def _open_writer(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailable(f"{self._path}: closed")
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            writer = self._connect("rwc")
            try:
                _set_up(writer, self._path)
            except BaseException:
                writer.close()
                raise
            self._writer, self._ids, self._is_made = writer, {}, True
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_s,
            isolation_level=None,
            check_same_thread=False,
        )

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._idle_lock:
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = self._open_reader()
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        with self._idle_lock:
            if not self._is_closed:
                self._idle.append(reader)
                return
        reader.close()

    def _open_reader(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailable(f"{self._path}: closed")
        if not self._is_made:
            with self._lock:
                self._open_writer()
        if not self._path.exists():
            raise StoreUnavailable(f"{self._path}: no such file yet; ingest makes it")
        return self._connect("ro")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite or the file system says into one clear line."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {_reason(error)}") from error
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror or error}") from error


def _set_up(writer: sqlite3.Connection, path: Path) -> None:
    version = writer.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise StoreUnavailable(
            f"{path}: written by a newer version of this program (format {version}, this one"
            f" knows {_VERSION})"
        )
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    writer.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}")
    if version < _VERSION:
        writer.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")


def _insert(
    writer: sqlite3.Connection, batch: ObservationBatch, ids: Mapping[DatastreamId, int]
) -> None:
    place = np.array([ids.get(name, 0) for name in batch.datastreams], np.int64)
    columns = (place[batch.stream], batch.time.astype(np.int64), batch.value, batch.quality)
    writer.executemany(_INSERT, zip(*(column.tolist() for column in columns), strict=True))
    newest = newest_of_each_stream(batch.stream)
    writer.executemany(_RENEW, zip(*(column[newest].tolist() for column in columns), strict=True))


def _reason(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    known = next((text for code, text in _REASONS.items() if name.startswith(code)), "")
    return f"{known} ({error})" if known else str(error)
