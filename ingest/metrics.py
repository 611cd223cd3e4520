"""Numbers an operator watches, and the one sentence on how ingest is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ingest.waiting import Waiting
from kahriz.book.days import DayCount, Fate
from kahriz.intake_log import IntakeLog

STALL_S = 3.0
"""A part that has not answered for so long counts as wrong."""


class Metrics:
    """Ingest's counters; each process has its own registry, nothing is global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = self._counter("messages", "Messages taken from the broker")
        self.shed = Counter(
            "kahriz_messages_shed_total",
            "Messages not stored: overflow (QoS 0, no room) or rate (beyond a device's allowance)",
            ["reason"],
            registry=self.registry,
        )
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
        self.lag = Histogram(
            "kahriz_intake_lag_seconds",
            "From the arrival of a batch's oldest message until the batch was durable",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 1000),
            registry=self.registry,
        )
        self.unlogged = self._counter(
            "intake_log_unwritten", "Messages that could not be kept as they came"
        )
        self.intake_log_bytes = self._gauge("intake_log_bytes", "Size of the raw intake")
        self.intake_log_dropped = self._gauge(
            "intake_log_dropped_segments",
            "Segments of the raw intake that went before their time, since the start",
        )
        self.queue = self._gauge("queue_messages", "Messages waiting to be stored")
        self.queue_bytes = self._gauge("queue_bytes", "Payload bytes waiting to be stored")
        self.notes = self._gauge(
            "device_acknowledgements_waiting", "Acknowledgements to devices not yet at the broker"
        )
        self.oldest = self._gauge(
            "oldest_unacknowledged_seconds", "Age of the oldest message not acknowledged yet"
        )
        self.seen = LastSeen()
        self.registry.register(self.seen)

    def watch_queue(
        self, waiting: Waiting, notes: Callable[[], int], oldest_s: Callable[[], float]
    ) -> None:
        """Look at the queue whenever somebody asks."""
        self.queue.set_function(lambda: len(waiting))
        self.queue_bytes.set_function(lambda: waiting.n_bytes)
        self.notes.set_function(notes)
        self.oldest.set_function(oldest_s)

    def watch_intake_log(self, log: IntakeLog) -> None:
        """Look at the raw intake whenever somebody asks."""
        self.intake_log_bytes.set_function(lambda: log.size_bytes)
        self.intake_log_dropped.set_function(lambda: log.dropped)

    def watch_events(self, ignored: Mapping[str, int]) -> None:
        """Look at the events of ChirpStack that carry no reading whenever somebody asks."""
        self.registry.register(IgnoredEvents(ignored))

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

    def _gauge(self, name: str, help: str) -> Gauge:
        return Gauge(f"kahriz_{name}", help, registry=self.registry)


class LastSeen(Collector):
    """When each device was last heard; a dictionary until somebody asks."""

    def __init__(self) -> None:
        self._at_s: dict[str, float] = {}

    def heard(self, devices: Iterable[str], at_s: float) -> None:
        """Note that `devices` were heard `at_s` seconds after 1970."""
        self._at_s.update(dict.fromkeys(devices, at_s))

    def collect(self) -> Iterator[Metric]:
        """Yield the one metric, a sample a device."""
        metric = GaugeMetricFamily(
            "kahriz_device_last_seen_timestamp_seconds",
            "When a device was last heard since ingest started, seconds since 1970",
            labels=["device"],
        )
        for device, at_s in sorted(self._at_s.copy().items()):
            metric.add_metric([device], at_s)
        yield metric


class IgnoredEvents(Collector):
    """Events of ChirpStack that were passed over, as whoever passes them over counts them."""

    def __init__(self, by_kind: Mapping[str, int]) -> None:
        self._by_kind = by_kind

    def collect(self) -> Iterator[Metric]:
        """Yield the one metric, a sample a kind."""
        metric = CounterMetricFamily(
            "kahriz_lorawan_events_ignored",
            "Events of ChirpStack without a reading",
            labels=["kind"],
        )
        for kind, n in sorted(dict(self._by_kind).items()):
            metric.add_metric([kind], n)
        yield metric


@dataclass(slots=True)
class Health:
    """How ingest is, in wall time; written by its threads, read by whoever asks.

    ``problems`` holds what is wrong by part ("store", "book", "rollups" ...), each with since when.
    A part that is asked and does not answer is wrong too, from `STALL_S` on, before it has failed.
    """

    wall: Callable[[], float] = time.time
    problems: dict[str, tuple[float, str]] = field(default_factory=dict)
    last_write_wall: float | None = None
    _asked: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, part: str) -> None:
        """Say that `part` was asked just now, until it `worked` or `failed`."""
        with self._lock:
            self._asked.setdefault(part, self.wall())

    def failed(self, part: str, reason: str) -> None:
        """Say that `part` does not work; the instant it began to fail is kept."""
        with self._lock:
            begun = self._asked.pop(part, self.wall())
            since = self.problems.get(part, (begun, ""))[0]
            self.problems[part] = (since, reason)

    def worked(self, part: str) -> None:
        """Say that `part` works."""
        with self._lock:
            self._asked.pop(part, None)
            self.problems.pop(part, None)

    def gateways(self, troubles: Mapping[str, str]) -> None:
        """Say which ways out take no texts, by name and why; all others work."""
        wrong = {f"gateway {name}": reason for name, reason in troubles.items()}
        for part in [p for p in list(self.problems) if p.startswith("gateway ")]:
            if part not in wrong:
                self.worked(part)
        for part, reason in wrong.items():
            self.failed(part, reason)

    def wrote(self) -> None:
        """Say that a batch has just become durable."""
        self.last_write_wall = self.wall()

    def _stalled(self) -> dict[str, tuple[float, str]]:
        now = self.wall()
        return {
            part: (since, f"no answer for {now - since:.0f} s")
            for part, since in self._asked.items()
            if now - since >= STALL_S
        }

    def lasting(self, for_s: float) -> dict[str, str]:
        """Return what has not worked for at least so long, by part."""
        now = self.wall()
        with self._lock:
            problems = self._stalled() | self.problems
        return {part: why for part, (since, why) in problems.items() if now - since >= for_s}

    def report(self, mqtt: str, queue: int) -> dict[str, Any]:
        """Return the heartbeat as the book's checkpoint "ingest" holds it."""
        if mqtt == "connected":
            self.worked("mqtt")
        else:
            self.failed("mqtt", mqtt)
        with self._lock:
            problems = self._stalled() | self.problems
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
