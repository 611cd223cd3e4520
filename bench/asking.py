"""Readers of an API at an even rate, whatever it does: latency counts from when each was to ask.

A reader who waits for the last answer before he asks again goes easy on a service that is slow
(coordinated omission). Here the instant of every request is fixed beforehand; where no connection
is free at its instant, the wait is part of its latency. As a command: opens its connections, prints
``ready``, waits for a line, asks, prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson

CONNECTIONS = 32


@dataclass(slots=True)
class Told:
    """What came of the requests: latency [ms] by the name of what was asked, and what failed."""

    ms: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class _Connection:
    """One connection that is kept, as a browser's."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._where = (host, port)
        self._head = f"Host: {host}:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._where)

    async def ask(self, path: str) -> int:
        """Return the status of the answer to a GET, once all of it is here."""
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._head}".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(_length(head))
        return int(head[9:12])

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ValueError(f"an answer without a length: {head!r}")


async def ask(
    port: int,
    key: str,
    plan: Sequence[tuple[str, str]],
    per_s: float,
    begin: Callable[[], object] = lambda: None,
) -> Told:
    """Ask for each (name, path) of `plan` at its instant, `per_s` of them a second.

    All connections are open when `begin` is called, and the first instant is when it returns.
    """
    connections = [_Connection("127.0.0.1", port, key) for _ in range(CONNECTIONS)]
    for connection in connections:
        await connection.open()
    await asyncio.to_thread(begin)
    told = Told()
    due: asyncio.Queue[tuple[float, str, str] | None] = asyncio.Queue()

    async def work(connection: _Connection) -> None:
        while (each := await due.get()) is not None:
            at, name, path = each
            status = await connection.ask(path)
            told.ms.setdefault(name, []).append((time.perf_counter() - at) * 1000)
            if status != 200:
                told.failed.append(f"{status} {path}")

    working = [asyncio.create_task(work(connection)) for connection in connections]
    began = time.perf_counter()
    for i, (name, path) in enumerate(plan):
        at = began + i / per_s
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait((at, name, path))
    for _ in working:
        due.put_nowait(None)
    await asyncio.gather(*working)
    for connection in connections:
        await connection.close()
    return told


def _begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Ask as the command line says; the plan is a file of lines ``name path``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--plan", required=True)
    parser.add_argument("--per-s", type=float, required=True)
    options = parser.parse_args()
    with open(options.plan, encoding="utf-8") as lines:  # noqa: PTH123 - a path as it was said
        plan = [(name, path) for name, _, path in (line.strip().partition(" ") for line in lines)]
    told = asyncio.run(ask(options.port, options.key, plan, options.per_s, _begin))
    print(orjson.dumps({"ms": told.ms, "failed": told.failed}).decode(), flush=True)


if __name__ == "__main__":
    main()
