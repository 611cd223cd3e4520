"""Ingest's own two answers, whoever asks and however."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from ingest.metrics import Health
from ingest.status_page import StatusPage
from kahriz.errors import ConfigError


@pytest.fixture
def registry() -> CollectorRegistry:
    found = CollectorRegistry()
    Counter("kahriz_readings_total", "Readings", registry=found).inc(3)
    return found


@pytest.fixture
def health() -> Health:
    return Health(wall=lambda: 1_795_348_800.0)


@pytest.fixture
def page(registry: CollectorRegistry, health: Health) -> Iterator[StatusPage]:
    opened = StatusPage("127.0.0.1", 0, registry, lambda: health.report("connected", 7))
    opened.start()
    yield opened
    opened.stop()


def get(page: StatusPage, path: str) -> tuple[int, Message, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page.port}{path}", timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def health_of(page: StatusPage) -> tuple[int, dict[str, Any]]:
    status, _, body = get(page, "/health")
    return status, json.loads(body)


@pytest.mark.parametrize("path", ["/metrics", "/metrics?name=x"])
def test_prometheus_reads_the_counters(page: StatusPage, path: str) -> None:
    status, headers, body = get(page, path)

    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert b"kahriz_readings_total 3.0" in body


def test_health_is_503_while_something_is_wrong_and_says_what(
    page: StatusPage, health: Health
) -> None:
    before = health_of(page)
    health.failed("store", "connection refused")
    during = health_of(page)
    health.worked("store")
    after = health_of(page)

    assert (before[0], before[1]["status"], before[1]["queue"]) == (200, "ok", 7)
    assert (during[0], during[1]["reason"]) == (503, "store: connection refused")
    assert during[1]["since_ms"] == 1_795_348_800_000
    assert after[0] == 200


def test_any_other_path_is_404_and_names_the_two(page: StatusPage) -> None:
    status, _, body = get(page, "/")

    assert (status, body) == (404, b"/metrics or /health\n")


def test_a_port_in_use_is_one_line_that_names_it(
    page: StatusPage, registry: CollectorRegistry
) -> None:
    with pytest.raises(ConfigError) as refused:
        StatusPage("127.0.0.1", page.port, registry, dict)

    assert f"127.0.0.1:{page.port}: Address already in use" in str(refused.value)
    assert "KAHRIZ_INGEST__METRICS_PORT" in str(refused.value)


def test_a_client_that_leaves_is_no_event(
    page: StatusPage, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", page.port)) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        # Reset instead of a polite end.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert get(page, "/health")[0] == 200
    assert caplog.records == []
    assert capfd.readouterr().err == ""


def test_a_client_that_says_nothing_does_not_hold_a_thread_for_ever(
    page: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler: Any = page._server.RequestHandlerClass
    assert 0 < handler.timeout <= 10
    monkeypatch.setattr(handler, "timeout", 0.2)
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", page.port)) as silent:
        silent.settimeout(5)

        assert silent.recv(1) == b"", "the page closes the connection"
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_fault_of_our_own_is_logged_with_its_trace_and_the_page_lives(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> dict[str, Any]:
        raise RuntimeError("a bug")

    page = StatusPage("127.0.0.1", 0, registry, fails)
    page.start()
    try:
        with caplog.at_level(logging.ERROR), pytest.raises(OSError, match="closed"):
            get(page, "/health")

        assert get(page, "/metrics")[0] == 200
        assert [r.exc_info is not None for r in caplog.records] == [True]
    finally:
        page.stop()


def test_a_page_that_never_began_can_be_stopped(registry: CollectorRegistry) -> None:
    StatusPage("127.0.0.1", 0, registry, dict).stop()
