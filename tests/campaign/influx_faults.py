"""A proxy for HTTP in front of a real InfluxDB that can go wrong in every way a server does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.contract.influx_fakes import Answer, Asked, ask
from tests.servers import free_port

Treatment = Callable[["InfluxFaults", Asked], Answer | None]
"""What becomes of a request; None hangs up without an answer."""


def passes(faults: InfluxFaults, asked: Asked) -> Answer | None:
    """Hand the request to the real server."""
    return faults.pass_on(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that were cut: cutting them is the point."""


class InfluxFaults:
    """Listens on a port of its own; `treat` decides what becomes of each request.

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
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """``HOST:PORT`` to be given to ingest."""
        return f"127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Take connections."""
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Take no connections any more, and cut those there are."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

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
            self.listen()

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

            def setup(self) -> None:
                super().setup()
                with faults._lock:
                    faults._open.add(self.connection)

            def finish(self) -> None:
                with faults._lock:
                    faults._open.discard(self.connection)
                super().finish()

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
