"""Limits learned while the service runs: one datastream's last month at a time, each once a day."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

import numpy as np

from kahriz.quality.learned import LOOK_BACK, LearnedLimits, learn
from kahriz.sites import Registry
from kahriz.store import Store

_HOLDS = timedelta(days=1)


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
        # Each with when it was last learned of, who has waited longest first.
        self._due: deque[tuple[datetime | None, int]] = deque(
            (None, stream) for stream in limits.open_streams.tolist()
        )

    def step(self, now: datetime) -> None:
        """Learn of the one datastream that has waited longest, if any is due."""
        if not self._due:
            return
        learned_at, stream = self._due[0]
        if learned_at is not None and now - learned_at < _HOLDS:
            return
        past = self._store.series(self._ids[stream], now - LOOK_BACK, now)
        self._limits.put(stream, learn(past.time.astype(np.int64), past.value, past.quality))
        self._due.popleft()
        self._due.append((now, stream))
