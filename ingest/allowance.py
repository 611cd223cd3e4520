"""How much one device may send: its own faults must not cost its neighbours their water.

A bucket of tokens a topic, one token a message: it holds a burst (a backlog of weeks, one reading
a message) and fills at a steady rate no honest device reaches. What is beyond it is shed:
acknowledged to the broker, not stored, not acknowledged on ``down/ack``, counted. A device that
keeps its readings until it is told loses nothing by that; it sends them again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from ingest.waiting import Incoming

MOST_BUCKETS = 50_000
"""Topics remembered; a full bucket need not be."""


class Allowance:
    """Tells what of a batch is beyond what its devices may send.

    Parameters
    ----------
    rate
        Messages a second a topic may go on sending for ever.
    burst
        Messages it may send at once after a silence.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def split(self, messages: Sequence[Incoming]) -> tuple[Sequence[Incoming], list[Incoming]]:
        """Return (those within the allowance, the others), both in order."""
        now = self._clock()
        left: dict[str, int] = {}
        for topic, n in Counter([message[0] for message in messages]).items():
            tokens = self._tokens(topic, now)
            if n > tokens:
                left[topic] = int(tokens)
            self._buckets[topic] = (max(tokens - n, tokens % 1), now)
        if len(self._buckets) > MOST_BUCKETS:
            self._forget(now)
        if not left:
            return messages, []
        return _divided(messages, left)

    def _tokens(self, topic: str, now: float) -> float:
        tokens, at = self._buckets.get(topic, (self._burst, now))
        return min(self._burst, tokens + (now - at) * self._rate)

    def _forget(self, now: float) -> None:
        """Drop full buckets; if there are still too many, the ones not used longest."""
        self._buckets = {
            topic: kept
            for topic, kept in self._buckets.items()
            if self._tokens(topic, now) < self._burst
        }
        for topic in list(self._buckets)[: max(len(self._buckets) - MOST_BUCKETS, 0)]:
            del self._buckets[topic]


def _divided(
    messages: Sequence[Incoming], left: dict[str, int]
) -> tuple[list[Incoming], list[Incoming]]:
    kept: list[Incoming] = []
    shed: list[Incoming] = []
    for message in messages:
        tokens = left.get(message.topic)
        if tokens is None:
            kept.append(message)
        elif tokens > 0:
            left[message.topic] = tokens - 1
            kept.append(message)
        else:
            shed.append(message)
    return kept, shed
