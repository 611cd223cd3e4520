"""Reads and writes that block wait in a few threads of their own, so the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import Connection

from api.problems import unavailable
from kahriz.book import Book
from kahriz.errors import StoreUnavailable
from kahriz.store import Store

__all__ = ["Connection", "Reads"]

T = TypeVar("T")
Transaction = Callable[[], AbstractContextManager[Connection]]

THREADS = 4
PATIENCE_S = 15.0


class Reads:
    """The store and the book as handlers use them: awaited, and never for ever.

    Each has its own threads: a store that hangs holds up no answer that needs the book alone.

    Parameters
    ----------
    store, book
        What is read.
    patience_s
        Seconds after which an answer that has not come is a 503.
    """

    def __init__(self, store: Store, book: Book, patience_s: float = PATIENCE_S) -> None:
        self._store = store
        self._book = book
        self.patience_s = patience_s
        self._for_store = ThreadPoolExecutor(THREADS, "store")
        self._for_book = ThreadPoolExecutor(THREADS, "book")

    async def store(self, read: Callable[[Store], T], patience_s: float | None = None) -> T:
        """Return what `read` makes of the store; 503 if that takes too long."""
        return await self._within(self._for_store, lambda: read(self._store), "store", patience_s)

    async def book(self, read: Callable[[Connection], T], patience_s: float | None = None) -> T:
        """Return what `read` makes of one state of the book; 503 likewise."""
        return await self._in_book(self._book.read, read, patience_s)

    async def change_book(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` makes of the book, in a transaction that may change it."""
        return await self._in_book(self._book.begin, work, None)

    def close(self) -> None:
        """Start nothing more; what runs is left to end by itself."""
        self._for_store.shutdown(wait=False, cancel_futures=True)
        self._for_book.shutdown(wait=False, cancel_futures=True)

    async def _in_book(
        self, opened: Transaction, work: Callable[[Connection], T], patience_s: float | None
    ) -> T:
        def transaction() -> T:
            try:
                with opened() as connection:
                    return work(connection)
            except StoreUnavailable as error:
                # Where the book lives is for the operator's log, not for whoever asks.
                reason = error.reason.removeprefix(f"book {self._book.url}: ")
                raise unavailable("book", reason) from error

        return await self._within(self._for_book, transaction, "book", patience_s)

    async def _within(
        self, threads: Executor, work: Callable[[], T], what: str, patience_s: float | None
    ) -> T:
        patience_s = self.patience_s if patience_s is None else patience_s
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.get_running_loop().run_in_executor(threads, work)
        except TimeoutError as error:
            raise unavailable(what, f"no answer within {patience_s:g} s") from error
