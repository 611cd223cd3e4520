"""What people sent, as a program reads it."""

from __future__ import annotations

from datetime import timedelta

from kahriz.book import inbound, keys
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api, assert_problem

CHAIR, STRANGER = "+994500000001", "+994500000066"
PATH = "/api/v1/inbound"


def fill(api: Api) -> int:
    """Let the chair answer, a stranger write, and one text wait; return the alert."""
    alert = rows.raise_alert(api)
    with api.book.begin() as connection:
        for n, (address, text) in enumerate([(CHAIR, "1"), (STRANGER, "win!"), (CHAIR, "SU")]):
            at = NOW + n * timedelta(minutes=1)
            inbound.arrive(connection, "gammu", str(n), address, text, at)
        first, second, _ = inbound.waiting(connection, 10)
        made = {"command": "acknowledge", "outcome": "K1 acknowledged", "kahriz": "agh-dere"}
        inbound.done(connection, first.id, **made, alert_id=alert)  # type: ignore[arg-type]
        inbound.done(
            connection, second.id, command=None, outcome="no contact's number", is_ignored=True
        )
    return alert


def test_what_people_sent_is_read_with_what_was_made_of_it(api: Api) -> None:
    alert = fill(api)
    texts = api.get(PATH, headers=api.key()).json()["texts"]

    assert [text["state"] for text in texts] == ["new", "ignored", "done"]
    assert texts[1]["text"] == "win!"
    assert texts[2] == {
        "id": texts[2]["id"],
        "received_at": "2026-11-22T12:00:00Z",
        "gateway": "gammu",
        "address": CHAIR,
        "text": "1",
        "state": "done",
        "command": "acknowledge",
        "outcome": "K1 acknowledged",
        "kahriz": "agh-dere",
        "alert": alert,
    }


def test_who_only_reads_sees_no_number_and_no_strangers_words(api: Api) -> None:
    fill(api)
    for headers in ({}, api.key(keys.Scope.READ)):
        said = api.get(PATH, headers=headers)

        assert CHAIR not in said.text
        assert "win!" not in said.text
        assert [(t["address"], t["text"]) for t in said.json()["texts"]] == [
            ("+9945******01", "SU"),
            ("+9945******66", None),
            ("+9945******01", "1"),
        ]


def test_texts_are_found_by_state_and_kahriz(api: Api) -> None:
    fill(api)

    def states(**query: object) -> list[str]:
        return [text["state"] for text in api.json(PATH, **query)["texts"]]

    assert states(state="ignored") == ["ignored"]
    assert states(kahriz="agh-dere") == ["done"]
    assert states(limit=2) == ["new", "ignored"]
    assert_problem(api.get(f"{PATH}?kahriz=agdere"), 404, "kahriz 'agdere'")
    assert_problem(api.get(f"{PATH}?state=old"), 422, "state")
