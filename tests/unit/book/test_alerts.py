from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from kahriz.book import Book, alerts
from kahriz.clock import to_ms
from kahriz.errors import NotFoundError

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    with book.begin() as opened:
        yield opened
    book.close()


def values(**changes: Any) -> dict[str, Any]:
    return {
        "kahriz": "barana",
        "kind": "blockage",
        "key": "",
        "audience": "committee",
        "state": "firing",
        "since_ms": to_ms(NOW),
        "pending_at_ms": to_ms(NOW),
        "fired_at_ms": to_ms(NOW),
        "last_seen_ms": to_ms(NOW),
        "detector": "station",
        "evidence": {"deviation": -0.4},
        "explanation": "Outlet 9.1 L/s.",
        "updated_at_ms": to_ms(NOW),
    } | changes


def test_an_alert_is_found_as_it_was_written(connection: Connection) -> None:
    added = alerts.add(connection, values())

    assert alerts.find(connection, added.id) == added
    assert (added.code, added.evidence) == ("K1", {"deviation": -0.4})


def test_an_alert_that_does_not_exist_is_named(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="alert '7'"):
        alerts.find(connection, 7)
    with pytest.raises(NotFoundError, match="alert '7'"):
        alerts.acknowledge(connection, 7, "Əli", NOW)


def test_codes_go_round_and_never_hit_an_open_alert(connection: Connection) -> None:
    first = alerts.add(connection, values())
    for _ in range(98):
        alerts.add(connection, values(state="resolved"))
    after_the_round = alerts.add(connection, values())

    assert first.code == "K1"
    assert after_the_round.code == "K2"


def test_a_hundred_open_alerts_have_a_hundred_codes(connection: Connection) -> None:
    codes = {alerts.add(connection, values()).code for _ in range(100)}

    assert len(codes) == 100


def test_alerts_are_listed_newest_trouble_first_by_state_and_kahriz(
    connection: Connection,
) -> None:
    old = alerts.add(connection, values(since_ms=1))
    new = alerts.add(connection, values(since_ms=2, state="resolved"))
    other = alerts.add(connection, values(since_ms=3, kahriz="velibey", state="pending"))

    assert [a.id for a in alerts.list_alerts(connection)] == [other.id, new.id, old.id]
    assert [a.id for a in alerts.list_alerts(connection, state="firing")] == [old.id]
    assert [a.id for a in alerts.list_alerts(connection, state=alerts.OPEN)] == [other.id, old.id]
    assert [a.id for a in alerts.list_alerts(connection, kahriz="barana")] == [new.id, old.id]
    assert [a.id for a in alerts.list_alerts(connection, limit=1)] == [other.id]


def test_what_was_dropped_before_it_fired_is_not_listed(connection: Connection) -> None:
    dropped = alerts.add(connection, values(state="resolved", fired_at_ms=None))

    assert alerts.list_alerts(connection) == []
    assert alerts.find(connection, dropped.id).state == "resolved"


def test_the_first_acknowledgement_stays(connection: Connection) -> None:
    added = alerts.add(connection, values())
    alerts.acknowledge(connection, added.id, "Əli", NOW)
    again = alerts.acknowledge(connection, added.id, "Vəli", NOW + timedelta(hours=1))

    assert (again.acknowledged_by, again.acknowledged_at_ms) == ("Əli", to_ms(NOW))
    assert [e.what for e in alerts.timeline(connection, added.id)] == ["acknowledged"]


def test_a_timeline_is_told_in_the_order_of_its_instants(connection: Connection) -> None:
    added = alerts.add(connection, values())
    alerts.note(connection, added.id, [(NOW, "firing", "b"), (NOW - timedelta(1), "pending", "a")])
    alerts.note(connection, added.id, [])

    assert [e.detail for e in alerts.timeline(connection, added.id)] == ["a", "b"]


def test_recent_are_the_open_and_the_lately_resolved(connection: Connection) -> None:
    open_one = alerts.add(connection, values())
    late = alerts.add(connection, values(state="resolved", resolved_at_ms=to_ms(NOW)))
    alerts.add(connection, values(state="resolved", resolved_at_ms=1))
    alerts.add(connection, values(kahriz="velibey"))

    found = alerts.recent(connection, "barana", NOW - timedelta(days=1))

    assert [a.id for a in found] == [open_one.id, late.id]


def test_who_is_on_site_has_taken_it_on_and_the_first_one_stays(connection: Connection) -> None:
    id = alerts.add(connection, values()).id
    alerts.on_site(connection, id, "Əli", NOW)
    found = alerts.on_site(connection, id, "Vəli", NOW + timedelta(minutes=5))

    assert (found.acknowledged_by, found.acknowledged_at_ms) == ("Əli", to_ms(NOW))
    assert (found.on_site_by, found.on_site_at_ms) == ("Əli", to_ms(NOW))
    events = [(e.what, e.detail) for e in alerts.timeline(connection, id)]
    assert events == [("acknowledged", "Əli"), ("on_site", "Əli")]


def test_a_false_alarm_is_acknowledged_and_stays_open(connection: Connection) -> None:
    id = alerts.add(connection, values()).id
    alerts.acknowledge(connection, id, "Əli", NOW)
    found = alerts.false_alarm(connection, id, "Vəli", NOW + timedelta(minutes=5))

    assert (found.acknowledged_by, found.false_alarm_by, found.state) == ("Əli", "Vəli", "firing")
    assert found.false_alarm_at_ms == to_ms(NOW + timedelta(minutes=5))
    events = [e.what for e in alerts.timeline(connection, id)]
    assert events == ["acknowledged", "false_alarm"]


@pytest.mark.parametrize("said", [alerts.on_site, alerts.false_alarm])
def test_what_is_said_of_an_alert_that_is_not_there_is_refused(
    connection: Connection, said: Callable[..., object]
) -> None:
    with pytest.raises(NotFoundError, match="alert '7'"):
        said(connection, 7, "Əli", NOW)
