"""Whether an embedded store's file is there and whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from kahriz.clock import from_ms, iso
from kahriz.store.sealed import DamagedError
from kahriz.store.sqlite_schema import VERSION
from kahriz.store.sqlite_sealing import opened
from kahriz.store.sqlite_tail import checked

_MOST = 20


def problems(url: str) -> list[str]:
    """Return what is wrong with the file of ``sqlite:///FILE``; nothing for any other store.

    SQLite's own check knows pages; every batch and every sealed stretch is held against its own
    checksum too, so that no flipped bit passes.
    """
    name = url.removeprefix("sqlite:///")
    if name == url:
        return []
    path = Path(name).absolute()
    if not path.exists():
        return [f"{path}: no such file"]
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
            said = [row[0] for row in reader.execute(f"PRAGMA quick_check({_MOST})")]
            found = [line for line in said if line != "ok"]
            if not found and reader.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                found = list(islice(_damaged(reader), _MOST))
    except sqlite3.Error as error:
        return [f"{path}: {error}"]
    return [f"{path}: {line}" for line in found]


def _damaged(reader: sqlite3.Connection) -> Iterator[str]:
    names = dict(reader.execute("SELECT id, name FROM datastream"))
    # One state of the file: what is sealed meanwhile would be missed, or met twice.
    reader.execute("BEGIN")
    for id, n, crc, data in reader.execute("SELECT id, n, crc, data FROM unsealed"):
        try:
            checked(id, n, crc, data)
        except DamagedError as error:
            yield str(error)
    for stream, *stretch in reader.execute(
        "SELECT stream, first, last, n, crc, data FROM sealed ORDER BY stream, first"
    ):
        try:
            opened(stream, *stretch)
        except DamagedError as error:
            name, day = names.get(stream, f"datastream {stream}"), iso(from_ms(stretch[0]))[:10]
            yield f"{name} {day}: {error}"
