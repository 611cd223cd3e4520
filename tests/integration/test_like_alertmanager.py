"""Grouping, inhibition and repeats as Prometheus Alertmanager does them: one story told to both.

Its minutes are seconds here: ``group_wait`` 1 s stands for the quarter of an hour in which silent
devices are gathered. Where we differ on purpose stands in decision 0020.
"""

from __future__ import annotations

import json
import queue
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from kahriz.alert.reason import Reason
from kahriz.alert.telling.calls import MOST_REPEATS
from kahriz.alert.telling.stages import HIDES
from kahriz.alert.telling.world import Place
from kahriz.detect import Kind
from tests import servers
from tests.http_double import HttpDouble
from tests.unit.alert.telling.village import BAKU, HOUR, MINUTE, Village, person

pytestmark = pytest.mark.server

Said = tuple[str, list[str]]
"""``firing`` or ``resolved``, and of which alerts (``kind kahriz``)."""

_CONFIG = """
route:
  receiver: phone
  group_by: [alertname, district]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 2s
receivers:
  - name: phone
    webhook_configs:
      - url: http://{address}/
        send_resolved: true
inhibit_rules:
{inhibit}
"""


class Alertmanager:
    """A real one, told of alerts by its API, and the phone it calls."""

    def __init__(self, port: int, calls: queue.Queue[Said]) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v2/alerts"
        self._calls = calls
        self._began: dict[tuple[str, str], str] = {}

    def say(self, *alerts: tuple[Kind, str], is_over: bool = False) -> None:
        """Say that (kind, kahriz) fire, or are over."""
        now = datetime.now(UTC)
        body = []
        for kind, kahriz in alerts:
            labels = {"alertname": kind.value, "kahriz": kahriz, "district": "Goygol"}
            began = self._began.setdefault((kind.value, kahriz), now.isoformat())
            end = now if is_over else now + timedelta(hours=1)
            body.append({"labels": labels, "startsAt": began, "endsAt": end.isoformat()})
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()

    def call(self) -> Said:
        """Return the next call; it comes within seconds."""
        return self._calls.get(timeout=20)


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    calls: queue.Queue[Said] = queue.Queue()

    class Phone(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            labels = [alert["labels"] for alert in said["alerts"]]
            about = sorted(f"{each['alertname']} {each['kahriz']}" for each in labels)
            calls.put((said["status"], about))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    rules = [
        f"  - source_matchers: [alertname = {cause.value}]\n"
        f"    target_matchers: ['alertname =~ {'|'.join(kind.value for kind in hidden)}']\n"
        "    equal: [kahriz]"
        for cause, hidden in HIDES.items()
    ]
    with HttpDouble(Phone) as phone:
        config = _CONFIG.format(address=phone.address, inhibit="\n".join(rules))
        with servers.alertmanager(config) as server:
            yield Alertmanager(server.port, calls)


def district(*ids: str) -> Village:
    """Return kahrizes with one engineer for all, as Alertmanager has one phone."""
    return Village(
        people={id: [person("Chair", "engineer", 1, id, quiet_hours="")] for id in ids},
        places={id: Place("Goygol", BAKU) for id in ids},
    )


def calls_of(village: Village, time: timedelta) -> list[Said]:
    """Return what we say to the phone within some time, in Alertmanager's words."""
    said: list[Said] = []
    end = village.now + time
    while village.now < end:
        for text in village.plan().texts:
            is_over = text.first.reason is Reason.RESOLVED
            about = sorted(f"{w.case.kind.value} {w.case.kahriz}" for w in text.wishes)
            said.append(("resolved" if is_over else "firing", about))
        village.go()
        village.now += MINUTE
    return said


def test_a_district_that_falls_silent_and_speaks_again_is_two_calls(
    alertmanager: Alertmanager,
) -> None:
    ids = [f"k{i}" for i in range(40)]
    every = [(Kind.OFFLINE, id) for id in ids]
    alertmanager.say(*every[:25])
    alertmanager.say(*every[25:])
    theirs = [alertmanager.call()]
    alertmanager.say(*every, is_over=True)
    while theirs[-1][0] != "resolved":  # it may repeat in between
        theirs.append(alertmanager.call())

    village = district(*ids)
    alerts = [village.trouble(Kind.OFFLINE, id) for id in ids]
    ours = calls_of(village, HOUR)
    for alert in alerts:
        village.end(alert)
    ours += calls_of(village, HOUR)

    assert ours == [theirs[0], theirs[-1]]
    assert [len(about) for _, about in ours] == [40, 40]


def test_what_a_blockage_hides_is_told_when_it_is_over_and_elsewhere_at_once(
    alertmanager: Alertmanager,
) -> None:
    alertmanager.say((Kind.BLOCKAGE, "a"), (Kind.DROUGHT, "a"), (Kind.DROUGHT, "b"))
    first = sorted([alertmanager.call(), alertmanager.call()])
    alertmanager.say((Kind.BLOCKAGE, "a"), is_over=True)
    later: list[Said] = []
    both = ("firing", ["drought a", "drought b"])
    while ("resolved", ["blockage a"]) not in later or both not in later:
        later.append(alertmanager.call())

    village = district("a", "b")
    blockage = village.trouble(Kind.BLOCKAGE, "a")
    village.trouble(Kind.DROUGHT, "a")
    village.trouble(Kind.DROUGHT, "b")
    ours = sorted(calls_of(village, 3 * MINUTE))
    village.end(blockage)
    after = calls_of(village, 3 * MINUTE)

    assert ours == first == [("firing", ["blockage a"]), ("firing", ["drought b"])]
    # It says the whole group again; to a phone that costs a text about what is known.
    assert after == [("resolved", ["blockage a"]), ("firing", ["drought a"])]


def test_what_lasts_is_said_again_and_its_end_once(alertmanager: Alertmanager) -> None:
    alertmanager.say((Kind.SURGE, "a"))
    theirs = [alertmanager.call() for _ in range(1 + MOST_REPEATS)]
    alertmanager.say((Kind.SURGE, "a"), is_over=True)
    while theirs[-1][0] != "resolved":
        theirs.append(alertmanager.call())
    alertmanager.say((Kind.BLOCKAGE, "z"))  # the next call is this one: the end is said once
    theirs.append(alertmanager.call())

    village = district("a", "z")
    surge = village.trouble(Kind.SURGE, "a")
    ours = calls_of(village, 20 * HOUR)
    village.end(surge)
    ours += calls_of(village, 5 * HOUR)
    village.trouble(Kind.BLOCKAGE, "z")
    ours += calls_of(village, MINUTE)

    firing = ("firing", ["surge a"])
    assert ours == [firing] * (1 + MOST_REPEATS) + theirs[-2:]
    assert theirs[: 1 + MOST_REPEATS] == [firing] * (1 + MOST_REPEATS)
