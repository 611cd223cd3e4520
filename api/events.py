"""Tell every open page that something has changed: one look a second for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from datetime import datetime

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.answers import encode
from api.problems import unavailable
from kahriz.clock import Clock, iso
from kahriz.logs import Once

MAX_STREAMS = 100
PAUSE_S = 1.0
KEEP_ALIVE_S = 15.0
LOOK_PATIENCE_S = 3.0
STALLED_S = 30.0
"""A reader who takes nothing for so long is let go."""

Counters = Mapping[str, Hashable]
"""By topic: a value that differs when something of the topic has changed."""


class Subscription:
    """What one reader has not been told yet; topics merge, so a slow reader costs no memory."""

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._woken = asyncio.Event()
        self.is_over = False

    def tell(self, topics: frozenset[str]) -> None:
        """Add what has changed."""
        self._pending |= topics
        self._woken.set()

    def end(self) -> None:
        """Let the reader go: the service stops."""
        self.is_over = True
        self._woken.set()

    async def changed(self, patience_s: float) -> list[str]:
        """Return the topics that changed, sorted; none if nothing did for `patience_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._woken.wait()
        self._woken.clear()
        topics, self._pending = sorted(self._pending), set()
        return topics


class Changes:
    """Looks at cheap counters while anybody listens, and tells all who do.

    Parameters
    ----------
    looks
        By where they look: what reads the counters there. One that fails keeps back only its own.
    limit
        Readers at once.
    """

    def __init__(
        self, looks: Mapping[str, Callable[[], Awaitable[Counters]]], limit: int = MAX_STREAMS
    ) -> None:
        self._looks = looks
        self._limit = limit
        self._seen: dict[str, Hashable] = {}
        self._readers: set[Subscription] = set()
        self._is_over = False
        self._once = Once(logging.getLogger(__name__))

    def __len__(self) -> int:
        return len(self._readers)

    def subscribe(self) -> Subscription:
        """Return a new reader's subscription; 503 where there are too many or the service stops."""
        if len(self._readers) >= self._limit:
            raise unavailable("events", f"all {self._limit} streams are taken")
        if self._is_over:
            raise unavailable("events", "the service is stopping")
        reader = Subscription()
        self._readers.add(reader)
        return reader

    def unsubscribe(self, reader: Subscription) -> None:
        """Forget a reader."""
        self._readers.discard(reader)

    async def run(self) -> None:
        """Look once a second, for ever."""
        while True:
            await asyncio.sleep(PAUSE_S)
            if self._readers:
                await self.look_once()

    async def look_once(self) -> frozenset[str]:
        """Tell every reader what differs from the last look; return it."""
        found = await asyncio.gather(*(self._look(where) for where in self._looks))
        counters = {topic: value for part in found for topic, value in part.items()}
        absent = object()
        topics = frozenset(t for t, c in counters.items() if self._seen.get(t, absent) != c)
        self._seen |= counters
        if topics:
            for reader in self._readers:
                reader.tell(topics)
        return topics

    def close(self) -> None:
        """End every stream, and take no new one: the service stops."""
        self._is_over = True
        for reader in self._readers:
            reader.end()

    async def _look(self, where: str) -> Counters:
        try:
            counters = await self._looks[where]()
        except Exception as error:
            # Whatever it is, the next look may succeed, and the streams have to stay.
            self._once.failed(where, str(error) or type(error).__name__)
            return {}
        self._once.worked(where)
        return counters


class EventStream(Response):
    """A stream of server-sent events that ends when the client goes, or the service stops."""

    media_type = "text/event-stream"

    def __init__(self, changes: Changes, clock: Clock) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._changes = changes
        self._clock = clock
        self._reader = changes.subscribe()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side ends it."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._changes.unsubscribe(self._reader)
            for task in (sending, leaving):
                task.cancel()
            failure, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
        # A client that went, or took nothing for too long, is no fault of ours.
        if isinstance(failure, Exception) and not isinstance(failure, OSError):
            raise failure

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        text = b"retry: 3000\n\n"
        while not self._reader.is_over:
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": text, "more_body": True})
            topics = await self._reader.changed(KEEP_ALIVE_S)
            text = _change(topics, self._clock()) if topics else b": still here\n\n"
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _change(topics: list[str], now: datetime) -> bytes:
    return b"event: change\ndata: " + encode({"now": iso(now), "topics": topics}) + b"\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
