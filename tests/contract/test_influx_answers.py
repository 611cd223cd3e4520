"""The InfluxDB store against the answers of 2.x and 3.x, as read in their sources.

No 2.x or 3.x ran here: these tests hold the store to the table in docs/stores.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store.influx import InfluxStore
from tests.contract.influx_fakes import (
    CANARY,
    Answer,
    Asked,
    Pretend2,
    Pretend3,
    Pretender,
    serve,
)

STAGE = DatastreamId("agh-dere.outlet.stage")
T0 = datetime(2026, 11, 22, 6, tzinfo=UTC)
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ONE = ObservationBatch.of([Observation(STAGE, T0, 1.0, Quality.GOOD)])

Opener = Callable[[Callable[[Asked], Answer | None]], InfluxStore]


@pytest.fixture
def open_before() -> Iterator[Opener]:
    """Return what opens a store whose server answers as the given function does."""
    with ExitStack() as stack:

        def opener(answer: Callable[[Asked], Answer | None]) -> InfluxStore:
            address = stack.enter_context(serve(answer))
            store = InfluxStore(f"influxdb://{address}/bucket?org=org", "token", timeout_s=2)
            return stack.enter_context(closing(store))

        yield opener


@pytest.fixture(params=[Pretend2, Pretend3])
def server(request: pytest.FixtureRequest) -> Pretender:
    made: Pretender = request.param()
    return made


def rows(n: int) -> ObservationBatch:
    return ObservationBatch(
        (STAGE,),
        np.zeros(n, np.int32),
        np.datetime64("2026-11-22T06:00:00.000") + np.arange(n),
        np.arange(n, dtype=np.float64),
        np.full(n, Quality.GOOD, np.uint8),
    )


def is_of(values: set[int]) -> Callable[[str], bool]:
    return lambda line: any(f"value={value}.0," in line for value in values)


def writes(server: Pretender) -> list[Asked]:
    return [asked for asked in server.asked if asked.path == "/api/v2/write"]


def test_a_write_is_what_2_and_3_expect(server: Pretender, open_before: Opener) -> None:
    open_before(server).write(ONE)

    (asked,) = writes(server)
    assert asked.query == {"org": "org", "bucket": "bucket", "precision": "ms"}
    assert asked.headers["authorization"] == "Token token"
    assert asked.lines == [
        "observation,kahriz=agh-dere,site=outlet,property=stage value=1.0,quality=1i 1795327200000"
    ]


def test_a_query_is_what_2_and_3_expect(server: Pretender, open_before: Opener) -> None:
    open_before(server).series(STAGE, T0, T0 + timedelta(hours=1))

    asked = server.asked[-1]
    assert (asked.method, asked.path) == ("GET", "/query")
    assert asked.headers["accept"] == "application/json", "3.x refuses a list of types"
    assert asked.query == {
        "db": "bucket",
        "epoch": "ms",
        "q": 'SELECT "value", "quality" FROM "observation" WHERE "kahriz" = \'agh-dere\''
        " AND \"site\" = 'outlet' AND \"property\" = 'stage'"
        " AND time < '2026-11-22T07:00:00Z' AND time >= '2026-11-22T06:00:00Z' LIMIT 10000",
    }


def test_3_bad_rows_of_1000_are_named_and_the_others_stored(
    server: Pretender, open_before: Opener
) -> None:
    server.refuse = is_of({3, 400, 999})
    with pytest.raises(StoreRejected) as refused:
        open_before(server).write(rows(1000))

    stored = {line for line in server.stored if CANARY not in line}
    assert refused.value.rows == (3, 400, 999)
    assert len(stored) == 997
    assert len(writes(server)) < 80, "found by halving, not one by one"


def test_a_refused_canary_means_a_sick_server_and_nothing_is_given_up(
    server: Pretender, open_before: Opener
) -> None:
    server.refuse = lambda line: True
    with pytest.raises(StoreUnavailable, match="refuses everything, even a harmless point"):
        open_before(server).write(rows(100))

    assert len(writes(server)) == 2


def test_a_whole_batch_refused_by_2_takes_two_requests(open_before: Opener) -> None:
    server = Pretend2(refuse=lambda line: CANARY not in line)
    with pytest.raises(StoreRejected) as refused:
        open_before(server).write(rows(5000))

    assert refused.value.rows == tuple(range(5000))
    assert len(writes(server)) == 2


def test_a_request_too_large_is_halved(server: Pretender, open_before: Opener) -> None:
    server.max_lines = 300
    open_before(server).write(rows(1000))

    assert len(server.stored) == 1000
    assert [len(asked.lines) for asked in writes(server)] == [1000, 500, 250, 250, 500, 250, 250]


def test_a_server_that_finds_every_row_too_large_is_sick(
    server: Pretender, open_before: Opener
) -> None:
    server.max_lines = 0
    with pytest.raises(StoreUnavailable, match="even a harmless point: body too large"):
        open_before(server).write(rows(4))


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [
        (408, None, None),
        (429, "7", timedelta(seconds=7)),
        (500, None, None),
        (502, None, None),
        (503, "120", timedelta(minutes=2)),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_a_server_that_cannot_now_is_asked_again_when_it_says(
    server: Pretender,
    open_before: Opener,
    status: int,
    retry_after: str | None,
    pause: timedelta | None,
) -> None:
    headers = {"Retry_After": retry_after} if retry_after else {}
    server.broken = Answer.json(
        status, {"code": "unavailable", "message": "write limit"}, **headers
    )
    store = open_before(server)
    with pytest.raises(StoreUnavailable, match=rf"/bucket: .*\({status}\): write limit") as refused:
        store.write(ONE)
    with pytest.raises(StoreUnavailable, match=rf"\({status}\)"):
        store.latest()
    server.broken = None
    store.write(ONE)

    assert refused.value.retry_after == pause
    assert len(server.stored) == 1


def test_a_wrong_token_is_no_reason_to_give_up_rows(server: Pretender, open_before: Opener) -> None:
    server.token = "changed"
    store = open_before(server)
    with pytest.raises(StoreUnavailable, match=r"token is missing or wrong \(401\)"):
        store.write(ONE)
    with pytest.raises(StoreUnavailable, match=r"token is missing or wrong \(401\)"):
        store.latest()


def test_a_token_without_the_right_is_reported_as_such(
    server: Pretender, open_before: Opener
) -> None:
    server.broken = Answer.json(403, {"code": "forbidden", "message": "insufficient permissions"})
    with pytest.raises(StoreUnavailable, match=r"does not allow this \(403\): insufficient"):
        open_before(server).write(ONE)


def test_a_missing_bucket_is_named(server: Pretender, open_before: Opener) -> None:
    server.bucket = "another"
    with pytest.raises(StoreUnavailable, match=r'no such bucket.*\(404\): bucket "bucket" not'):
        open_before(server).write(ONE)


def test_a_query_refused_with_400_is_no_refusal_of_rows(
    server: Pretender, open_before: Opener
) -> None:
    server.broken = Answer.json(400, {"error": "Query would exceed file limit of 432"})
    with pytest.raises(StoreUnavailable, match="query refused: Query would exceed file limit"):
        open_before(server).series(STAGE, *ALWAYS)


HTML = Answer(200, b"<html><body>Please log in</body></html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HTML, "not InfluxDB's .*Please log in"),
        (Answer(200, b'{"results":[{"series":[{"values":[[1,'), "not InfluxDB's"),
        (Answer(200, b'{"results":[{"series":[{"values":[[1,1e999,1]]}]}]}'), "not InfluxDB's"),
        (Answer(200, b"\xff\xfe"), "not InfluxDB's"),
        (Answer(200, b"{}"), "holds no result"),
        (Answer.json(200, {"error": "engine closed"}), "query refused: engine closed"),
        (
            Answer.json(200, {"results": [{"error": "database not found: bucket"}]}),
            "query refused: database not found: bucket",
        ),
    ],
)
def test_a_200_that_is_no_answer_is_an_error(
    open_before: Opener, answer: Answer, reason: str
) -> None:
    store = open_before(Pretend2(broken=answer))
    with pytest.raises(StoreUnavailable, match=reason):
        store.latest()
    with pytest.raises(StoreUnavailable, match=reason):
        store.series(STAGE, *ALWAYS)


def test_a_200_to_a_write_is_not_taken_for_stored(server: Pretender, open_before: Opener) -> None:
    server.broken = HTML
    with pytest.raises(StoreUnavailable, match="a write was answered 200, not 204"):
        open_before(server).write(ONE)


def test_an_error_page_that_is_no_text_is_survived(open_before: Opener) -> None:
    store = open_before(Pretend2(broken=Answer(502, b"\xff\xfe<html>")))
    with pytest.raises(StoreUnavailable):
        store.write(ONE)


def test_a_connection_cut_in_the_middle_is_unavailable(open_before: Opener) -> None:
    def hang_up(asked: Asked) -> Answer | None:
        return Pretend2().ping() if asked.path == "/ping" else None

    store = open_before(hang_up)
    with pytest.raises(StoreUnavailable, match="no answer"):
        store.write(ONE)
    with pytest.raises(StoreUnavailable, match="no answer"):
        store.latest()


def test_a_redirect_is_not_followed(server: Pretender, open_before: Opener) -> None:
    server.broken = Answer(307, b"", {"Location": "http://127.0.0.1:1/elsewhere"})
    with pytest.raises(StoreUnavailable, match=r"\(307\)"):
        open_before(server).write(ONE)


def test_one_request_that_fails_leaves_the_whole_batch_to_be_written_again(
    open_before: Opener,
) -> None:
    server = Pretend2()

    def give_out_at_the_smaller(asked: Asked) -> Answer | None:
        if asked.body.count(b"\n") == 999:
            return Answer.json(503, {"message": "shutting down"})
        return server(asked)

    store = open_before(give_out_at_the_smaller)
    with pytest.raises(StoreUnavailable, match="shutting down"):
        store.write(rows(6000))

    assert len(server.stored) == 5000


def test_rows_without_a_proper_id_are_refused_and_nothing_is_injected(
    server: Pretender, open_before: Opener
) -> None:
    names = ["agh-dere.outlet.stage", "agh dere.outlet.stage", "a.b", "a.b.c,d=e value=1i"]
    batch = ObservationBatch.of(
        [Observation(DatastreamId(name), T0, 1.0, Quality.GOOD) for name in names]
    )
    with pytest.raises(
        StoreRejected, match=r"'agh dere\.outlet\.stage' is no datastream's id"
    ) as no:
        open_before(server).write(batch)

    assert no.value.rows == (1, 2, 3)
    assert len(server.stored) == 1


def test_more_datastreams_than_the_server_lists_is_said(open_before: Opener) -> None:
    tags = {"kahriz": "a", "site": "b", "property": "stage"}
    cut = {"series": [{"tags": tags, "values": [[1, 2.0, 1]]}], "partial": True}
    store = open_before(Pretend2(broken=Answer.json(200, {"results": [cut]})))
    with pytest.raises(StoreUnavailable, match="max-row-limit"):
        store.latest()
