from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from api.events import Changes, Counters, EventStream, Subscription
from api.problems import Problem

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Counted:
    """Counters that a test changes, in the store and in the book."""

    def __init__(self) -> None:
        self.store: Counters = {"latest": 1}
        self.book: Counters = {"alerts": 1, "water": 1}
        self.store_fails = False

    async def look_at_store(self) -> Counters:
        if self.store_fails:
            raise ConnectionError("the store is away")
        return self.store

    async def look_at_book(self) -> Counters:
        return self.book

    def changes(self, limit: int = 100) -> Changes:
        return Changes({"store": self.look_at_store, "book": self.look_at_book}, limit)


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_the_first_look_tells_everything_and_the_second_only_what_changed() -> None:
    async def scene() -> None:
        counted = Counted()
        changes = counted.changes()
        reader = changes.subscribe()
        first = await changes.look_once()
        told_first = await reader.changed(0)
        counted.book = {"alerts": 2, "water": 1}
        second = await changes.look_once()
        third = await changes.look_once()

        assert first == {"latest", "alerts", "water"}
        assert told_first == ["alerts", "latest", "water"]
        assert second == {"alerts"}
        assert third == frozenset()
        assert await reader.changed(0) == ["alerts"]
        assert await reader.changed(0) == []

    run(scene)


def test_what_a_slow_reader_missed_is_told_once_and_merged() -> None:
    async def scene() -> None:
        counted = Counted()
        changes = counted.changes()
        reader = changes.subscribe()
        for n in range(50):
            counted.book = {"alerts": n, "water": -n}
            await changes.look_once()

        assert await reader.changed(0) == ["alerts", "latest", "water"]
        assert await reader.changed(0) == []

    run(scene)


def test_a_store_that_is_away_keeps_back_only_its_own_news_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        counted = Counted()
        changes = counted.changes()
        await changes.look_once()
        counted.store_fails = True
        counted.store = {"latest": 2}
        counted.book = {"alerts": 2, "water": 1}
        while_away = await changes.look_once()
        await changes.look_once()
        counted.store_fails = False
        back = await changes.look_once()

        assert while_away == {"alerts"}
        assert back == {"latest"}

    run(scene)

    assert [r.getMessage() for r in caplog.records] == ["failing", "works again"]


def test_one_stream_more_than_the_limit_is_refused_until_one_leaves() -> None:
    async def scene() -> None:
        changes = Counted().changes(limit=2)
        first = changes.subscribe()
        changes.subscribe()

        with pytest.raises(Problem, match="all 2 streams are taken") as caught:
            changes.subscribe()
        assert caught.value.status == 503
        assert caught.value.headers["Retry-After"] == "5"
        changes.unsubscribe(first)
        assert isinstance(changes.subscribe(), Subscription)

    run(scene)


def test_a_service_that_stops_ends_its_streams_and_takes_no_new_one() -> None:
    async def scene() -> None:
        changes = Counted().changes()
        reader = changes.subscribe()
        changes.close()

        assert await reader.changed(60) == []
        assert reader.is_over
        with pytest.raises(Problem, match="stopping"):
            changes.subscribe()

    run(scene)


class Connection:
    """An ASGI connection: what was sent, and a switch for the client to leave."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.came = asyncio.Event()
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.sent.append(message["body"])
            self.came.set()

    async def next(self) -> bytes:
        await asyncio.wait_for(self.came.wait(), 5)
        self.came.clear()
        return self.sent[-1]


def test_a_stream_sends_changes_and_forgets_a_client_that_left() -> None:
    async def scene() -> None:
        counted = Counted()
        changes = counted.changes()
        connection = Connection()
        stream = EventStream(changes, lambda: NOW)
        open_at_first = len(changes)
        serving = asyncio.create_task(stream({"type": "http"}, connection.receive, connection.send))
        hello = await connection.next()
        await changes.look_once()
        news = await connection.next()
        connection.left.set()
        await asyncio.wait_for(serving, 5)

        assert open_at_first == 1
        assert hello == b"retry: 3000\n\n"
        assert news == (
            b"event: change\n"
            b'data: {"now":"2026-11-22T12:00:00Z","topics":["alerts","latest","water"]}\n\n'
        )
        assert len(changes) == 0

    run(scene)


def test_a_quiet_stream_is_kept_alive_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.events.KEEP_ALIVE_S", 0.01)

    async def scene() -> None:
        connection = Connection()
        stream = EventStream(Counted().changes(), lambda: NOW)
        serving = asyncio.create_task(stream({"type": "http"}, connection.receive, connection.send))
        await connection.next()
        kept_alive = await connection.next()
        connection.left.set()
        await serving

        assert kept_alive == b": still here\n\n"

    run(scene)


def test_a_client_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.events.STALLED_S", 0.01)

    async def never(_: Any) -> None:
        if _["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def scene() -> None:
        changes = Counted().changes()
        stream = EventStream(changes, lambda: NOW)
        await asyncio.wait_for(stream({"type": "http"}, Connection().receive, never), 5)

        assert len(changes) == 0

    run(scene)


def test_a_fault_in_a_stream_is_not_swallowed() -> None:
    def broken() -> datetime:
        raise ZeroDivisionError

    async def scene() -> None:
        changes = Counted().changes()
        connection = Connection()
        stream = EventStream(changes, broken)
        serving = asyncio.create_task(stream({"type": "http"}, connection.receive, connection.send))
        await connection.next()
        await changes.look_once()

        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(serving, 5)
        assert len(changes) == 0

    run(scene)
