"""Real rows for the API's tests: observations, their statistics, alerts, messages, devices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.rollups import Rollups
from kahriz.book import alerts, contacts, devices, messages, rollups
from kahriz.clock import to_datetime64, to_ms
from kahriz.contacts import Contact
from kahriz.observations import DatastreamId, ObservationBatch, Quality
from tests.integration.api.client import NOW, Api

STEP = timedelta(minutes=5)


def observe(
    api: Api,
    datastream: str,
    values: float | NDArray[np.float64],
    start: datetime,
    end: datetime,
    step: timedelta = STEP,
) -> None:
    """Write one value, or these values, every `step` in [start, end), all GOOD."""
    time = np.arange(to_datetime64(start), to_datetime64(end), step // timedelta(milliseconds=1))
    n = len(time)
    api.store.write(
        ObservationBatch(
            (DatastreamId(datastream),),
            np.zeros(n, np.int32),
            time.astype("datetime64[ms]"),
            np.broadcast_to(np.asarray(values, np.float64), n).copy(),
            np.full(n, Quality.GOOD, np.uint8),
        )
    )


def count(api: Api, datastream: str, start: datetime, end: datetime) -> None:
    """Compute the statistics of a datastream in [start, end), as ingest does."""
    hours = range(to_ms(start) // 3_600_000, -(-to_ms(end) // 3_600_000))
    with api.book.begin() as connection:
        rollups.mark_dirty(connection, [(datastream, hour * 3_600_000) for hour in hours])
    worker = Rollups(api.registry, api.store, api.book)
    while worker.step(api.now):
        pass


def deliver(
    api: Api, lps: float, start: datetime, end: datetime, line: str = "agh-dere.line"
) -> None:
    """Let a steady discharge run over a delivery line in [start, end), statistics included."""
    observe(api, f"{line}.discharge", lps, start, end)
    count(api, f"{line}.discharge", start, end)


def raise_alert(api: Api, **changes: Any) -> int:
    """Write a firing alert and the first line of its timeline; return its id."""
    since = NOW - timedelta(hours=1)
    values: dict[str, Any] = {
        "kahriz": "agh-dere",
        "kind": "blockage",
        "key": "",
        "audience": "committee",
        "state": "firing",
        "since_ms": to_ms(since),
        "pending_at_ms": to_ms(since),
        "fired_at_ms": to_ms(since + timedelta(minutes=10)),
        "last_seen_ms": to_ms(NOW),
        "resolved_at_ms": None,
        "acknowledged_at_ms": None,
        "acknowledged_by": None,
        "detector": "station",
        "evidence": {"observed_lps": 1.4, "deviation": -0.39, "note": "<b>&"},
        "explanation": "1.4 L/s where 2.3 L/s was expected",
        "updated_at_ms": to_ms(NOW),
    }
    with api.book.begin() as connection:
        row = alerts.add(connection, values | changes)
        alerts.note(connection, row.id, [(since, "pending", "first seen")])
    return row.id


def queue_message(api: Api, alert: int, **changes: Any) -> None:
    """Put a text about an alert into the outbox."""
    values: dict[str, Any] = {
        "alert_id": alert,
        "contact": "Committee chair",
        "kahriz": "agh-dere",
        "address": "+994500000001",
        "reason": "first",
        "step": 0,
        "language": "az",
        "text": "Su azalib. #K1",
        "encoding": "gsm7",
        "parts": 1,
        "created_at_ms": to_ms(NOW),
        "due_at_ms": to_ms(NOW),
        "expires_at_ms": to_ms(NOW + timedelta(hours=2)),
    } | changes
    key = messages.key_of(alert, values["address"], values["reason"], values["step"])
    with api.book.begin() as connection:
        assert messages.queue(connection, {"key": key} | values) is not None


def hear(api: Api, device: str, **what: Any) -> None:
    """Write what was heard of a device."""
    with api.book.begin() as connection:
        devices.put_heard(connection, [devices.Heard(device, **what)])


def add_contact(api: Api, kahriz: str = "agh-dere", **changes: Any) -> int:
    """Add a contact of a kahriz; return its id."""
    said = {"name": "Chair", "role": "chair", "phone": "+994500000001"} | changes
    with api.book.begin() as connection:
        return contacts.add(connection, kahriz, Contact(**said), by="test", now=NOW).id
