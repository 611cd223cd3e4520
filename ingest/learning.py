"""Limits learned while the service runs: one datastream's last month at a time, anew each day."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta

import numpy as np

from kahriz.clock import to_ms
from kahriz.errors import StoreUnavailable
from kahriz.quality.learned import LOOK_BACK, LearnedLimits, learn
from kahriz.sites import Registry
from kahriz.store import Store

_DAY = timedelta(days=1)


class Learning:
    """Reads what was, and lets what it says about a datastream's limits hold.

    Parameters
    ----------
    registry, store
        As ingest has them; nothing is written.
    limits
        Those ingest judges by.
    """

    def __init__(self, registry: Registry, store: Store, limits: LearnedLimits) -> None:
        self._store = store
        self._limits = limits
        self._ids = [d.id for d in registry.datastreams]
        # Each with the day it was last learned for, who has waited longest first.
        self._due: deque[tuple[datetime | None, int]] = deque(
            (None, stream) for stream in limits.open_streams.tolist()
        )

    def step(self, now: datetime) -> None:
        """Learn of the one datastream that has waited longest, if any is due."""
        if not self._due:
            return
        learned_for, stream = self._due[0]
        # By what was before midnight, so that whoever judges the day again learns the same.
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if learned_for == today:
            return
        try:
            past = self._store.series(self._ids[stream], today - LOOK_BACK, today)
        except StoreUnavailable:
            self._due.rotate(-1)  # one that cannot be read holds up no other
            raise
        learned = learn(past.time.astype(np.int64), past.value, past.quality)
        self._limits.put(stream, learned, to_ms(today) // (_DAY // timedelta(milliseconds=1)))
        self._due.popleft()
        self._due.append((today, stream))
