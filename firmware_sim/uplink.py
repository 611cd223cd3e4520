"""Store and forward: which readings go out next, and which may be forgotten.

The rules of a device (docs/wire-format.md), without the network: a reading stays in the ring buffer
until the *application* acknowledges it; backlog goes in payloads of up to 16 KiB, a live reading
alone; a bounded number of payloads is on the way; what is not acknowledged after a reconnect or in
time goes out again. Time on the wall is a parameter [s].
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from firmware_sim.buffer import RingBuffer, Span
from firmware_sim.chance import Floats, TimesMs
from kahriz.codec import MAX_PAYLOAD, Codec

FIRMWARE = "sim-1.0"
_FIRST_FIT = 200
_WAIT_MAX_S = 60.0
_TRIES = 3
"""So often overtaken by what was sent later and acknowledged, a payload is taken for refused."""

Order = Literal["oldest_first", "live_first"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One payload and the readings in it."""

    span: Span
    payload: bytes


@dataclass(slots=True)
class _OnWay:
    """A payload on its way; `number` counts what left the device, None until it did."""

    span: Span
    number: int | None = None
    is_overtaken: bool = False


class Uplink:
    """What one device has to say and what of it has been heard.

    Parameters
    ----------
    channels
        What each reading holds.
    codec
        How it is said.
    capacity
        Readings the ring buffer holds.
    order
        Backlog before the live reading, or after it.
    app_ack
        False: the device knows no application acknowledgement and trusts the broker's.
    tells_uptime
        Whether payloads carry the time since the device's start.
    window
        Payloads on the way at once.
    timeout_s
        What is longest on the way and not acknowledged for so long is taken for lost, and
        everything on the way is sent again; doubled each time up to a minute.
    """

    def __init__(
        self,
        channels: Sequence[str],
        codec: Codec,
        *,
        capacity: int = 50_000,
        order: Order = "oldest_first",
        app_ack: bool = True,
        tells_uptime: bool = True,
        window: int = 8,
        timeout_s: float = 5.0,
    ) -> None:
        self.channels = tuple(channels)
        self.buffer = RingBuffer(channels, capacity)
        self._codec = codec
        self._order = order
        self._app_ack = app_ack
        self._tells_uptime = tells_uptime
        self._window = window
        self._timeout_s = timeout_s
        self._wait_s = timeout_s
        self._heard_at = 0.0
        self._in_flight: dict[Span, _OnWay] = {}  # the longest on the way first
        self._n_left = 0
        self._overtaken: dict[tuple[int, int], int] = {}
        self._refused: list[Span] = []
        self._rows_poured: int | None = None
        self._by_mid: dict[int, Span] = {}
        self._live: Span | None = None
        self._fit = _FIRST_FIT
        self._boot = 0
        self._booted_ms = 0

    def boot(self, boot: int, now_ms: int) -> None:
        """Start anew: the count of readings begins at 0; what the memory holds stays."""
        self._boot, self._booted_ms = boot, now_ms
        self.buffer.boot(boot)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held: all was acknowledged."""
        return self.buffer.held == 0

    def measured(self, time_ms: TimesMs, columns: Mapping[str, Floats]) -> tuple[Span, list[Span]]:
        """Keep new readings (n,); return their numbers, and those overwritten for want of room."""
        added, lost = self.buffer.append(time_ms, columns)
        self._live = added if len(added) == 1 else None
        return added, lost

    def outgoing(self, wall: float, now_ms: int) -> list[Outgoing]:
        """Return the payloads to publish now; they count as on the way from here on."""
        found: list[Outgoing] = []
        while self._has_room() and (message := self._next(now_ms)):
            if not self._in_flight:
                self._heard_at = wall
            self.buffer.send(message.span)
            self._in_flight[message.span] = _OnWay(message.span)
            found.append(message)
        if not found and self._has_room():
            self._rows_poured = None
        return found

    def _has_room(self) -> bool:
        return self._rows_poured is not None or len(self._in_flight) < self._window

    def pour(self, rows: int) -> None:
        """Hand over all that waits without waiting for acknowledgements, until nothing waits.

        `rows` readings a payload; 0: as many as fit.
        """
        self._rows_poured = rows

    def _next(self, now_ms: int) -> Outgoing | None:
        live, self._live = self._live, None
        if self._order == "live_first" and live is not None and self.buffer.is_waiting(live):
            with suppress(ValueError):
                return Outgoing(live, self._encode(live, now_ms))
        while span := self.buffer.oldest_waiting(self._rows_poured or self._fit):
            try:
                payload = self._encode(span, now_ms)
            except ValueError:
                if len(span) == 1:
                    self.buffer.free(span)
                    self._refused.append(span)
                    continue
                self._fit = max(1, min(self._fit, len(span)) * 9 // 10)
                continue
            if len(span) == self._fit:
                self._fit = max(self._fit, len(span) * (MAX_PAYLOAD * 97 // 100) // len(payload))
            return Outgoing(span, payload)
        return None

    def _encode(self, span: Span, now_ms: int) -> bytes:
        readings = self.buffer.readings(span)
        readings.firmware = FIRMWARE
        if self._tells_uptime and span.boot == self._boot:
            readings.uptime_ms = max(now_ms - self._booted_ms, 0)
        return self._codec.encode(readings)

    def published(self, mid: int, span: Span) -> None:
        """Note that a payload left, and the number the broker will acknowledge it by."""
        self._by_mid[mid] = span
        self._n_left += 1
        one = self._in_flight.get(span)
        if one is not None and one.number is None:
            one.number = self._n_left

    def broker_took(self, mid: int, wall: float) -> Span | None:
        """Note the broker's own acknowledgement; return what is freed by it.

        Nothing is, unless the device knows no other one.
        """
        span = self._by_mid.pop(mid, None)
        if span is None or self._app_ack:
            return None
        freed = self.buffer.free(span)
        self._heard(wall)
        return freed

    def broker_refused(self, mid: int) -> None:
        """Note that the broker would not have a payload: it goes again in its time."""
        self._by_mid.pop(mid, None)

    def nobody_listens(self, wall: float, pause_s: float = 1.0) -> None:
        """Note that the broker had nobody to pass a payload on to: try again soon."""
        self._heard_at = min(self._heard_at, wall + pause_s - self._wait_s)

    def acknowledged(self, payload: bytes, wall: float) -> list[Span]:
        """Free exactly what an application acknowledgement says; return what was freed by it.

        A device that trusts the broker's word does not know these.

        Raises
        ------
        ValueError
            It says nothing valid; names what is wrong.
        """
        if not self._app_ack:
            return []
        said = [s for s in _acknowledged_spans(payload) if s.last >= s.first]
        freed = [span for s in said if (span := self.buffer.free(s)) is not None]
        if freed:
            self._heard(wall)
        return freed

    def _heard(self, wall: float) -> None:
        longest = next(iter(self._in_flight), None)
        done = [one for one in self._in_flight.values() if self.buffer.is_freed(one.span)]
        for one in done:
            self._arrived(one.span)
        self._note_overtaken(max((one.number or 0 for one in done), default=0))
        # Live readings that come through say nothing of a backlog's payload lost before them.
        if next(iter(self._in_flight), None) != longest:
            self._heard_at, self._wait_s = wall, self._timeout_s

    def _arrived(self, span: Span) -> None:
        del self._in_flight[span]
        self._overtaken.pop((span.boot, span.first), None)

    def _note_overtaken(self, number: int) -> None:
        """Note which payloads are still not acknowledged although a later one is."""
        for one in self._in_flight.values():
            if one.number is not None and one.number < number and not one.is_overtaken:
                one.is_overtaken = True
                name = (one.span.boot, one.span.first)
                self._overtaken[name] = self._overtaken.get(name, 0) + 1

    def refused(self) -> list[Span]:
        """Return, once, what was given up: nobody will have it, however often it is sent.

        The service acknowledged what was sent later three times; or the codec cannot say it, as
        SenML no time of 1970.
        """
        stuck = [
            span
            for span in self._in_flight
            if self._overtaken.get((span.boot, span.first), 0) >= _TRIES
        ]
        for span in stuck:
            self._arrived(span)
        freed = [self.buffer.free(span) for span in stuck]
        given_up, self._refused = self._refused, []
        return given_up + [span for span in freed if span is not None]

    def start_again(self, *, keeps_memory: bool) -> list[Span]:
        """Forget what a start forgets; return the readings that are lost by it."""
        self.take_back()
        self._rows_poured = None
        self._live = None
        return [] if keeps_memory else self.buffer.forget()

    def retry_overdue(self, wall: float) -> bool:
        """Take back everything on the way if nothing was heard for too long; whether it was."""
        if not self._in_flight or wall - self._heard_at < self._wait_s:
            return False
        self._wait_s = min(self._wait_s * 2, _WAIT_MAX_S)
        self.take_back()
        return True

    def take_back(self) -> None:
        """Let everything on the way wait again: the connection, or its patience, is gone."""
        for span in self._in_flight:
            self.buffer.take_back(span)
        self._in_flight.clear()
        self._by_mid.clear()


def _acknowledged_spans(payload: bytes) -> list[Span]:
    """Return what ``{"boot": 7, "upto": 41, "also": [[50, 60]]}`` covers."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"no JSON object: {said!r:.60}")
    boot = _whole(said, "boot")
    spans = [] if said.get("upto") is None else [Span(boot, 0, _whole(said, "upto"))]
    for pair in said.get("also") or ():
        if not (isinstance(pair, list) and len(pair) == 2):
            raise ValueError(f"also: {pair!r:.60} is no [first, last]")
        spans.append(Span(boot, *(_whole({"also": x}, "also") for x in pair)))
    return spans


def _whole(said: Mapping[str, Any], key: str) -> int:
    value = said.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key}: {value!r:.60} is no whole number")
    return value
