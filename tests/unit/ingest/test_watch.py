from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ingest.teller import Teller
from ingest.watch import Watch
from kahriz.alert.telling.world import Limits
from kahriz.book import (
    Book,
    alerts,
    checkpoints,
    contacts,
    devices,
    late,
    maintenance,
    messages,
    snapshots,
)
from kahriz.book.alerts import Alert
from kahriz.book.messages import OutboxMessage
from kahriz.clock import to_ms
from kahriz.detect import Detection, Detector, KahrizView, Kind, findings
from kahriz.detect.no_data import NoData
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Series
from kahriz.sites import Registry
from kahriz.store.memory import MemoryStore
from tests.water import NOW, OUTLET, SHAFT, Water, kahriz

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DEVICES = {"k-outlet": OUTLET, "k-shaft": SHAFT, "k-line": DatastreamId("k.line.discharge")}


class Broken:
    """A detector that raises."""

    name = "broken"
    look_back = timedelta(hours=1)

    def detect(self, view: KahrizView, now: datetime) -> tuple[Detection, ...]:
        raise ZeroDivisionError("no water at all")


class Service:
    """A watch over a store and a book, fed with water as devices would have told it."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(kahriz=(kahriz(),))
        self.store = MemoryStore("memory://")
        self.book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        self.book.migrate()
        self.detectors: list[Detector] = [NoData()]
        self.restart()

    def restart(self) -> None:
        self.watch = Watch(self.registry, self.store, self.book, self.detectors)
        self.teller = Teller(self.registry, self.book, Limits())
        with self.book.begin() as connection:
            contacts.import_file(connection, self.registry, NOW)

    def step(self, now: datetime) -> None:
        """Judge, and tell what there is to tell."""
        self.watch.step(now)
        self.teller.step(now)

    def tell(self, water: Water, until: datetime, received: datetime | None = None) -> None:
        """Let every device tell its story up to `until`, heard at `received`."""
        for device, stream in DEVICES.items():
            self.tell_one(device, water.series()[stream], until, received or until)

    def tell_one(self, device: str, whole: Series, until: datetime, received: datetime) -> None:
        series = whole.between(NOW - timedelta(days=99), until + timedelta(milliseconds=1))
        stream = np.zeros(len(series), np.int32)
        names = (series.datastream,)
        batch = ObservationBatch(names, stream, series.time, series.value, series.quality)
        self.store.write(batch)
        newest = int(series.time[-1].astype("datetime64[ms]").astype(np.int64))
        with self.book.begin() as connection:
            heard = devices.Heard(device, to_ms(received), 1, 0, newest, received=len(series))
            devices.put_heard(connection, [heard])

    def live(self, water: Water, start: datetime, end: datetime, step: timedelta) -> None:
        now = start
        while now <= end:
            self.tell(water, now)
            self.step(now)
            now += step

    def alerts(self) -> list[Alert]:
        with self.book.begin() as connection:
            return alerts.list_alerts(connection)

    def texts(self) -> list[OutboxMessage]:
        with self.book.begin() as connection:
            return sorted(messages.list_messages(connection), key=lambda m: m.id)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.book.close()


def test_a_live_blockage_becomes_one_alert_and_a_text_to_one_after_the_other(
    service: Service,
) -> None:
    service.live(Water().blocked(-2.0), NOW - 3 * HOUR, NOW, 5 * MINUTE)
    (alert,) = service.alerts()

    assert (alert.kind, alert.state, alert.audience) == ("blockage", "firing", "committee")
    assert [(t.language, t.reason, t.state) for t in service.texts()] == [
        ("az", "first", "queued"),
        ("en", "escalated", "queued"),
    ]
    assert service.texts()[0].text.startswith("#K1 Ag Dere, Molla Celilli: kehriz tixanib. Su ")
    assert alert.fired_at_ms is not None
    assert to_ms(NOW - 2 * HOUR) < alert.fired_at_ms <= to_ms(NOW - HOUR / 2)


def test_quiet_water_is_quiet(service: Service) -> None:
    service.live(Water(), NOW - 6 * HOUR, NOW, 15 * MINUTE)

    assert (service.alerts(), service.texts()) == ([], [])


def test_water_that_is_back_ends_the_alert_and_is_told_once(service: Service) -> None:
    water = Water().blocked(-6.0, most=0.08).freed(-4.0, most=0.08)
    service.live(water, NOW - 7 * HOUR, NOW, 15 * MINUTE)
    (alert,) = service.alerts()

    assert alert.state == "resolved"
    assert [t.reason for t in service.texts()] == ["first", "escalated", "resolved", "resolved"]
    assert [t.state for t in service.texts()] == ["expired", "expired", "queued", "queued"]
    assert "su qayidib: 14,9 L/s (adeten 14,8)" in service.texts()[2].text


def test_a_backlog_with_trouble_that_is_over_makes_a_closed_alert_and_no_text(
    service: Service,
) -> None:
    water = Water(days=10).blocked(-100.0).freed(-70.0)
    service.tell(water, NOW)
    service.step(NOW)
    (alert,) = service.alerts()

    assert (alert.kind, alert.state) == ("blockage", "resolved")
    assert abs(alert.since_ms - to_ms(NOW - 100 * HOUR)) < 3 * 3_600_000
    assert service.texts() == []


def test_a_backlog_that_still_violates_at_its_newest_reading_is_told(service: Service) -> None:
    service.tell(Water(days=10).blocked(-5.0), NOW)
    service.step(NOW)

    assert [a.state for a in service.alerts()] == ["firing"]
    assert len(service.texts()) == 1


def test_a_restart_and_a_second_look_tell_nothing_twice(service: Service) -> None:
    service.tell(Water().blocked(-5.0), NOW)
    service.step(NOW)
    service.restart()
    service.step(NOW)
    service.step(NOW + 6 * MINUTE)

    assert len(service.alerts()) == 1
    assert len(service.texts()) == 1


def test_a_checkpoint_that_was_lost_tells_nothing_twice(service: Service) -> None:
    service.tell(Water().blocked(-5.0), NOW)
    service.step(NOW)
    with service.book.begin() as connection:
        checkpoints.put(connection, "watch:k", None)
    service.restart()
    service.step(NOW + MINUTE)

    assert len(service.alerts()) == 1
    assert len(service.texts()) == 1


def test_a_silent_device_is_told_to_the_engineer_alone(service: Service) -> None:
    service.tell(Water(), NOW)
    service.step(NOW)
    service.step(NOW + 1.9 * HOUR)
    quiet = service.texts()
    service.tell_one("k-line", Water().series()[DEVICES["k-line"]], NOW, NOW + 2 * HOUR)
    service.tell_one("k-shaft", Water().series()[SHAFT], NOW, NOW + 2 * HOUR)
    service.step(NOW + 2 * HOUR)
    service.tell_one("k-shaft", Water().series()[SHAFT], NOW, NOW + 2.25 * HOUR)
    service.tell_one("k-line", Water().series()[DEVICES["k-line"]], NOW, NOW + 2.25 * HOUR)
    service.step(NOW + 2.25 * HOUR)

    assert quiet == []
    assert [(a.kind, a.key) for a in service.alerts()] == [("offline", "k-outlet")]
    assert [t.contact for t in service.texts()] == ["Engineer"]


def test_a_device_that_is_heard_again_is_not_offline_any_more_half_an_hour_later(
    service: Service,
) -> None:
    water = Water()

    def hear(now: datetime, *names: str) -> None:
        for name in names:
            service.tell_one(name, water.series()[DEVICES[name]], min(now, NOW), now)

    before = NOW - 6 * HOUR
    service.tell(water, before)
    service.step(before)
    now = before
    while now < NOW - 2 * HOUR:  # the outlet is silent for four hours
        now += 5 * MINUTE
        hear(now, "k-line", "k-shaft")
        service.step(now)
    silent = [(a.kind, a.key, a.state) for a in service.alerts()]
    service.restart()
    back = now
    while now < back + 35 * MINUTE:
        now += 5 * MINUTE
        hear(now, *DEVICES)
        service.step(now)

    assert silent == [("offline", "k-outlet", "firing")]
    assert [(a.kind, a.key, a.state) for a in service.alerts()] == [
        ("offline", "k-outlet", "resolved")
    ]


def test_a_device_that_sends_its_backlog_now_is_not_offline(service: Service) -> None:
    service.step(NOW - 6 * HOUR)
    for hours in (40.0, 30.0, 20.0, 10.0):
        service.tell(Water(), NOW - hours * HOUR, received=NOW)
        service.step(NOW)

    assert (service.alerts(), service.texts()) == ([], [])


def test_half_of_a_backlog_is_not_judged_before_the_rest_came(service: Service) -> None:
    water = Water(days=10).blocked(-60.0)
    series = water.series()
    service.tell_one("k-outlet", series[OUTLET], NOW, NOW)
    service.tell_one("k-shaft", series[SHAFT], NOW - 200 * HOUR, NOW)
    service.step(NOW)
    early = service.alerts()
    service.tell(water, NOW)
    service.step(NOW + MINUTE)

    assert early == []
    assert [(a.kind, a.state) for a in service.alerts()] == [("blockage", "firing")]


def test_a_device_whose_clock_is_slow_for_ever_does_not_stop_the_judgement(
    service: Service,
) -> None:
    series = Water().blocked(-4.0).series()
    for minutes in range(0, 60, 5):
        now = NOW + minutes * MINUTE
        service.tell_one("k-line", series[DEVICES["k-line"]], now - 8 * HOUR, now)
        service.tell_one("k-outlet", series[OUTLET], now, now)
        service.tell_one("k-shaft", series[SHAFT], now, now)
        service.step(now)

    assert [a.kind for a in service.alerts()] == ["blockage"]


def test_three_hundred_times_as_fast_a_late_reading_is_neither_lost_nor_silence(
    service: Service,
) -> None:
    water = Water(step=5 * MINUTE).blocked(-3.0)
    now = NOW - 8 * HOUR
    while now <= NOW:
        service.tell(water, now - 10 * MINUTE, received=now - 5 * MINUTE)
        service.step(now)
        now += timedelta(minutes=7)

    assert [(a.kind, a.state) for a in service.alerts()] == [("blockage", "firing")]
    assert len(service.texts()) == 2


def test_a_detector_that_raises_is_counted_and_the_others_go_on(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.detectors.insert(0, Broken())
    service.restart()
    service.live(Water().blocked(-2.0), NOW - HOUR, NOW, 15 * MINUTE)

    assert service.watch.others.failures["broken"] >= 5
    assert [a.kind for a in service.alerts()] == ["blockage"]
    assert sum("no water at all" in str(vars(r)) for r in caplog.records) == 1


def test_a_failing_detector_does_not_end_its_alert(service: Service) -> None:
    service.tell(Water(), NOW)
    service.step(NOW)
    service.step(NOW + 3 * HOUR)
    broken = Broken()
    broken.name = "no_data"
    service.detectors[0] = broken
    service.restart()
    service.step(NOW + 8 * HOUR)

    assert {(a.kind, a.state) for a in service.alerts()} == {("offline", "firing")}


def test_a_loss_everybody_got_used_to_ends_without_good_news(service: Service) -> None:
    water = Water(days=60, step=15 * MINUTE).blocked(-50.0 * 24)
    service.live(water, NOW - 50.2 * 24 * HOUR, NOW - 49.5 * 24 * HOUR, 3 * HOUR)
    service.live(water, NOW - 49.5 * 24 * HOUR, NOW, 24 * HOUR)
    (alert,) = service.alerts()
    with service.book.begin() as connection:
        line = [e.what for e in alerts.timeline(connection, alert.id)]
    told = {t.reason for t in service.texts()}

    assert alert.state == "resolved"
    assert [what for what in line if what != "held"] == [
        "pending",
        "firing",
        "resolved",
        "accepted",
    ]
    assert "first" in told
    assert "resolved" not in told


class DownStore(MemoryStore):
    """A store that is down while told so."""

    down = False

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        if self.down:
            raise StoreUnavailable("connection refused")
        return super().series(datastream, start, end)


def test_a_store_that_is_down_is_asked_again_and_nothing_is_skipped(service: Service) -> None:
    store = DownStore("memory://")
    service.store = store
    service.restart()
    service.tell(Water().blocked(-5.0), NOW)
    store.down = True
    service.step(NOW)
    during = service.alerts()
    store.down = False
    service.step(NOW + MINUTE)

    assert during == []
    assert [a.kind for a in service.alerts()] == ["blockage"]


def test_every_alert_says_what_kind_of_detection_it_rests_on(service: Service) -> None:
    service.tell(Water().blocked(-5.0), NOW)
    service.step(NOW)
    (alert,) = service.alerts()

    assert alert.detector == findings.NAME
    assert alert.kind == Kind.BLOCKAGE
    assert "Shaft level +" in alert.explanation


def test_what_was_learned_outlives_a_restart_and_is_not_read_again(service: Service) -> None:
    store = ReadStore("memory://")
    service.store = store
    service.restart()
    service.live(Water(days=30, step=15 * MINUTE), NOW - 2 * HOUR, NOW, 15 * MINUTE)
    store.oldest = NOW
    service.restart()
    service.tell(Water(days=30, step=15 * MINUTE), NOW)
    service.step(NOW + 16 * MINUTE)

    assert NOW - store.oldest <= 15 * MINUTE


class ReadStore(MemoryStore):
    """A store that knows the oldest instant it was asked for."""

    oldest = NOW

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        self.oldest = min(self.oldest, start)
        return super().series(datastream, start, end)


def test_what_comes_late_is_judged_as_if_it_had_come_in_time(service: Service) -> None:
    water = Water(days=10).blocked(-30.0).freed(-20.0)
    series = water.series()
    for device in ("k-shaft", "k-line"):
        service.tell_one(device, series[DEVICES[device]], NOW, NOW)
    service.tell_one("k-outlet", series[OUTLET], NOW - 40 * HOUR, NOW - 40 * HOUR)
    service.step(NOW)
    before = [(a.kind, a.key) for a in service.alerts() if a.kind != "offline"]
    service.tell_one("k-outlet", series[OUTLET], NOW, NOW)
    service.step(NOW + MINUTE)
    after = [(a.kind, a.state) for a in service.alerts() if a.kind == "blockage"]

    assert before == []
    assert after == [("blockage", "resolved")]
    assert [t.reason for t in service.texts() if "tixan" in t.text] == []


def test_late_readings_leave_the_memory_a_walk_in_time_would_have_left(service: Service) -> None:
    water = Water(days=10, step=15 * MINUTE)
    series = water.series()
    for device in ("k-shaft", "k-line"):
        service.tell_one(device, series[DEVICES[device]], NOW, NOW)
    service.tell_one("k-outlet", series[OUTLET], NOW - 30 * HOUR, NOW)
    service.step(NOW)
    service.tell_one("k-outlet", series[OUTLET], NOW, NOW)
    service.step(NOW + MINUTE)
    with service.book.begin() as connection:
        after = snapshots.newest(connection, "k")
        connection.exec_driver_sql("DELETE FROM snapshot")
    service.restart()
    service.step(NOW + 2 * MINUTE)
    service.step(NOW + 8 * MINUTE)
    with service.book.begin() as connection:
        in_time = snapshots.newest(connection, "k")

    assert after is not None
    assert after == in_time


def announce(service: Service, start: datetime, end: datetime | None = None) -> None:
    with service.book.begin() as connection:
        maintenance.start(connection, "k", start, by="A", note="", now=start)
        if end is not None:
            maintenance.end(connection, "k", end, is_new_normal=False, by="A", now=end)


def test_while_somebody_works_there_nobody_is_called(service: Service) -> None:
    announce(service, NOW - 2.5 * HOUR)
    service.live(Water().blocked(-2.0), NOW - 3 * HOUR, NOW, 5 * MINUTE)
    service.step(NOW + 3 * HOUR)

    assert (service.alerts(), service.texts()) == ([], [])


def test_works_that_are_over_do_not_hide_what_they_left(service: Service) -> None:
    announce(service, NOW - 2.5 * HOUR, NOW - 1.5 * HOUR)
    service.live(Water().blocked(-2.0), NOW - 3 * HOUR, NOW, 5 * MINUTE)
    (alert,) = service.alerts()

    assert (alert.kind, alert.state) == ("blockage", "firing")
    assert alert.fired_at_ms is not None
    assert alert.fired_at_ms > to_ms(NOW - 1.5 * HOUR)
    assert [t.reason for t in service.texts()] == ["first", "escalated"]


def test_an_open_alert_stands_while_somebody_repairs_it(service: Service) -> None:
    water = Water().blocked(-10.0, most=0.08).freed(-5.0, most=0.08)
    service.live(water, NOW - 11 * HOUR, NOW - 7 * HOUR, 15 * MINUTE)
    announce(service, NOW - 7 * HOUR, NOW - 4.5 * HOUR)
    service.live(water, NOW - 6.75 * HOUR, NOW - 4.5 * HOUR, 15 * MINUTE)
    during = [(a.kind, a.state) for a in service.alerts()]
    told = [t.reason for t in service.texts()]
    service.live(water, NOW - 4.25 * HOUR, NOW, 15 * MINUTE)

    assert during == [("blockage", "firing")]
    assert told == ["first", "escalated"]
    assert [a.state for a in service.alerts()] == ["resolved"]
    assert [t.reason for t in service.texts()][2:] == ["resolved", "resolved"]


def test_what_began_before_works_and_came_late_is_told_after_them(service: Service) -> None:
    announce(service, NOW - 1 * HOUR)
    service.tell(Water().blocked(-5.0), NOW)
    service.step(NOW)
    during = ([a.state for a in service.alerts()], service.texts())
    with service.book.begin() as connection:
        end = NOW + 10 * MINUTE
        maintenance.end(connection, "k", end, is_new_normal=False, by="A", now=end)
    service.step(NOW + 16 * MINUTE)

    assert during == (["firing"], [])
    assert [a.state for a in service.alerts()] == ["firing"]
    assert len(service.texts()) == 1


def test_memory_is_bounded_however_long_a_kahriz_is_judged(service: Service) -> None:
    service.tell(Water(days=60, step=15 * MINUTE), NOW)
    service.step(NOW)
    with service.book.begin() as connection:
        n = snapshots.count(connection, "k")
        sizes = connection.exec_driver_sql("SELECT max(length(state)) FROM snapshot").scalar()

    assert 80 <= n <= snapshots.NEWEST + snapshots.HOURS + snapshots.DAYS
    assert sizes is not None
    assert sizes <= 16_000


def test_memory_that_cannot_be_read_is_learned_anew_and_tells_nothing_twice(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.tell(Water(days=20).blocked(-5.0), NOW)
    service.step(NOW)
    with service.book.begin() as connection:
        connection.exec_driver_sql("UPDATE snapshot SET state = CAST('of another release' AS BLOB)")
    service.restart()
    service.step(NOW + 6 * MINUTE)

    assert [(a.kind, a.state) for a in service.alerts()] == [("blockage", "firing")]
    assert len(service.texts()) == 1
    assert any("learned anew" in str(vars(r)) for r in caplog.records)


def test_the_first_start_learns_from_all_and_tells_of_the_last_weeks_only(
    service: Service,
) -> None:
    water = Water(days=90, step=15 * MINUTE).blocked(-60.0 * 24).freed(-58.0 * 24)
    water.blocked(-10.0 * 24).freed(-8.0 * 24)
    service.tell(water, NOW)
    service.step(NOW)

    assert [(a.kind, a.state) for a in service.alerts()] == [("blockage", "resolved")]
    assert service.texts() == []


def tell_behind(service: Service, whole: Series, start: datetime, end: datetime) -> None:
    """Let the outlet tell of [start, end) when it has told of later times already."""
    series = whole.between(start, end)
    stream = np.zeros(len(series), np.int32)
    names = (series.datastream,)
    service.store.write(ObservationBatch(names, stream, series.time, series.value, series.quality))
    with service.book.begin() as connection:
        late.tell(connection, [(OUTLET, to_ms(start))], to_ms(NOW))


def test_a_device_that_sends_the_present_first_has_its_past_judged_too(service: Service) -> None:
    water = Water(days=10, step=15 * MINUTE).blocked(-30.0).freed(-20.0)
    whole = water.series()[OUTLET]
    for device in ("k-shaft", "k-line"):
        service.tell_one(device, water.series()[DEVICES[device]], NOW, NOW)
    service.tell_one("k-outlet", whole, NOW - 40 * HOUR, NOW - 40 * HOUR)
    service.step(NOW - 20 * MINUTE)
    present = whole.between(NOW - 2 * HOUR, NOW + MINUTE)
    service.tell_one("k-outlet", present, NOW, NOW)
    service.step(NOW)
    before = [a.kind for a in service.alerts() if a.kind != "offline"]
    tell_behind(service, whole, NOW - 40 * HOUR, NOW - 2 * HOUR)
    service.step(NOW + MINUTE)
    still = [a.kind for a in service.alerts() if a.kind != "offline"]
    service.step(NOW + 6 * MINUTE)
    after = [(a.kind, a.state) for a in service.alerts() if a.kind != "offline"]

    assert before == still == [], "two minutes after the last of it"
    assert after == [("blockage", "resolved")]
    assert [t.reason for t in service.texts() if "tixan" in t.text] == []


def test_an_alert_is_dated_back_by_what_came_late_and_nobody_is_told_of_that(
    service: Service,
) -> None:
    water = Water(days=10, step=15 * MINUTE).blocked(-5.0)
    series = water.series()
    whole = series[OUTLET]
    for device in ("k-shaft", "k-line"):
        service.tell_one(device, series[DEVICES[device]], NOW, NOW)
    service.tell_one("k-outlet", whole, NOW - 6 * HOUR, NOW)
    service.tell_one("k-outlet", whole.between(NOW - 2 * HOUR, NOW + MINUTE), NOW, NOW)
    service.step(NOW)
    (told,) = [a for a in service.alerts() if a.kind == "blockage"]
    texts = len(service.texts())
    tell_behind(service, whole, NOW - 6 * HOUR, NOW - 2 * HOUR)
    service.step(NOW + 6 * MINUTE)
    (known,) = [a for a in service.alerts() if a.kind == "blockage"]
    with service.book.read() as connection:
        (restated,) = [e for e in alerts.timeline(connection, told.id) if e.what == "restated"]

    assert told.since_ms - known.since_ms > 2 * 3_600_000
    assert (known.id, known.state) == (told.id, "firing")
    assert restated.detail.startswith("late readings: 2026-11-22T")
    assert len(service.texts()) == texts == 1


def test_a_reading_that_is_delivered_again_weeks_later_changes_no_alert(service: Service) -> None:
    water = Water(days=10).blocked(-60.0, most=0.08).freed(-54.0, most=0.08)
    now = NOW - 61 * HOUR
    while now < NOW - 50 * HOUR:
        service.tell(water, now)
        service.step(now + timedelta(seconds=70))
        now += 5 * MINUTE
    with service.book.begin() as connection:
        before = alerts.list_alerts(connection)
        told = [alerts.timeline(connection, alert.id) for alert in before]
        late.tell(connection, [(OUTLET, to_ms(NOW - 61 * HOUR))], to_ms(now))
    service.tell(water, now + 6 * MINUTE)
    service.step(now + 6 * MINUTE)
    with service.book.read() as connection:
        again = [alerts.timeline(connection, alert.id) for alert in before]

    assert [alert.kind for alert in before] == ["blockage"]
    assert service.alerts() == before
    assert again == told
