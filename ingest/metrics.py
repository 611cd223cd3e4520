"""Numbers an operator watches, and the one sentence on how ingest is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kahriz.book.days import DayCount, Fate


class Metrics:
    """Ingest's counters; each process has its own registry, nothing is global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = self._counter("messages", "Messages taken from the broker")
        self.shed = self._counter("messages_shed", "Messages of QoS 0 there was no room for")
        self.readings = self._counter("readings", "Readings that came, repeats included")
        self.stored = self._counter("readings_stored", "Readings that are in the store")
        self.duplicates = self._counter("readings_duplicate", "Readings that were there already")
        self.fates = {
            Fate.QUARANTINED: self._by_reason(
                "readings_quarantined", "Readings of which something could not be used"
            ),
            Fate.SHED: self._by_reason(
                "readings_shed", "Messages let go of unread, as a reading each"
            ),
        }
        self.lost = self._counter("readings_lost", "Readings a device no longer can deliver")
        self.observations = self._counter("observations_written", "Observations made durable")
        self.dead_letters = self._counter(
            "dead_letters", "Payloads kept because of a fault in them"
        )
        self.unratable = self._counter("stage_unratable", "Stages outside the limits of the rating")
        self.retries = self._counter("write_retries", "Writes tried again because a store was away")
        self.loop_errors = Counter(
            "kahriz_loop_errors_total",
            "Steps of a background loop that failed",
            ["loop"],
            registry=self.registry,
        )
        self.batch = Histogram(
            "kahriz_batch_messages",
            "Messages written together",
            buckets=(1, 10, 100, 1000, 5000, 20000),
            registry=self.registry,
        )
        self.write_seconds = Histogram(
            "kahriz_write_seconds", "Time one batch took to become durable", registry=self.registry
        )
        self.unlogged = self._counter(
            "intake_log_unwritten", "Messages that could not be kept as they came"
        )
        self.intake_log_bytes = Gauge(
            "kahriz_intake_log_bytes", "Size of the raw intake", registry=self.registry
        )
        self.intake_log_dropped = Gauge(
            "kahriz_intake_log_dropped_segments",
            "Segments of the raw intake that went before their time, since the start",
            registry=self.registry,
        )
        self.queue = Gauge("kahriz_queue_messages", "Messages waiting", registry=self.registry)

    def account(self, counts: Iterable[DayCount]) -> None:
        """Add what a batch came to; as in the book: received = stored + duplicate + the rest."""
        for count in counts:
            self.readings.inc(count.received)
            self.stored.inc(count.stored)
            self.duplicates.inc(count.duplicate)
            self.lost.inc(count.lost)
            for reason, n in count.reasons.items():
                self.fates[reason.fate].labels(reason.value).inc(n)

    def _by_reason(self, name: str, help: str) -> Counter:
        return Counter(f"kahriz_{name}_total", help, ["reason"], registry=self.registry)

    def _counter(self, name: str, help: str) -> Counter:
        return Counter(f"kahriz_{name}_total", help, registry=self.registry)


@dataclass(slots=True)
class Health:
    """How ingest is, in wall time; written by its threads, read by whoever asks.

    ``problems`` holds what is wrong by part ("store", "book", "rollups" ...), each with since when.
    """

    wall: Callable[[], float] = time.time
    problems: dict[str, tuple[float, str]] = field(default_factory=dict)
    last_write_wall: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, part: str, reason: str) -> None:
        """Say that `part` does not work; the instant it began to fail is kept."""
        with self._lock:
            since = self.problems.get(part, (self.wall(), ""))[0]
            self.problems[part] = (since, reason)

    def worked(self, part: str) -> None:
        """Say that `part` works."""
        if part in self.problems:
            with self._lock:
                self.problems.pop(part, None)

    def wrote(self) -> None:
        """Say that a batch has just become durable."""
        self.last_write_wall = self.wall()

    def report(self, mqtt: str, queue: int) -> dict[str, Any]:
        """Return the heartbeat as the book's checkpoint "ingest" holds it."""
        if mqtt == "connected":
            self.worked("mqtt")
        else:
            self.failed("mqtt", mqtt)
        with self._lock:
            problems = dict(self.problems)
        since = min((at for at, _ in problems.values()), default=None)
        return {
            "wall_ms": int(self.wall() * 1000),
            "status": "degraded" if problems else "ok",
            "since_ms": None if since is None else int(since * 1000),
            "reason": "; ".join(f"{part}: {why}" for part, (_, why) in problems.items()),
            "mqtt": mqtt,
            "store": problems["store"][1] if "store" in problems else "ok",
            "queue": queue,
            "last_write_wall_ms": None
            if self.last_write_wall is None
            else int(self.last_write_wall * 1000),
        }
