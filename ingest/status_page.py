"""Ingest's own /metrics and /health, for Prometheus and for a container's health check."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from kahriz.errors import ConfigError

_LOG = logging.getLogger(__name__)


WELL = ("ok", "standing by")
"""Who stands by for another one is well."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that leaves is no event
            _LOG.exception("no answer", extra={"client": client_address[0]})


class StatusPage:
    """Two answers over HTTP, from a thread of its own."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        report: Callable[[], dict[str, Any]],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0  # who says nothing, or reads nothing, holds a thread no longer

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif path == "/health":
                    said = report()
                    code = 200 if said["status"] in WELL else 503
                    self._answer(code, "application/json", json.dumps(said).encode())
                else:
                    self._answer(404, "text/plain", b"/metrics or /health\n")

            def _answer(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Keep requests out of the log."""

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise ConfigError(
                f"ingest.metrics_port: {host}:{port}",
                error.strerror or str(error),
                "set KAHRIZ_INGEST__METRICS_PORT",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="status", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it answers on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
