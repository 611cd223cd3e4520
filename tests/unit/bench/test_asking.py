"""A load that does not go easy on a service that is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from bench import asking
from bench.asking import Told, ask


async def served(answer: Callable[[str], Awaitable[bytes]], plan: list[tuple[str, str]]) -> Told:
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await answer(head.split()[1].decode()))
        writer.close()
        await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        told = await ask(port, "kz_1_2", plan, per_s=500)
        await asyncio.gather(*serving)
        return told


def test_who_waits_for_others_has_waited_since_he_was_to_ask() -> None:
    one_at_a_time = asyncio.Lock()

    async def slow(_: str) -> bytes:
        async with one_at_a_time:
            await asyncio.sleep(0.01)
            return b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

    told = asyncio.run(served(slow, [("x", "/x")] * 100))

    # An answer takes 10 ms and one is asked for every 2: the last waits for most of the others.
    assert len(told.ms["x"]) == 100
    assert max(told.ms["x"]) > 700
    assert told.failed == []


def test_what_is_refused_is_told_and_each_kind_is_counted_apart() -> None:
    async def some(path: str) -> bytes:
        status = "503 Later" if path == "/busy" else "200 OK"
        return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()

    told = asyncio.run(served(some, [("a", "/a"), ("b", "/busy"), ("a", "/a")]))

    assert {name: len(ms) for name, ms in told.ms.items()} == {"a": 2, "b": 1}
    assert told.failed == ["503 /busy"]


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a length"):
        asking._length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
