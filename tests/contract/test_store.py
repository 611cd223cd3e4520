"""The contract of every store (`kahriz.store`), on every registered one.

InfluxDB is a real 1.6, twice: over its own /write, and over /api/v2/write, the path of production.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kahriz.clock import from_ms, to_ms
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality, Series
from kahriz.store import STORES, Store, open_store
from tests.contract.influx_fakes import query_v1, v2_path_before
from tests.servers import Server

STAGE = DatastreamId("agh-dere.outlet.stage")
DISCHARGE = DatastreamId("agh-dere.outlet.discharge")
T0 = datetime(2026, 11, 22, 6, tzinfo=UTC)
ALWAYS = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2250, 1, 1, tzinfo=UTC))
MINUTE = timedelta(minutes=1)
_fresh = itertools.count()


@pytest.fixture(scope="session")
def v2_path(influxd: Server) -> Iterator[str]:
    with v2_path_before(influxd) as address:
        yield address


@pytest.fixture(
    params=[
        "sqlite",
        "memory",
        pytest.param("influx", marks=pytest.mark.server),
        pytest.param("influx-v2-path", marks=pytest.mark.server),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an empty store of each kind."""
    if request.param == "memory":
        return "memory://"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made/by/the store/observations.sqlite"
    influxd: Server = request.getfixturevalue("influxd")
    database = f"t{uuid.uuid4().hex}"
    if request.param == "influx":
        return f"influxdb://{influxd.host}:{influxd.port}/{database}"
    query_v1(influxd, f'CREATE DATABASE "{database}"')
    return f"influxdb://{request.getfixturevalue('v2_path')}/{database}?org=kahriz"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def observation(
    minute: float,
    value: float = 1.0,
    quality: Quality = Quality.GOOD,
    datastream: DatastreamId = STAGE,
) -> Observation:
    return Observation(datastream, T0 + minute * MINUTE, value, quality)


def write(store: Store, *observations: Observation) -> None:
    store.write(ObservationBatch.of(observations))


def everything(store: Store, datastream: DatastreamId = STAGE) -> Series:
    return store.series(datastream, *ALWAYS)


def values(store: Store, datastream: DatastreamId = STAGE) -> list[float]:
    return list(everything(store, datastream).value)


def test_the_suite_runs_over_every_registered_store() -> None:
    assert set(STORES) == {"sqlite", "memory", "influx"}


def test_what_was_written_is_read_with_its_own_types(store: Store) -> None:
    write(store, observation(1, 0.125, Quality.SUSPECT), observation(0, 2.0))

    found = everything(store)
    assert found.datastream == STAGE
    assert found.time.tolist() == [T0.replace(tzinfo=None), (T0 + MINUTE).replace(tzinfo=None)]
    assert found.value.tolist() == [2.0, 0.125]
    assert found.quality.tolist() == [Quality.GOOD, Quality.SUSPECT]
    dtypes = [column.dtype.name for column in (found.time, found.value, found.quality)]
    assert dtypes == ["datetime64[ms]", "float64", "uint8"]


def test_an_empty_batch_is_written(store: Store) -> None:
    write(store)

    assert dict(store.latest()) == {}


def test_an_unknown_datastream_is_an_empty_series(store: Store) -> None:
    write(store, observation(0))

    found = everything(store, DatastreamId("agh-dere.nowhere.stage"))
    assert len(found) == 0
    assert found.time.dtype == np.dtype("datetime64[ms]")
    assert len(everything(store, DatastreamId("'; DROP DATABASE x; --"))) == 0


def test_reading_before_anything_was_written_finds_nothing(store: Store) -> None:
    assert len(everything(store)) == 0
    assert dict(store.latest()) == {}


def test_writing_a_batch_again_changes_nothing(store: Store) -> None:
    batch = ObservationBatch.of([observation(i, i / 7) for i in range(50)])
    store.write(batch)
    before, latest = everything(store), dict(store.latest())
    store.write(batch)

    again = everything(store)
    np.testing.assert_array_equal(again.time, before.time)
    np.testing.assert_array_equal(again.value, before.value)
    assert dict(store.latest()) == latest


