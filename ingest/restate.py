"""A rating that is new, corrected or gone restates the discharge it covers, and nothing else.

Discharge is stored, so an edit of sites.toml would otherwise change only what comes from then on.
The book keeps by which ratings each site's discharge was derived; where they differ from those of
sites.toml, that span is derived again from the stored stage and its flags, and its hours are
marked: figures that change get a higher revision.

Limits
------
- A store forgets nothing: discharge that the new rating would have refused keeps its value and is
  flagged FAIL, so no figure counts it as water; it is in `n_fail`, which a run with the new rating
  from the start would not have.
- It sees changed entries, not a changed formula behind the same entries.
- Alerts are not judged anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from ingest.judge import Derived, derived_of
from kahriz.book import Book, checkpoints, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.observations import ObservationBatch, Quality, Series, combine_flags
from kahriz.rating.spans import Span, differing, held
from kahriz.sites import Registry
from kahriz.store import Store

_log = logging.getLogger(__name__)

CHUNK_MS = 31 * 86_400_000
"""How much is read, derived and marked in one step: bounds its time and its transaction."""

_AHEAD = timedelta(days=2)  # readings may be a little ahead of the clock
_HOUR_MS = 3_600_000


class Restating:
    """Derives discharge anew where ratings changed, the newest first, a chunk a step.

    After a crash it goes on where it was: a chunk counts as done in the transaction that marks its
    hours, which is after the store has it, and doing one again changes nothing.
    """

    def __init__(self, registry: Registry, store: Store, book: Book) -> None:
        self._ids = tuple(d.id for d in registry.datastreams)
        self._registry = registry
        self._store = store
        self._book = book
        self._waiting: list[Derived] | None = None

    def step(self, now: datetime) -> bool:
        """Do one chunk; return whether there is more to do.

        Raises
        ------
        StoreUnavailable
            Store or book cannot be read or written now; the chunk is still to be done.
        """
        if self._waiting is None:
            found = derived_of(self._registry)
            self._waiting = [one for one in found if self._plan(one, now)]
        if not self._waiting:
            return False
        if not self._chunk(self._waiting[-1]):
            self._waiting.pop()
        return bool(self._waiting)

    def _plan(self, derived: Derived, now: datetime) -> bool:
        """Write down what a site's changed ratings leave to do; return whether there is any."""
        datastream = self._registry.datastreams[derived.discharge]
        wanted = held(datastream.site.rating, datastream.kahriz.zone)
        name = _name(self._ids[derived.discharge])
        with self._book.begin() as connection:
            kept = checkpoints.get(connection, name) or {"held": [], "pending": []}
            pending = [(start, end) for start, end in kept["pending"]]
            if kept["held"] != wanted:
                first = rollups.first_hour(connection, self._ids[derived.stage])
                last = to_ms(now + _AHEAD)
                changed = differing(kept["held"], wanted)
                pending += [] if first is None else _within(changed, first, last)
                checkpoints.put(connection, name, {"held": wanted, "pending": pending})
        if pending:
            _log.info("ratings changed: discharge is derived again", extra={"datastream": name})
        return bool(pending)

    def _chunk(self, derived: Derived) -> bool:
        """Do the end of the last span to be done; return whether there is more of this site."""
        name = _name(self._ids[derived.discharge])
        with self._book.read() as connection:
            kept = checkpoints.get(connection, name)
        if kept is None or not kept["pending"]:
            return False
        *pending, (start, end) = kept["pending"]
        begin = max(start, end - CHUNK_MS)
        hours = self._derive(derived, begin, end)
        if begin > start:
            pending.append((start, begin))
        with self._book.begin() as connection:
            of = self._ids[derived.discharge]
            rollups.mark_dirty(connection, ((of, int(hour)) for hour in hours))
            checkpoints.put(connection, name, {"held": kept["held"], "pending": pending})
        return bool(pending)

    def _derive(self, derived: Derived, start_ms: int, end_ms: int) -> Sequence[int]:
        """Store the discharge of [start_ms, end_ms) anew; return the hours it touches."""
        start, end = from_ms(start_ms), from_ms(end_ms)
        stage = self._store.series(self._ids[derived.stage], start, end)
        before = self._store.series(self._ids[derived.discharge], start, end)
        time_ms = stage.time.astype(np.int64)
        rated = derived.rating.discharge(time_ms, stage.value)
        is_rated = np.isfinite(rated.discharge_lps)
        now = Series(
            before.datastream,
            stage.time[is_rated],
            rated.discharge_lps[is_rated],
            combine_flags([stage.quality, rated.quality])[is_rated],
        )
        is_gone = ~np.isin(before.time, now.time)
        time = np.concatenate([now.time, before.time[is_gone]])
        value = np.concatenate([now.value, before.value[is_gone]])
        refused = np.full(int(is_gone.sum()), Quality.FAIL, np.uint8)
        quality = np.concatenate([now.quality, refused])
        if len(time):
            stream = np.full(len(time), derived.discharge, np.int32)
            self._store.write(ObservationBatch(self._ids, stream, time, value, quality))
        hours: list[int] = np.unique(time.astype(np.int64) // _HOUR_MS * _HOUR_MS).tolist()
        return hours


def _name(datastream: str) -> str:
    return f"rating:{datastream}"


def _within(spans: Sequence[Span], first_ms: int, last_ms: int) -> list[Span]:
    cut = [(max(start, first_ms), min(end, last_ms)) for start, end in spans]
    return [(start, end) for start, end in cut if start < end]
