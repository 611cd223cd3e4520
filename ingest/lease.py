"""One ingest at work at a time: a second one stands by, and takes over when the first is gone.

Two that work on one session of the broker would drive each other out of it for ever. A holder that
was stopped for a while and comes back finds its lease taken: the book refuses its transactions
(`Lease.fence`), so it acknowledges nothing more.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ingest.pipeline import Stopped
from kahriz.book import Book
from kahriz.book import lease as book_lease
from kahriz.book.lease import Holder
from kahriz.clock import from_ms, iso
from kahriz.errors import KahrizError, StoreUnavailable
from kahriz.logs import Once, in_one_line

_LOG = logging.getLogger(__name__)

EXPIRY_S = 10.0
"""A lease whose beat has not moved for so long is given up."""

RENEW_S = 2.0
ASK_S = 0.5


class LeaseLost(Stopped, KahrizError):  # noqa: N818 - a way out, like Stopped
    """Another process is at work; this one may write nothing any more."""


def this_process() -> Holder:
    """Return who we are, to be recognised as gone by others of this machine."""
    pid = os.getpid()
    return Holder(platform.node(), pid, _place(), _started(pid) or "")


def is_gone(holder: Holder) -> bool:
    """Say whether `holder` certainly runs no more; False where we cannot see it."""
    if not holder.place or holder.place != _place():
        return False
    return _started(holder.pid) != holder.started


class Lease:
    """The right to work under one name; renewed by `renew`, checked by `fence`.

    Parameters
    ----------
    name
        One for each client id at the broker.
    wall, monotonic, is_gone
        For tests.
    """

    def __init__(
        self,
        book: Book,
        name: str,
        holder: Holder,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        is_gone: Callable[[Holder], bool] = is_gone,
    ) -> None:
        self._book = book
        self._name = name
        self._holder = holder
        self._wall = wall
        self._monotonic = monotonic
        self._is_gone = is_gone
        self._token = secrets.token_hex(16)
        self._seen: book_lease.Lease | None = None
        self._seen_at = 0.0
        self._said = ""

    def wait(self, stopping: threading.Event, tell: Callable[[str], None]) -> bool:
        """Wait until it is ours; False: `stopping` was set. `tell` hears why we have to wait."""
        once = Once(_LOG)
        while not stopping.is_set():
            try:
                reason = self.take()
            except (StoreUnavailable, SQLAlchemyError) as error:
                once.failed("book", in_one_line(error))
            else:
                once.worked("book")
                tell(reason)
                if not reason:
                    return True
            stopping.wait(ASK_S)
        return False

    def take(self) -> str:
        """Try to take it; return who is at work instead, empty if it is ours now."""
        with self._book.read() as connection:
            found = book_lease.find(connection, self._name)
        if found is not None and found.token == self._token:
            return ""
        if found is not None and not self._is_given_up(found):
            at_work = _shown(found)
            if at_work != self._said:
                self._said = at_work
                _LOG.warning("standing by", extra={"reason": at_work})
            return f"standing by: {at_work}"
        ours = book_lease.Lease(
            self._name, self._token, self._holder, 0, round(self._wall() * 1000)
        )
        with self._book.begin() as connection:
            if not book_lease.take(connection, ours, found):
                return "standing by: another one was faster"
        if found is not None:
            _LOG.warning("taking over", extra={"from": _shown(found)})
        return ""

    def _is_given_up(self, found: book_lease.Lease) -> bool:
        if self._is_gone(found.holder):
            return True
        if found != self._seen:
            self._seen, self._seen_at = found, self._monotonic()
        return self._monotonic() - self._seen_at >= EXPIRY_S

    def renew(self) -> None:
        """Say that we are at work; raise LeaseLost if another one is."""
        with self._book.begin() as connection:
            self.fence(connection)
            book_lease.renew(connection, self._name, self._token)

    def fence(self, connection: Connection) -> None:
        """Raise LeaseLost if the lease is not ours; it stays ours until the transaction ends."""
        if not book_lease.holds(connection, self._name, self._token):
            found = book_lease.find(connection, self._name)
            who = "nobody" if found is None else _shown(found)
            raise LeaseLost(f"the lease {self._name!r} is not ours any more: {who}")

    def release(self) -> None:
        """Give it back, so that who stands by need not wait."""
        with self._book.begin() as connection:
            book_lease.release(connection, self._name, self._token)


def _shown(found: book_lease.Lease) -> str:
    since = iso(from_ms(found.taken_at_ms))
    return f"{found.holder.host} pid {found.holder.pid} is at work since {since}"


def _place() -> str:
    """Return where process numbers mean the same: this start of this machine, this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Return when process `pid` began, in ticks since the machine's start; None: it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name before the last parenthesis may hold anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
