"""Reads and writes that block wait in a few threads of their own, so the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from sqlalchemy import Connection

from api.problems import Problem, unavailable
from kahriz.book import Book
from kahriz.errors import StoreUnavailable
from kahriz.store import Store

__all__ = ["Connection", "Reads"]

T = TypeVar("T")
Transaction = Callable[[], AbstractContextManager[Connection]]

THREADS = 4
EXPORT_THREADS = 2
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
        self._for_exports = ThreadPoolExecutor(EXPORT_THREADS, "export")

    async def store(self, read: Callable[[Store], T], patience_s: float | None = None) -> T:
        """Return what `read` makes of the store; 503 if that takes too long."""
        return await self._within(self._for_store, lambda: read(self._store), "store", patience_s)

    async def book(self, read: Callable[[Connection], T], patience_s: float | None = None) -> T:
        """Return what `read` makes of one state of the book; 503 likewise."""
        return await self._in_book(self._book.read, read, patience_s)

    async def change_book(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` makes of the book, in a transaction that may change it."""
        return await self._in_book(self._book.begin, work, None)

    async def pieces(
        self, make: Callable[[Store, Book], Iterator[bytes]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield what `make` returns of store and book, piece by piece; 503 if one takes too long.

        In threads of their own: what is long does not stand before what is short.
        """

        def made() -> Iterator[bytes]:
            return make(self._store, self._book)

        pieces = await self._piece(made)
        try:
            while (piece := await self._piece(lambda: next(pieces, None))) is not None:
                yield piece
        finally:
            # Where one still runs it ends by itself, and nobody takes the next.
            with suppress(AttributeError, ValueError):
                pieces.close()  # type: ignore[attr-defined]

    async def _piece(self, work: Callable[[], T]) -> T:
        def explained() -> T:
            try:
                return work()
            except StoreUnavailable as error:
                raise self._of_book(error) or error from error

        return await self._within(self._for_exports, explained, "export", None)

    def close(self) -> None:
        """Start nothing more; what runs is left to end by itself."""
        self._for_store.shutdown(wait=False, cancel_futures=True)
        self._for_book.shutdown(wait=False, cancel_futures=True)
        self._for_exports.shutdown(wait=False, cancel_futures=True)

    async def _in_book(
        self, opened: Transaction, work: Callable[[Connection], T], patience_s: float | None
    ) -> T:
        def transaction() -> T:
            try:
                with opened() as connection:
                    return work(connection)
            except StoreUnavailable as error:
                raise self._of_book(error) or unavailable("book", error.reason) from error

        return await self._within(self._for_book, transaction, "book", patience_s)

    def _of_book(self, error: StoreUnavailable) -> Problem | None:
        """Return what it means if it is the book that is away."""
        # Where the book lives is for the operator's log, not for whoever asks.
        place = f"book {self._book.url}: "
        if not error.reason.startswith(place):
            return None
        return unavailable("book", error.reason.removeprefix(place))

    async def _within(
        self, threads: Executor, work: Callable[[], T], what: str, patience_s: float | None
    ) -> T:
        patience_s = self.patience_s if patience_s is None else patience_s
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.get_running_loop().run_in_executor(threads, work)
        except TimeoutError as error:
            raise unavailable(what, f"no answer within {patience_s:g} s") from error
