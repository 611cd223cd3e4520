"""What becomes of a payload between a device's memory and its line: sent late, or sent twice.

A device in order hands a payload to the network at once. Firmware that loses its place sends some
again that were acknowledged long ago; a modem's queue lets some wait while later ones overtake.
Time is pretended time, a parameter; whether a payload is hit says the surroundings, by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from firmware_sim.buffer import Span
from firmware_sim.uplink import Outgoing


class Leave(NamedTuple):
    """A time a payload leaves the device: how long after it was ready."""

    after_ms: int = 0
    is_repeat: bool = False
    """Leaves only once its readings were acknowledged: it says what is known already."""


AT_ONCE = (Leave(),)

Leaves = Callable[[Span, int], Iterable[Leave]]
"""``leaves(span, now_ms)``: when the payload that holds `span` leaves, counted from now."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Outgoing
    at_ms: int
    is_repeat: bool


class Passage:
    """The payloads of one device that are ready and have not left."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here."""
        return not self._waiting

    def enter(self, ready: Iterable[Outgoing], leaves: Leaves, now_ms: int) -> list[Outgoing]:
        """Return which of the payloads that are `ready` leave at once; the others wait."""
        at_once: list[Outgoing] = []
        for message in ready:
            self._drop(message.span)
            for leave in leaves(message.span, now_ms):
                if leave == AT_ONCE[0]:
                    at_once.append(message)
                else:
                    wait = _Waiting(message, now_ms + leave.after_ms, leave.is_repeat)
                    self._waiting.append(wait)
        return at_once

    def _drop(self, span: Span) -> None:
        """Forget the same readings where they wait since an earlier try."""
        self._waiting = [w for w in self._waiting if w.message.span != span]

    def leave(self, now_ms: int, is_acked: Callable[[Span], bool]) -> list[Outgoing]:
        """Return the payloads whose time has come, in the order it came."""
        due = [w for w in self._waiting if w.at_ms <= now_ms and _may_go(w, is_acked)]
        if due:
            self._waiting = [w for w in self._waiting if w not in due]
        return [w.message for w in sorted(due, key=lambda w: w.at_ms)]

    def take_back(self) -> None:
        """Forget what waits to be sent for the first time: it is sent anew."""
        self._waiting = [w for w in self._waiting if w.is_repeat]

    def forget(self) -> None:
        """Forget everything, as a start does."""
        self._waiting.clear()


def _may_go(waiting: _Waiting, is_acked: Callable[[Span], bool]) -> bool:
    return is_acked(waiting.message.span) if waiting.is_repeat else True
