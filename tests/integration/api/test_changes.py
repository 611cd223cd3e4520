"""What the event stream looks at: each counter differs when, and only when, its part changed."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import timedelta

from kahriz.book import alerts, changes, devices, messages, silences
from kahriz.book.silences import Role
from kahriz.clock import to_ms
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api

HOUR = timedelta(hours=1)


def changed(api: Api, before: dict[str, Hashable]) -> set[str]:
    after = counters(api)
    return {topic for topic in after if after[topic] != before[topic]}


def counters(api: Api) -> dict[str, Hashable]:
    with api.book.read() as connection:
        return changes.counters(connection)


def test_nothing_changes_where_nothing_happens(api: Api) -> None:
    rows.raise_alert(api)

    assert changed(api, counters(api)) == set()


def test_new_statistics_change_water_alone_also_of_days_long_past(api: Api) -> None:
    rows.deliver(api, 2.4, NOW - HOUR, NOW)
    before = counters(api)
    api.now += HOUR
    rows.deliver(api, 2.4, NOW - 600 * HOUR, NOW - 599 * HOUR)

    assert changed(api, before) == {"water"}


def test_an_alert_that_is_raised_or_acknowledged_changes_alerts(api: Api) -> None:
    before = counters(api)
    id = rows.raise_alert(api)
    raised, between = changed(api, before), counters(api)
    with api.book.begin() as connection:
        alerts.acknowledge(connection, id, "Əli", NOW)

    assert (raised, changed(api, between)) == ({"alerts"}, {"alerts"})


def test_a_message_that_is_queued_or_handed_over_changes_messages(api: Api) -> None:
    id = rows.raise_alert(api)
    before = counters(api)
    rows.queue_message(api, id)
    queued, between = changed(api, before), counters(api)
    with api.book.begin() as connection:
        assert messages.claim(connection, NOW) is not None

    assert (queued, changed(api, between)) == ({"messages"}, {"messages"})


def test_a_device_that_is_heard_or_goes_offline_changes_devices(api: Api) -> None:
    before = counters(api)
    rows.hear(api, "agh-dere-outlet", received_at_ms=to_ms(NOW), received=1)
    heard, between = changed(api, before), counters(api)
    with api.book.begin() as connection:
        devices.put_status(connection, "agh-dere-outlet", "offline", None, to_ms(NOW))

    assert (heard, changed(api, between)) == ({"devices"}, {"devices"})


def test_a_contact_or_a_silence_that_is_changed_changes_people(api: Api) -> None:
    before = counters(api)
    rows.add_contact(api)
    added, between = changed(api, before), counters(api)
    with api.book.begin() as connection:
        silences.add(
            connection, None, None, NOW, NOW + HOUR, note="", by="A", role=Role.ENGINEER, now=NOW
        )

    assert (added, changed(api, between)) == ({"people"}, {"people"})
