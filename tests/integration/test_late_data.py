"""What comes late, out of order and twice leaves what would be there had it come in time.

What was told while a device was silent was told, and stays in the history of alerts beside that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ingest.allowance import Allowance
from ingest.gather import Gatherer
from ingest.history import History
from ingest.judge import Assessor
from ingest.learning import Learning
from ingest.metrics import Health, Metrics
from ingest.pipeline import Pipeline
from ingest.rejudge import REST, Rejudging
from ingest.rollups import Rollups
from ingest.waiting import Incoming
from ingest.watch import Watch
from kahriz.alert.past import NEAR
from kahriz.book import Book, alerts, rollups
from kahriz.book.alerts import Alert
from kahriz.clock import to_ms
from kahriz.detect.no_data import NoData
from kahriz.observations import DatastreamId
from kahriz.quality.flagger import Flagger
from kahriz.quality.learned import LearnedLimits, learnable
from kahriz.quality.limits import limits_of
from kahriz.sites import Registry, load_registry
from kahriz.store.memory import MemoryStore
from tests.fakes import FakeBroker, FakeClock

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
START = datetime(2026, 11, 18, 20, tzinfo=UTC)
DAYS = 4
STEP = timedelta(minutes=15)
N = int(timedelta(days=DAYS) / STEP)
HISTORY_DAYS = 7
"""Before all that: so much that limits can be learned."""
WEEKS = timedelta(weeks=6)
AT_ALL = (START - timedelta(days=HISTORY_DAYS), START + WEEKS + timedelta(days=1))
COLLAPSE = 3 * 96 + 20
"""Reading at which stones fall into the gallery."""
DEVICES = {"agh-dere-outlet": 0.09, "agh-dere-shaft": 1.2}
"""By device its stage [m]."""


@dataclass(frozen=True)
class Outage:
    """A device says nothing in readings [first, last), and sends them afterwards in some order.

    ``begins`` is at which reading it begins with that: live ones come in between, and are judged.
    It sends ``at_once`` with each live one.
    """

    device: str
    first: int
    last: int
    begins: int
    at_once: int
    order: tuple[int, ...]

    def now(self, i: int) -> tuple[int, ...]:
        """Return which late readings come with reading `i`; with the last one all the rest."""
        done = max(0, i - self.begins) * self.at_once
        return (
            ()
            if i < self.begins
            else self.order[done : None if i == N - 1 else done + self.at_once]
        )


def readings(device: str) -> list[tuple[int, float]]:
    """Return (time [ms], stage [m]) of all that a device measures, spikes and a rest among it."""
    chance = np.random.default_rng(sum(map(ord, device)))
    stage = DEVICES[device] + chance.normal(0, 0.0005, N)
    stage[chance.choice(COLLAPSE, 12, replace=False)] += 0.05
    rests = int(chance.integers(100, 200))
    stage[rests : rests + 60] = stage[rests]
    after = np.arange(N) >= COLLAPSE
    stage[after] += -0.03 if device == "agh-dere-outlet" else 0.4
    return [(to_ms(START + i * STEP), round(float(stage[i]), 4)) for i in range(N)]


def season(device: str) -> list[list[tuple[int, float]]]:
    """Return by day what a device measures in six weeks: stones fall, and are cleared away."""
    n = WEEKS // STEP
    chance = np.random.default_rng(sum(map(ord, device)))
    stage = DEVICES[device] + chance.normal(0, 0.0005, n)
    stage[chance.choice(n, 40, replace=False)] += 0.05
    is_blocked = slice(15 * 96 + 30, 18 * 96)
    stage[is_blocked] += -0.03 if device == "agh-dere-outlet" else 0.4
    told = [(to_ms(START + i * STEP), round(float(stage[i]), 4)) for i in range(n)]
    return [told[day : day + 96] for day in range(0, n, 96)]


def history(device: str) -> list[tuple[int, float]]:
    """Return what a device has measured before."""
    n = HISTORY_DAYS * 96
    stage = DEVICES[device] + np.random.default_rng(len(device)).normal(0, 0.0005, n)
    return [(to_ms(START - (n - i) * STEP), round(float(stage[i]), 4)) for i in range(n)]


class House:
    """Ingest over small real stores: pipeline, statistics, detection."""

    def __init__(self, folder: Path) -> None:
        registry = load_registry(Path("sites.example.toml"))
        self.registry = Registry(kahriz=registry.kahriz[:1])
        self.store = MemoryStore("memory://", "", read_only=False)
        self.book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        self.book.migrate()
        self.clock = FakeClock(START)
        learned = LearnedLimits(limits_of(self.registry), learnable(self.registry))
        limits = learned.table
        self.pipeline = Pipeline(
            Gatherer(self.registry, timedelta(seconds=120), timedelta(days=3650)),
            Assessor(
                self.registry, Flagger(limits, History(self.registry, self.store, limits)), learned
            ),
            self.store,
            self.book,
            FakeBroker(),
            self.clock,
            Metrics(),
            Health(),
            Allowance(rate=1000, burst=10_000),
            retry_max=timedelta(milliseconds=1),
        )
        self.learning = Learning(self.registry, self.store, learned)
        self.n_learned = len(learned.open_streams)
        self.rejudging = Rejudging(self.registry, self.store, self.book)
        self.rollups = Rollups(self.registry, self.store, self.book)
        self.watch = Watch(self.registry, self.store, self.book, [NoData()])
        self._mid = 0

    def send(self, device: str, seq: int, *said: tuple[int, float], boot: int = 2) -> None:
        rows = [[time_ms, {"stage_m": stage_m}] for time_ms, stage_m in said]
        payload = {"boot": boot, "seq": seq, "r": rows}
        self._mid += 1
        topic = f"kahriz/v1/{device}/up"
        raw = json.dumps(payload).encode()
        self.pipeline.process([Incoming(topic, raw, self._mid, 1, cast(Any, None))])

    def think(self) -> None:
        """Let what is learned, flags, statistics and detection catch up."""
        for _ in range(self.n_learned):
            self.learning.step(self.clock.now)
        while self.rejudging.step(self.clock.now):
            pass
        while self.rollups.step(self.clock.now):
            pass
        self.watch.step(self.clock.now)

    def live_before(self) -> None:
        self.clock.now = START - STEP
        for device in DEVICES:
            before = history(device)
            for first in range(0, len(before), 96):
                self.send(device, first, *before[first : first + 96], boot=1)
        self.clock.now += REST * 2
        self.think()

    def live_six_weeks(self, silent: Collection[str]) -> None:
        """Live through a season, a day at a time; the `silent` send all of it in the end."""
        told = {device: season(device) for device in DEVICES}
        self.live_before()
        for day in range(WEEKS.days):
            self.clock.now = START + timedelta(days=day + 1, minutes=2)
            for device in DEVICES:
                if device not in silent:
                    self.send(device, 96 * day, *told[device][day])
            self.think()
        chance = np.random.default_rng(20261125)
        for device in silent:
            days = chance.permutation(WEEKS.days).tolist()
            for day in [*days, *days[:9]]:
                self.send(device, 96 * day, *told[device][day])
        for _ in range(3):
            self.clock.now += timedelta(minutes=6)
            self.think()

    def live(self, outages: Sequence[Outage] = ()) -> None:
        """Live through all readings, an hour at a time, late ones sent when the device is back."""
        told = {device: readings(device) for device in DEVICES}
        self.live_before()
        for i in range(N):
            self.clock.now = START + i * STEP + timedelta(seconds=5)
            for device, said in told.items():
                own = [o for o in outages if o.device == device]
                if not any(o.first <= i < o.last for o in own):
                    self.send(device, i, said[i])
                for outage in own:
                    for n in outage.now(i):
                        self.send(device, n, said[n])
            if i % 4 == 3:
                self.clock.now += timedelta(minutes=2)
                self.think()
        self.clock.now += timedelta(hours=1)
        self.think()

    def stored(self) -> dict[DatastreamId, tuple[list[int], list[float], list[int]]]:
        found = {}
        for name in self.store.latest():
            series = self.store.series(name, *AT_ALL)
            time = series.time.astype(np.int64).tolist()
            found[name] = (time, series.value.tolist(), series.quality.tolist())
        return found

    def figures(self) -> dict[tuple[DatastreamId, str], list[tuple[object, ...]]]:
        """Return every hour and day: how much, of how many values, over how much time."""
        found = {}
        span = (to_ms(AT_ALL[0]), to_ms(AT_ALL[1]))
        with self.book.read() as connection:
            for name in self.store.latest():
                for period in ("hour", "day"):
                    rows = rollups.rows(connection, name, period, *span)
                    found[name, period] = [tuple(_rounded(v) for v in _of(row)) for row in rows]
        return found

    def history(self) -> list[Alert]:
        """Return every alert that fired."""
        with self.book.read() as connection:
            return alerts.list_alerts(connection)


def without(
    ever: Sequence[Alert], due: Sequence[Alert], came_ms: Sequence[int] = ()
) -> list[Alert]:
    """Return the alerts of one history that are not in another.

    The same are of one kind and place, say the same in words, ended alike, and began, fired and
    ended within minutes of each other: a standing alert is looked at between the quarters, too.
    One that had ended without the readings that `came_ms`, and would have later, stays ended.
    """
    left = list(due)
    gone = []
    for alert in ever:
        same = next((other for other in left if is_same(alert, other, came_ms)), None)
        if same is None:
            gone.append(alert)
        else:
            left.remove(same)
    return gone


def is_same(one: Alert, other: Alert, came_ms: Sequence[int]) -> bool:
    told = [(a.kind, a.key, a.state, a.explanation, a.ended_as) for a in (one, other)]
    if told[0] != told[1] or not is_near(one.since_ms, other.since_ms):
        return False
    ends = [a.resolved_at_ms for a in (one, other) if a.resolved_at_ms is not None]
    had_ended = len(ends) == 2 and any(min(ends) < came <= max(ends) for came in came_ms)
    is_ended_alike = is_near(one.resolved_at_ms, other.resolved_at_ms) or had_ended
    return is_near(one.fired_at_ms, other.fired_at_ms) and is_ended_alike


def is_near(a: int | None, b: int | None) -> bool:
    near_ms = NEAR // timedelta(milliseconds=1)
    return a is b or (a is not None and b is not None and abs(a - b) <= near_ms)


def is_told_by_silence(alert: Alert) -> bool:
    """Return whether it says that a device is silent, or was told meanwhile and is known better."""
    return alert.kind == "offline" or alert.ended_as == "superseded"


def _of(row: rollups.Rollup) -> tuple[object, ...]:
    return row[1 : rollups.Rollup._fields.index("revision")]


def _rounded(value: object) -> object:
    return round(value, 9) if isinstance(value, float) else value


@st.composite
def outage(draw: st.DrawFn) -> Outage:
    first = draw(st.integers(100, N - 40))
    last = draw(st.integers(first + 1, min(first + 60, N - 8)))
    gone = list(range(first, last))
    order = draw(st.one_of(st.just(gone), st.just(gone[::-1]), st.permutations(gone)))
    repeats = draw(st.lists(st.sampled_from(gone), max_size=5))
    begins = draw(st.integers(last, N - 4))
    device, at_once = draw(st.sampled_from(list(DEVICES))), draw(st.sampled_from([5, 1000]))
    return Outage(device, first, last, begins, at_once, (*order, *repeats))


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("in_time"))
    house.live()
    yield house
    house.book.close()


def test_without_an_outage_the_collapse_is_one_alert(in_time: House) -> None:
    assert [a.kind for a in in_time.history() if a.state == "firing"] == ["blockage"]


OUTAGES = st.lists(outage(), min_size=1, max_size=2, unique_by=lambda o: o.device)
SLOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


def check(folder: Path, in_time: House, gone: list[Outage]) -> None:
    """Live through outages, and hold what is there afterwards to what is there without."""
    house = House(folder)
    house.live(gone)
    stored, figures, ever, due = (
        house.stored(),
        house.figures(),
        house.history(),
        in_time.history(),
    )
    house.book.close()

    assert stored == in_time.stored()
    assert figures == in_time.figures()
    came_ms = [to_ms(START + outage.begins * STEP) for outage in gone]
    assert without(due, ever, came_ms) == []
    assert all(is_told_by_silence(alert) for alert in without(ever, due, came_ms))


@seed(20261125)
@settings(SLOW, max_examples=3)
@given(gone=OUTAGES)
def test_after_an_outage_values_flags_figures_and_alerts_are_as_if_there_had_been_none(
    tmp_path_factory: pytest.TempPathFactory, in_time: House, gone: list[Outage]
) -> None:
    check(tmp_path_factory.mktemp("late"), in_time, gone)


@pytest.mark.soak
@settings(SLOW, max_examples=max(1, round(20 * MINUTES)))
@given(gone=OUTAGES)
def test_after_any_of_many_outages_it_is_as_if_there_had_been_none(
    tmp_path_factory: pytest.TempPathFactory, in_time: House, gone: list[Outage]
) -> None:
    check(tmp_path_factory.mktemp("late"), in_time, gone)


@pytest.fixture(scope="module")
def six_weeks_in_time(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("six_weeks"))
    house.live_six_weeks([])
    yield house
    house.book.close()


@pytest.mark.parametrize("silent", [["agh-dere-outlet"], list(DEVICES)], ids=["one", "both"])
def test_six_weeks_that_come_in_any_order_and_partly_twice_are_as_if_they_had_come_day_by_day(
    tmp_path: Path, six_weeks_in_time: House, silent: list[str]
) -> None:
    house = House(tmp_path)
    house.live_six_weeks(silent)
    stored, figures, ever, due = (
        house.stored(),
        house.figures(),
        house.history(),
        six_weeks_in_time.history(),
    )
    house.book.close()

    assert [alert.kind for alert in due].count("blockage") == 1
    assert stored == six_weeks_in_time.stored()
    assert figures == six_weeks_in_time.figures()
    assert without(due, ever) == []
    assert all(is_told_by_silence(alert) for alert in without(ever, due))
