"""A small stand-in for the API: its documented shapes over a world that a test can change.

It serves the page itself, under a policy as strict as the API's, and tells open pages about each
change by server-sent events. Run alone to work on the page: ``python -m tests.browser.fake_api``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.browser.world import World, iso

WEB = Path(__file__).parents[2] / "dashboards" / "web"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KEY = "kz_test_secret"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_TYPES |= {".svg": "image/svg+xml"}


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An answer other than data."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(detail)


class FakeApi(ThreadingHTTPServer):
    """The server; `world` is what it tells, `tell` what it says has changed."""

    daemon_threads = False  # closed properly: a handler that hangs is a test that fails
    block_on_close = True

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world
        self.lock = threading.Condition()
        self.changes: list[list[str]] = []
        self.is_closing = False
        self.is_events_open = True
        self.is_answering = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def tell(self, *topics: str) -> None:
        """Send one event to every open page."""
        with self.lock:
            self.changes.append(list(topics))
            self.lock.notify_all()

    def go_silent(self) -> None:
        """Break every line, and answer nothing but errors from now on."""
        with self.lock:
            self.is_answering = self.is_events_open = False
            self.lock.notify_all()

    def come_back(self) -> None:
        with self.lock:
            self.is_answering = self.is_events_open = True

    def close(self) -> None:
        with self.lock:
            self.is_closing = True
            self.lock.notify_all()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi
    protocol_version = "HTTP/1.0"  # every answer ends its connection: nothing lingers at the end

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        if not self.server.is_answering:
            self.close_connection = True
        elif path == "/api/v1/events":
            self._events()
        elif path == "/health" or path.startswith("/api/v1/"):
            self._answer(lambda: self._data(path.removeprefix("/api/v1"), query))
        else:
            self._file(path)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length))
        self._answer(lambda: self._change(body))

    def do_DELETE(self) -> None:
        self._answer(lambda: self._change({}))

    def _change(self, body: dict[str, Any]) -> Any:
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            raise Problem(HTTPStatus.UNAUTHORIZED, "this key is not known here")
        world = self.server.world
        match self.path.removeprefix("/api/v1/").split("/"):
            case ["alerts", number, what]:
                said = {"acknowledgement": "acknowledged"}.get(what, what.replace("-", "_"))
                done = world.say(int(number), said, body["by"])
            case ["silences"]:
                done = world.silence(body["kahriz"], body["kind"], body["hours"], body["by"])
            case ["silences", number]:
                done = world.end_silence(int(number))
            case ["kahrizes", id, "maintenance", "end"]:
                done = world.end_works(id)
            case _:
                raise Problem(HTTPStatus.NOT_FOUND, f"{self.path} does not exist")
        self.server.tell("alerts", "people")
        return done

    def _data(self, path: str, query: dict[str, str]) -> Any:
        world = self.server.world
        match path.strip("/").split("/"):
            case ["health"]:
                return world.health
            case ["kahrizes"]:
                return {"now": iso(world.now), "speed": world.speed, "kahrizes": world.kahrizes}
            case ["kahrizes", id, "water"]:
                return world.water(id)
            case ["kahrizes", id, "statistics"]:
                if id not in world.statistics:
                    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "book: no answer within 10 s")
                return world.statistics[id]
            case ["kahrizes", id, "summary"]:
                return world.summaries[id]
            case ["kahrizes", id, "maintenance"]:
                return {"works": [w for w in world.works if w["kahriz"] == id]}
            case ["kahrizes", id, "texts"]:
                return {"kahriz": id, "texts": world.previews.get(id, [])}
            case ["contacts"]:
                return {"contacts": world.contacts}
            case ["silences"]:
                return {"silences": world.silences}
            case ["messages", "summary"]:
                return world.month
            case ["ratings", site]:
                return world.ratings(site)
            case ["kahrizes", id, "detection"]:
                return world.detection(id)
            case ["datastreams", id, "observations"]:
                start, end = (datetime.fromisoformat(query[k]) for k in ("start", "end"))
                return world.observations(id, start, end, int(query["max_points"]))
            case ["alerts"]:
                return {"alerts": [world.brief(a) for a in world.alerts], "next": None}
            case ["alerts", number]:
                return next(a for a in world.alerts if a["id"] == int(number))
            case ["devices"]:
                return {"devices": world.devices}
        raise Problem(HTTPStatus.NOT_FOUND, f"{path} does not exist")

    def _answer(self, produce: Any) -> None:
        try:
            status, data = HTTPStatus.OK, produce()
        except Problem as problem:
            status = problem.status
            data = {"type": "about:blank", "title": status.phrase, "detail": problem.detail}
        self._send(status, "application/json", json.dumps(data).encode())

    def _file(self, path: str) -> None:
        file = WEB / (path.lstrip("/") or "index.html")
        if not file.is_file() or WEB not in file.resolve().parents:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such file")
        else:
            self._send(HTTPStatus.OK, _TYPES[file.suffix], file.read_bytes())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def _events(self) -> None:
        server = self.server
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        seen = len(server.changes)
        while True:
            with server.lock:
                server.lock.wait_for(lambda n=seen: self._has_news(n), timeout=0.5)  # type: ignore[misc]
                if server.is_closing or not server.is_events_open:
                    return
                news, seen = server.changes[seen:], len(server.changes)
            if not self._write_events(news):
                return

    def _has_news(self, seen: int) -> bool:
        server = self.server
        return len(server.changes) > seen or server.is_closing or not server.is_events_open

    def _write_events(self, news: list[list[str]]) -> bool:
        try:
            for topics in news:
                data = json.dumps({"now": iso(self.server.world.now), "topics": topics})
                self.wfile.write(f"event: change\ndata: {data}\n\n".encode())
            self.wfile.write(b": still here\n\n")
            self.wfile.flush()
        except OSError:
            return False  # the page is gone
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a test's output is its own."""


@contextmanager
def serve(world: World) -> Iterator[FakeApi]:
    """Run the stand-in over `world` on a free port."""
    server = FakeApi(world)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def main() -> None:
    """Serve a world until Ctrl-C, a minute a second."""
    with serve(World()) as server:
        print(server.url, flush=True)  # noqa: T201
        try:
            while True:
                threading.Event().wait(1)
                server.world.now += timedelta(minutes=5)
                server.tell("latest", "water", "devices")
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
