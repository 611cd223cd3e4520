from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest

from kahriz.errors import StoreUnavailable
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api, assert_problem

V1 = "/api/v1"
OBSERVATIONS = f"{V1}/datastreams/agh-dere.outlet.stage/observations"
WATER = f"{V1}/kahrizes/agh-dere/water"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (f"{V1}/kahrizes/agdere", "kahriz 'agdere'"),
        (f"{V1}/kahrizes/agdere/water", "kahriz 'agdere'"),
        (f"{V1}/datastreams/a.b.c/observations", "datastream 'a.b.c'"),
        (f"{V1}/alerts?kahriz=agdere", "kahriz 'agdere'"),
        (f"{V1}/alerts/12", "alert '12'"),
        (f"{V1}/messages?alert=12", "alert '12'"),
        (f"{V1}/nothing", "nothing is at this address"),
        ("/nothing.html", "nothing is at this address"),
        ("/api/v2/latest", "nothing is at this address"),
    ],
)
def test_what_does_not_exist_is_a_404_that_names_it(api: Api, path: str, named: str) -> None:
    body = assert_problem(api.get(path), 404, named)

    assert body["type"] == "urn:kahriz:problem:not-found"
    assert body["instance"] == path.partition("?")[0]


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (f"{OBSERVATIONS}?start=2026-11-22T00:00:00", "start", "2026-11-22T00:00:00"),
        (f"{OBSERVATIONS}?end=today", "end", "today"),
        (f"{OBSERVATIONS}?start=2026-11-22T12:00:00Z", "start", "2026-11-22T12:00:00Z"),
        (f"{OBSERVATIONS}?start=2016-11-20T12:00:00Z", "start", "2016-11-20T12:00:00Z"),
        (f"{OBSERVATIONS}?max_points=1", "max_points", "1"),
        (f"{OBSERVATIONS}?max_points=10001", "max_points", "10001"),
        (f"{OBSERVATIONS}?max_points=many", "max_points", "many"),
        (f"{OBSERVATIONS}?strat=2026-11-22T00:00:00Z", "strat", "2026-11-22T00:00:00Z"),
        (f"{WATER}?by=week", "by", "week"),
        (f"{WATER}?by=hour&start=2025-11-21T19:59:59Z", "start", "2025-11-21T19:59:59Z"),
        (f"{WATER}?end=2026-11-22", "end", "2026-11-22"),
        (f"{V1}/alerts?state=burning", "state", "burning"),
        (f"{V1}/alerts?limit=0", "limit", "0"),
        (f"{V1}/alerts?limit=1001", "limit", "1001"),
        (f"{V1}/alerts/0", "id", "0"),
        (f"{V1}/alerts/K7", "id", "K7"),
        (f"{V1}/alerts/9223372036854775808", "id", "9223372036854775808"),
        (f"{V1}/messages?alert=x", "alert", "x"),
        (f"{V1}/messages?limit=1001", "limit", "1001"),
        (f"{V1}/kahrizes/{'a' * 41}", "id", "a" * 41),
    ],
)
def test_a_value_that_cannot_be_used_is_a_422_naming_parameter_and_value(
    api: Api, path: str, name: str, value: str
) -> None:
    body = assert_problem(api.get(path), 422, name, value)

    (error,) = body["errors"]
    assert (error["name"], error["value"].strip("'")) == (name, value)
    assert error["problem"]


@pytest.mark.parametrize(
    "path",
    [
        f"{OBSERVATIONS}?max_points=2",
        f"{OBSERVATIONS}?max_points=10000",
        f"{OBSERVATIONS}?start=2016-11-21T12:00:00Z",
        f"{WATER}?by=hour&start=2025-11-21T20:00:00Z",
        f"{WATER}?by=day&start=2016-11-21T20:00:00Z",
        f"{V1}/alerts?limit=1",
        f"{V1}/alerts?limit=1000",
        f"{V1}/messages?limit=1000",
    ],
)
def test_a_limit_itself_is_allowed(api: Api, path: str) -> None:
    assert api.get(path).status_code == 200


def test_all_wrong_parameters_are_named_at_once(api: Api) -> None:
    body = assert_problem(api.get(f"{OBSERVATIONS}?start=x&end=y&max_points=z"), 422)

    assert [e["name"] for e in body["errors"]] == ["start", "end", "max_points"]


