"""An SMS gateway on the loopback interface that answers as told and keeps what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_double import HttpDouble


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return {k: v[0] for k, v in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class SmsGateway(HttpDouble):
    """Answers `status`, `headers` and `body`; with `is_silent` not at all, until it ends."""

    def __init__(self, status: int = 200, body: str = "{}", **headers: str) -> None:
        super().__init__(_Handler)
        self.status = status
        self.body = body.encode("utf-8")
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.is_silent = False
        self.ending = threading.Event()
        self.asked: list[Asked] = []

    def close(self) -> None:
        """End, and let those go that wait for an answer."""
        self.ending.set()
        super().close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmsGateway

    def _answer(self) -> None:
        gateway = self.server
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(parts.query, keep_blank_values=True)
        gateway.asked.append(Asked(self.command, parts.path, query, headers, body))
        if gateway.is_silent:
            gateway.ending.wait(30)
            self.close_connection = True
            return
        self.send_response(gateway.status)
        for name, value in gateway.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(gateway.body)))
        self.end_headers()
        self.wfile.write(gateway.body)

    do_GET = do_POST = _answer  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
