"""How lists are read page by page, answers compared, and forms chosen."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest

from kahriz.book import audit, dead_letters, inbound
from kahriz.book.days import Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.clock import to_ms
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api, assert_problem

V1 = "/api/v1"
MINUTE = timedelta(minutes=1)
STAGE = f"{V1}/datastreams/agh-dere.shaft.stage/observations"


def add_alert(api: Api, n: int) -> None:
    # Late data finds old trouble too: before, behind and at the same instant as what is there.
    since = to_ms(NOW - (n * 7 % 5) * MINUTE)
    rows.raise_alert(api, since_ms=since, kahriz="barana" if n % 4 == 3 else "agh-dere")


def add_message(api: Api, n: int) -> None:
    about = rows.raise_alert(api)
    rows.queue_message(api, about, created_at_ms=to_ms(NOW - (n * 7 % 5) * MINUTE))


def add_audit(api: Api, n: int) -> None:
    with api.book.begin() as connection:
        audit.append(connection, NOW, "office", "test", {"n": n})


def add_letter(api: Api, n: int) -> None:
    letter = DeadLetter(to_ms(NOW), "t", "d", "no JSON", b"%d" % n, Reason.DECODE_ERROR)
    again = DeadLetter(to_ms(NOW + n * MINUTE), "t", "d", "no JSON", b"0", Reason.DECODE_ERROR)
    with api.book.begin() as connection:
        dead_letters.put(connection, [letter, again])


def add_gauging(api: Api, n: int) -> None:
    at = (NOW - (n * 7 % 5) * MINUTE).isoformat()
    body = {"site": "agh-dere.outlet", "volume_l": 10, "seconds": [4], "by": "x", "at": at}
    assert api.ask("POST", f"{V1}/gaugings", json=body, headers=api.key()).status_code == 201


def add_inbound(api: Api, n: int) -> None:
    with api.book.begin() as connection:
        inbound.arrive(connection, "console", str(n), "+994500000001", "1", NOW)


LISTS: dict[str, tuple[str, Callable[[Api, int], None]]] = {
    "alerts": ("alerts", add_alert),
    "messages": ("messages", add_message),
    "audit": ("entries", add_audit),
    "dead-letters": ("letters", add_letter),
    "gaugings": ("gaugings", add_gauging),
    "inbound": ("texts", add_inbound),
}


def pages(
    api: Api, path: str, name: str, between: Callable[[int], None], **query: Any
) -> list[list[Any]]:
    """Return every page, found by following the links; `between` is called after each."""
    headers = api.key()
    found: list[list[Any]] = []
    answer = api.get(path, params=query, headers=headers)
    while True:
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[name])
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next"] is None)
        if link is None:
            return found
        assert len(found) < 100
        between(len(found))
        address, relation = link.split("; ")
        assert relation == 'rel="next"'
        answer = api.get(urljoin(path, address.strip("<>")), headers=headers)


@pytest.mark.parametrize("kind", LISTS)
def test_each_row_comes_once_while_others_are_written(api: Api, kind: str) -> None:
    name, add = LISTS[kind]
    for n in range(23):
        add(api, n)
    path = f"{V1}/{kind}"
    before = [row["id"] for row in api.get(path, headers=api.key()).json()[name]]

    paged = pages(api, path, name, lambda n: add(api, 100 + n), limit=5)

    ids = [row["id"] for page in paged for row in page]
    assert len(before) >= 23
    assert len(ids) == len(set(ids)), "none comes twice"
    assert [id for id in ids if id in before] == before, "all that was there, in its order"
    assert all(len(page) == 5 for page in paged[:-1])


def test_a_page_that_is_just_full_is_the_last(api: Api) -> None:
    for n in range(10):
        add_audit(api, n)
    headers = api.key()
    full = api.get(f"{V1}/audit", params={"limit": 10}, headers=headers)

    assert (len(full.json()["entries"]), full.json()["next"]) == (10, None)
    assert "link" not in full.headers


def test_the_link_keeps_what_was_asked(api: Api) -> None:
    for n in range(12):
        add_alert(api, n)

    paged = pages(api, f"{V1}/alerts", "alerts", lambda _: None, limit=2, kahriz="barana")

    assert [len(page) for page in paged] == [2, 1]
    assert {row["kahriz"] for page in paged for row in page} == {"barana"}


@pytest.mark.parametrize(
    ("cursor", "why"),
    [
        ("nonsense", "no answer gave it"),
        ("", "no answer gave it"),
        ("ə", "no answer gave it"),
        (base64.urlsafe_b64encode(b'["x"]').decode(), "another list or question"),
        (base64.urlsafe_b64encode(b'{"a":1}').decode(), "another list or question"),
        (base64.urlsafe_b64encode(b"[]").decode(), "no answer gave it"),
        ("x" * 201, "at most 200"),
    ],
)
def test_a_cursor_that_no_answer_gave_is_named(api: Api, cursor: str, why: str) -> None:
    for path in ("alerts", "messages", "gaugings", "inbound", "dead-letters", "audit"):
        answer = api.get(f"{V1}/{path}", params={"cursor": cursor}, headers=api.key())
        assert_problem(answer, 422, why, "cursor")


@pytest.mark.parametrize("key", [[2**70, 1], [1], [1, 2, 3], [1.5, 1], ["a", 1], [True, 1], [None]])
def test_a_cursor_that_was_changed_is_refused(api: Api, key: list[Any]) -> None:
    for n in range(3):
        add_alert(api, n)
    cursor = api.json(f"{V1}/alerts", limit=1)["next"]
    of = json.loads(base64.urlsafe_b64decode(cursor + "=="))[0]
    forged = base64.urlsafe_b64encode(json.dumps([of, *key]).encode()).decode().rstrip("=")

    assert_problem(api.get(f"{V1}/alerts", params={"cursor": forged}), 422, "no answer gave it")


def test_a_cursor_is_for_the_question_it_was_given_to(api: Api) -> None:
    for n in range(3):
        add_alert(api, n)
    cursor = api.json(f"{V1}/alerts", limit=1)["next"]

    other = api.get(f"{V1}/alerts", params={"cursor": cursor, "state": "firing"})
    elsewhere = api.get(f"{V1}/messages", params={"cursor": cursor})
    larger = api.get(f"{V1}/alerts", params={"cursor": cursor, "limit": 50})

    assert_problem(other, 422, "another list or question")
    assert_problem(elsewhere, 422, "another list or question")
    assert larger.status_code == 200, "how much a page holds is no part of the question"


def test_every_observation_comes_page_by_page_while_new_ones_come(api: Api) -> None:
    rows.observe(api, "agh-dere.shaft.stage", np.arange(288.0), NOW - timedelta(days=1), NOW)

    def later(n: int) -> None:
        api.now = NOW + n * timedelta(hours=1)
        rows.observe(api, "agh-dere.shaft.stage", -1.0, NOW + (n - 1) * 12 * 5 * MINUTE, api.now)

    paged = pages(api, STAGE, "stage_m", later, limit=50)

    assert [len(page) for page in paged] == [50] * 5 + [38]
    assert [value for page in paged for value in page] == list(range(288))


def test_pages_of_observations_go_over_years_with_gaps(api: Api) -> None:
    for days in (3000, 1500, 400, 0):
        start = NOW - timedelta(days=days, hours=1)
        rows.observe(
            api, "agh-dere.shaft.stage", days + np.arange(12.0), start, start + 12 * 5 * MINUTE
        )

    paged = pages(api, STAGE, "stage_m", lambda _: None, limit=9, start="2018-01-01T00:00:00Z")

    values = [value for page in paged for value in page]
    assert values == [d + i for d in (3000, 1500, 400, 0) for i in range(12)]


def test_pages_and_a_number_of_points_are_two_questions(api: Api) -> None:
    assert_problem(api.get(STAGE, params={"limit": 5, "max_points": 5}), 422, "not both")
    assert_problem(api.get(STAGE, params={"cursor": "x"}), 422, "needs limit")
    assert_problem(api.get(STAGE, params={"limit": 10_001}), 422, "10000")


def comparable(api: Api) -> list[str]:
    rows.deliver(api, 2.4, NOW - timedelta(days=3), NOW)
    rows.add_contact(api)
    id = rows.raise_alert(api)
    rows.queue_message(api, id)
    of = f"{V1}/kahrizes/agh-dere"
    paths = ["latest", "alerts", f"alerts/{id}", "messages", "messages/summary"]
    paths += ["contacts", "contacts/1", "silences", "gaugings", "inbound", "dead-letters"]
    over = "water?end=2026-11-21T20:00:00Z"  # what runs still grows with the clock
    return [
        *(f"{of}/{what}" for what in (over, "summary", "detection", "maintenance", "texts")),
        *(f"{V1}/{path}" for path in paths),
        f"{V1}/datastreams",
        f"{V1}/datastreams/agh-dere.line.discharge/observations",
    ]


def test_an_answer_that_says_the_same_is_a_304_although_time_went_on(api: Api) -> None:
    for path in comparable(api):
        first = api.get(path)
        api.now += timedelta(seconds=1)
        api.wall += 1
        again = api.get(path, headers={"If-None-Match": first.headers["etag"]})
        strong = first.headers["etag"].removeprefix("W/")
        listed = api.get(path, headers={"If-None-Match": f'"other", {strong}'})
        other = api.get(path, headers={"If-None-Match": 'W/"other"'})

        assert (first.status_code, again.status_code) == (200, 304), path
        assert (again.content, again.headers["etag"]) == (b"", first.headers["etag"])
        assert "content-type" not in again.headers
        assert "content-security-policy" in again.headers
        assert (listed.status_code, other.status_code) == (304, 200), path


def test_what_tells_of_the_running_day_is_a_304_at_the_same_instant(api: Api) -> None:
    comparable(api)
    for path in (f"{V1}/kahrizes", f"{V1}/kahrizes/agh-dere", f"{V1}/kahrizes/agh-dere/water"):
        tag = api.get(path).headers["etag"]

        assert api.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_what_has_changed_comes_whole_with_another_tag(api: Api) -> None:
    rows.deliver(api, 2.4, NOW - timedelta(days=3), NOW - timedelta(days=2))
    path = f"{V1}/kahrizes/agh-dere/water"
    first = api.get(path)
    rows.deliver(api, 2.4, NOW - timedelta(days=2), NOW)

    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 200
    assert again.headers["etag"] != first.headers["etag"]
    assert len(again.json()["rows"]) > len(first.json()["rows"])


def test_a_tag_opens_nothing_and_a_change_has_none(closed_api: Api) -> None:
    id = rows.raise_alert(closed_api)
    path = f"{V1}/alerts/{id}"
    tag = closed_api.get(path, headers=closed_api.key()).headers["etag"]

    refused = closed_api.get(path, headers={"If-None-Match": tag})
    said = closed_api.ask(
        "POST",
        f"{path}/on-site",
        json={"by": "x"},
        headers=closed_api.key() | {"If-None-Match": tag},
    )

    assert refused.status_code == 401
    assert said.status_code == 200
    assert "etag" not in said.headers


def test_head_is_a_304_too(api: Api) -> None:
    tag = api.get(f"{V1}/datastreams").headers["etag"]

    answer = api.ask("HEAD", f"{V1}/datastreams", headers={"If-None-Match": tag})

    assert answer.status_code == 304


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{V1}/kahrizes/agh-dere/water", "rows"),
        (f"{V1}/kahrizes/agh-dere/water?by=hour&start=2026-11-22T00:00:00Z", "rows"),
        (f"{V1}/alerts", "alerts"),
    ],
)
def test_csv_has_every_column_and_row_of_the_json(api: Api, path: str, name: str) -> None:
    comparable(api)
    told = api.get(path).json()[name]
    answer = api.get(path, headers={"Accept": "text/csv"})
    found = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert len(found) == len(told) > 0
    assert list(found[0]) == list(told[0])
    for row, said in zip(found, told, strict=True):
        for column, value in said.items():
            if isinstance(value, float):
                assert float(row[column]) == value
            elif not isinstance(value, dict):
                assert row[column] == ("" if value is None else _said(value)), column


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_observations_come_as_csv_page_by_page(api: Api) -> None:
    rows.observe(api, "agh-dere.shaft.stage", -0.5, NOW - timedelta(hours=1), NOW)
    answer = api.get(STAGE, params={"limit": 7}, headers={"Accept": "text/csv"})

    lines = answer.text.splitlines()
    assert lines[:2] == ["time,stage_m,quality", "2026-11-22T11:00:00.000Z,-0.5,1"]
    assert len(lines) == 8
    assert 'rel="next"' in answer.headers["link"]
    again = {"Accept": "text/csv", "If-None-Match": answer.headers["etag"]}
    assert api.get(STAGE, params={"limit": 7}, headers=again).status_code == 304


def test_csv_without_rows_is_its_header(api: Api) -> None:
    for path in (f"{V1}/kahrizes/barana/water", f"{V1}/alerts", STAGE):
        lines = api.get(path, headers={"Accept": "text/csv"}).text.splitlines()
        assert len(lines) == 1
        assert "," in lines[0]


def test_what_there_is_not_is_a_406_that_says_what_there_is(api: Api) -> None:
    for path in (f"{V1}/kahrizes/agh-dere/water", f"{V1}/alerts", STAGE):
        answer = api.get(path, headers={"Accept": "text/html, image/*;q=0.5"})
        body = assert_problem(answer, 406, "text/html")
        assert body["available"] == ["application/json", "text/csv"]
