"""What there is around a text that somebody sent, out of the book."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kahriz.alert.answer import Command, understand
from kahriz.alert.answering.meant import without_names
from kahriz.alert.answering.noise import Heard
from kahriz.alert.answering.scene import Scene
from kahriz.book import alerts, contacts, inbound, messages
from kahriz.book.alerts import Alert
from kahriz.book.contacts import Person
from kahriz.book.inbound import Inbound
from kahriz.clock import from_ms, to_ms
from kahriz.contacts import e164
from kahriz.sites import Kahriz

AN_HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)

ASKEW = timedelta(minutes=5)
"""A text answers alerts that had fired when it came; clocks of two hosts differ by less."""

_MOST_ALERTS = 1000


def people_of(
    connection: Connection, text: Inbound, kahrizes: Mapping[str, Kahriz]
) -> tuple[str, list[Person]]:
    """Return the sender's number as networks know it, and the contacts whose it is."""
    for address in _spellings(text.address):
        people = [
            person
            for person in contacts.by_address(connection, address)
            if person.phone == address and person.kahriz in kahrizes
        ]
        if people:
            return address, people
    return text.address, []


def heard_of(
    connection: Connection, text: Inbound, address: str, *, is_known: bool, now: datetime
) -> Heard:
    """Return a text with what is known of its number."""
    if not is_known:
        return Heard(text.text, is_known=False)
    at = text.received_at
    ours = messages.to_address(connection, address, now - A_DAY)
    return Heard(
        text.text,
        is_known=True,
        looked_at=inbound.looked_at(connection, text.address, at - AN_HOUR, at),
        ours=[message.text for message in ours],
        repeats=_repeats(connection, text, address),
    )


def scene_of(
    connection: Connection,
    text: Inbound,
    address: str,
    people: Sequence[Person],
    kahrizes: Mapping[str, Kahriz],
    now: datetime,
) -> Scene:
    """Return all that an answer looks at."""
    own = {person.kahriz: kahrizes[person.kahriz] for person in people}
    rest, named = without_names(text.text, own.values())
    at = min(text.received_at, now)
    firing = _firing(connection, own, at)
    last = messages.last_told(connection, address)
    addresses = {a for person in people for a in (person.phone, person.email) if a}
    said = understand(rest)
    # One at the very edge of a day or an hour is not of it.
    since_ms, hour_ms = to_ms(now - A_DAY), to_ms(now - AN_HOUR)
    ours = messages.to_address(connection, address, now - A_DAY)
    answers = [m for m in ours if m.reason == "answer" and m.created_at_ms > since_ms]
    scene = Scene(
        now,
        at,
        said,
        address,
        people,
        kahrizes,
        named,
        firing,
        frozenset(
            told.alert_id
            for told in messages.told(connection, [alert.id for alert in firing])
            if told.address in addresses and told.state not in ("expired", "failed")
        ),
        frozenset(last),
        frozenset(alert.kahriz for alert in alerts.find_all(connection, last).values()),
        [m.text for m in answers if m.created_at_ms > hour_ms],
        len(answers),
    )
    if said.command is Command.STOP:
        return replace(scene, everybody=contacts.list_contacts(connection))
    return scene


def _firing(connection: Connection, own: Mapping[str, Kahriz], at: datetime) -> list[Alert]:
    found = [
        alert
        for kahriz in own
        for alert in alerts.list_alerts(connection, "firing", kahriz, _MOST_ALERTS)
        if alert.fired_at_ms is not None and from_ms(alert.fired_at_ms) <= at + ASKEW
    ]
    return sorted(found, key=lambda alert: alert.id)


def _repeats(connection: Connection, text: Inbound, address: str) -> timedelta | None:
    before = inbound.before(connection, text)
    if before is None or before.text.strip() != text.text.strip():
        return None
    told = messages.to_address(connection, address, before.received_at)
    since_ms = to_ms(before.received_at)
    if any(m.reason != "answer" and m.created_at_ms > since_ms for m in told):
        return None  # it is an answer to that
    return text.received_at - before.received_at


def _spellings(address: str) -> Iterator[str]:
    """Yield a number as the gateway spells it, and as it may have meant it."""
    yield address
    digits = re.sub(r"\D", "", address)
    # Some leave the plus away, some dial as at home.
    for spelt in (f"+{digits.removeprefix('00')}", address):
        try:
            yield e164(spelt)
        except ValueError:
            continue
