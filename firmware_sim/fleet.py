"""All devices of one process, in one thread: measure, write the truth, send, listen."""

from __future__ import annotations

import json
import logging
import selectors
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_sim.buffer import Span
from firmware_sim.chance import Floats, TimesMs
from firmware_sim.device import Broker, Link
from firmware_sim.ledger import Ledger
from firmware_sim.uplink import Uplink
from kahriz.clock import Clock, to_ms
from kahriz.logs import Once

_LOG = logging.getLogger(__name__)
_TICK_S = 0.05
_PARTING_S = 5.0
_MISC_S = 0.5


class Surroundings(Protocol):
    """What stands around a device: what it measures, when it has power and signal."""

    def due(self, device: str, after_ms: int, now_ms: int, interval_ms: int) -> TimesMs:
        """Return the instants (n,) in (after, now] the device measures at, powered or not."""
        ...

    def measure(self, device: str, time_ms: TimesMs) -> Mapping[str, Floats]:
        """Return the values (n,) a channel."""
        ...

    def is_powered(self, device: str, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether the device runs at each instant (n,)."""
        ...

    def has_signal(self, device: str, now_ms: int) -> bool:
        """Whether the device reaches the broker."""
        ...


@dataclass(frozen=True, slots=True)
class Mould:
    """What a device is made from."""

    device: str
    uplink: Uplink
    interval_ms: int
    password: str | None = None


class Device:
    """One device: its memory, its connection, its place in time."""

    def __init__(self, mould: Mould, ledger: Ledger, world: Surroundings, after_ms: int) -> None:
        self.id = mould.device
        self.uplink = mould.uplink
        self.link: Link | None = None
        self._ledger = ledger
        self._world = world
        self._interval_ms = mould.interval_ms
        self._at_ms = after_ms
        self._was_on = True

    def start(self, boot: int, now_ms: int) -> None:
        """Begin to count readings anew; the memory keeps what it holds."""
        self.uplink.boot(boot, now_ms)

    def measure(self, now_ms: int) -> int:
        """Take every reading that is due and write it to the ledger; return how many."""
        times = self._world.due(self.id, self._at_ms, now_ms, self._interval_ms)
        if not len(times):
            return 0
        self._at_ms = int(times[-1])
        is_on = self._world.is_powered(self.id, times)
        edges = np.flatnonzero(np.diff(is_on)) + 1
        for part, on in zip(np.split(times, edges), np.split(is_on, edges), strict=True):
            if on[0]:
                self._take(part, now_ms)
            self._was_on = bool(on[0])
        return int(is_on.sum())

    def _take(self, times: TimesMs, now_ms: int) -> None:
        if not self._was_on:
            self.start(self._ledger.next_boot(self.id), now_ms)
        columns = self._world.measure(self.id, times)
        span, lost = self.uplink.measured(times, columns)
        self._ledger.measured(self.id, span, times, columns)
        for gone in lost:
            self._ledger.gone(self.id, gone, "overwritten")

    def tend(self, now_ms: int, wall: float) -> None:
        """Keep the connection as power and signal have it, and take back what is overdue."""
        if self.link is None:
            return
        if self._world.has_signal(self.id, now_ms):
            self.link.mend()
            self.link.keep(wall)
        elif not self.link.is_closed:
            self.link.cut()
        self.uplink.retry_overdue(wall)

    def send(self, now_ms: int, wall: float) -> list[tuple[Device, Span, bytes]]:
        """Return the payloads to publish now, noted in the ledger."""
        if self.link is None or not self.link.is_up:
            return []
        found = self.uplink.outgoing(wall, now_ms)
        for message in found:
            self._ledger.sent(self.id, message.span)
        return [(self, m.span, m.payload) for m in found]

    def publish(self, span: Span, payload: bytes) -> None:
        """Hand one payload to the network."""
        if self.link is not None and self.link.is_up:
            self.uplink.published(self.link.publish(payload), span)

    def connected(self) -> None:
        """Begin with what waits."""
        self.uplink.take_back()

    def disconnected(self) -> None:
        """Take back what was on the way."""
        self.uplink.take_back()

    def broker_took(self, mid: int, *, nobody_listens: bool) -> None:
        """Free what the broker took, if the device knows no better."""
        if nobody_listens:
            self.uplink.nobody_listens(time.monotonic())
        if span := self.uplink.broker_took(mid, time.monotonic()):
            self._ledger.gone(self.id, span, "broker_acked")

    def heard(self, topic: str, payload: bytes) -> None:
        """Take an acknowledgement or a configuration; nonsense is said once and ignored."""
        try:
            if topic == "ack":
                for span in self.uplink.acknowledged(payload, time.monotonic()):
                    self._ledger.app_acked(self.id, span)
            elif topic == "config" and payload:
                self._interval_ms = 1000 * _interval_s(payload)
        except ValueError as error:
            _LOG.warning("ignored", extra={"device": self.id, "topic": topic, "why": str(error)})


def _interval_s(payload: bytes) -> int:
    """Return ``interval_s`` of ``{"interval_s": 60}``."""
    said = json.loads(payload)
    value = said.get("interval_s") if isinstance(said, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 86400:
        raise ValueError(f"interval_s: {value!r:.60} is not a whole number from 1 to 86400")
    return value


class Fleet:
    """The one loop that drives every device.

    Parameters
    ----------
    devices
        With their passwords, None where the broker asks for none.
    broker, ledger, clock
        Where to send, where the truth is kept, what time it is for the water.
    """

    def __init__(
        self,
        devices: Mapping[str, tuple[Device, str | None]],
        broker: Broker,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._ledger = ledger
        self._clock = clock
        self.devices = [device for device, _ in devices.values()]
        once = Once(_LOG)
        for device, password in devices.values():
            device.link = Link(device.id, broker, password, device, self, once)
        self._next_misc = 0.0

    @property
    def held(self) -> int:
        """Readings not yet acknowledged, over all devices."""
        return sum(d.uplink.buffer.held for d in self.devices)

    @property
    def refusal(self) -> str:
        """Why a device is not connected; empty where all are."""
        return next((d.link.refusal for d in self.devices if d.link and d.link.refusal), "")

    def watch(self, sock: Any, link: Link, *, write: bool) -> None:
        """Watch a connection's socket."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        try:
            self._selector.modify(sock, wanted, link)
        except KeyError:
            self._selector.register(sock, wanted, link)

    def forget(self, sock: Any) -> None:
        """Watch a socket no longer."""
        try:
            self._selector.unregister(sock)
        except KeyError:
            return

    def measure(self) -> int:
        """Let every device take the readings that are due; return how many."""
        now_ms = to_ms(self._clock())
        taken = sum(device.measure(now_ms) for device in self.devices)
        if taken:
            self._ledger.commit()
        return taken

    def turn(self) -> int:
        """Go round once: measure, tend, send, listen for at most a tick; return what was taken."""
        taken = self.measure()
        now_ms, wall = to_ms(self._clock()), time.monotonic()
        if wall >= self._next_misc:
            self._next_misc = wall + _MISC_S
            for device in self.devices:
                device.tend(now_ms, wall)
            self._ledger.commit()  # acknowledgements too, for whoever compares while we run
        messages = [m for device in self.devices for m in device.send(now_ms, wall)]
        if messages:
            # The truth is on disk before the network has it.
            self._ledger.commit()
            for device, span, payload in messages:
                device.publish(span, payload)
        self._listen(_TICK_S)
        return taken

    def _listen(self, seconds: float) -> None:
        for ready, events in self._selector.select(seconds):
            link: Link = ready.data
            if events & selectors.EVENT_WRITE:
                link.writable()
            if events & selectors.EVENT_READ:
                link.readable()

    def stop(self) -> None:
        """Say ``offline`` for every device, part in order, keep the state."""
        links = [device.link for device in self.devices if device.link]
        for link in links:
            link.part()
        deadline = time.monotonic() + _PARTING_S
        while time.monotonic() < deadline and not all(link.is_closed for link in links):
            self._listen(_TICK_S)
        for link in links:
            link.cut()
        self._selector.close()
        self._ledger.commit()
