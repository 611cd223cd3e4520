"""From messages to durable observations, and only then to acknowledgements."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from ingest.allowance import Allowance
from ingest.gather import Gatherer
from ingest.judge import Assessor
from ingest.metrics import Health, Metrics
from ingest.pipeline import Pipeline, Stopped
from ingest.waiting import Incoming
from kahriz.book import Book, dead_letters, devices, tables
from kahriz.book.devices import DeviceRow
from kahriz.clock import to_ms
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.quality.flagger import Flagger
from kahriz.quality.limits import limits_of
from kahriz.sites import load_registry
from kahriz.store.memory import MemoryStore
from tests.fakes import FailingStore, FakeBroker, FakeClock

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAGE = DatastreamId("agh-dere.outlet.stage")
DISCHARGE = DatastreamId("agh-dere.outlet.discharge")
UP = "kahriz/v1/agh-dere-outlet/up"


class House:
    """A pipeline between a fake broker and real, small stores."""

    def __init__(self, folder: Path) -> None:
        registry = load_registry(Path("sites.example.toml"))
        self.memory = MemoryStore("memory://", "", read_only=False)
        self.store = FailingStore(self.memory)
        self.book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        self.book.migrate()
        self.broker = FakeBroker()
        self.clock = FakeClock(NOW)
        self.metrics, self.health = Metrics(), Health()
        ids = [d.id for d in registry.datastreams]

        def history(
            stream: int, before_ms: int | None
        ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            series = self.memory.series(ids[stream], NOW - timedelta(days=2), NOW)
            time_ms = series.time.astype(np.int64)
            cut = slice(None) if before_ms is None else time_ms < before_ms
            return time_ms[cut], series.value[cut]

        self.pipeline = Pipeline(
            Gatherer(registry, timedelta(seconds=120), timedelta(days=3650)),
            Assessor(registry, Flagger(limits_of(registry), history)),
            self.store,
            self.book,
            self.broker,
            self.clock,
            self.metrics,
            self.health,
            Allowance(rate=1, burst=1000),
            retry_max=timedelta(milliseconds=1),
        )
        self._mid = 0

    def receive(self, payload: bytes | dict[str, Any], topic: str = UP) -> Incoming:
        message = self.message(payload, topic)
        self.pipeline.process([message])
        return message

    def message(self, payload: bytes | dict[str, Any], topic: str = UP) -> Incoming:
        self._mid += 1
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return Incoming(topic, raw, self._mid, 1, cast(Any, None))

    def series(self, datastream: DatastreamId = STAGE) -> Series:
        return self.memory.series(datastream, NOW - timedelta(days=4000), NOW + timedelta(days=1))

    def letters(self) -> list[dead_letters.KeptLetter]:
        with self.book.begin() as connection:
            return dead_letters.newest(connection, 100)

    def device(self, name: str = "agh-dere-outlet") -> DeviceRow:
        with self.book.begin() as connection:
            return next(d for d in devices.list_devices(connection) if d.device == name)

    def dirty(self) -> set[tuple[str, int]]:
        with self.book.begin() as connection:
            rows = connection.execute(
                select(tables.dirty_hour.c.datastream, tables.dirty_hour.c.hour_ms)
            )
            return {(r.datastream, r.hour_ms) for r in rows}

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, payload in self.broker.published]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.book.close()


def reading(minutes_ago: float, stage: Any = 0.1) -> list[Any]:
    return [to_ms(NOW - timedelta(minutes=minutes_ago)), {"stage_m": stage}]


def test_a_reading_becomes_stage_and_discharge_and_is_acknowledged_twice(house: House) -> None:
    message = house.receive({"boot": 3, "seq": 41, "r": [reading(1, 0.127)]})

    assert house.series(STAGE).value.tolist() == [0.127]
    assert house.series(DISCHARGE).value == pytest.approx([7.93], abs=0.05)
    assert house.broker.acknowledged == [message]
    assert house.broker.published[0][0] == "kahriz/v1/agh-dere-outlet/down/ack"
    assert house.told() == [{"boot": 3, "upto": 41}]


def test_the_hours_a_batch_touches_are_marked_before_it_is_acknowledged(house: House) -> None:
    house.receive({"boot": 1, "seq": 0, "r": [reading(61), reading(1)]})

    hours = {to_ms(NOW - timedelta(hours=h)) for h in (2, 1)}
    assert house.dirty() == {(d, h) for d in (STAGE, DISCHARGE) for h in hours}


def test_a_repeated_message_changes_nothing_but_its_count(house: House) -> None:
    payload = {"boot": 1, "seq": 5, "r": [reading(10), reading(5)]}
    house.receive(payload)
    house.receive(payload)

    device = house.device()
    assert len(house.series()) == 2
    assert (device.received, device.duplicate, device.lost) == (4, 2, 0)
    assert house.told() == [{"boot": 1, "upto": 6}] * 2


def test_a_hole_is_not_acknowledged_until_it_is_filled(house: House) -> None:
    house.receive({"boot": 1, "seq": 0, "r": [reading(30)]})
    house.receive({"boot": 1, "seq": 2, "r": [reading(20)]})
    house.receive({"boot": 1, "seq": 1, "r": [reading(25)]})

    assert house.told()[1:] == [
        {"boot": 1, "upto": 0, "also": [[2, 2]]},
        {"boot": 1, "upto": 2},
    ]


def test_what_a_device_can_no_longer_deliver_is_counted_as_lost(house: House) -> None:
    house.receive({"boot": 1, "seq": 0, "r": [reading(30)]})
    house.receive({"boot": 1, "seq": 9, "oldest": 9, "r": [reading(5)]})

    assert house.device().lost == 8
    assert house.told()[-1] == {"boot": 1, "upto": 9}


@pytest.mark.parametrize("oldest", [1, 7, 2**32 - 1])
def test_a_device_is_not_told_to_free_what_it_says_is_gone_beyond_what_it_sends(
    house: House, oldest: int
) -> None:
    house.receive({"boot": 1, "seq": 0, "oldest": oldest, "r": [reading(30)]})
    house.receive({"boot": 1, "seq": 2, "oldest": 0, "r": [reading(20)]})

    assert house.told() == [{"boot": 1, "upto": 0}, {"boot": 1, "upto": 0, "also": [[2, 2]]}]
    assert house.device().lost == 0


def test_the_metrics_balance_like_the_book(house: House) -> None:
    for _ in range(2):
        house.receive({"boot": 1, "seq": 0, "r": [reading(30), reading(25, None)]})
    house.receive({"boot": 1, "seq": 9, "oldest": 9, "r": [reading(5), [12_000, {"stage_m": 1}]]})

    value = house.metrics.registry.get_sample_value
    names = ("readings", "readings_stored", "readings_duplicate", "readings_lost")
    device = house.device()
    assert [value(f"kahriz_{name}_total") for name in names] == [6, 3, 2, 7]
    assert value("kahriz_readings_quarantined_total", {"reason": "time_past"}) == 1
    assert (device.received, device.duplicate, device.quarantined, device.lost) == (6, 2, 1, 7)
    assert value("kahriz_observations_written_total") == 2 * 2 + 2, "stage and discharge, no null"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"boot":1,"seq":0,"r":[[17460', "truncated"),
        (b'\xff\xfe{"boot":1}', "0xff"),
        (b'{"boot":1,"seq":0,"r":[[1777636800000,{"stage_m":NaN}]]}', ""),
        (b'{"boot":1,"seq":0,"r":[[1777636800000,{"stage_m":1e999}]]}', "stage_m"),
        (b"x" * 20000, "20000 bytes"),
    ],
)
def test_a_payload_that_cannot_be_read_is_dead_lettered_and_acked(
    house: House, payload: bytes, reason: str
) -> None:
    message = house.receive(payload)
    house.receive({"boot": 1, "seq": 1, "r": [reading(1)]})

    letters = house.letters()
    assert len(letters) == 1
    assert reason in letters[0].reason
    assert letters[0].payload == payload[: 4096 if len(payload) > 16384 else None]
    assert message in house.broker.acknowledged
    assert len(house.series()) == 1, "the next good reading is stored"


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ("stage_cm", "unit 'cm' is wrong for stage: expected 'stage_m'"),
        ("happiness", "no known property"),
        ("turbidity_ntu", "channel 'turbidity_ntu' is not in sites.toml"),
    ],
)
def test_a_channel_that_is_not_ours_harms_only_itself(
    house: House, channel: str, reason: str
) -> None:
    time_ms, values = reading(1)
    house.receive({"boot": 1, "seq": 0, "r": [[time_ms, {**values, channel: 12.0}]]})

    assert len(house.series()) == 1
    assert reason in house.letters()[0].reason
    assert "agh-dere-outlet" in house.letters()[0].reason
    assert house.device().quarantined == 1


@pytest.mark.parametrize(
    ("time_ms", "reason"),
    [
        (12_000, "1970-01-01T00:00:12Z is too long ago"),
        (to_ms(datetime(2200, 1, 1, tzinfo=UTC)), "2200-01-01T00:00:00Z lies in the future"),
        (to_ms(NOW) + 120_001, "lies in the future"),
    ],
)
def test_a_time_that_cannot_be_true_is_kept_raw(house: House, time_ms: int, reason: str) -> None:
    house.receive({"boot": 1, "seq": 0, "r": [[time_ms, {"stage_m": 0.1}], reading(1)]})

    assert len(house.series()) == 1
    assert reason in house.letters()[0].reason


def test_a_device_two_minutes_ahead_is_still_believed(house: House) -> None:
    house.receive({"boot": 1, "seq": 0, "r": [[to_ms(NOW) + 120_000, {"stage_m": 0.1}]]})

    assert len(house.series()) == 1
    assert house.letters() == []


def test_an_unknown_device_is_kept_raw_and_not_told_to_free_anything(house: House) -> None:
    message = house.receive({"boot": 1, "seq": 0, "r": [reading(1)]}, "kahriz/v1/stranger/up")

    assert "device 'stranger': not in sites.toml" in house.letters()[0].reason
    assert house.broker.acknowledged == [message]
    assert house.broker.published == []


def test_poison_in_a_batch_leaves_the_others_untouched(house: House) -> None:
    good = [house.message({"boot": 1, "seq": i, "r": [reading(30 - i)]}) for i in range(20)]
    poison = house.message(b"\x00" * 100)
    house.pipeline.process([*good[:10], poison, *good[10:]])

    assert len(house.series()) == 20
    assert len(house.letters()) == 1
    assert house.told() == [{"boot": 1, "upto": 19}]


def test_the_same_poison_again_is_one_letter_that_counts(house: House) -> None:
    for _ in range(3):
        house.receive(b"poison")

    with house.book.begin() as connection:
        times = connection.execute(select(tables.dead_letter.c.times)).scalars().all()
    assert times == [3]


def test_a_fault_that_repeats_with_other_figures_is_one_line_in_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(5):
        house.receive({"boot": 1, "seq": second, "r": [[second * 1000, {"stage_m": 0.1}]]})

    assert len(house.letters()) == 5
    assert len([r for r in caplog.records if r.message == "dead letter"]) == 1


def test_while_the_store_is_away_nothing_is_acknowledged_and_then_all_is(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.errors = [StoreUnavailable("connection refused")] * 3
    with caplog.at_level(logging.INFO, "ingest.pipeline"):
        message = house.receive({"boot": 1, "seq": 0, "r": [reading(1)]})

    assert house.broker.acknowledged == [message]
    assert len(house.series()) == 1
    assert [r.message for r in caplog.records] == ["failing", "works again"], "said once"
    assert house.health.problems == {}


def test_a_store_that_gives_no_reason_is_waited_for_all_the_same(house: House) -> None:
    house.store.errors = [StoreUnavailable("")]
    message = house.receive({"boot": 1, "seq": 0, "r": [reading(1)]})

    assert house.broker.acknowledged == [message]


def test_stopped_while_the_store_is_away_nothing_is_acknowledged(house: House) -> None:
    house.store.errors = [StoreUnavailable("down")]
    house.pipeline.stop()
    with pytest.raises(Stopped):
        house.receive({"boot": 1, "seq": 0, "r": [reading(1)]})

    assert house.broker.acknowledged == []
    assert house.broker.published == []
    assert house.health.problems["store"][1] == "down"


def test_what_the_store_refuses_for_good_is_kept_raw_and_the_rest_is_stored(house: House) -> None:
    house.store.errors = [StoreRejected("field type conflict", rows=(0,))]
    bad = house.message({"boot": 1, "seq": 0, "r": [reading(9)]})
    good = house.message({"boot": 1, "seq": 1, "r": [reading(4)]})
    house.pipeline.process([bad, good])

    assert "field type conflict" in house.letters()[0].reason
    assert (house.letters()[0].payload, house.letters()[0].device) == (
        bad.payload,
        "agh-dere-outlet",
    )
    assert house.broker.acknowledged == [bad, good]


def test_a_value_out_of_range_is_stored_with_its_flag(house: House) -> None:
    house.receive({"boot": 1, "seq": 0, "r": [reading(10, 9.0), reading(5, None)]})

    series = house.series()
    assert series.value.tolist() == [9.0]
    assert series.quality.tolist() == [Quality.FAIL]
    assert len(house.series(DISCHARGE)) == 0, "no discharge beyond the rating"


def test_a_devices_last_will_is_remembered(house: House) -> None:
    topic = "kahriz/v1/agh-dere-outlet/status"
    house.receive({"status": "online", "fw": "1.2"}, topic)
    house.receive({"status": "offline"}, topic)

    assert (house.device().status, house.device().firmware) == ("offline", "1.2")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (rb'{"status":"online","fw":"\ud800"}', "fw '\\ud800' is not a string of at most 64"),
        (b'{"status":"online","fw":"' + b"x" * 65 + b'"}', "is not a string of at most 64"),
        (b'{"status":"online","fw":7}', "fw 7 is not a string"),
        (rb'{"status":"\ud800"}', "neither 'online' nor 'offline'"),
        (b'{"status":"on', "status is not {'status': 'online' or 'offline'}"),
        (b"[" * 1000, "status is not"),
    ],
)
def test_a_status_no_database_could_keep_is_dead_lettered(
    house: House, said: bytes, reason: str
) -> None:
    message = house.receive(said, "kahriz/v1/agh-dere-outlet/status")

    assert reason in house.letters()[0].reason
    assert house.broker.acknowledged == [message]


@pytest.mark.parametrize(
    "payload",
    [
        rb'{"boot":"\ud800","seq":1,"r":[]}',
        rb'{"boot":1,"seq":1,"r":[[1,{"\udc00":"x"}]]}',
        rb'["\ud800"]',
    ],
)
def test_half_a_surrogate_pair_in_a_payload_stops_nothing(house: House, payload: bytes) -> None:
    message = house.receive(payload)

    assert house.broker.acknowledged == [message]
    assert len(house.letters()) == 1


def test_senml_is_read_from_the_same_topic(house: House) -> None:
    at = to_ms(NOW) / 1000 - 60
    house.receive(
        json.dumps([{"bn": "urn:x:", "bt": at, "n": "stage", "u": "m", "v": 0.2}]).encode()
    )

    assert house.series().value.tolist() == [0.2]
    assert house.broker.published == [], "SenML has no sequence to acknowledge"


def test_a_message_our_own_code_fails_on_harms_only_itself(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = house.memory.write

    def write(batch: ObservationBatch) -> None:
        if 0.666 in batch.value:
            raise ZeroDivisionError("a fault nobody thought of")
        good(batch)

    monkeypatch.setattr(house.memory, "write", write)
    messages = [
        house.message({"boot": 1, "seq": i, "r": [reading(20 - i, 0.666 if i == 3 else 0.1)]})
        for i in range(7)
    ]
    house.pipeline.process(messages)

    (letter,) = house.letters()
    assert letter.payload == messages[3].payload
    assert letter.reason == "a fault of the service: ZeroDivisionError: a fault nobody thought of"
    assert len(house.series()) == 6
    assert sorted(m.mid for m in house.broker.acknowledged) == list(range(1, 8))
    assert house.told()[-1] == {"boot": 1, "upto": 2, "also": [[4, 6]]}, "the device keeps it"
    assert [r.message for r in caplog.records] == ["fault"]


def test_a_device_beyond_its_allowance_is_acknowledged_to_the_broker_and_not_told_to_free(
    house: House,
) -> None:
    flood = [house.message({"boot": 1, "seq": i, "r": [reading(1 + i / 60)]}) for i in range(1200)]
    other = house.message(
        {"boot": 1, "seq": 0, "r": [reading(1)]}, UP.replace("agh-dere", "barana")
    )
    house.pipeline.process([*flood, other])

    assert house.broker.acknowledged == [*flood, other], "in the order they came in"
    assert house.told() == [{"boot": 1, "upto": 999}, {"boot": 1, "upto": 0}]
    assert len(house.series()) == 1000
    device = house.device()
    assert (device.received, device.stored, device.shed) == (1200, 1000, 200)
    assert house.metrics.shed.labels("rate")._value.get() == 200
