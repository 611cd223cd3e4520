"""Whether ingest may begin, and whether it may take anything now.

Nothing is lost by waiting: the broker and the devices keep what is not acknowledged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from ingest.ballast import Ballast
from ingest.lease import Lease
from ingest.metrics import Health
from ingest.own_clock import OwnClock
from kahriz.book import Book
from kahriz.errors import StoreUnavailable
from kahriz.logs import Once, in_one_line

_LOG = logging.getLogger(__name__)

BOOK_PAUSE_S = 2.0
CLOCK_PAUSE_S = 0.5
DISK_PAUSE_S = 0.2


class Gate:
    """Waits for the book and the lease, and then, again and again, for clock and disk.

    Parameters
    ----------
    book, lease
        What has to be there, and ours, before the first message.
    own_clock, ballast
        Our own clock, and the room on the disk.
    health
        Where it is said what we wait for.
    stopping
        Ends every wait.

    Attributes
    ----------
    standing_by
        Who is at work in our place; empty: nobody else.
    """

    def __init__(
        self,
        book: Book,
        lease: Lease,
        own_clock: OwnClock,
        ballast: Ballast,
        health: Health,
        stopping: threading.Event,
    ) -> None:
        self._book = book
        self._lease = lease
        self._own_clock = own_clock
        self._ballast = ballast
        self._health = health
        self._stopping = stopping
        self._once = Once(_LOG)
        self.standing_by = ""

    def open(self, recall: Callable[[], None]) -> bool:
        """Wait until we may work, and `recall` has read from the book; False: told to stop."""
        self._ballast.step()  # a full disk would not even let the book open
        return (
            self._until_book(self._book.migrate) and self._stand_by() and self._until_book(recall)
        )

    def is_shut(self) -> bool:
        """Return whether nothing may be taken now, having waited a little if so."""
        return self._is_clock_wrong() or self._is_disk_full()

    def _until_book(self, attempt: Callable[[], None]) -> bool:
        """Try until the book is there, waiting for a server that is down; False: told to stop."""
        while True:
            try:
                attempt()
            except (StoreUnavailable, SQLAlchemyError) as error:
                self._once.failed("book", in_one_line(error))
                self._health.failed("book", in_one_line(error))
                if self._stopping.wait(BOOK_PAUSE_S):
                    return False
            else:
                self._once.worked("book")
                self._health.worked("book")
                return True

    def _stand_by(self) -> bool:
        """Wait until nobody else is at work; False: told to stop."""
        if not self._lease.wait(self._stopping, self._say_standing_by):
            return False
        self._book.fence(self._lease.fence)
        return True

    def _say_standing_by(self, reason: str) -> None:
        self.standing_by = reason

    def _is_clock_wrong(self) -> bool:
        problem = self._own_clock.problem()
        if not problem:
            self._once.worked("clock")
            self._health.worked("clock")
            return False
        self._once.failed("clock", problem)
        self._health.failed("clock", problem)
        self._stopping.wait(CLOCK_PAUSE_S)
        return True

    def _is_disk_full(self) -> bool:
        """Wait a little where there is no room: what is left is not for new readings."""
        if self._ballast.is_full:
            self._stopping.wait(DISK_PAUSE_S)
        return self._ballast.is_full