def test_of_two_values_for_one_key_the_last_written_wins(store: Store) -> None:
    write(store, observation(0, 1.0), observation(1, 1.0))
    write(store, observation(0, 2.0, Quality.FAIL))

    found = everything(store)
    assert found.value.tolist() == [2.0, 1.0]
    assert found.quality.tolist() == [Quality.FAIL, Quality.GOOD]


def test_of_two_values_for_one_key_in_one_batch_the_last_wins(store: Store) -> None:
    write(store, observation(0, 1.0), observation(1, 5.0), observation(0, 3.0))

    assert values(store) == [3.0, 5.0]


def test_an_interval_holds_its_start_and_not_its_end(store: Store) -> None:
    write(store, *(observation(i, float(i)) for i in range(5)))

    assert store.series(STAGE, T0 + MINUTE, T0 + 3 * MINUTE).value.tolist() == [1.0, 2.0]
    assert len(store.series(STAGE, T0, T0)) == 0
    assert len(store.series(STAGE, T0 + MINUTE, T0)) == 0


def test_an_interval_is_exact_to_the_millisecond(store: Store) -> None:
    ms = timedelta(milliseconds=1)
    write(store, *(observation(i / 60000, float(i)) for i in range(4)))

    assert store.series(STAGE, T0 + ms, T0 + 3 * ms).value.tolist() == [1.0, 2.0]


def test_the_widest_interval_is_everything(store: Store) -> None:
    write(store, observation(0))
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    assert len(store.series(STAGE, first, last)) == 1


def test_datastreams_do_not_mix(store: Store) -> None:
    write(store, observation(0, 1.0), observation(0, 9.5, datastream=DISCHARGE))

    assert values(store) == [1.0]
    assert values(store, DISCHARGE) == [9.5]


def test_latest_is_of_the_greatest_time_whatever_came_last(store: Store) -> None:
    write(store, observation(10, 1.0), observation(5, 2.0))
    write(store, observation(7, 3.0), observation(3, 9.5, datastream=DISCHARGE))

    assert dict(store.latest()) == {
        STAGE: observation(10, 1.0),
        DISCHARGE: observation(3, 9.5, datastream=DISCHARGE),
    }


def test_a_rewrite_of_the_newest_is_the_new_latest(store: Store) -> None:
    write(store, observation(10, 1.0))
    write(store, observation(10, 4.0, Quality.FAIL))

    assert store.latest()[STAGE] == observation(10, 4.0, Quality.FAIL)


def test_rows_that_say_nothing_are_not_seen(store: Store) -> None:
    write(
        store,
        observation(0, 1.0),
        observation(1, float("nan"), Quality.MISSING),
        observation(2, float("nan"), Quality.GOOD),
        observation(3, 7.0, Quality.MISSING),
    )

    assert values(store) == [1.0]
    assert store.latest()[STAGE] == observation(0, 1.0)


@pytest.mark.parametrize("n", [9_999, 10_000, 10_001, 20_000])
def test_a_long_series_comes_back_whole_wherever_an_answer_may_be_cut(store: Store, n: int) -> None:
    times = (np.arange(n) + to_ms(T0)).astype("datetime64[ms]")
    batch = ObservationBatch(
        (STAGE,), np.zeros(n, np.int32), times, np.arange(n, dtype=np.float64), np.ones(n, np.uint8)
    )
    store.write(batch)
    series = store.series(STAGE, *ALWAYS)

    assert np.array_equal(series.time, times)
    assert np.array_equal(series.value, batch.value)


def test_a_store_that_is_there_passes_its_check_empty_or_not(store: Store) -> None:
    store.check()
    write(store, observation(0))
    store.check()

    assert len(store.series(STAGE, *ALWAYS)) == 1


def test_tidying_comes_to_an_end_and_changes_no_answer(store: Store) -> None:
    write(store, *(observation(i, i / 3) for i in range(20)))
    write(store, observation(3, 9.5, Quality.FAIL), observation(500, 1.0, datastream=DISCHARGE))
    before, latest = everything(store), dict(store.latest())
    steps = 0
    while store.tidy(T0):
        steps += 1
        assert steps < 100

    after = everything(store)
    np.testing.assert_array_equal(after.time, before.time)
    np.testing.assert_array_equal(after.value, before.value)
    np.testing.assert_array_equal(after.quality, before.quality)
    assert dict(store.latest()) == latest


