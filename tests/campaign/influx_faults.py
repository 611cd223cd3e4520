"""A proxy for HTTP in front of a real InfluxDB that can go wrong in every way a server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.contract.influx_fakes import Answer, Asked, ask
from tests.http_double import HttpDouble
from tests.servers import free_port

Treatment = Callable[["InfluxFaults", Asked], Answer | None]
"""What becomes of a request; None hangs up without an answer."""


def passes(faults: InfluxFaults, asked: Asked) -> Answer | None:
    """Hand the request to the real server."""
    return faults.pass_on(asked)


class InfluxFaults:
    """Listens within ``with`` on a port of its own; `treat` decides what becomes of each request.

    Parameters
    ----------
    behind
        ``HOST:PORT`` of the real server.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.treat: Treatment = passes
        self.port = free_port()
        self.asked_at: list[tuple[float, str]] = []
        """When, by the monotonic clock, which path was asked for since the last `mend`."""
        self.thawed = threading.Event()
        self._server: HttpDouble | None = None

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *raised: object) -> None:
        self.thawed.set()
        self.refuse()

    @property
    def address(self) -> str:
        """``HOST:PORT`` to be given to ingest."""
        return f"127.0.0.1:{self.port}"

    def refuse(self) -> None:
        """Take no connections any more, and cut those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def fail(self, treat: Treatment) -> None:
        """Treat every request like this from now on."""
        self.asked_at.clear()
        self.thawed.clear()
        self.treat = treat

    def mend(self) -> None:
        """Be well again."""
        self.treat = passes
        self.thawed.set()
        if self._server is None:
            self._server = HttpDouble(self._handler(), self.port).__enter__()

    def pass_on(self, asked: Asked, body: bytes | None = None) -> Answer | None:
        """Ask the real server; None where it is away too."""
        path = f"{asked.path}?{urlencode(asked.query)}" if asked.query else asked.path
        kept = {k: v for k, v in asked.headers.items() if k in ("accept", "content-encoding")}
        try:
            answer = ask(
                self.behind, asked.method, path, asked.body if body is None else body, **kept
            )
        except OSError:
            return None
        answer.headers["X-Influxdb-Version"] = "1.6.7"
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        faults = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = dict(parse_qsl(parts.query))
                asked = Asked(self.command, parts.path, query, headers, body)
                faults.asked_at.append((time.monotonic(), parts.path))
                given = faults.treat(faults, asked)
                if given is None:
                    self.close_connection = True
                    return
                self.send_response(given.status)
                for name, value in given.headers.items():
                    self.send_header(name, value)
                if given.status != 204:
                    self.send_header("Content-Length", str(len(given.body)))
                self.end_headers()
                self.wfile.write(given.body)

            do_GET = do_POST = _answer  # noqa: N815 - http.server's own names

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
