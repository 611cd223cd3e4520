"""Contacts, silences, works, gaugings, texts and the audit log, as a program uses them."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import hypot
from pathlib import Path
from typing import Any

import httpx
import pytest

from kahriz.book import alerts, contacts, keys, messages
from kahriz.clock import to_ms
from kahriz.detect import Kind
from kahriz.notify.fold import fold
from kahriz.notify.texts import reasons
from kahriz.settings import HttpGatewaySettings, NotifySettings
from kahriz.sites import Registry
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api, assert_problem

V1 = "/api/v1"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WORKS = f"{V1}/kahrizes/agh-dere/maintenance"
VELI = {"kahriz": "agh-dere", "name": "Vəli", "role": "deputy", "phone": "050 000 00 07"}

BUCKET = {"site": "agh-dere.outlet", "volume_l": 10, "seconds": [5], "by": "A"}

CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", f"{V1}/alerts/1/acknowledgement", {"by": "A"}),
    ("POST", f"{V1}/alerts/1/on-site", {"by": "A"}),
    ("POST", f"{V1}/alerts/1/false-alarm", {"by": "A"}),
    ("POST", f"{V1}/contacts", VELI),
    ("PATCH", f"{V1}/contacts/1", {"language": "ru"}),
    ("DELETE", f"{V1}/contacts/1", {}),
    ("POST", f"{V1}/silences", {"hours": 1, "by": "A"}),
    ("DELETE", f"{V1}/silences/1", {}),
    ("POST", WORKS, {"by": "A"}),
    ("POST", f"{WORKS}/end", {"by": "A"}),
    ("POST", f"{V1}/gaugings", BUCKET),
]


def change(api: Api, method: str, path: str, /, **body: Any) -> httpx.Response:
    return api.ask(method, path, json=body, headers=api.key())


def done(api: Api, method: str, path: str, status: int = 200, **body: Any) -> Any:
    answer = change(api, method, path, **body)
    assert answer.status_code == status, answer.text
    return answer.json()


def log(api: Api) -> list[tuple[str, str]]:
    return [(e.who, e.what) for e in reversed(api.audit())]


# ---- who may


def test_every_route_that_changes_something_is_in_the_list(api: Api) -> None:
    paths = api.app.openapi()["paths"]
    documented = {(m.upper(), p) for p, ms in paths.items() for m in ms if m != "get"}
    # Gateways have secrets of their own (test_gateways.py).
    documented = {(method, path) for method, path in documented if "/gateways/" not in path}
    tried = {
        (method, path.replace("agh-dere", "{id}").replace("/1", "/{id}"))
        for method, path, _ in CHANGES
    }

    assert tried == documented


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_nothing_is_changed_without_a_key_or_with_one_that_only_reads(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    rows.raise_alert(api)
    rows.add_contact(api)
    before = api.audit()
    reading = api.key(keys.Scope.READ)

    assert_problem(api.ask(method, path, json=body), 401, "write scope")
    assert_problem(api.ask(method, path, json=body, headers=reading), 403, "read scope")
    assert api.audit() == before


def test_the_audit_log_is_open_only_to_those_who_may_write(api: Api) -> None:
    rows.add_contact(api)

    assert_problem(api.get(f"{V1}/audit"), 401, "write scope")
    assert_problem(api.get(f"{V1}/audit", headers=api.key(keys.Scope.READ)), 403, "read scope")
    (entry,) = api.get(f"{V1}/audit", headers=api.key()).json()["entries"]
    assert (entry["who"], entry["what"], entry["at"]) == (
        "test",
        "contact.add",
        "2026-11-22T12:00:00Z",
    )
    assert entry["detail"]["phone"] == "+994500000001"


def test_the_audit_log_is_read_page_by_page(api: Api) -> None:
    for n in range(5):
        rows.add_contact(api, phone=f"+99450000000{n}")
    key = api.key()

    def ids(**query: int) -> list[int]:
        entries = api.get(f"{V1}/audit", headers=key, params=query).json()["entries"]
        return [entry["id"] for entry in entries]

    assert ids(limit=2) == [5, 4]
    assert ids(limit=2, before=4) == [3, 2]
    assert ids(before=1) == []


def test_addresses_are_whole_only_for_those_who_may_write(api: Api) -> None:
    id = rows.add_contact(api, email="chair@example.org")
    rows.queue_message(api, rows.raise_alert(api))
    paths = (f"{V1}/contacts", f"{V1}/contacts/{id}", f"{V1}/messages/summary", f"{V1}/alerts/1")
    read, write = api.key(keys.Scope.READ), api.key()

    for path in paths:
        assert "+994500000001" not in api.get(path).text
        assert "+994500000001" not in api.get(path, headers=read).text
        assert "+9945******01" in api.get(path, headers=read).text
        assert "+994500000001" in api.get(path, headers=write).text
    assert "chair@example.org" not in api.get(f"{V1}/contacts").text


# ---- contacts


def test_a_contact_is_added_changed_stopped_and_removed(api: Api) -> None:
    added = done(api, "POST", f"{V1}/contacts", 201, **VELI, consent_on="2026-05-01")
    path = f"{V1}/contacts/{added['id']}"
    changed = done(api, "PATCH", path, phone="+994 50 000 00 08", quiet_hours="", position=4)
    stopped = done(api, "PATCH", path, is_opted_out=True)
    told = done(api, "PATCH", path, is_opted_out=False, consent_on=None)
    removed = done(api, "DELETE", path)

    assert added == {
        "id": added["id"],
        "kahriz": "agh-dere",
        "name": "Vəli",
        "role": "deputy",
        "phone": "+994500000007",
        "email": None,
        "language": "az",
        "alphabet": "folded",
        "quiet_hours": "22:00-08:00",
        "consent_on": "2026-05-01",
        "source": "api",
        "position": 0,
        "is_opted_out": False,
    }
    assert changed == added | {"phone": "+994500000008", "quiet_hours": "", "position": 4}
    assert stopped == changed | {"is_opted_out": True}
    assert told == removed == changed | {"consent_on": None}
    assert_problem(api.get(path), 404, f"contact '{added['id']}'")
    assert log(api) == [
        ("office", f"contact.{what}")
        for what in ("add", "change", "opt_out", "change", "opt_in", "remove")
    ]


def test_contacts_of_one_kahriz_are_in_the_order_they_are_called_in(api: Api) -> None:
    first, second = rows.add_contact(api), rows.add_contact(api, phone="+994500000002")
    other = rows.add_contact(api, "barana")
    done(api, "PATCH", f"{V1}/contacts/{first}", position=9)

    def ids(**query: str) -> list[int]:
        return [c["id"] for c in api.json(f"{V1}/contacts", **query)["contacts"]]

    assert ids(kahriz="agh-dere") == [second, first]
    assert ids() == [second, first, other]


def test_what_the_api_changed_the_file_leaves_alone(api: Api) -> None:
    with api.book.begin() as connection:
        contacts.import_file(connection, api.registry, NOW)
    chair = api.json(f"{V1}/contacts", kahriz="agh-dere")["contacts"][0]
    assert chair["source"] == "file"
    done(api, "PATCH", f"{V1}/contacts/{chair['id']}", language="ru")
    with api.book.begin() as connection:
        again = contacts.import_file(connection, api.registry, NOW)

    assert again == contacts.Imported()
    after = api.json(f"{V1}/contacts/{chair['id']}")
    assert (after["language"], after["source"]) == ("ru", "api")


def test_an_address_a_kahriz_has_already_is_a_conflict(api: Api) -> None:
    rows.add_contact(api)
    answer = change(api, "POST", f"{V1}/contacts", **VELI | {"phone": "+994500000001"})

    body = assert_problem(answer, 409, "agh-dere: +994500000001 is 'Chair' already")
    assert body["type"] == "urn:kahriz:problem:conflict"


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"phone": "112"}, "phone", "'112' is no phone number in AZ: too short"),
        ({"phone": "+1 900 234 5678"}, "phone", "premium number"),
        ({"phone": ""}, "body", "contact 'Vəli' has neither phone nor email"),
        ({"phone": None}, "body", "contact 'Vəli' has neither phone nor email"),
        ({"email": "veli"}, "email", "'veli' is no e-mail address"),
        ({"role": "boss"}, "role", "'chair', 'deputy', 'digger' or 'engineer'"),
        ({"language": "tr"}, "language", "'az', 'en' or 'ru'"),
        ({"quiet_hours": "22-8"}, "quiet_hours", "'22-8' are no hours of a night"),
        ({"name": "ə" * 41}, "name", "at most 40 characters"),
        ({"name": ""}, "name", "at least 1 character"),
        ({"name": "A\x00"}, "name", "holds what cannot be seen"),
        ({"consent_on": "soon"}, "consent_on", "valid date"),
        ({"position": -1}, "position", "greater than or equal to 0"),
        ({"nickname": "x"}, "nickname", "no such parameter"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_contact_that_cannot_be_told_is_a_422_and_changes_nothing(
    api: Api, method: str, changes: dict[str, Any], name: str, said: str
) -> None:
    id = rows.add_contact(api, name="Vəli", phone="+994500000009")
    before = api.audit()
    if method == "POST":
        answer = change(api, "POST", f"{V1}/contacts", **VELI | changes)
    else:
        answer = change(api, "PATCH", f"{V1}/contacts/{id}", **changes)

    body = assert_problem(answer, 422, said)
    assert body["errors"][0]["name"] == name
    assert api.audit() == before


def test_a_number_is_read_as_it_is_dialled_at_its_kahriz(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    abroad = api.registry.find("barana").model_copy(update={"country": "TR"})
    monkeypatch.setattr(Registry, "find", lambda registry, id: abroad)
    added = done(api, "POST", f"{V1}/contacts", 201, **VELI | {"phone": "0532 123 45 67"})

    assert added["phone"] == "+905321234567"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{V1}/contacts", VELI | {"kahriz": "agdere"}),
        ("POST", f"{V1}/silences", {"kahriz": "agdere", "hours": 1, "by": "A"}),
        ("POST", f"{V1}/kahrizes/agdere/maintenance", {"by": "A"}),
        ("POST", f"{V1}/kahrizes/agdere/maintenance/end", {"by": "A"}),
        ("POST", f"{V1}/gaugings", BUCKET | {"site": "agdere.outlet"}),
        ("GET", f"{V1}/contacts?kahriz=agdere", {}),
        ("GET", f"{V1}/messages?kahriz=agdere", {}),
        ("GET", f"{V1}/kahrizes/agdere/texts", {}),
        ("GET", f"{V1}/kahrizes/agdere/maintenance", {}),
        ("GET", f"{V1}/gaugings?site=agdere.outlet", {}),
    ],
)
def test_a_kahriz_that_is_not_there_is_a_404_that_names_it(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    assert_problem(change(api, method, path, **body), 404, "kahriz 'agdere'")


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("PATCH", f"{V1}/contacts/99", "contact '99'"),
        ("DELETE", f"{V1}/contacts/99", "contact '99'"),
        ("DELETE", f"{V1}/silences/99", "silence '99'"),
        ("POST", f"{V1}/alerts/99/on-site", "alert '99'"),
        ("POST", f"{V1}/alerts/99/false-alarm", "alert '99'"),
    ],
)
def test_what_is_not_there_is_a_404_and_leaves_no_trace(
    api: Api, method: str, path: str, named: str
) -> None:
    body = {"by": "A"} if method == "POST" else {}

    assert_problem(change(api, method, path, **body), 404, named)
    assert api.audit() == []


# ---- silences and works


def test_a_silence_is_begun_listed_and_ended(api: Api) -> None:
    said = {"kahriz": "agh-dere", "kind": "offline", "note": "new SIM", "by": "Aydin"}
    kept = done(api, "POST", f"{V1}/silences", 201, hours=48, **said)
    later = done(
        api, "POST", f"{V1}/silences", 201, hours=1, start="2026-11-25T12:00:00Z", by="Aydin"
    )
    listed = api.json(f"{V1}/silences")["silences"]
    api.now += HOUR
    over = done(api, "DELETE", f"{V1}/silences/{kept['id']}")

    assert kept == said | {
        "id": kept["id"],
        "start": "2026-11-22T12:00:00Z",
        "end": "2026-11-24T12:00:00Z",
        "by": "Aydin (office)",
    }
    assert (later["kahriz"], later["kind"], later["end"]) == (None, None, "2026-11-25T13:00:00Z")
    assert listed == [kept, later]
    assert over == kept | {"end": "2026-11-22T13:00:00Z"}
    assert api.json(f"{V1}/silences")["silences"] == [later]
    assert api.json(f"{V1}/silences", all=True)["silences"] == [over, later]
    assert log(api) == [("Aydin (office)", "silence.add")] * 2 + [("office", "silence.end")]


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"hours": 720.1}, "hours", "less than or equal to 720"),
        ({"hours": 0}, "hours", "greater than 0"),
        ({"hours": 1, "start": "2026-11-22T10:00:00Z"}, "hours", "is past: it is 2026-11-22T12"),
        ({"hours": 1, "start": "2026-11-22T10:00:00"}, "start", "the zone is missing"),
        ({"hours": 1, "kind": "flood"}, "kind", "'blockage'"),
        ({"hours": 1, "by": ""}, "by", "at least 1 character"),
        ({"hours": 1, "note": "x" * 201}, "note", "at most 200 characters"),
        ({}, "hours", "Field required"),
    ],
)
def test_a_silence_that_may_not_be_is_a_422_and_changes_nothing(
    api: Api, changes: dict[str, Any], name: str, said: str
) -> None:
    answer = change(api, "POST", f"{V1}/silences", **{"by": "A"} | changes)

    body = assert_problem(answer, 422, said)
    assert body["errors"][0]["name"] == name
    assert api.audit() == []


def test_a_silence_of_thirty_days_is_the_longest(api: Api) -> None:
    kept = done(api, "POST", f"{V1}/silences", 201, hours=720, by="A", note="x" * 200)

    assert kept["end"] == "2026-12-22T12:00:00Z"


def test_works_are_begun_listed_and_ended(api: Api) -> None:
    begun = done(api, "POST", WORKS, 201, by="Aydin", note="cleaning")
    twice = change(api, "POST", WORKS, by="Aydin")
    api.now += HOUR
    ended = done(api, "POST", f"{WORKS}/end", by="Aydin", is_new_normal=True)
    again = change(api, "POST", f"{WORKS}/end", by="Aydin")

    assert begun == {
        "id": begun["id"],
        "kahriz": "agh-dere",
        "start": "2026-11-22T12:00:00Z",
        "end": None,
        "is_new_normal": False,
        "note": "cleaning",
        "by": "Aydin (office)",
    }
    assert_problem(twice, 409, "agh-dere: works are on already, since 2026-11-22T12:00:00Z")
    assert ended == begun | {"end": "2026-11-22T13:00:00Z", "is_new_normal": True}
    assert_problem(again, 409, "agh-dere: no works are on")
    assert api.json(WORKS)["works"] == [ended]
    assert api.json(f"{V1}/kahrizes/barana/maintenance")["works"] == []
    assert [what for _, what in log(api)] == ["maintenance.start", "maintenance.end"]


# ---- alerts and what people do about them


def test_the_first_on_site_and_the_first_false_alarm_stay_and_acknowledge(api: Api) -> None:
    id = rows.raise_alert(api)
    there = done(api, "POST", f"{V1}/alerts/{id}/on-site", by=" Əli ")
    api.now += MINUTE
    later = done(api, "POST", f"{V1}/alerts/{id}/on-site", by="Vəli")
    wrong = done(api, "POST", f"{V1}/alerts/{id}/false-alarm", by="Vəli")

    assert (there["on_site_by"], there["on_site_at"]) == ("Əli", "2026-11-22T12:00:00Z")
    assert (there["acknowledged_by"], there["acknowledged_at"]) == ("Əli", there["on_site_at"])
    assert later == there
    assert wrong == there | {
        "false_alarm_by": "Vəli",
        "false_alarm_at": "2026-11-22T12:01:00Z",
    }
    assert log(api) == [
        ("office", f"alert.{what}") for what in ("on_site", "on_site", "false_alarm")
    ]
    assert api.audit()[0].detail["by"] == "Vəli"


def tell(api: Api, alert: int, at: datetime, delivered: datetime | None, **changes: Any) -> int:
    """Let a text about an alert be taken by a gateway, and arrive."""
    rows.queue_message(api, alert, created_at_ms=to_ms(at), due_at_ms=to_ms(at), **changes)
    with api.book.begin() as connection:
        claimed = messages.claim(connection, at)
        assert claimed is not None
        messages.mark_accepted(connection, claimed.id, "r1", at)
        if delivered is not None:
            connection.exec_driver_sql(
                "UPDATE message SET state = 'delivered', delivered_at_ms = ? WHERE id = ?",
                (to_ms(delivered), claimed.id),
            )
    return claimed.id


def test_an_alert_tells_its_whole_story_and_how_fast_people_were(api: Api) -> None:
    fired = NOW - 50 * MINUTE  # as raise_alert has it
    id = rows.raise_alert(api, state="resolved", resolved_at_ms=to_ms(NOW))
    chair = tell(api, id, fired + MINUTE, fired + 2 * MINUTE)
    deputy = tell(
        api, id, fired + 15 * MINUTE, None, contact="Deputy", address="+994500000002", step=1
    )
    rows.queue_message(
        api, id, contact="Digger", address="+994500000003", created_at_ms=to_ms(fired)
    )
    with api.book.begin() as connection:
        messages.withdraw(connection, id, "first", "over before it left")
        alerts.acknowledge(connection, id, "Əli", fired + 20 * MINUTE)
        alerts.on_site(connection, id, "Əli", fired + 42 * MINUTE)
        alerts.note(connection, id, [(NOW, "resolved", "")])
    answer = api.json(f"{V1}/alerts/{id}")

    told = [(e["what"], e["detail"], e["contact"], e["message"]) for e in answer["timeline"]]
    assert told == [
        ("pending", "first seen", None, None),
        ("expired", "+9945******03: over before it left", "Digger", deputy + 1),
        ("told", "+9945******01", "Committee chair", chair),
        ("delivered", "+9945******01", "Committee chair", chair),
        ("told", "+9945******02", "Deputy", deputy),
        ("acknowledged", "Əli", None, None),
        ("on_site", "Əli", None, None),
        ("resolved", "", None, None),
    ]
    assert answer["response"] == {
        "told_min": 1.0,
        "delivered_min": 2.0,
        "acknowledged_min": 20.0,
        "on_site_min": 42.0,
        "resolved_min": 50.0,
    }


def test_an_alert_nobody_answered_has_no_times_and_one_taken_on_early_has_zero(api: Api) -> None:
    id = rows.raise_alert(api)
    early = rows.raise_alert(api, kahriz="barana")
    with api.book.begin() as connection:
        alerts.acknowledge(connection, early, "Əli", NOW - HOUR)

    assert set(api.json(f"{V1}/alerts/{id}")["response"].values()) == {None}
    assert api.json(f"{V1}/alerts/{early}")["response"]["acknowledged_min"] == 0


# ---- texts


def test_messages_are_chosen_by_kahriz_and_local_month(api: Api) -> None:
    id = rows.raise_alert(api)
    # Midnight in Baku is 20:00 UTC.
    november = datetime.fromisoformat("2026-10-31T20:00:00Z")
    inside = tell(api, id, november, None)
    tell(api, id, november - MINUTE, None, step=1)
    other = tell(api, id, november, None, step=2, kahriz="barana")

    def ids(**query: str) -> list[int]:
        return [m["id"] for m in api.json(f"{V1}/messages", **query)["messages"]]

    assert ids(month="2026-11") == [other, inside]
    assert ids(month="2026-11", kahriz="agh-dere") == [inside]
    assert len(ids(kahriz="agh-dere")) == 2
    assert ids(month="2026-12") == []


def test_a_month_is_counted_by_kahriz_and_contact_with_its_cost(folder: Path) -> None:
    with Api(folder, notify=NotifySettings(price_a_part=0.05, currency="AZN")) as api:
        id = rows.raise_alert(api)
        tell(api, id, NOW, NOW, parts=2)
        tell(api, id, NOW, None, step=1)
        tell(api, id, NOW, None, contact="Deputy", address="+994500000002")
        tell(api, id, NOW, None, step=2, kahriz="barana")
        tell(api, id, NOW - 40 * DAY, None, step=3)
        rows.queue_message(api, id, step=4)
        answer = api.json(f"{V1}/messages/summary", month="2026-11")
        this_month = api.json(f"{V1}/messages/summary")
        october = api.json(f"{V1}/messages/summary", month="2026-10")

    def counts(texts: int, sent: int, parts: int, delivered: int, cost: float) -> dict[str, Any]:
        found = {"texts": texts, "sent": sent, "parts": parts, "delivered": delivered}
        return found | {"failed": 0, "expired": 0, "cost": pytest.approx(cost)}

    assert answer == this_month
    assert (answer["month"], answer["price_a_part"], answer["currency"]) == ("2026-11", 0.05, "AZN")
    assert answer["total"] == counts(5, 4, 5, 1, 0.25)
    assert answer["kahrizes"] == [
        {"kahriz": "agh-dere"} | counts(4, 3, 4, 1, 0.20),
        {"kahriz": "barana"} | counts(1, 1, 1, 0, 0.05),
    ]
    assert [(c["kahriz"], c["contact"], c["address"], c["parts"]) for c in answer["contacts"]] == [
        ("agh-dere", "Committee chair", "+9945******01", 3),
        ("agh-dere", "Deputy", "+9945******02", 1),
        ("barana", "Committee chair", "+9945******01", 1),
    ]
    assert october["total"] == counts(1, 1, 1, 0, 0.05)


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "1969-12", "2200-01"])
@pytest.mark.parametrize("path", ["messages", "messages/summary"])
def test_a_month_that_is_none_is_a_422_that_names_it(api: Api, path: str, month: str) -> None:
    body = assert_problem(api.get(f"{V1}/{path}?month={month}"), 422, month)

    assert body["errors"][0]["name"] == "month"


@pytest.mark.parametrize("month", ["1970-01", "2199-12"])
def test_the_first_and_the_last_month_are_answered(api: Api, month: str) -> None:
    assert api.json(f"{V1}/messages/summary", month=month)["total"]["texts"] == 0
    assert api.json(f"{V1}/messages", month=month)["messages"] == []


def test_every_text_is_shown_before_it_is_sent_once_for_those_who_read_the_same(api: Api) -> None:
    chair = rows.add_contact(api)
    deputy = rows.add_contact(api, name="Deputy", role="deputy", phone="+994500000002")
    engineer = rows.add_contact(
        api, name="E", role="engineer", phone="+994500000003", language="ru", alphabet="full"
    )
    texts = api.json(f"{V1}/kahrizes/agh-dere/texts")["texts"]
    blockage = [t for t in texts if (t["kind"], t["reason"]) == ("blockage", "first")]
    offline = [t for t in texts if t["kind"] == "offline"]

    assert [t["contacts"] for t in blockage] == [[chair, deputy], [engineer]]
    assert blockage[0]["text"].startswith("#K7 Ag Dere, Molla Celilli: kehriz tixanib. Su 1,2 L/s")
    assert (blockage[0]["encoding"], blockage[0]["parts"]) == ("gsm7", 1)
    assert (blockage[1]["language"], blockage[1]["encoding"]) == ("ru", "ucs2")
    assert blockage[1]["characters"] == len(blockage[1]["text"])
    assert {tuple(t["contacts"]) for t in offline} == {(engineer,)}
    assert {t["parts"] for t in texts} <= {1, 2}
    told = {(t["kind"], t["reason"]) for t in texts}
    assert told == {(kind.value, r) for kind in Kind for r in reasons(kind.value)}
    (worse, *_) = [t["text"] for t in texts if (t["kind"], t["reason"]) == ("blockage", "worse")]
    assert all(figure in worse for figure in ("1,2", "2,1"))


def test_where_answers_are_read_the_text_says_so(folder: Path) -> None:
    deaf = NotifySettings(notifiers=("console",))
    called = HttpGatewaySettings(callback="https://water.example.org")

    def asks(notify: NotifySettings) -> bool:
        with Api(folder, notify=notify) as api:
            texts = api.json(f"{V1}/kahrizes/agh-dere/texts")["texts"]
        return any("1=ok" in t["text"] or "1 = " in t["text"] for t in texts)

    with Api(folder) as api:
        rows.add_contact(api)
    assert not asks(deaf)
    assert asks(deaf.model_copy(update={"http": called}))
    assert asks(NotifySettings(notifiers=("file",)))


def test_the_way_to_a_shaft_is_told_of_in_every_text_that_sends_somebody_there(api: Api) -> None:
    rows.add_contact(api, "velibey")
    note = fold(api.registry.find("velibey").access_note)
    texts = api.json(f"{V1}/kahrizes/velibey/texts")["texts"]

    first = {t["kind"]: t["text"] for t in texts if t["reason"] == "first"}
    assert note
    assert note in first["blockage"]
    assert note in first["decline"]


def test_without_contacts_there_is_nothing_to_show(api: Api) -> None:
    assert api.json(f"{V1}/kahrizes/agh-dere/texts") == {"kahriz": "agh-dere", "texts": []}


# ---- gaugings


def test_a_gauging_stands_beside_what_the_weir_said_within_half_an_hour(api: Api) -> None:
    rows.observe(api, "agh-dere.outlet.discharge", 2.4, NOW - 2 * HOUR, NOW - HOUR)
    rows.observe(api, "agh-dere.outlet.stage", 0.079, NOW - 2 * HOUR, NOW - HOUR)
    said = {"site": "agh-dere.outlet", "volume_l": 10, "seconds": [4.9, 5.1], "by": "Əli"}
    known = done(api, "POST", f"{V1}/gaugings", 201, at="2026-11-22T10:30:00Z", **said)
    unknown = done(api, "POST", f"{V1}/gaugings", 201, **said)

    assert known == {
        "id": known["id"],
        "site": "agh-dere.outlet",
        "at": "2026-11-22T10:30:00Z",
        "method": "bucket",
        "volume_l": 10.0,
        "duration_s": 5.0,
        "trials": 2,
        "discharge_lps": 2.0,
        "uncertainty_lps": pytest.approx(2.0 * hypot(0.05, 0.5 / 2**0.5 / 5)),
        "rated_lps": 2.4,
        "stage_m": 0.079,
        "deviation": pytest.approx(0.2),
        "by": "Əli (office)",
    }
    assert (unknown["at"], unknown["rated_lps"], unknown["deviation"]) == (
        "2026-11-22T12:00:00Z",
        None,
        None,
    )
    listed = api.json(f"{V1}/gaugings", site="agh-dere.outlet")["gaugings"]
    assert listed == [unknown, known]
    assert api.json(f"{V1}/gaugings", site="agh-dere.shaft")["gaugings"] == []
    assert api.json(f"{V1}/gaugings", limit=1)["gaugings"] == [unknown]
    assert log(api) == [("office", "gauging.add")] * 2


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"volume_l": 0.4}, "volume_l"),
        ({"volume_l": None}, "volume_l"),
        ({"seconds": None}, "seconds"),
        ({"discharge_lps": 2.0}, "discharge_lps"),
        ({"uncertainty_lps": 0.1}, "uncertainty_lps"),
        ({"method": "current_meter"}, "discharge_lps"),
        ({"method": "current_meter", "discharge_lps": 2.0}, "volume_l"),
        ({"method": "current_meter", "discharge_lps": 0}, "discharge_lps"),
        ({"method": "salt"}, "method"),
        ({"stage_m": 61}, "stage_m"),
        ({"volume_l": 1001}, "volume_l"),
        ({"seconds": []}, "seconds"),
        ({"seconds": [0.4]}, "seconds.0"),
        ({"seconds": [3601]}, "seconds.0"),
        ({"seconds": [5] * 21}, "seconds"),
        ({"seconds": 5}, "seconds"),
        ({"at": "2026-11-22T12:00:01Z"}, "at"),
        ({"by": " "}, "by"),
    ],
)
def test_figures_that_no_bucket_gives_are_a_422_and_nothing_is_kept(
    api: Api, changes: dict[str, Any], name: str
) -> None:
    body = assert_problem(change(api, "POST", f"{V1}/gaugings", **BUCKET | changes), 422)

    assert body["errors"][0]["name"] == name
    assert api.json(f"{V1}/gaugings")["gaugings"] == []


def test_a_bucket_at_its_limits_is_taken(api: Api) -> None:
    for volume_l, seconds in ((0.5, [0.5] * 20), (1000, [3600])):
        said = BUCKET | {"volume_l": volume_l, "seconds": seconds}
        done(api, "POST", f"{V1}/gaugings", 201, **said)


@pytest.mark.parametrize("site", ["agh-dere", "agh-dere.well", "agh-dere.outlet.discharge"])
def test_a_site_that_is_not_there_is_a_404_that_names_it(api: Api, site: str) -> None:
    said = BUCKET | {"site": site}

    assert_problem(change(api, "POST", f"{V1}/gaugings", **said), 404, f"site '{site}'")
    assert_problem(api.get(f"{V1}/gaugings?site={site}"), 404, f"site '{site}'")