def test_an_impossible_row_is_refused_by_name_and_the_others_kept(store: Store) -> None:
    with pytest.raises(StoreRejected, match="value inf is infinite") as refused:
        write(store, observation(0), observation(1, float("inf")), observation(2))

    assert refused.value.rows == (1,)
    assert len(everything(store)) == 2


def test_a_value_far_ahead_of_today_is_kept_as_it_is(store: Store) -> None:
    far = Observation(STAGE, datetime(2200, 1, 1, tzinfo=UTC), 1e308, Quality.FAIL)
    write(store, observation(0), far)

    assert store.latest()[STAGE] == far


_MS = st.integers(0, 86_400_000)
_VALUE = st.floats(allow_nan=False, allow_infinity=False)
_FLAG = st.sampled_from([q for q in Quality if q is not Quality.MISSING])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    # Whole days here and there: InfluxDB opens files for every week it is given.
    day=st.sampled_from([-1, 0, 19_812, 20_779, 60_000]),
    rows=st.dictionaries(_MS, st.tuples(_VALUE, _FLAG), max_size=40),
)
def test_times_to_the_millisecond_and_values_to_the_last_bit_come_back(
    store: Store, day: int, rows: dict[int, tuple[float, Quality]]
) -> None:
    name = DatastreamId(f"agh-dere.s{next(_fresh)}.stage")
    base = day * 86_400_000
    write(store, *(Observation(name, from_ms(base + ms), *rest) for ms, rest in rows.items()))

    found = everything(store, name)
    assert found.time.astype(np.int64).tolist() == sorted(base + ms for ms in rows)
    assert found.value.tolist() == [rows[ms][0] for ms in sorted(rows)]
    assert found.quality.tolist() == [rows[ms][1] for ms in sorted(rows)]


def test_a_batch_larger_than_one_request_is_stored_whole(store: Store) -> None:
    n = 12_001
    start = to_ms(T0)
    batch = ObservationBatch(
        (DISCHARGE, STAGE),
        np.ones(n, np.int32),
        (start + 1000 * np.arange(n)).astype("datetime64[ms]"),
        np.arange(n) / 3,
        np.full(n, Quality.GOOD, np.uint8),
    )
    store.write(batch)

    found = everything(store)
    np.testing.assert_array_equal(found.time, batch.time)
    np.testing.assert_array_equal(found.value, batch.value)
    assert list(store.latest()) == [STAGE]


def test_threads_write_and_read_one_store_at_once(store: Store) -> None:
    write(store, observation(-1))
    failed: list[BaseException] = []
    together = threading.Barrier(6)

    def work(number: int) -> None:
        name = DatastreamId(f"agh-dere.s{number}.stage")
        try:
            together.wait(10)
            for i in range(10):
                write(store, *(observation(10 * i + k, datastream=name) for k in range(10)))
                assert len(everything(store, name)) == 10 * (i + 1)
                store.latest()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert len(store.latest()) == 7


def test_what_one_opening_wrote_another_finds(url: str, store: Store) -> None:
    if url == "memory://":
        return  # its observations live and die with the one object
    write(store, observation(0, 4.5))
    reader = open_store(url, read_only=True)
    found, latest = values(reader), dict(reader.latest())
    write(store, observation(1, 5.5))
    found_then = values(reader)
    reader.close()

    assert (found, latest) == ([4.5], {STAGE: observation(0, 4.5)})
    assert found_then == [4.5, 5.5]


def test_a_store_opened_for_reading_refuses_to_write(url: str, store: Store) -> None:
    write(store, observation(0))
    reader = open_store(url, read_only=True)
    with pytest.raises(StoreUnavailable, match="reading only"):
        write(reader, observation(1))
    reader.close()

    assert len(everything(store)) == 1


def test_closing_twice_is_closing_once(url: str) -> None:
    store = open_store(url)
    write(store, observation(0))
    store.close()
    store.close()
