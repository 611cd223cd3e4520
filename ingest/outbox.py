"""What we publish and the broker has not acknowledged yet: so much at once, the newest first-hand.

A device is told how far its readings are durable. A later note says all that an earlier one said,
so one that still waits is replaced, and a fleet in a flood costs no more than the line carries.
Packets are MQTT's own bytes (PUBLISH at QoS 1: section 3.3 of both versions).
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import NamedTuple

WINDOW = 500
"""Notes on their way at once, where the broker allows as many."""


FIRST_MID, LAST_MID = 1024, 65535

_PUBLISH_QOS_1, _DUP = 0x32, 0x08


class Note(NamedTuple):
    """A message to publish, and which earlier one it makes superfluous."""

    key: Hashable
    topic: str
    payload: bytes


class Outbox:
    """Notes that wait and those on their way; for several threads, over many connections.

    Packet identifiers are from `FIRST_MID` on: the lower ones are the client library's own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, Note] = {}
        self._in_flight: dict[int, Note] = {}
        self._window = WINDOW
        self._is_v5 = False
        self._mid = FIRST_MID - 1

    def connected(self, *, is_v5: bool, is_resumed: bool, receive_maximum: int) -> bytes:
        """Begin on a new connection; return the packets to send first.

        A session that goes on wants to see again what it has not acknowledged, under the same
        identifiers (MQTT-4.4.0-1). After one that is lost the devices themselves ask again.
        """
        with self._lock:
            self._is_v5 = is_v5
            self._window = min(WINDOW, receive_maximum)
            if not is_resumed:
                self._waiting.clear()
                self._in_flight.clear()
            again = [self._packet(note, mid, _DUP) for mid, note in self._in_flight.items()]
            return b"".join(again) + self._next()

    def add(self, notes: Iterable[Note]) -> bytes:
        """Let `notes` wait for their turn; return the packets to send now."""
        with self._lock:
            self._waiting.update((note.key, note) for note in notes)
            return self._next()

    def acknowledged(self, mids: Iterable[int]) -> bytes:
        """Take in what the broker acknowledged; return the packets that may go now."""
        with self._lock:
            for mid in mids:
                self._in_flight.pop(mid, None)
            return self._next()

    def __len__(self) -> int:
        """Return how many wait or are on their way."""
        return len(self._waiting) + len(self._in_flight)

    def _next(self) -> bytes:
        packets = []
        while self._waiting and len(self._in_flight) < self._window:
            note = self._waiting.pop(next(iter(self._waiting)))
            mid = self._new_mid()
            self._in_flight[mid] = note
            packets.append(self._packet(note, mid))
        return b"".join(packets)

    def _new_mid(self) -> int:
        while True:
            self._mid = self._mid + 1 if self._mid < LAST_MID else FIRST_MID
            if self._mid not in self._in_flight:
                return self._mid

    def _packet(self, note: Note, mid: int, flags: int = 0) -> bytes:
        properties = b"\0" if self._is_v5 else b""
        rest = b"%b%b%b%b" % (_name(note.topic), mid.to_bytes(2, "big"), properties, note.payload)
        return b"%c%b%b" % (_PUBLISH_QOS_1 | flags, _variable_int(len(rest)), rest)


@lru_cache(maxsize=65536)
def _name(topic: str) -> bytes:
    encoded = topic.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _variable_int(value: int) -> bytes:
    """Return MQTT's variable byte integer."""
    out = bytearray()
    while True:
        value, byte = divmod(value, 128)
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)
