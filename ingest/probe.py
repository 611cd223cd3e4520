"""Ask the store whether it is there while nothing is written: silence must not look like health."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ingest.metrics import Health
from kahriz.errors import StoreUnavailable
from kahriz.logs import Once
from kahriz.store import Store

_LOG = logging.getLogger(__name__)

PART = "store reads"

QUIET_S = 2.0
"""A store that took something so lately need not be asked."""


class Probe:
    """Asks, and says on /health what came of it."""

    def __init__(
        self, store: Store, health: Health, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._health = health
        self._clock = clock
        self._once = Once(_LOG)
        self._written_at: float | None = None
        self._last_write: float | None = None

    def step(self) -> bool:
        """Ask, unless something was stored since a moment ago; there is never more to do."""
        if self._health.last_write_wall != self._last_write:
            self._last_write, self._written_at = self._health.last_write_wall, self._clock()
        is_quiet = self._written_at is None or self._clock() - self._written_at > QUIET_S
        if is_quiet or PART in self._health.problems:
            self.ask()
        return False

    def ask(self) -> None:
        """Ask now; the embedded store's file is made by it, for readers."""
        self._health.asked(PART)
        try:
            self._store.check()
        except StoreUnavailable as error:
            self._once.failed(PART, error.reason)
            self._health.failed(PART, error.reason)
        else:
            self._once.worked(PART)
            self._health.worked(PART)
