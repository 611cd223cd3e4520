"""All devices of one process, in one thread: measure, write the truth, send, listen."""

from __future__ import annotations

import logging
import selectors
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from firmware_sim.device import Broker, Link
from firmware_sim.firmware import Device, Wall
from firmware_sim.ledger import Ledger
from kahriz.clock import Clock, to_ms
from kahriz.logs import Once

_LOG = logging.getLogger(__name__)
_TICK_S = 0.05
_PARTING_S = 5.0
_MISC_S = 0.5
_TENDING_S = 0.1
"""A try to connect may take long: the devices after it wait for the next turn."""
_ROUNDS = 50


class Fleet:
    """The one loop that drives every device.

    Parameters
    ----------
    devices
        All of them, started.
    broker, ledger, clock
        Where to send, where the truth is kept, what time it is for the water.
    wall
        Real time.
    link
        What connects a device.
    tick_s
        How long to listen where nothing comes.
    until_ms
        Nothing is measured after it; what is held is delivered on.
    """

    def __init__(
        self,
        devices: Iterable[Device],
        broker: Broker,
        ledger: Ledger,
        clock: Clock,
        wall: Wall = time.monotonic,
        link: type[Link] = Link,
        tick_s: float = _TICK_S,
        until_ms: int | None = None,
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._ledger = ledger
        self._clock = clock
        self._wall = wall
        self._tick_s = tick_s
        self.devices = list(devices)
        once = Once(_LOG)
        for device in self.devices:
            m = device.mould
            device.link = link(m.name, broker, m.password, device, self, once, m.chance)
        self._next_misc = float("-inf")
        self._to_tend: deque[Device] = deque()
        self._until_ms = until_ms

    @property
    def held(self) -> int:
        """Readings not yet acknowledged, over all devices."""
        return sum(d.uplink.buffer.held for d in self.devices)

    @property
    def owed(self) -> int:
        """Readings held by devices that have power and signal, and so ought to deliver them."""
        now_ms = to_ms(self._clock())
        return sum(d.uplink.buffer.held for d in self.devices if d.has_signal(now_ms))

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
        if self._until_ms is not None:
            now_ms = min(now_ms, self._until_ms)
        due = [device for device in self.devices if device.next_ms <= now_ms]
        taken = sum(device.measure(now_ms) for device in due)
        if taken:
            self._ledger.commit()
        return taken

    def turn(self) -> int:
        """Go round once: measure, tend, send, listen for at most a tick; return what was taken."""
        taken = self.measure()
        now_ms, wall = to_ms(self._clock()), self._wall()
        self._tend(now_ms, wall)
        self._send(now_ms, wall)
        self._listen(self._tick_s)
        return taken

    def _tend(self, now_ms: int, wall: float) -> None:
        if not self._to_tend and wall >= self._next_misc:
            self._next_misc = wall + _MISC_S
            self._to_tend.extend(self.devices)
            self._ledger.commit()  # acknowledgements too, for whoever compares while we run
        until = wall + _TENDING_S
        while self._to_tend and self._wall() < until:
            self._to_tend.popleft().tend(now_ms, wall)

    def _send(self, now_ms: int, wall: float) -> None:
        stirred = [device for device in self.devices if device.is_stirred]
        messages = [(device, m) for device in stirred for m in device.send(now_ms, wall)]
        if messages:
            # The truth is on disk before the network has it.
            self._ledger.commit()
            for device, message in messages:
                device.publish(message)

    def _listen(self, seconds: float) -> None:
        """Wait for the first that comes, then take in all that is there."""
        for _ in range(_ROUNDS):
            came = self._selector.select(seconds)
            for ready, events in came:
                link: Link = ready.data
                if events & selectors.EVENT_WRITE:
                    link.writable()
                if events & selectors.EVENT_READ:
                    link.readable()
            if not came:
                return
            seconds = 0.0

    def stop(self) -> None:
        """Say ``offline`` for every device, part in order, keep the state."""
        links = [device.link for device in self.devices if device.link]
        for link in links:
            link.part()
        deadline = time.monotonic() + _PARTING_S
        while time.monotonic() < deadline and not all(link.is_closed for link in links):
            self._listen(self._tick_s)
        for link in links:
            link.cut()
        self._selector.close()
        self._ledger.commit()
