"""Messages between the broker's thread and the pipeline: how many, how large, since when.

How many may wait is bounded by the number of unacknowledged messages the broker may send. How much
is bounded by `has_room`: while it says no, nothing more is read off the network.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ingest.bulk import BulkClient

BATCH_BYTES = 4 * 2**20
"""A batch of backlogs is cut here: taken apart, a payload needs some fifteen times its size."""

FLOOD = 200
"""So many waiting are a flood: a moment's patience makes one large batch of many small ones."""

LINGER_S = 0.2

TOPIC_KEPT = 200
"""Characters kept of a topic: none of ours is as long, and a stranger's may have 65535 bytes."""


class Incoming(NamedTuple):
    """One message as it came, and how to acknowledge it.

    A topic that is no UTF-8 is empty; of one that is longer than any of ours the beginning is kept.
    """

    topic: str
    payload: bytes
    mid: int
    qos: int
    source: BulkClient


@dataclass(slots=True)
class _Chunk:
    """Messages that were read together; those before `at` are taken already."""

    messages: list[Incoming]
    n_bytes: int
    arrived: float
    at: int = 0


class Waiting:
    """The queue; one thread puts, another takes.

    Parameters
    ----------
    most_qos_0
        Messages of QoS 0 that may wait; nobody else bounds them, so more are shed.
    most_bytes
        Payload bytes that may wait before nothing more is read.
    on_shed
        Called with the messages of QoS 0 that there was no room for.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self,
        most_qos_0: int,
        most_bytes: int,
        on_shed: Callable[[Sequence[Incoming]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_qos_0 = most_qos_0
        self._most_bytes = most_bytes
        self._on_shed = on_shed
        self._clock = clock
        self._chunks: deque[_Chunk] = deque()
        self._changed = threading.Condition()
        self._is_over = False
        self._n = 0
        self._n_bytes = 0
        self._names = _Names()

    def __len__(self) -> int:
        """Return how many messages wait."""
        return self._n

    @property
    def n_bytes(self) -> int:
        """Payload bytes that wait."""
        return self._n_bytes

    def has_room(self) -> bool:
        """Return whether more may be read."""
        return self._n_bytes < self._most_bytes

    def oldest_arrival(self) -> float | None:
        """Return when the first of those that wait came, by `clock`; None: none waits."""
        try:
            return self._chunks[0].arrived
        except IndexError:
            return None

    def put(self, published: Sequence[tuple[bytes, bytes, int, int]], source: Any) -> None:
        """Let messages wait to be taken; never blocks."""
        names = self._names
        rows = [(names[topic], payload, mid, qos, source) for topic, payload, mid, qos in published]
        messages = list(map(tuple.__new__, repeat(Incoming), rows))
        if not all(row[3] for row in rows):
            messages = self._without_surplus(messages)
        if not messages:
            return
        n_bytes = sum([len(message[1]) for message in messages])
        with self._changed:
            self._chunks.append(_Chunk(messages, n_bytes, self._clock()))
            self._n += len(messages)
            self._n_bytes += n_bytes
            self._changed.notify()

    def take(self, most: int, timeout: float) -> tuple[list[Incoming], float]:
        """Return (messages, when the oldest came): at most `most`, hardly more than `BATCH_BYTES`.

        Waits up to `timeout` seconds for the first, and in a flood a moment for more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._n or self._is_over, timeout)
            if FLOOD <= self._n < most and self._n_bytes < BATCH_BYTES and not self._is_over:
                self._changed.wait_for(lambda: self._is_enough(most), LINGER_S)
            since = self._chunks[0].arrived if self._chunks else self._clock()
            taken: list[Incoming] = []
            n_bytes = 0
            while self._chunks and len(taken) < most and n_bytes < BATCH_BYTES:
                part, size = self._cut(most - len(taken), BATCH_BYTES - n_bytes)
                taken += part
                n_bytes += size
            self._n -= len(taken)
            self._n_bytes -= n_bytes
        return taken, since

    def _is_enough(self, most: int) -> bool:
        return self._n >= most or self._n_bytes >= BATCH_BYTES or self._is_over

    def _cut(self, most: int, most_bytes: int) -> tuple[list[Incoming], int]:
        """Take of the first chunk what there is room for, at least one message."""
        chunk = self._chunks[0]
        if len(chunk.messages) - chunk.at <= most and chunk.n_bytes <= most_bytes:
            self._chunks.popleft()
            return chunk.messages[chunk.at :], chunk.n_bytes
        size, stop = 0, chunk.at
        while stop < len(chunk.messages) and stop - chunk.at < most and size < most_bytes:
            size += len(chunk.messages[stop].payload)
            stop += 1
        part = chunk.messages[chunk.at : stop]
        chunk.at, chunk.n_bytes = stop, chunk.n_bytes - size
        if stop == len(chunk.messages):
            self._chunks.popleft()
        return part, size

    def forget_redelivered(self) -> None:
        """Drop what came at QoS 1 by earlier connections: the broker sends it again.

        A connection that breaks often while the store is away would otherwise fill the memory.
        """
        with self._changed:
            kept = [
                _Chunk(left, sum(len(m.payload) for m in left), chunk.arrived)
                for chunk in self._chunks
                if (left := [m for m in chunk.messages[chunk.at :] if not m.qos])
            ]
            self._chunks = deque(kept)
            self._n = sum(len(chunk.messages) for chunk in kept)
            self._n_bytes = sum(chunk.n_bytes for chunk in kept)

    def end(self) -> None:
        """Let whoever waits in `take` go."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _without_surplus(self, messages: list[Incoming]) -> list[Incoming]:
        room = self._most_qos_0 - self._n
        kept: list[Incoming] = []
        shed: list[Incoming] = []
        for message in messages:
            if message.qos or len(kept) < room:
                kept.append(message)
            else:
                shed.append(message)
        if shed:
            self._on_shed(shed)
        return kept


class _Names(dict[bytes, str]):
    """Topics as text, each decoded once."""

    def __missing__(self, topic: bytes) -> str:
        try:
            name = topic.decode()[:TOPIC_KEPT]
        except UnicodeDecodeError:
            name = ""
        if len(topic) > TOPIC_KEPT:
            return name
        if len(self) < _NAMES_KEPT:
            self[topic] = name
        return name


_NAMES_KEPT = 65536
