"""One device: its memory, its clock, its connection, its place in time."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from firmware_sim.buffer import Span
from firmware_sim.conditions import Passed, Surroundings
from firmware_sim.device import Link
from firmware_sim.ledger import Ledger
from firmware_sim.passage import Leave, Passage
from firmware_sim.trouble.devices import Boot
from firmware_sim.uplink import Outgoing, Uplink

_LOG = logging.getLogger(__name__)

Wall = Callable[[], float]
"""Seconds of real time, for what concerns the network."""


@dataclass(frozen=True, slots=True)
class Mould:
    """What a device is made from."""

    device: str
    """Its name in the ledger."""
    uplink: Uplink
    interval_ms: int
    password: str | None = None
    speaks_as: str = ""
    """Its name at the broker, where that is another: a clone's."""
    first_boot: int = 1
    chance: int = 0
    """The key of what its connection leaves to chance."""

    @property
    def name(self) -> str:
        """Its name at the broker."""
        return self.speaks_as or self.device


class Device:
    """A device that measures what its surroundings let it, and sends as its uplink says.

    Parameters
    ----------
    mould
        What it is.
    ledger, world
        Where its truth is kept, what stands around it.
    after_ms
        It has measured up to here.
    wall
        Real time.
    """

    def __init__(
        self, mould: Mould, ledger: Ledger, world: Surroundings, after_ms: int, wall: Wall
    ) -> None:
        self.id = mould.device
        self.mould = mould
        self.uplink = mould.uplink
        self.link: Link | None = None
        self.next_ms = after_ms
        """Nothing happens to it before this instant."""
        self.is_stirred = True
        """Whether it may have something to send."""
        self._ledger = ledger
        self._world = world
        self._wall = wall
        said = ledger.recall(self._interval_key)
        self._interval_ms = mould.interval_ms if said is None else int(said)
        self._at_ms = self._booted_ms = after_ms
        self._passage = Passage()

    @property
    def _interval_key(self) -> str:
        return f"interval_ms of {self.id}"

    def start(self, boot: int | None = None) -> None:
        """Begin to count readings anew where it stands in time; the memory keeps what it holds."""
        if boot is None:
            boot = self._ledger.next_boot(self.id, self.mould.first_boot)
        self.uplink.boot(boot, self._booted_ms)

    def measure(self, now_ms: int) -> int:
        """Take every reading that is due and write it to the ledger; return how many."""
        if now_ms < self.next_ms or now_ms <= self._at_ms:
            return 0
        passed = self._world.passed(self.id, self._at_ms, now_ms, self._interval_ms)
        self._at_ms, self.next_ms = now_ms, passed.next_ms
        first = 0
        for boot in passed.boots:
            last = int(np.searchsorted(passed.time_ms, boot.at_ms))
            self._take(passed, slice(first, last))
            self._start_again(boot)
            first = last
        self._take(passed, slice(first, None))
        self.is_stirred = True
        return len(passed.time_ms)

    def _take(self, passed: Passed, part: slice) -> None:
        times = passed.time_ms[part]
        if not len(times):
            return
        columns = {name: values[part] for name, values in passed.columns.items()}
        said = self._world.clock(self.id, times, self._booted_ms)
        span, lost = self.uplink.measured(said, columns)
        self._ledger.measured(self.id, span, times, said, columns)
        for gone in lost:
            self._ledger.gone(self.id, gone, "overwritten")

    def _start_again(self, boot: Boot) -> None:
        if self.link is not None and not self.link.is_closed:
            self.link.cut()
        for span in self.uplink.start_again(keeps_memory=boot.keeps_memory):
            self._ledger.gone(self.id, span, "lost")
        self._passage.forget()
        self._booted_ms = boot.at_ms
        self.start()

    def has_signal(self, now_ms: int) -> bool:
        """Whether it runs and reaches the broker."""
        return self._world.has_signal(self.id, now_ms)

    def tend(self, now_ms: int, wall: float) -> None:
        """Keep the connection as power and signal have it, and take back what is overdue."""
        if self.link is None:
            return
        if self.has_signal(now_ms):
            self.link.mend()
            self.link.keep(wall)
        elif not self.link.is_closed:
            self.link.cut()
        rows = self._world.rows_poured(self.id, now_ms)
        if rows is not None:
            self.uplink.pour(rows)
        if self.uplink.retry_overdue(wall):
            self._passage.take_back()
            self.is_stirred = True
        if not self._passage.is_empty:
            self.is_stirred = True

    def send(self, now_ms: int, wall: float) -> list[Outgoing]:
        """Return the payloads to publish now, noted in the ledger."""
        self.is_stirred = False
        if self.link is None or not self.link.is_up:
            return []
        ready = self.uplink.outgoing(wall, now_ms)
        self._note_refused()
        found = self._passage.enter(ready, self._leaves, now_ms)
        found += self._passage.leave(now_ms, self.uplink.buffer.is_freed)
        for message in found:
            self._ledger.sent(self.id, message.span)
        return found

    def _leaves(self, span: Span, now_ms: int) -> Sequence[Leave]:
        return self._world.leaves(self.id, span, now_ms)

    def publish(self, message: Outgoing) -> None:
        """Hand one payload to the network."""
        if self.link is not None and self.link.is_up:
            self.uplink.published(self.link.publish(message.payload), message.span)

    def connected(self) -> None:
        """Begin with what waits."""
        self._take_back()

    def disconnected(self) -> None:
        """Take back what was on the way."""
        self._take_back()

    def _take_back(self) -> None:
        self.uplink.take_back()
        self._passage.take_back()
        self.is_stirred = True

    def broker_took(self, mid: int, *, nobody_listens: bool) -> None:
        """Free what the broker took, if the device knows no better."""
        if nobody_listens:
            self.uplink.nobody_listens(self._wall())
        if span := self.uplink.broker_took(mid, self._wall()):
            self._ledger.gone(self.id, span, "broker_acked")
            self.is_stirred = True

    def broker_refused(self, mid: int) -> None:
        """Keep what the broker would not have."""
        self.uplink.broker_refused(mid)

    def heard(self, topic: str, payload: bytes) -> None:
        """Take an acknowledgement or a configuration; nonsense is said once and ignored."""
        try:
            if topic == "ack":
                self._hear_ack(payload)
            elif topic == "config" and payload:
                self._hear_interval(1000 * _interval_s(payload))
        except ValueError as error:
            _LOG.warning("ignored", extra={"device": self.id, "topic": topic, "why": str(error)})

    def _hear_ack(self, payload: bytes) -> None:
        for span in self.uplink.acknowledged(payload, self._wall()):
            self._ledger.app_acked(self.id, span)
        self._note_refused()
        self.is_stirred = True

    def _note_refused(self) -> None:
        for span in self.uplink.refused():
            self._ledger.gone(self.id, span, "refused")

    def _hear_interval(self, interval_ms: int) -> None:
        """Measure so often from now on, and remember it over a start."""
        if interval_ms != self._interval_ms:
            self._interval_ms, self.next_ms = interval_ms, self._at_ms
            self._ledger.remember(self._interval_key, str(interval_ms))


def _interval_s(payload: bytes) -> int:
    """Return ``interval_s`` of ``{"interval_s": 60}``."""
    said = json.loads(payload)
    value = said.get("interval_s") if isinstance(said, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 86400:
        raise ValueError(f"interval_s: {value!r:.60} is not a whole number from 1 to 86400")
    return value
