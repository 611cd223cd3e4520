"""The truth on disk: what every device measured, what it sent, what was acknowledged to it.

After any fault the store is held against this: what was acknowledged is stored, what is stored was
sent, with equal values. It is the devices' memory too: after a restart they go on from it.

Rows are durable before their payload leaves (`commit`); acknowledgements may be written a moment
late, which only makes the comparison stricter for nobody: the device sends once more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from firmware_sim.buffer import Span
from firmware_sim.chance import Floats, TimesMs
from kahriz.errors import ConfigError

_TABLES = """
CREATE TABLE IF NOT EXISTS scenario (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS device (
    device TEXT PRIMARY KEY, boot INTEGER NOT NULL, last_ms INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reading (
    device TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,                          -- when it was measured
    said_ms INTEGER NOT NULL,                          -- when the device says it was
    "values" TEXT NOT NULL,                            -- JSON: channel -> value
    sent INTEGER NOT NULL DEFAULT 0,                   -- times
    app_acked INTEGER NOT NULL DEFAULT 0,              -- 1: the service has it for good
    gone TEXT,                                         -- why the device forgot it: see Gone
    PRIMARY KEY (device, boot, seq)) WITHOUT ROWID;
"""
_SPAN = "WHERE device = ? AND boot = ? AND seq BETWEEN ? AND ?"
_HELD = "app_acked = 0 AND gone IS NULL"

Gone = Literal["overwritten", "broker_acked", "lost", "refused"]
"""No room; the broker's word was enough; a start without flash; nobody will have it."""


@dataclass(frozen=True, slots=True)
class Held:
    """Readings (n,) of one earlier boot that nobody has acknowledged yet."""

    boot: int
    seq: TimesMs
    said_ms: TimesMs
    columns: Mapping[str, Floats]


class Ledger:
    """The ledger of one scenario.

    Parameters
    ----------
    path
        An SQLite file, made if missing; ``:memory:`` keeps nothing.
    """

    def __init__(self, path: Path | Literal[":memory:"]) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_TABLES)
            self._know_said()
            # Held all the time: a second simulator on the same state is refused at once.
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            hint = "does another simulator use it?" if "locked" in str(error) else ""
            raise ConfigError(f"ledger {path}", str(error), hint) from error

    def _know_said(self) -> None:
        """Give a ledger of an earlier version the column it lacks: clocks were right then."""
        columns = [row[1] for row in self._db.execute("PRAGMA table_info(reading)")]
        if "said_ms" not in columns:
            self._db.execute("ALTER TABLE reading ADD COLUMN said_ms INTEGER NOT NULL DEFAULT 0")
            self._db.execute("UPDATE reading SET said_ms = time_ms")

    def commit(self) -> None:
        """Make everything said so far durable against the end of this process."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Commit and close."""
        self._db.execute("COMMIT")
        self._db.close()

    def remembered(self, name: str, value: str) -> str:
        """Return what was first remembered under `name`: `value`, unless there was one before."""
        self._db.execute("INSERT OR IGNORE INTO scenario VALUES (?, ?)", (name, value))
        return str(self.recall(name))

    def remember(self, name: str, value: str) -> None:
        """Remember `value` in place of what was there before."""
        self._db.execute("INSERT OR REPLACE INTO scenario VALUES (?, ?)", (name, value))

    def recall(self, name: str) -> str | None:
        """Return what is remembered under `name`."""
        row = self._db.execute("SELECT value FROM scenario WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def next_boot(self, device: str, first: int = 1) -> int:
        """Count one more start of the device, durably, and return the count; `first` if none."""
        row = self._db.execute(
            "INSERT INTO device VALUES (?, ?, NULL) ON CONFLICT DO UPDATE SET boot = boot + 1"
            " RETURNING boot",
            (device, first),
        ).fetchone()
        self.commit()
        return int(row[0])

    def last_ms(self, device: str) -> int | None:
        """Return the instant of the device's newest reading."""
        row = self._db.execute("SELECT last_ms FROM device WHERE device = ?", (device,)).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def measured(
        self,
        device: str,
        span: Span,
        time_ms: TimesMs,
        said_ms: TimesMs,
        columns: Mapping[str, Floats],
    ) -> None:
        """Write new readings (n,): when they were measured, when the device says they were."""
        times = time_ms.tolist()
        numbers = range(span.first, span.last + 1)
        rows = zip(numbers, times, said_ms.tolist(), _as_json(columns), strict=True)
        self._db.executemany(
            'INSERT INTO reading (device, boot, seq, time_ms, said_ms, "values")'
            " VALUES (?, ?, ?, ?, ?, ?)",
            ((device, span.boot, *row) for row in rows),
        )
        self._db.execute("UPDATE device SET last_ms = ? WHERE device = ?", (times[-1], device))

    def sent(self, device: str, span: Span) -> None:
        """Note that these were handed to the network once more."""
        self._update("sent = sent + 1", device, span)

    def app_acked(self, device: str, span: Span) -> None:
        """Note that the service acknowledged these."""
        self._update("app_acked = 1", device, span)

    def gone(self, device: str, span: Span, why: Gone) -> None:
        """Note that the device forgot these without the service's word."""
        self._update(f"gone = coalesce(gone, '{why}')", device, span)

    def _update(self, what: str, device: str, span: Span) -> None:
        self._db.execute(f"UPDATE reading SET {what} {_SPAN}", (device, *span))

    def held(self, device: str, channels: Sequence[str]) -> Iterator[Held]:
        """Return what the device still has to deliver, a boot at a time, in order."""
        boots = self._db.execute(
            f"SELECT DISTINCT boot FROM reading WHERE device = ? AND {_HELD} ORDER BY boot",
            (device,),
        ).fetchall()
        for (boot,) in boots:
            rows = self._db.execute(
                'SELECT seq, said_ms, "values" FROM reading'
                f" WHERE device = ? AND boot = ? AND {_HELD} ORDER BY seq",
                (device, boot),
            ).fetchall()
            yield _held(int(boot), rows, channels)

    def count(self) -> dict[str, int]:
        """Return how many readings were measured, and what became of them."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(sent > 0), 0), coalesce(sum(app_acked), 0),"
            f" coalesce(sum({_HELD}), 0), coalesce(sum(gone = 'refused'), 0),"
            " coalesce(sum(gone IN ('overwritten', 'lost')), 0) FROM reading"
        ).fetchone()
        names = ("measured", "sent", "app_acked", "held", "refused", "lost")
        return dict(zip(names, row, strict=True))


def _as_json(columns: Mapping[str, Floats]) -> Iterable[str]:
    names = list(columns)
    table = zip(*(columns[n].tolist() for n in names), strict=True)
    return (json.dumps(dict(zip(names, row, strict=True))) for row in table)


def _held(boot: int, rows: list[tuple[int, int, str]], channels: Sequence[str]) -> Held:
    values = [json.loads(row[2]) for row in rows]
    return Held(
        boot,
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        {c: np.array([v.get(c, np.nan) for v in values], np.float64) for c in channels},
    )
