"""The heartbeat that somebody outside listens for: an alarm that works when nothing here does.

A service that is dead cannot say so. So it says that it lives, to a dead man's switch (such as
Healthchecks) that calls the engineer when it hears nothing. It is said only while everything does
its work: a loop that hangs, a gateway that takes no texts, a broker or a store that is away for
`PATIENCE_S` silence it as well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.loops import Loop
from ingest.metrics import Health
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.logs import Once
from kahriz.notify.outgoing import Limits, ask

_LOG = logging.getLogger(__name__)

PATIENCE_S = 300.0
"""What does not work for a shorter time is let be: networks have hiccups."""

STALLED_S = 900.0
"""A loop that has ended no step for so long hangs."""


class Caller(Protocol):
    """Asks an address; raises DeliveryError where it does not answer with success."""

    def __call__(self, method: str, url: str, body: bytes) -> None:
        """Ask it once."""
        ...


def caller(*, allow_private: bool, timeout_s: float = 10.0) -> Caller:
    """Return what asks an address over the internet; anything but 2xx is no answer."""
    limits = Limits(timeout_s, allow_private)

    def call(method: str, url: str, body: bytes) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8"} if body else {}
        answer = ask(method, url, headers, body or None, limits)
        if not 200 <= answer.status < 300:
            detail = f"status {answer.status}"
            raise DeliveryError(DeliveryReason.GATEWAY, detail, permanent=False)

    return call


class Pulse:
    """Tell an address outside that everything lives, or what does not.

    Parameters
    ----------
    ping_url
        Asked while everything works.
    fail_url
        Told the reason otherwise; empty: nobody is told, the silence speaks.
    every_s
        Wall seconds between two calls.
    health
        What does not work, and since when.
    oldest_s
        Age of the oldest message that is not acknowledged yet.
    call
        How an address is asked.
    """

    def __init__(
        self,
        ping_url: str,
        fail_url: str,
        every_s: float,
        health: Health,
        oldest_s: Callable[[], float],
        call: Caller,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ping_url, self._fail_url = ping_url, fail_url
        self._every_s = every_s
        self._health = health
        self._oldest_s = oldest_s
        self._call = call
        self._monotonic = monotonic
        self._next = monotonic()
        self._once = Once(_LOG)
        self.loops: Sequence[Loop] = ()

    def step(self) -> bool:
        """Call if it is time; False: there is nothing to do at once."""
        if not self._ping_url or self._monotonic() < self._next:
            return False
        self._next = self._monotonic() + self._every_s
        wrong = self.wrong()
        if wrong and not self._fail_url:
            return False
        try:
            if wrong:
                self._call("POST", self._fail_url, "\n".join(wrong).encode())
            else:
                self._call("GET", self._ping_url, b"")
        except DeliveryError as error:
            # Whoever listens hears nothing and calls: that is what the silence is for. Of the
            # address, a secret, the error names the host alone.
            self._once.failed("heartbeat", str(error))
        else:
            self._once.worked("heartbeat")
        return False

    def wrong(self) -> list[str]:
        """Return what has not worked for too long, a line each."""
        found = [f"{part}: {why}" for part, why in self._health.lasting(PATIENCE_S).items()]
        idle = {loop.name: loop.idle_s() for loop in self.loops}
        found += [f"{name}: hangs for {s:.0f} s" for name, s in idle.items() if s >= STALLED_S]
        if (oldest := self._oldest_s()) >= STALLED_S:
            found.append(f"intake: a message waits for {oldest:.0f} s")
        return found