def test_a_long_value_is_shortened_in_the_answer(api: Api) -> None:
    body = assert_problem(api.get(f"{V1}/alerts?state={'x' * 5000}"), 422)

    assert len(body["detail"]) < 400
    assert body["errors"][0]["value"].endswith("'...")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"", "body"),
        (b"[]", "body"),
        (b'{"by": ""}', "by"),
        (b'{"by": "   "}', "by"),
        (b'{"by": 7}', "by"),
        (b'{"by": "\xff"}', "body"),
        (b'{"name": "x"}', "by"),
        (b'{"by": "' + b"x" * 101 + b'"}', "by"),
        (b"[" * 5000, "body"),
    ],
)
def test_a_body_that_cannot_be_used_is_a_422_and_changes_nothing(
    api: Api, body: bytes, said: str
) -> None:
    id = rows.raise_alert(api)
    headers = api.key() | {"Content-Type": "application/json"}

    answer = api.ask("POST", f"{V1}/alerts/{id}/acknowledgement", content=body, headers=headers)

    assert_problem(answer, 422, said)
    assert api.audit() == []
    assert api.json(f"{V1}/alerts/{id}")["acknowledged_by"] is None


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_above_16_kib_is_a_413(api: Api, is_announced: bool) -> None:
    async def in_parts() -> Any:
        for _ in range(20):
            yield b" " * 1024

    id = rows.raise_alert(api)
    content = b" " * (16 * 1024 + 1) if is_announced else in_parts()

    answer = api.ask(
        "POST", f"{V1}/alerts/{id}/acknowledgement", content=content, headers=api.key()
    )

    assert_problem(answer, 413, "16384 bytes")


def test_parquet_without_its_library_is_a_422_that_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answers = [api.get(f"{V1}/export/alerts?format=parquet") for _ in range(6)]

    for answer in answers:
        assert_problem(answer, 422, "format", "Parquet needs pyarrow")
    assert len(api.app.state.service.exports) == 0, "none counts as on its way"


def test_a_wrong_method_is_a_405_that_says_which_one_is_right(api: Api) -> None:
    answer = api.ask("DELETE", f"{V1}/alerts/1")

    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET"
    assert api.ask("POST", f"{V1}/latest").headers["allow"] == "GET"
    assert api.ask("PUT", f"{V1}/contacts").headers["allow"] == "GET, POST"
    assert api.ask("OPTIONS", f"{V1}/contacts/1").headers["allow"] == "DELETE, GET, PATCH"


def test_head_is_answered_like_get_but_not_where_the_answer_never_ends(api: Api) -> None:
    assert api.ask("HEAD", f"{V1}/latest").status_code == 200
    assert api.ask("HEAD", "/health").status_code == 503
    assert api.ask("HEAD", f"{V1}/events").status_code == 405


@pytest.mark.parametrize("path", [f"{V1}/latest", f"{V1}/kahrizes", f"{V1}/devices", OBSERVATIONS])
def test_a_store_that_is_away_is_a_503_that_says_when_to_try_again(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise StoreUnavailable("connection refused", timedelta(seconds=7.2))

    monkeypatch.setattr(api.store, "latest", away)
    monkeypatch.setattr(api.store, "series", away)

    answer = api.get(path)
    body = assert_problem(answer, 503, "store unavailable", "connection refused")

    assert body["type"] == "urn:kahriz:problem:store-unavailable"
    assert answer.headers["retry-after"] == "8"
    assert api.get(f"{V1}/alerts").status_code == 200


def test_a_book_that_is_no_longer_there_is_a_503_without_its_address(api: Api) -> None:
    api.book.close()
    place = api.book.url.database
    assert place is not None
    api.break_book()

    answer = api.get(f"{V1}/alerts")
    body = assert_problem(answer, 503, "book unavailable")

    assert body["type"] == "urn:kahriz:problem:book-unavailable"
    assert answer.headers["retry-after"] == "5"
    assert place not in answer.text
    assert api.get(f"{V1}/latest").status_code == 200


def test_a_store_that_does_not_answer_is_a_503_and_holds_nothing_else_up(api: Api) -> None:
    with api.store_that_hangs():
        api.app.state.service.reads.patience_s = 0.05
        answer = api.get(f"{V1}/latest")
        api.app.state.service.reads.patience_s = 15.0

        assert_problem(answer, 503, "store unavailable: no answer within")
        assert api.get(f"{V1}/alerts").status_code == 200


def test_a_fault_of_ours_is_a_500_that_tells_nothing_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ValueError("secret detail")

    monkeypatch.setattr(api.store, "latest", broken)

    answer = api.get(f"{V1}/latest")

    assert_problem(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_an_instant_ahead_of_now_is_no_start(api: Api) -> None:
    ahead = (NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert_problem(api.get(f"{OBSERVATIONS}?start={ahead}"), 422, "start", ahead)
