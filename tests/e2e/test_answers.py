"""What people send to the running service is done and answered; a file stands for the phones."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kahriz.book import Book, alerts
from kahriz.clock import to_ms
from tests.e2e.processes import House, get, run_to_end, wait_until
from tests.integration.test_ingest_process import publish
from tests.servers import Server

pytestmark = pytest.mark.server

CHAIR, ENGINEER, STRANGER = "+994500000001", "+994500000009", "+994500000066"


def fire(book: Book) -> int:
    """Let an alert stand at Agh Dere."""
    now = to_ms(datetime.now(UTC))
    values: dict[str, Any] = {
        "kahriz": "agh-dere",
        "kind": "decline",
        "key": "",
        "audience": "committee",
        "state": "firing",
        "detector": "gallery",
        "evidence": {},
        "explanation": "x",
    }
    instants = ("since_ms", "pending_at_ms", "fired_at_ms", "last_seen_ms", "updated_at_ms")
    with book.begin() as connection:
        return alerts.add(connection, values | dict.fromkeys(instants, now)).id


def test_phones_are_answered_within_five_seconds_and_the_alert_is_taken(
    mosquitto: Server, tmp_path: Path
) -> None:
    house = House(tmp_path, mosquitto.port)
    sent, heard = tmp_path / "answers.jsonl", tmp_path / "messages.jsonl"

    def answers() -> dict[str, str]:
        lines = heard.read_text(encoding="utf-8").splitlines() if heard.exists() else []
        said = [json.loads(line) for line in lines]
        return {s["address"]: s["text"] for s in said if s["alert_code"] == ""}

    with house.run("ingest"), house.run("api"):
        house.wait_for_ingest()
        house.wait_for_api()
        publish(mosquitto.port, 3)
        flow = f"{house.api}/api/v1/datastreams/agh-dere.outlet.discharge/observations"
        wait_until(lambda: get(flow)["n"] == 3, "there is water")
        book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
        id = fire(book)
        book.close()
        texts = [(CHAIR, "2 #K1"), (ENGINEER, "SU Ağ Dərə"), (STRANGER, "1 K1")]
        lines = [json.dumps({"address": a, "text": text}) + "\n" for a, text in texts]
        sent.write_text("".join(lines), encoding="utf-8")
        began = time.monotonic()
        wait_until(lambda: len(answers()) == 2, "both are answered")
        seconds = time.monotonic() - began
        run_to_end(house, ["kahriz", "sms", "receive", "--from", CHAIR, "VEDRE 10 2"])
        gaugings = f"{house.api}/api/v1/gaugings"
        wait_until(lambda: len(get(gaugings)["gaugings"]) == 1, "the bucket is kept")
        alert = get(f"{house.api}/api/v1/alerts/{id}")
        inbox = get(f"{house.api}/api/v1/inbound")["texts"]
        (gauging,) = get(gaugings)["gaugings"]

    assert seconds < 5
    assert answers()[ENGINEER].startswith("Ag Dere: water 4.4 L/s")
    assert alert["acknowledged_by"] == "Committee chair"
    assert [text["state"] for text in inbox] == ["done", "ignored", "done", "done"]
    assert inbox[0]["outcome"].startswith("gauged 5 L/s")
    assert gauging["rated_lps"] == pytest.approx(4.36, abs=0.01)
    assert STRANGER not in answers()
