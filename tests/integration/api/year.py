"""A year of the three kahrizes, thinned to a reading an hour, with alerts and their answers."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from kahriz.book import Book, alerts, messages, rollups
from kahriz.clock import to_datetime64, to_ms
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.sites import load_registry
from kahriz.stats.local_days import day_start
from kahriz.stats.rollup import rollup
from kahriz.store import open_store
from tests.integration.api.client import BOOK, EXAMPLE

STORE = "observations.sqlite"
START = datetime(2025, 10, 31, 20, tzinfo=UTC)  # November begins in Baku
END = START + timedelta(days=365)
NOW = END + timedelta(hours=16)
HOURS = 365 * 24
ALERTS = 620
NASTY = ['=HYPERLINK("http://x")', "-2+3", "Əli; Vəli, #K7", 'two\nlines "said"', "+994", "@x"]


def clock() -> dict[str, str]:
    """Return the settings of a time that stands still at `NOW`."""
    at = NOW.isoformat()
    return {
        "KAHRIZ_CLOCK__ORIGIN": at,
        "KAHRIZ_CLOCK__STARTED": datetime.now(UTC).isoformat(),
        "KAHRIZ_CLOCK__SPEED": "1e-12",
    }


def series(name: DatastreamId, seed: int) -> Series:
    """Return a year of one datastream: hourly, with gaps, every flag and odd milliseconds."""
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(HOURS) > 0.03)
    late_ms = rng.integers(0, 2, len(kept)) * rng.integers(0, 1000, len(kept))
    time = to_datetime64(START) + kept * np.timedelta64(3_600_000, "ms")
    flags = [Quality.GOOD, Quality.NOT_EVALUATED, Quality.SUSPECT, Quality.FAIL]
    return Series(
        name,
        (time + late_ms.astype("timedelta64[ms]")).astype("datetime64[ms]"),
        np.round(2.4 + np.sin(kept / 900) + rng.normal(0, 0.05, len(kept)), 3) - seed % 3,
        rng.choice(np.array(flags, np.uint8), len(kept), p=[0.9, 0.04, 0.04, 0.02]),
    )


def fill(folder: Path) -> None:
    """Write the year into a store and a book in `folder`."""
    registry = load_registry(EXAMPLE)
    whole = [series(d.id, seed) for seed, d in enumerate(registry.datastreams)]
    store = open_store(f"sqlite:///{folder / STORE}")
    for each in whole:
        stream = np.zeros(len(each), np.int32)
        store.write(
            ObservationBatch((each.datastream,), stream, each.time, each.value, each.quality)
        )
    while store.tidy(NOW):
        pass
    store.close()
    book = Book(f"sqlite:///{folder / BOOK}")
    book.migrate()
    by_name = {each.datastream: each for each in whole}
    with book.begin() as connection:
        for kahriz in registry.kahriz:
            assert kahriz.delivery is not None
            first = START.astimezone(kahriz.zone).date()
            days = [to_ms(day_start(first + timedelta(days=i), kahriz.zone)) for i in range(366)]
            hours = range(days[0], days[-1] + 1, 3_600_000)
            for period, edges in (("hour", hours), ("day", days)):
                figures = rollup(
                    by_name[kahriz.delivery], np.array(edges, np.int64).astype("datetime64[ms]")
                )
                rows = [
                    {c: getattr(f, c) for c in f.__slots__}
                    | {"datastream": kahriz.delivery, "period": period}
                    for f in figures
                ]
                rollups.put(connection, rows, NOW)
        kahrizes = itertools.cycle(k.id for k in registry.kahriz)
        for i in range(ALERTS):
            _alert(connection, next(kahrizes), i)
    book.close()


def _alert(connection: Connection, kahriz: str, i: int) -> None:
    since = START + timedelta(hours=i * 13)
    fired = since + timedelta(minutes=15)
    answered = to_ms(fired + timedelta(minutes=7 + i % 50)) if i % 3 else None
    resolved = to_ms(fired + timedelta(hours=9)) if i % 10 else None
    row = alerts.add(
        connection,
        {
            "kahriz": kahriz,
            "kind": "blockage",
            "key": "",
            "audience": "committee",
            "state": "firing" if resolved is None else "resolved",
            "since_ms": to_ms(since),
            "pending_at_ms": to_ms(since),
            "fired_at_ms": None if i % 50 == 49 else to_ms(fired),
            "last_seen_ms": to_ms(fired),
            "resolved_at_ms": resolved,
            "acknowledged_at_ms": answered,
            "acknowledged_by": None if answered is None else NASTY[i % len(NASTY)],
            "detector": "station",
            "evidence": {"observed_lps": 1.4, "deviation": -0.39, "note": NASTY[i % len(NASTY)]},
            "explanation": NASTY[i % len(NASTY)],
            "updated_at_ms": to_ms(NOW),
        },
    )
    if i % 4 == 0:
        address = f"+99450000{i:04}"
        values = {
            "alert_id": row.id,
            "contact": "Chair",
            "kahriz": kahriz,
            "address": address,
            "reason": "first",
            "step": 0,
            "language": "az",
            "text": "Su azalib",
            "encoding": "gsm7",
            "parts": 1,
            "created_at_ms": to_ms(fired),
            "due_at_ms": to_ms(fired),
            "expires_at_ms": to_ms(fired + timedelta(hours=2)),
            "sent_at_ms": to_ms(fired + timedelta(minutes=1)),
            "delivered_at_ms": to_ms(fired + timedelta(minutes=2)),
        }
        key = messages.key_of(row.id, address, "first", 0)
        assert messages.queue(connection, {"key": key} | values) is not None
