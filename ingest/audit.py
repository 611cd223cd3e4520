"""Hold ledger, raw intake, store and books against each other, while ingest goes on or not.

What is read, and in which order, so that work in progress is no finding: first the ledger and the
store's recent rows, then the raw intake. So everything the store holds has its message in the
intake by then; and of what came only that is asked for in ledger and store which came `settle`
before the beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from ingest.came import BootKey, Came, Expected, Reader, Times, without
from ingest.clocks import recall_decisions
from ingest.gather import Gatherer
from ingest.judge import Assessor
from ingest.ledger import Ranges, ranges_of
from ingest.underway import Underway
from kahriz.book import Book, check, days, dead_letters, ledger
from kahriz.book.days import Reason
from kahriz.book.ledger import BootRecord
from kahriz.clock import from_ms, iso, to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, Series
from kahriz.quality.flagger import Flagger
from kahriz.quality.limits import limits_of
from kahriz.sites import Registry
from kahriz.store import Store
from kahriz.store.sqlite_check import problems

_DAY_MS = 86_400_000
_Nothing = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: in which part, and what, in words."""

    part: str
    what: str


@dataclass(slots=True)
class Report:
    """What was compared, by part, and what was found wrong: all counted, the first ones in words.

    Attributes
    ----------
    most
        Findings of one part that are put into words.
    """

    most: int = 100
    compared: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def say(self, part: str, *whats: str) -> None:
        """Add findings."""
        self.say_all(part, len(whats), iter(whats))

    def say_all(self, part: str, n: int, whats: Iterator[str]) -> None:
        """Add `n` findings; no more are put into words than there is room for."""
        room = max(self.most - self.counts[part], 0)
        self.counts[part] += n
        self.findings += [Finding(part, what) for what in islice(whats, room)]


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: received in [since, now); settled is what came before `cut`."""

    since_ms: int
    cut_ms: int
    now_ms: int


class Audit:
    """Compares what the parts of the service say of the same readings.

    Parameters
    ----------
    registry, store, book
        As ingest has them; nothing is written.
    store_url
        Where an embedded store's file is.
    folder
        Of the raw intake.
    gatherer
        As ingest has it.
    tolerance
        A device's time so far ahead of ours is believed.
    most
        Findings of one part that are put into words.
    is_only
        Whether everything came this way; else others have a raw intake of their own, and what is
        not in ours may be in theirs.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        book: Book,
        store_url: str,
        folder: Path,
        gatherer: Gatherer,
        tolerance: timedelta,
        most: int = 100,
        *,
        is_only: bool = True,
    ) -> None:
        self._registry = registry
        self._ids = tuple(d.id for d in registry.datastreams)
        self._store, self._book = store, book
        self._store_url, self._folder = store_url, folder
        self._gatherer = gatherer
        self._most = most
        self._is_only = is_only
        # Flags are not compared, so the values before do not matter.
        self._assessor = Assessor(registry, Flagger(limits_of(registry)))
        self._tolerance_ms = tolerance // timedelta(milliseconds=1)

    def run(
        self, now: datetime, keep: timedelta, settle: timedelta, reached: _Nothing = lambda _: None
    ) -> Report:
        """Compare what came in the last `keep`, but for the last `settle`."""
        report = Report(self._most)
        window = Window(to_ms(now - keep), to_ms(now - settle), to_ms(now))
        if not self._check_files(report):
            return report
        with self._book.read() as connection:
            boots = ledger.all_boots(connection)
            recall_decisions(connection, self._gatherer.clocks)
            letters = dead_letters.digests(connection, list(Reason))
            counts = days.days(connection)
            underway = Underway(self._registry, connection)
        for count in counts:
            if count.unaccounted:
                what = f"{count.device or 'strangers'} {count.day}: {count.unaccounted} of"
                report.say("days", f"{what} {count.received} readings have no fate")
        report.compared["days"] = f"{len(counts)} device days"
        stored = self._recent(report, window)
        known = ranges_of(boots)
        self._gatherer.clocks.leave_as_decided(known)
        reader = Reader(self._gatherer, self._assessor, known, letters)
        came = reader.read(self._folder, window.since_ms, window.cut_ms, reached)
        is_whole = self._check_intake(report, came) and self._is_only
        self._check_ledger(report, boots, came, window, is_whole)
        if stored is not None:
            try:
                self._check_store(report, stored, came, window, is_whole, underway)
            except StoreUnavailable as error:
                report.say("store", error.reason)
        return report

    def _check_files(self, report: Report) -> bool:
        """Look at the files themselves; return whether the book can be read."""
        of_store, of_book = problems(self._store_url), check.problems(self._book)
        report.compared["files"] = "store and book"
        for what in of_store:
            report.say("files", f"store {what}")
        for what in of_book:
            report.say("files", f"book {what}")
        return not of_book

    def _recent(self, report: Report, window: Window) -> dict[DatastreamId, Series] | None:
        """Return what the store holds of the window; None: it cannot be read."""
        start, end = from_ms(window.since_ms), from_ms(window.now_ms + self._tolerance_ms + 1)
        try:
            return {id: self._store.series(id, start, end) for id in self._ids}
        except StoreUnavailable as error:
            report.say("store", f"cannot be read: {error.reason}")
            return None

    def _check_intake(self, report: Report, came: Came) -> bool:
        """Return whether the raw intake is whole, so that what it lacks never came."""
        for gap in came.found.missing:
            before = iso(from_ms(gap.received_at_ms))
            report.say("intake", f"{gap.n} messages before {before} could not be written down")
        for where in came.found.damaged:
            report.say("intake", f"damaged: {where}")
        oldest = came.found.oldest_ms
        since = "empty" if oldest is None else f"since {iso(from_ms(oldest))}"
        report.compared["intake"] = f"{came.n_messages} messages, {since}"
        return not came.found.missing and not came.found.damaged

    def _check_ledger(
        self,
        report: Report,
        boots: Mapping[BootKey, BootRecord],
        came: Came,
        window: Window,
        is_whole: bool,
    ) -> None:
        report.compared["ledger"] = f"{len(came.numbers)} boots"
        for key, ranges in sorted(came.unknown.items()):
            for span in _spans(ranges):
                report.say("ledger", f"{_place(key, span)} came, and the ledger does not have it")
        oldest = came.found.oldest_ms
        if not is_whole or oldest is None:
            return
        for key, record in sorted(boots.items()):
            if record.first_heard_ms < max(window.since_ms, oldest) or key[0] in came.unnumbered:
                continue  # some of it came before the raw intake begins
            for span in record.ranges:
                for missing in without(span, came.numbers.get(key)):
                    report.say("ledger", f"{_place(key, missing)} never came, by the raw intake")

    def _check_store(
        self,
        report: Report,
        stored: Mapping[DatastreamId, Series],
        came: Came,
        window: Window,
        is_whole: bool,
        underway: Underway,
    ) -> None:
        expected, n = came.expected(self._ids), 0
        oldest = came.found.oldest_ms
        # What is measured later than this came within the raw intake, if it came at all.
        sure_ms = max(window.since_ms, oldest or 0) + self._tolerance_ms
        for id in self._ids:
            series = stored[id]
            if id in expected:
                due = expected[id]
                due = replace(due, is_due=due.is_due & ~underway.is_in(id, due.time_ms))
                n += int(np.count_nonzero(due.is_due))
                self._compare(report, id, due, self._with_older(series, due, window))
            if is_whole and oldest is not None:
                explained = expected[id].time_ms if id in expected else np.empty(0, np.int64)
                time_ms = series.time.astype(np.int64)
                is_strange = (time_ms > sure_ms) & ~np.isin(time_ms, explained)
                is_strange &= ~underway.is_in(id, time_ms) & ~underway.is_refused(id, stored)
                strange = np.flatnonzero(is_strange)
                whats = (
                    f"{_row(id, time_ms[i])} {series.value[i]:g} is stored, and nobody sent it"
                    for i in strange
                )
                report.say_all("store", len(strange), whats)
        report.compared["store"] = f"{n} values"

    def _with_older(self, series: Series, due: Expected, window: Window) -> tuple[Times, Times]:
        """Return times and values stored, also of what was measured before the window."""
        older = np.unique(due.time_ms[due.is_due & (due.time_ms < window.since_ms)] // _DAY_MS)
        times, values = [series.time.astype(np.int64)], [series.value]
        for day in older.tolist():
            end_ms = min((day + 1) * _DAY_MS, window.since_ms)
            part = self._store.series(series.datastream, from_ms(day * _DAY_MS), from_ms(end_ms))
            times.append(part.time.astype(np.int64))
            values.append(part.value)
        return np.concatenate([*times[1:], times[0]]), np.concatenate([*values[1:], values[0]])

    @staticmethod
    def _compare(
        report: Report, id: DatastreamId, due: Expected, stored: tuple[Times, Times]
    ) -> None:
        time_ms, value = stored
        wanted = np.flatnonzero(due.is_due)
        at = np.searchsorted(time_ms, due.time_ms[wanted])
        is_there = at < len(time_ms)
        is_there[is_there] = time_ms[at[is_there]] == due.time_ms[wanted][is_there]
        missing = wanted[~is_there]
        whats = (
            f"{_row(id, due.time_ms[i])} {due.value[i]:g} came, and is not stored" for i in missing
        )
        report.say_all("store", len(missing), whats)
        there = np.flatnonzero(is_there)
        differs = there[value[at[there]] != due.value[wanted[there]]]
        whats = (
            f"{_row(id, due.time_ms[wanted[j]])} {value[at[j]]:.17g} is stored,"
            f" and {due.value[wanted[j]]:.17g} came"
            for j in differs
        )
        report.say_all("store", len(differs), whats)


def _spans(ranges: Ranges) -> Iterator[tuple[int, int]]:
    return zip(ranges.firsts, ranges.lasts, strict=True)


def _place(key: BootKey, span: tuple[int, int]) -> str:
    device, boot = key
    first, last = span
    return f"{device} boot {boot} seq {first}" + (f" to {last}" if last > first else "")


def _row(id: DatastreamId, time_ms: np.int64) -> str:
    return f"{id} {iso(from_ms(int(time_ms)))}"
