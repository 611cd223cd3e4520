"""The API in this process, over a memory store and a real book, asked as a browser would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from kahriz.book import Book, audit, checkpoints, keys
from kahriz.settings import ApiSettings, NotifySettings, Settings
from kahriz.sites import load_registry
from kahriz.store import Store
from kahriz.store.memory import MemoryStore

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # 16:00 in Baku
WALL = NOW.timestamp()
BOOK = "book.sqlite"
EXAMPLE = Path(__file__).parents[3] / "sites.example.toml"


class Api:
    """One API, its store and book, and a client on this machine.

    The folder holds a book that is brought up to date and gets the page's files in ``web``;
    `now` is the water's clock and `wall` the wall clock; a test sets either.
    """

    def __init__(
        self,
        folder: Path,
        *,
        open_reads: bool = True,
        notify: NotifySettings | None = None,
        sites: Path = EXAMPLE,
    ) -> None:
        self.now = NOW
        self.wall = WALL
        self.registry = load_registry(sites)
        self.store: Store = MemoryStore()
        self.book = Book(f"sqlite:///{folder / BOOK}")
        self.folder = folder / "web"
        settings = Settings(
            data_dir=folder,
            api=ApiSettings(open_reads=open_reads),
            notify=notify or NotifySettings(),
        )
        self.app: FastAPI = create_app(
            settings,
            self.registry,
            self.store,
            self.book,
            lambda: self.now,
            wall=lambda: self.wall,
            page_folder=self.folder,
        )
        self._runner = asyncio.Runner()
        self._lifespan: AbstractAsyncContextManager[Any] = self.app.router.lifespan_context(
            self.app
        )

    def __enter__(self) -> Api:
        self._runner.__enter__()
        self._runner.run(self._lifespan.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()
        self.book.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        peer: str = "127.0.0.1",
        host: str = "127.0.0.1",
        **how: Any,
    ) -> httpx.Response:
        """Return the answer to one request from `peer`, meant for `host`."""

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(
                self.app, raise_app_exceptions=False, client=(peer, 50000)
            )
            address = f"http://{host}:8000"
            async with httpx.AsyncClient(transport=transport, base_url=address) as client:
                return await client.request(method, path, **how)

        return self._runner.run(request())

    def get(self, path: str, **how: Any) -> httpx.Response:
        """Return the answer to a GET."""
        return self.ask("GET", path, **how)

    def json(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET that has to succeed."""
        response = self.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def key(
        self, scope: keys.Scope = keys.Scope.WRITE, lifetime: timedelta | None = None
    ) -> dict[str, str]:
        """Return the header of a new key named "office"."""
        now = datetime.fromtimestamp(self.wall, UTC)
        with self.book.begin() as connection:
            _, token = keys.create(connection, "office", scope, now, lifetime)
        return {"Authorization": f"Bearer {token}"}

    def beat(self, **heartbeat: Any) -> None:
        """Write ingest's heartbeat as of the wall clock."""
        usual = {"wall_ms": int(self.wall * 1000), "status": "ok", "reason": ""}
        with self.book.begin() as connection:
            checkpoints.put(connection, "ingest", usual | heartbeat)

    def audit(self) -> list[audit.Entry]:
        """Return the audit log, newest first."""
        with self.book.read() as connection:
            return audit.list_entries(connection)

    def break_book(self) -> None:
        """Put something in the book's place that is no database."""
        place = Path(str(self.book.url.database))
        for left in place.parent.glob(BOOK + "*"):
            left.unlink()
        place.write_bytes(b"no database" * 1000)

    @contextmanager
    def store_that_hangs(self) -> Iterator[None]:
        """Let every read of the store wait until the block ends."""
        release = threading.Event()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.store, "latest", lambda: release.wait(30) and {})
            yield
            release.set()


def assert_problem(response: httpx.Response, status: int, *named: str) -> dict[str, Any]:
    """Check that an answer is a problem of this status whose detail names everything `named`."""
    body: dict[str, Any] = response.json()
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == status
    for word in named:
        assert word in body["detail"]
    return body
