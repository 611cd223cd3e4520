"""An export on its way: who stands still is let go, who went is forgotten, none is short unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from api.exports import PIECE, Exports, ExportStream
from api.problems import Problem
from kahriz.errors import StoreUnavailable

Message = Any
Send = Callable[[Message], Awaitable[None]]


async def pieces(*parts: bytes | Exception) -> AsyncGenerator[bytes, None]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


async def stays() -> Message:
    return await asyncio.Event().wait()


def sent(
    rest: AsyncGenerator[bytes, None],
    send: Send | None = None,
    receive: Callable[[], Awaitable[Message]] = stays,
    first: bytes = b"head",
) -> tuple[list[Message], Exports]:
    """Return what was sent, and the count of exports after it."""
    said: list[Message] = []
    exports = Exports()

    async def keep(message: Message) -> None:
        said.append(message)
        if send is not None:
            await send(message)

    async def run() -> None:
        exports.begin()
        stream = ExportStream(first, rest, exports, "x.csv", "text/csv", stalled_s=0.05)
        async with asyncio.timeout(10):
            await stream({"type": "http"}, receive, keep)

    asyncio.run(run())
    return said, exports


def test_it_is_sent_in_small_pieces_and_ends() -> None:
    said, exports = sent(pieces(b"x" * (PIECE + 1), b"end"))

    assert said[0]["status"] == 200
    assert [len(m["body"]) for m in said[1:]] == [4, PIECE, 1, 3, 0]
    assert [m["more_body"] for m in said[1:]] == [True] * 4 + [False]
    assert len(exports) == 0


def test_a_reader_who_takes_nothing_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    async def full(message: Message) -> None:
        if message.get("body") == b"second":
            await asyncio.Event().wait()

    said, exports = sent(pieces(b"second", b"third"), full)

    assert [m.get("body") for m in said[1:]] == [b"head", b"second"], "it never ends well"
    assert len(exports) == 0
    assert "export cut short" in caplog.text


def test_a_reader_who_goes_is_forgotten_and_nothing_more_is_read() -> None:
    read: list[int] = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                read.append(1)
                yield b"more"
                await asyncio.sleep(0)
        finally:
            read.append(0)

    gone = asyncio.Event()

    async def leaves() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if len(read) > 5:
            gone.set()
        await asyncio.sleep(0)

    _, exports = sent(endless(), send, leaves)

    assert len(exports) == 0
    assert read[-1] == 0, "what reads was closed"


def test_what_cannot_be_read_to_its_end_has_no_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        said, exports = sent(pieces(b"part", StoreUnavailable("the disk fails")))

    assert said[-1] == {"type": "http.response.body", "body": b"part", "more_body": True}
    assert len(exports) == 0
    assert caplog.records[0].__dict__["reason"] == "store unavailable: the disk fails"


def test_one_on_its_way_when_the_service_stops_goes_on_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(drain_s: float) -> tuple[list[Message], Exports]:
        said: list[Message] = []
        exports = Exports(drain_s=drain_s)

        async def slow() -> AsyncGenerator[bytes, None]:
            exports.close()
            await asyncio.sleep(0.05)
            yield b"last"

        async def keep(message: Message) -> None:
            said.append(message)

        exports.begin()
        await ExportStream(b"", slow(), exports, "x", "text/csv")({"type": "http"}, stays, keep)
        return said, exports

    whole, exports = asyncio.run(scene(drain_s=30))
    with pytest.raises(Problem, match="the service is stopping"):
        exports.begin()
    assert not caplog.records
    cut, _ = asyncio.run(scene(drain_s=0))

    assert [m.get("body") for m in whole[1:]] == [b"last", b""]
    assert [m["type"] for m in cut] == ["http.response.start"]
    assert caplog.records[0].__dict__["reason"] == "the service stops"


def test_so_many_at_once_and_no_more() -> None:
    exports = Exports(limit=2)
    exports.begin()
    exports.begin()

    with pytest.raises(Problem, match="2 others are on their way") as refused:
        exports.begin()
    assert refused.value.status == 503
    exports.end()
    exports.begin()
    assert len(exports) == 2
