"""What can go wrong around a real InfluxDB 1.6: refused rows, logins, restarts, silence."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store import open_store
from kahriz.store.influx import InfluxStore
from tests import servers
from tests.contract.influx_fakes import query_v1, v2_path_before, write_v1
from tests.servers import Server

pytestmark = pytest.mark.server

STAGE = DatastreamId("agh-dere.outlet.stage")
T0 = datetime(2026, 11, 22, 6, tzinfo=UTC)
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ONE = ObservationBatch.of([Observation(STAGE, T0, 1.0, Quality.GOOD)])


@pytest.fixture
def database(influxd: Server) -> str:
    """Make an empty database on the shared server."""
    name = f"t{uuid.uuid4().hex}"
    query_v1(influxd, f'CREATE DATABASE "{name}"')
    return name


@pytest.fixture(params=["write", "v2-path"])
def url(request: pytest.FixtureRequest, influxd: Server, database: str) -> Iterator[str]:
    if request.param == "write":
        yield f"influxdb://{influxd.host}:{influxd.port}/{database}"
        return
    with v2_path_before(influxd) as address:
        yield f"influxdb://{address}/{database}?org=kahriz"


def rows(n: int, start: datetime = T0) -> ObservationBatch:
    return ObservationBatch(
        (STAGE,),
        np.zeros(n, np.int32),
        np.datetime64(start.replace(tzinfo=None), "ms") + np.arange(n) * np.timedelta64(1000, "ms"),
        np.arange(n) / 7,
        np.full(n, Quality.GOOD, np.uint8),
    )


def test_of_1000_rows_with_3_bad_ones_997_are_stored_and_3_named(
    url: str, influxd: Server, database: str
) -> None:
    # A shard keeps a field's type: in that week `value` is an integer, and floats conflict.
    week = datetime(2024, 3, 5, tzinfo=UTC)
    write_v1(influxd, database, f"observation,a=b value=1i {int(week.timestamp() * 1000)}")
    batch = rows(1000)
    bad = [17, 500, 999]
    batch.time[bad] = np.datetime64("2024-03-06T00:00:00.000") + np.arange(3)
    with closing(open_store(url)) as store:
        with pytest.raises(StoreRejected, match="field type conflict") as refused:
            store.write(batch)
        found = store.series(STAGE, T0, ALWAYS[1])

    assert refused.value.rows == (17, 500, 999)
    np.testing.assert_array_equal(found.time, np.delete(batch.time, bad))
    np.testing.assert_array_equal(found.value, np.delete(batch.value, bad))


def test_what_goes_to_another_host_is_compressed_and_arrives(url: str) -> None:
    # 0.0.0.0 reaches this machine, and is none of its loopback addresses.
    with closing(open_store(url.replace("127.0.0.1", "0.0.0.0"))) as store:
        store.write(rows(500))
        found = store.series(STAGE, *ALWAYS)

    np.testing.assert_array_equal(found.value, rows(500).value)


def test_rows_older_than_the_retention_are_refused_at_one_go(
    url: str, influxd: Server, database: str
) -> None:
    query_v1(influxd, f'CREATE RETENTION POLICY "week" ON "{database}" DURATION 7d REPLICATION 1')
    with (
        closing(open_store(url.replace(database, f"{database}/week"))) as store,
        pytest.raises(StoreRejected, match="retention policy") as refused,
    ):
        store.write(rows(3000, datetime(2020, 1, 1, tzinfo=UTC)))

    assert refused.value.rows == tuple(range(3000))


def test_a_server_that_is_down_at_start_is_used_once_it_is_up() -> None:
    with servers.influxd() as server:
        server.stop()
        store = open_store(f"influxdb://{server.host}:{server.port}/kahriz")
        with pytest.raises(StoreUnavailable, match=f"{server.port}/kahriz: no answer: .*refused"):
            store.write(ONE)
        with pytest.raises(StoreUnavailable, match="refused"):
            store.latest()
        server.start()
        store.write(ONE)
        found = store.latest()
        store.close()

    assert list(found) == [STAGE]


def test_what_write_returned_for_survives_kill_9_of_the_server() -> None:
    with (
        servers.influxd() as server,
        closing(open_store(f"influxdb://{server.host}:{server.port}/kahriz")) as store,
    ):
        store.write(rows(6000))
        server.kill()
        with pytest.raises(StoreUnavailable):
            store.write(ONE)
        server.start()

        assert len(store.series(STAGE, *ALWAYS)) == 6000


def test_a_server_that_falls_silent_is_not_waited_for_for_ever() -> None:
    with (
        servers.influxd() as server,
        closing(InfluxStore(f"influxdb://{server.host}:{server.port}/k", timeout_s=0.3)) as store,
    ):
        store.write(ONE)
        server.freeze()
        with pytest.raises(StoreUnavailable, match=r"no answer: .*timed out"):
            store.write(ONE)
        server.thaw()
        store.write(ONE)

        assert len(store.series(STAGE, *ALWAYS)) == 1


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """Run a server that knows an administrator and `page`, who may only read."""
    with servers.influxd(auth=True) as server:
        query_v1(server, "CREATE USER boss WITH PASSWORD 'secret' WITH ALL PRIVILEGES")
        with closing(open_store(address(server), "boss:secret")) as store:
            store.write(ONE)
        for statement in (
            "CREATE USER page WITH PASSWORD 'page'",
            'GRANT READ ON "kahriz" TO page',
        ):
            query_v1(server, statement, u="boss", p="secret")
        yield server


def address(server: Server) -> str:
    return f"influxdb://{server.host}:{server.port}/kahriz"


def test_a_wrong_token_is_said_to_be_wrong(guarded: Server) -> None:
    with closing(open_store(address(guarded), "boss:guess")) as store:
        with pytest.raises(StoreUnavailable, match=r"token is missing or wrong \(401\)"):
            store.write(ONE)
        with pytest.raises(StoreUnavailable, match=r"\(401\)"):
            store.latest()


def test_a_reader_reads_and_may_not_write(guarded: Server) -> None:
    with closing(open_store(address(guarded), "page:page")) as store:
        assert list(store.latest()) == [STAGE]
        with pytest.raises(StoreUnavailable, match=r"does not allow this \(403\).*page"):
            store.write(ONE)


def test_a_database_that_may_not_be_made_is_reported(guarded: Server) -> None:
    with (
        closing(open_store(address(guarded) + "2", "page:page")) as store,
        pytest.raises(StoreUnavailable, match="page"),
    ):
        store.latest()


def test_a_reader_makes_no_database(influxd: Server) -> None:
    name = f"t{uuid.uuid4().hex}"
    url = f"influxdb://{influxd.host}:{influxd.port}/{name}"
    with (
        closing(open_store(url, read_only=True)) as store,
        pytest.raises(StoreUnavailable, match="database not found"),
    ):
        store.latest()

    assert name.encode() not in query_v1(influxd, "SHOW DATABASES")


def test_a_row_limit_of_the_server_cuts_nothing_off() -> None:
    with (
        servers.influxd(http="max-row-limit = 700") as server,
        closing(open_store(address(server))) as store,
    ):
        store.write(rows(2000))
        found = store.series(STAGE, *ALWAYS)
        half = store.series(STAGE, T0, T0 + timedelta(seconds=1000))

    np.testing.assert_array_equal(found.value, rows(2000).value)
    assert len(half) == 1000
