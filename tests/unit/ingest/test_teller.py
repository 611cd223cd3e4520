"""What the book says of alerts and people becomes texts, once, whatever is cut short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ingest.teller import STALE, Teller
from kahriz.alert.telling.world import Limits
from kahriz.book import Book, alerts, checkpoints, contacts, maintenance, messages
from kahriz.book.alerts import Alert
from kahriz.book.messages import OutboxMessage
from kahriz.clock import to_ms
from kahriz.detect import AUDIENCE, Kind
from kahriz.sites import Kahriz, Registry, Site
from tests.water import kahriz

NOON = datetime(2026, 11, 22, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def village(id: str = "k", name: str = "Ağ Dərə") -> Kahriz:
    made = kahriz()
    sites = tuple(_with_devices_of(id, site) for site in made.site)
    return made.model_copy(update={"id": id, "name": name, "site": sites})


def _with_devices_of(id: str, site: Site) -> Site:
    """Return a site whose devices are this kahriz's own."""
    own = [
        s.model_copy(update={"device": f"{id}{s.device.removeprefix('k')}"}) for s in site.sensor
    ]
    return site.model_copy(update={"sensor": tuple(own)})


class House:
    """A book with alerts as the watch writes them, and the teller."""

    def __init__(self, folder: Path, *kahrizes: Kahriz, limits: Limits | None = None) -> None:
        self.registry = Registry(kahriz=kahrizes or (village(),))
        self.book = Book(f"sqlite:///{folder / 'book.sqlite'}")
        self.book.migrate()
        self.limits = limits or Limits()
        self.now = NOON
        with self.book.begin() as connection:
            contacts.import_file(connection, self.registry, NOON)
        self.restart()

    def restart(self) -> None:
        self.teller = Teller(self.registry, self.book, self.limits, can_answer=True)

    def fire(self, kind: Kind = Kind.BLOCKAGE, kahriz: str = "k", key: str = "") -> int:
        ms = to_ms(self.now)
        values: dict[str, Any] = {
            "kind": kind.value,
            "key": key,
            "audience": AUDIENCE[kind].value,
            "state": "firing",
            "since_ms": ms - 3_600_000,
            "pending_at_ms": ms,
            "fired_at_ms": ms,
            "last_seen_ms": ms,
            "resolved_at_ms": None,
            "detector": "station",
            "evidence": {"observed_lps": 1.2, "expected_lps": 3.0, "deviation": -0.6},
            "explanation": "",
            "updated_at_ms": ms,
            "kahriz": kahriz,
        }
        with self.book.begin() as connection:
            return alerts.add(connection, values).id

    def change(self, id: int, **values: Any) -> None:
        with self.book.begin() as connection:
            alerts.change(connection, id, values)

    def end(self, id: int) -> None:
        self.change(
            id, state="resolved", resolved_at_ms=to_ms(self.now), ended_as="over", end_lps=2.9
        )

    def judge(self) -> None:
        """Let the watch have looked just now, and see what fires still."""
        with self.book.begin() as connection:
            for kahriz in self.registry.kahriz:
                value = {"judged_ms": to_ms(self.now), "told": {}}
                checkpoints.put(connection, checkpoints.watch_of(kahriz.id), value)
            for alert in alerts.list_alerts(connection, "firing"):
                alerts.change(connection, alert.id, {"last_seen_ms": to_ms(self.now)})

    def after(self, time: timedelta) -> list[tuple[str, str]]:
        """Judge and tell so much later; return (reason, contact) of the new texts."""
        self.now += time
        before = len(self.texts())
        self.judge()
        self.teller.step(self.now)
        return [(m.reason, m.contact) for m in self.texts()[before:]]

    def texts(self) -> list[OutboxMessage]:
        with self.book.read() as connection:
            return sorted(messages.list_messages(connection, limit=1000), key=lambda m: m.id)

    def alert(self, id: int) -> Alert:
        with self.book.read() as connection:
            return alerts.find(connection, id)

    def timeline(self, id: int) -> list[str]:
        with self.book.read() as connection:
            return [e.detail for e in alerts.timeline(connection, id) if e.what == "held"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.book.close()


def test_a_blockage_goes_from_one_to_the_next_and_its_end_to_both(house: House) -> None:
    alert = house.fire()
    said = house.after(timedelta(0)) + house.after(14 * MINUTE) + house.after(MINUTE)
    house.end(alert)
    said += house.after(HOUR)

    assert said == [
        ("first", "Chair"),
        ("escalated", "Engineer"),
        ("resolved", "Chair"),
        ("resolved", "Engineer"),
    ]
    assert "no answer for 15 min" in house.texts()[1].text
    assert "2,9 L/s" in house.texts()[2].text


def test_an_answer_stops_the_escalation(house: House) -> None:
    alert = house.fire()
    house.after(timedelta(0))
    house.change(alert, acknowledged_at_ms=to_ms(house.now), acknowledged_by="Chair")

    assert house.after(HOUR) == []


def test_how_to_answer_stands_in_the_text_only_where_answers_are_read(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.fire(Kind.SENSOR, key="k-line")
    house.after(timedelta(0))
    house.teller = Teller(house.registry, house.book, Limits())
    house.fire(Kind.SENSOR, key="k-shaft")
    house.after(2 * MINUTE)
    house.book.close()

    assert ["Reply 1" in m.text for m in house.texts()] == [True, False]


def test_why_nobody_is_told_stands_in_the_timeline_once(house: House) -> None:
    with house.book.begin() as connection:
        maintenance.start(connection, "k", house.now, by="Engineer", note="", now=house.now)
    alert = house.fire()
    for _ in range(3):
        house.after(MINUTE)
        house.restart()

    assert house.texts() == []
    assert house.timeline(alert) == ["first to Chair: maintenance: somebody works there"]


def test_what_was_judged_long_ago_calls_nobody(house: House) -> None:
    house.fire()
    house.judge()
    house.teller.step(house.now + STALE + MINUTE)

    assert house.texts() == []
    assert house.after(STALE + 2 * MINUTE) == [("first", "Chair")]


def test_a_district_without_signal_is_one_text_that_tells_of_all(tmp_path: Path) -> None:
    house = House(tmp_path, *(village(f"k{i}", f"Kəhriz {i}") for i in range(40)))
    ids = [house.fire(Kind.OFFLINE, f"k{i}", f"k{i}-outlet") for i in range(40)]
    early = house.after(14 * MINUTE)
    house.after(2 * MINUTE)
    (text,) = house.texts()
    with house.book.read() as connection:
        told = messages.told(connection, ids)
    house.book.close()

    assert early == []
    assert (text.contact, text.parts, text.alert_id, text.kahriz) == ("Engineer", 1, None, None)
    assert "40 kahrizes" in text.text
    assert sorted(t.alert_id for t in told) == ids


def test_a_text_that_waits_is_replaced_by_the_end(house: House) -> None:
    alert = house.fire()
    house.after(timedelta(0))
    house.end(alert)
    house.after(MINUTE)

    assert [(m.reason, m.state, m.error) for m in house.texts()] == [
        ("first", "expired", "over before it left"),
        ("resolved", "queued", None),
    ]


def test_the_months_texts_are_counted_from_the_outbox(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(texts_a_person=1))
    leak = house.fire(Kind.TAP_LEAK)
    house.after(timedelta(0))
    house.change(leak, acknowledged_at_ms=to_ms(house.now))
    drought = house.fire(Kind.DROUGHT)
    held = house.after(2 * MINUTE)
    house.fire(Kind.BLOCKAGE)
    urgent = house.after(2 * MINUTE)
    house.book.close()

    assert (held, urgent) == ([], [("first", "Chair")])
    assert house.timeline(drought)[:1] == [
        "first to Chair: budget: Chair has had this month's 1 texts"
    ]


def test_a_contact_whose_kahriz_left_the_registry_is_no_hindrance(house: House) -> None:
    house.fire(kahriz="gone")
    house.fire()

    assert house.after(timedelta(0)) == [("first", "Chair")]


class CrashError(Exception):
    """The process ends here."""


ACTS = st.sampled_from(["wait", "fire", "end", "again", "answer", "crash", "restart", "sent"])


@seed(20261125)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=st.lists(st.tuples(ACTS, st.integers(1, 90)), max_size=15))
def test_whatever_happens_nothing_is_told_twice_and_nothing_that_lasts_is_forgotten(
    acts: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    id = house.fire()
    for act, minutes in acts:
        _do(house, id, act)
        house.after(minutes * MINUTE)
    texts = house.texts()
    is_firing = house.alert(id).state == "firing"
    house.book.close()

    assert max(Counter(m.key for m in texts).values(), default=0) <= 1
    mine = [m for m in texts if m.contact == "Chair" and m.state != "expired"]
    if is_firing and acts:
        assert mine
        assert mine[-1].reason != "resolved"
    reasons = [m.reason for m in mine if m.reason in ("first", "resolved")]
    assert all(a != b for a, b in pairwise(reasons))


def _do(house: House, id: int, act: str) -> None:
    state = house.alert(id).state
    if act == "end" and state == "firing":
        house.end(id)
    elif act == "again" and state != "firing":
        house.change(id, state="firing", resolved_at_ms=None, ended_as=None, end_lps=None)
    elif act == "answer":
        house.change(id, acknowledged_at_ms=to_ms(house.now), acknowledged_by="Chair")
    elif act == "restart":
        house.restart()
    elif act == "sent":
        with house.book.begin() as connection:
            while claimed := messages.claim(connection, house.now):
                messages.mark_accepted(connection, claimed.id, "gateway", house.now)
    elif act == "crash":
        _crash(house)


def _crash(house: House) -> None:
    """Let the teller end in the middle of what it writes."""
    written = messages.note

    def cut(*_: object) -> None:
        raise CrashError

    house.judge()
    try:
        messages.note = cut  # type: ignore[assignment]
        house.teller.step(house.now)
    except CrashError:
        pass
    finally:
        messages.note = written
    house.restart()
