"""HTTP servers of tests end with the test, whoever still holds a connection."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler

import pytest

from tests.http_double import HttpDouble


class Kept(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_the_end_cuts_a_connection_that_is_kept_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with HttpDouble(Kept) as server:
        client = http.client.HTTPConnection(server.address, timeout=10)
        client.request("GET", "/")
        client.getresponse().read()
        is_held = threading.active_count() == before + 2

    assert is_held, "one thread listens, one waits for the client's next question"
    assert threading.active_count() == before
    with closing(client):
        assert client.sock.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection(server.address, timeout=10).connect()
