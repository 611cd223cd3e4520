"""The tables of the embedded store's file, and how a file of an older format becomes the present.

Format 1 kept a row a reading; a file of it is brought up to date in one transaction, when a
process that may write opens it.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import numpy as np

from kahriz.errors import StoreUnavailable
from kahriz.store.sealed import Stretch, seal
from kahriz.store.unsealed import Rows

VERSION = 2
DAY_MS = 86_400_000

_NAMES = """
CREATE TABLE datastream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE latest (
    stream INTEGER PRIMARY KEY, t INTEGER NOT NULL, v REAL NOT NULL, q INTEGER NOT NULL);
"""
# Ids never come again, so whoever remembers what it has read notices what is new.
_READINGS = """
CREATE TABLE unsealed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL, crc INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE sealed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, n INTEGER NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX sealed_by_time ON sealed (stream, first);
CREATE TABLE sealing (upto INTEGER NOT NULL, stream INTEGER NOT NULL, t INTEGER NOT NULL,
    moved INTEGER NOT NULL);
CREATE VIEW newest AS
    SELECT name AS datastream, strftime('%Y-%m-%dT%H:%M:%fZ', t / 1000.0, 'unixepoch') AS time,
           v AS value, q AS quality
    FROM latest JOIN datastream ON datastream.id = latest.stream ORDER BY name;
CREATE VIEW stretch AS
    SELECT name AS datastream,
           strftime('%Y-%m-%dT%H:%M:%fZ', first / 1000.0, 'unixepoch') AS first,
           strftime('%Y-%m-%dT%H:%M:%fZ', last / 1000.0, 'unixepoch') AS last,
           n AS readings, min, max, length(data) AS bytes
    FROM sealed JOIN datastream ON datastream.id = sealed.stream ORDER BY name, sealed.first;
CREATE VIEW stored AS
    SELECT (SELECT ifnull(sum(n), 0) FROM unsealed) + (SELECT ifnull(sum(n), 0) FROM sealed)
           - (SELECT ifnull(sum(moved), 0) FROM sealing) AS readings;
"""
INSERT_SEALED = """
INSERT INTO sealed (stream, first, last, n, min, max, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

# The log is emptied into the file every 16 MiB: fewer, longer writes than SQLite's own 4 MiB.
_CHECKPOINT_PAGES = 4000
_LOG_LIMIT_BYTES = 64 * 2**20

_SPARE_PAGES = 16
_PAGES_AT_ONCE = 256


def set_up(writer: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring them up to date; a crash in between leaves what was there."""
    version = version_of(writer, path)
    if version == 0:
        # So that what the batches took can be given back (`shrink`); only an empty file takes it.
        writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    # Debian's SQLite would write every page it frees once more, full of zeros.
    writer.execute("PRAGMA secure_delete = OFF")
    writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    writer.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}")
    if version == VERSION:
        return
    writer.execute("BEGIN IMMEDIATE")
    # Another process may have been quicker.
    version = version_of(writer, path)
    if version < VERSION:
        for part in (_READINGS,) if version else (_NAMES, _READINGS):
            for statement in part.split(";\n"):
                writer.execute(statement)
        if version:
            _seal_rows(writer)
            writer.execute("DROP TABLE observation")
        writer.execute(f"PRAGMA user_version = {VERSION}")
    writer.execute("COMMIT")


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's format, 0 where nothing was made yet; refuse one made by a newer us."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StoreUnavailable(
            f"{path}: written by a newer version of this program (format {version}, this one"
            f" knows {VERSION})"
        )
    return version


def sealed_row(
    stream: int, stretch: Stretch
) -> tuple[int, int, int, int, float, float, int, bytes]:
    """Return a row for `INSERT_SEALED`."""
    data = seal(stretch)
    first, last, n = int(stretch.time[0]), int(stretch.time[-1]), len(stretch)
    low, high = float(stretch.value.min()), float(stretch.value.max())
    return stream, first, last, n, low, high, checksum(stream, first, last, n, data), data


def checksum(stream: int, first: int, last: int, n: int, data: bytes) -> int:
    """Return the checksum of a sealed stretch: of its bytes, and of where they belong."""
    return zlib.crc32(data, zlib.crc32(f"{stream} {first} {last} {n}".encode()))


def shrink(writer: sqlite3.Connection) -> bool:
    """Give some of the space back that is free in the file; return whether there is more."""
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    free = writer.execute("PRAGMA freelist_count").fetchone()[0] - _SPARE_PAGES - pages // 32
    if free <= 0:
        return False
    # One page a step: of `execute` only the first would be done.
    writer.executescript(f"PRAGMA incremental_vacuum({min(free, _PAGES_AT_ONCE)})")
    left = writer.execute("PRAGMA page_count").fetchone()[0]
    # A file that was made by format 1 does not shrink.
    return bool(left < pages and free > _PAGES_AT_ONCE)


def _seal_rows(writer: sqlite3.Connection) -> None:
    """Seal what format 1 kept row by row, one day of one datastream at a time."""
    found = writer.execute("SELECT stream, t, v, q FROM observation ORDER BY stream, t")
    rows: list[tuple[int, int, float, int]] = []
    place = None
    for row in found:
        if place != (place := (row[0], row[1] // DAY_MS)) and rows:
            _seal_day(writer, rows)
            rows = []
        rows.append(row)
    if rows:
        _seal_day(writer, rows)


def _seal_day(writer: sqlite3.Connection, rows: list[tuple[int, int, float, int]]) -> None:
    stream, time, value, quality = zip(*rows, strict=True)
    day = Rows(
        np.array(stream, np.int32),
        np.array(time, np.int64),
        np.array(value, np.float64),
        np.array(quality, np.uint8),
    )
    for part in in_stretches(Stretch(day.time, day.value, day.quality)):
        writer.execute(INSERT_SEALED, sealed_row(stream[0], part))


MOST = 4096
"""The readings of one sealed stretch: one second's hour, or several days of minutes."""


def in_stretches(stretch: Stretch) -> list[Stretch]:
    """Return `stretch` in equal parts of at most `MOST` readings."""
    parts = -(-len(stretch) // MOST)
    return [
        Stretch(time, value, quality)
        for time, value, quality in zip(
            np.array_split(stretch.time, parts),
            np.array_split(stretch.value, parts),
            np.array_split(stretch.quality, parts),
            strict=True,
        )
    ]
