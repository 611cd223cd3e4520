"""Somebody outside hears every minute that everything lives, and hears nothing when it does not."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from ingest.loops import Loop
from ingest.metrics import Health, Metrics
from ingest.pulse import PATIENCE_S, STALLED_S, Pulse, caller
from kahriz.errors import DeliveryError, DeliveryReason
from tests.http_double import HttpDouble

PING, FAIL = "https://example.org/secret", "https://example.org/secret/fail"


class Stuck(Loop):
    """A loop whose last step ended so long ago."""

    idle = 0.0

    def idle_s(self) -> float:
        return self.idle


class House:
    """A pulse with clocks that the test moves, and whoever listens outside."""

    def __init__(self, fail_url: str = FAIL) -> None:
        self.now = 1000.0
        self.oldest = 0.0
        self.heard: list[tuple[str, str, str]] = []
        self.is_deaf = False
        self.health = Health(wall=lambda: self.now)
        self.loop = Stuck("watch", lambda: False, 1, Metrics(), self.health)
        self.pulse = Pulse(
            PING, fail_url, 60, self.health, lambda: self.oldest, self.call, lambda: self.now
        )
        self.pulse.loops = [self.loop]

    def call(self, method: str, url: str, body: bytes) -> None:
        if self.is_deaf:
            raise DeliveryError(DeliveryReason.GATEWAY, "no answer", permanent=False)
        self.heard.append((method, url, body.decode()))

    def after(self, seconds: float) -> list[tuple[str, str, str]]:
        self.now += seconds
        self.heard = []
        self.pulse.step()
        return self.heard


def test_while_everything_lives_it_is_said_once_a_minute() -> None:
    house = House()

    assert house.after(0) == [("GET", PING, "")]
    assert house.after(59) == []
    assert house.after(1) == [("GET", PING, "")]


def test_what_does_not_work_for_five_minutes_is_told_with_its_reason() -> None:
    house = House()
    house.health.failed("gateway gammu", "nothing accepted")

    assert house.after(PATIENCE_S - 1) == [("GET", PING, "")]
    assert house.after(60) == [("POST", FAIL, "gateway gammu: nothing accepted")]
    house.health.worked("gateway gammu")
    assert house.after(60) == [("GET", PING, "")]


def test_without_an_address_for_failures_silence_says_it() -> None:
    house = House(fail_url="")
    house.health.failed("mqtt", "connection refused")

    assert house.after(PATIENCE_S) == []


@pytest.mark.parametrize(("idle", "is_wrong"), [(STALLED_S - 1, False), (STALLED_S, True)])
def test_a_loop_that_hangs_is_no_life(idle: float, is_wrong: bool) -> None:
    house = House()
    house.loop.idle = idle

    assert (house.pulse.wrong() == [f"watch: hangs for {idle:.0f} s"]) is is_wrong


def test_an_intake_that_moves_no_message_is_no_life() -> None:
    house = House()
    house.oldest = STALLED_S

    assert house.after(0) == [("POST", FAIL, "intake: a message waits for 900 s")]


def test_whoever_does_not_answer_outside_stops_nothing_and_its_address_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    house.is_deaf = True
    house.after(0)
    house.is_deaf = False

    assert "secret" not in caplog.text
    assert house.after(60) == [("GET", PING, "")]


def test_without_an_address_nobody_is_called() -> None:
    house = House()
    house.pulse = Pulse("", "", 60, house.health, lambda: 0.0, house.call, lambda: house.now)

    assert house.after(0) == []


def test_a_real_address_is_asked_and_told_and_one_that_refuses_is_no_answer() -> None:
    heard: list[tuple[str, str, bytes]] = []

    class Outside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._take(200 if self.path == "/ping" else 404)

        def do_POST(self) -> None:
            self._take(200)

        def _take(self, status: int) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.append((self.command, self.path, body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    call = caller(allow_private=True)
    with HttpDouble(Outside) as outside:
        call("GET", f"http://{outside.address}/ping", b"")
        call("POST", f"http://{outside.address}/ping/fail", b"store: away")
        with pytest.raises(DeliveryError, match="404"):
            call("GET", f"http://{outside.address}/gone", b"")

    assert heard[:2] == [("GET", "/ping", b""), ("POST", "/ping/fail", b"store: away")]


def test_an_address_of_this_machine_is_refused_unless_the_settings_allow_it() -> None:
    with pytest.raises(DeliveryError, match="not public"):
        caller(allow_private=False)("GET", "http://127.0.0.1:9/ping", b"")
