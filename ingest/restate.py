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
- Where every rating of a site is taken away its discharge is no datastream any more, and stays.
- It sees changed entries, not a changed formula behind the same entries; a new `version` helps.
- Alerts are not judged anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ingest.hours import Hour, hours_of
from ingest.judge import Derived, derived_of
from kahriz.book import Book, checkpoints, rollups
from kahriz.clock import from_ms, to_ms
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series, combine_flags
from kahriz.rating import Rated
from kahriz.rating.spans import Span, differing, held
from kahriz.sites import Registry
from kahriz.store import Store

_log = logging.getLogger(__name__)

CHUNK_MS = 31 * 86_400_000
"""How much is read, derived and marked in one step: bounds its time and its transaction."""

_AHEAD = timedelta(days=2)  # readings may be a little ahead of the clock
_NOTHING: dict[str, Any] = {"held": [], "pending": []}


def _onwards(step: str) -> None:
    """Take no notice."""


class Restating:
    """Derives discharge anew where ratings changed, the newest first, a chunk a step.

    After a crash it goes on where it was: a chunk counts as done in the transaction that marks its
    hours, which is after the store has it, and doing one again changes nothing.

    Parameters
    ----------
    registry, store, book
        As ingest has them.
    at
        Told at "discharge written" and "discharge marked", for tests that end it there.
    """

    def __init__(
        self, registry: Registry, store: Store, book: Book, at: Callable[[str], object] = _onwards
    ) -> None:
        self._ids = tuple(d.id for d in registry.datastreams)
        self._registry = registry
        self._store = store
        self._book = book
        self._at = at
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
            kept = checkpoints.get(connection, name) or _NOTHING
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
            rollups.mark_dirty(connection, hours)
            checkpoints.put(connection, name, {"held": kept["held"], "pending": pending})
        self._at("discharge marked")
        return bool(pending)

    def _derive(self, derived: Derived, start_ms: int, end_ms: int) -> Sequence[Hour]:
        """Store the discharge of [start_ms, end_ms) anew; return the hours it touches.

        What is taken in meanwhile is rated by these ratings already, and left alone.
        """
        start, end = from_ms(start_ms), from_ms(end_ms)
        before = self._store.series(self._ids[derived.discharge], start, end)
        stage = self._store.series(self._ids[derived.stage], start, end)
        rated = derived.rating.discharge(stage.time.astype(np.int64), stage.value)
        anew = _anew(before, stage, rated)
        is_new = ~_is_in(anew, before)
        if is_new.any():
            n = int(np.count_nonzero(is_new))
            stream = np.full(n, derived.discharge, np.int32)
            columns = anew.time[is_new], anew.value[is_new], anew.quality[is_new]
            self._store.write(ObservationBatch(self._ids, stream, *columns))
        self._at("discharge written")
        stream = np.full(len(anew), derived.discharge, np.int32)
        return hours_of(self._ids, stream, anew.time.astype(np.int64))


def unsettled(connection: Connection, registry: Registry) -> dict[DatastreamId, list[Span]]:
    """Return where stored discharge need not be by the ratings of the registry yet.

    Of a discharge whose ratings were never noted, that is everywhere if there never was any, and
    nowhere if there was: then what noted them is what was lost.
    """
    found: dict[DatastreamId, list[Span]] = {}
    for derived in derived_of(registry):
        datastream = registry.datastreams[derived.discharge]
        kept = checkpoints.get(connection, _name(datastream.id))
        wanted = held(datastream.site.rating, datastream.kahriz.zone)
        if kept is None:
            is_new = rollups.first_hour(connection, datastream.id) is None
            kept = _NOTHING if is_new else {"held": wanted, "pending": []}
        pending = [(start, end) for start, end in kept["pending"]]
        found[datastream.id] = pending + differing(kept["held"], wanted)
    return found


def _anew(before: Series, stage: Series, rated: Rated) -> Series:
    """Return what is to be stored: what the stage gives, and what it gave and no longer does."""
    is_rated = np.isfinite(rated.discharge_lps)
    quality = combine_flags([stage.quality, rated.quality])
    refused = np.isin(before.time, stage.time[~is_rated])
    failed = np.full(np.count_nonzero(refused), Quality.FAIL, np.uint8)
    return Series(
        before.datastream,
        np.concatenate([stage.time[is_rated], before.time[refused]]),
        np.concatenate([rated.discharge_lps[is_rated], before.value[refused]]),
        np.concatenate([quality[is_rated], failed]),
    )


def _is_in(one: Series, other: Series) -> NDArray[np.bool_]:
    """Return (n,) whether `other`, in time order, has each observation just as `one` has it."""
    at = np.searchsorted(other.time, one.time)
    is_in: NDArray[np.bool_] = at < len(other)
    found = at[is_in]
    is_in[is_in] = (
        (other.time[found] == one.time[is_in])
        & (other.value[found] == one.value[is_in])
        & (other.quality[found] == one.quality[is_in])
    )
    return is_in


def _name(datastream: str) -> str:
    return f"rating:{datastream}"


def _within(spans: Sequence[Span], first_ms: int, last_ms: int) -> list[Span]:
    cut = [(max(start, first_ms), min(end, last_ms)) for start, end in spans]
    return [(start, end) for start, end in cut if start < end]
