"""Exports on their way out: made as fast as they are taken, a few at once, never silently short."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.problems import EXPECTED, of, unavailable

MAX_EXPORTS = 4
PIECE = 64 * 1024
STALLED_S = 60.0
"""A reader who takes less than a `PIECE` in so long is let go: 1.1 kB/s is the least."""
DRAIN_S = 8.0
"""What is on its way when the service stops may go on for so long."""

_LOG = logging.getLogger(__name__)


class Exports:
    """Counts exports that are on their way.

    Parameters
    ----------
    limit
        At once.
    drain_s
        How long one may go on when the service stops.
    """

    def __init__(self, limit: int = MAX_EXPORTS, drain_s: float = DRAIN_S) -> None:
        self._limit = limit
        self._drain_s = drain_s
        self._running = 0
        self._is_over = asyncio.Event()

    def __len__(self) -> int:
        return self._running

    def begin(self) -> None:
        """Count one more; 503 where there are as many as may be."""
        if self._is_over.is_set():
            raise unavailable("export", "the service is stopping")
        if self._running >= self._limit:
            raise unavailable("export", f"{self._limit} others are on their way", 30)
        self._running += 1

    def end(self) -> None:
        """Count one less."""
        self._running -= 1

    def close(self) -> None:
        """Begin no other one: the service stops."""
        self._is_over.set()

    async def stopped(self) -> None:
        """Return when one on its way has to end."""
        await self._is_over.wait()
        await asyncio.sleep(self._drain_s)


class ExportStream(Response):
    """A file that is sent while it is made.

    Where it cannot be finished the connection is closed without the end that HTTP's chunks have,
    so that whoever reads knows.

    Parameters
    ----------
    first, rest
        Its bytes; `first` is there already, so that the answer begins only when reading works.
    exports
        Told when it is over.
    name
        Of the file.
    media_type
        What it is.
    stalled_s
        How long a reader may take over a `PIECE`.
    """

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        exports: Exports,
        name: str,
        media_type: str,
        stalled_s: float = STALLED_S,
    ) -> None:
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Accel-Buffering": "no",
        }
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["Content-Length"]
        self._first = first
        self._rest = rest
        self._exports = exports
        self._name = name
        self._stalled_s = stalled_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until all is sent, the reader goes or stands still, or reading fails."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        stopping = asyncio.ensure_future(self._exports.stopped())
        all_three = (sending, leaving, stopping)
        try:
            await asyncio.wait(all_three, return_when=asyncio.FIRST_COMPLETED)
            is_stopped = stopping.done() and not sending.done()
        finally:
            for task in all_three:
                task.cancel()
            failure, *_ = await asyncio.gather(*all_three, return_exceptions=True)
            self._exports.end()
        if isinstance(failure, Exception) or is_stopped:
            # Returning without an end is what lets the server close the connection.
            why = "the service stops" if is_stopped else _why(failure)
            _LOG.warning("export cut short", extra={"export": self._name, "reason": why})

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._rest) as rest:
            await self._give(send, self._first)
            async for piece in rest:
                await self._give(send, piece)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _give(self, send: Send, data: bytes) -> None:
        for piece in _pieces(data):
            async with asyncio.timeout(self._stalled_s):
                await send({"type": "http.response.body", "body": piece, "more_body": True})


def _why(failure: BaseException | None) -> str:
    return of(failure).detail if isinstance(failure, EXPECTED) else repr(failure)


def _pieces(data: bytes) -> Iterator[bytes]:
    for first in range(0, len(data), PIECE):
        yield data[first : first + PIECE]


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
