"""HTTP servers for the tests of the InfluxDB store: a shim before the real one, and pretenders.

The pretenders give the answers of InfluxDB 2.x and 3.x as read in their sources; no 2.x or 3.x
server was run here. `refuse` says which line they take for a type conflict.
"""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.http_double import HttpDouble
from tests.servers import Server

CANARY = "kahriz_canary"


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[str]:
        zipped = self.headers.get("content-encoding") == "gzip"
        body = gzip.decompress(self.body) if zipped else self.body
        return body.decode().splitlines()


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, said: object, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(said).encode(), {"Content-Type": "application/json"} | named)


@contextmanager
def serve(answer: Callable[[Asked], Answer | None]) -> Iterator[str]:
    """Serve on a free port and give ``HOST:PORT``; an answer None hangs up without a word."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
            given = answer(asked)
            if given is None:
                self.close_connection = True
                return
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            if given.status != http.client.NO_CONTENT:
                self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        do_GET = do_POST = _answer  # noqa: N815 - http.server's own names

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HttpDouble(Handler) as server:
        yield server.address


def ask(server: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Ask ``HOST:PORT`` one thing on a connection of its own."""
    connection = http.client.HTTPConnection(server, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        kept = ("content-type", "retry-after")
        said = {name: value for name, value in answer.getheaders() if name.lower() in kept}
        return Answer(answer.status, answer.read(), said)
    finally:
        connection.close()


def query_v1(server: Server, text: str, **login: str) -> bytes:
    """Run an InfluxQL statement on a real 1.x server; log in by ``u`` and ``p``."""
    path = "/query?" + urlencode({"q": text, **login})
    return ask(f"{server.host}:{server.port}", "POST", path).body


def write_v1(server: Server, database: str, line: str) -> None:
    """Write a line to a real 1.x server, past the store."""
    path = "/write?" + urlencode({"db": database, "precision": "ms"})
    assert ask(f"{server.host}:{server.port}", "POST", path, line.encode()).status == 204


@contextmanager
def v2_path_before(server: Server) -> Iterator[str]:
    """Put 2.x's write path before a real 1.6: the path production uses, run end to end."""
    behind = f"{server.host}:{server.port}"

    def pass_on(asked: Asked) -> Answer:
        if asked.path == "/ping":
            return Answer(204, headers={"X-Influxdb-Version": "v2.8.0"})
        if asked.path == "/write":
            return Answer.json(404, {"code": "not found", "message": "path not found"})
        if asked.path != "/api/v2/write":
            path = f"{asked.path}?{urlencode(asked.query)}"
            return ask(behind, asked.method, path, asked.body, Accept=asked.headers["accept"])
        assert "org" in asked.query
        database, _, policy = asked.query["bucket"].partition("/")
        named = {"db": database, "rp": policy, "precision": asked.query["precision"]}
        encoding = {k: v for k, v in asked.headers.items() if k == "content-encoding"}
        return ask(behind, "POST", "/write?" + urlencode(named), asked.body, **encoding)

    with serve(pass_on) as address:
        yield address


@dataclass
class Pretender:
    """What a 2.x and a 3.x server share; it keeps the lines it stored and what it was asked."""

    version: str
    refuse: Callable[[str], bool] = lambda line: False
    token: str = "token"
    bucket: str = "bucket"
    max_lines: int = 1_000_000
    broken: Answer | None = None
    stored: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer | None:
        self.asked.append(asked)
        if asked.headers.get("authorization") != f"Token {self.token}":
            return self.unauthorized(asked)
        if asked.path == "/ping":
            return self.ping()
        if self.broken is not None:
            return self.broken
        if asked.path == "/query":
            return Answer.json(200, {"results": [{"statement_id": 0}]})
        if asked.path != "/api/v2/write":
            return Answer.json(404, {"code": "not found", "message": "path not found"})
        return self._write(asked)

    def _write(self, asked: Asked) -> Answer:
        if asked.query["bucket"] != self.bucket:
            said = f'bucket "{asked.query["bucket"]}" not found'
            return Answer.json(404, {"code": "not found", "message": said})
        if len(asked.lines) > self.max_lines:
            return Answer.json(413, {"code": "request too large", "message": "body too large"})
        refused = [line for line in asked.lines if self.refuse(line)]
        if not refused:
            self.stored += asked.lines
            return Answer(204)
        return self.refusal(asked.lines, refused)

    def ping(self) -> Answer:
        return Answer(204, headers={"X-Influxdb-Version": self.version})

    def unauthorized(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def refusal(self, lines: list[str], refused: list[str]) -> Answer:
        raise NotImplementedError


@dataclass
class Pretend2(Pretender):
    """InfluxDB 2.x: a type conflict is a 422 and the rest is stored."""

    version: str = "v2.8.0"

    def unauthorized(self, asked: Asked) -> Answer:
        if asked.path == "/ping":
            return self.ping()
        return Answer.json(401, {"code": "unauthorized", "message": "unauthorized access"})

    def refusal(self, lines: list[str], refused: list[str]) -> Answer:
        self.stored += [line for line in lines if line not in refused]
        said = (
            "failure writing points to database: partial write: field type conflict: input field"
            ' "value" on measurement "observation" is type float, already exists as type integer'
            f" dropped={len(refused)}"
        )
        return Answer.json(422, {"code": "unprocessable entity", "message": said})


@dataclass
class Pretend3(Pretender):
    """InfluxDB 3.x: one bad line and nothing is stored; /ping too wants the token."""

    version: str = "3.8.0"

    def ping(self) -> Answer:
        return Answer.json(200, {"version": self.version, "revision": "0"})

    def unauthorized(self, asked: Asked) -> Answer:
        return Answer.json(401, {"error": "the request was not authenticated"})

    def refusal(self, lines: list[str], refused: list[str]) -> Answer:
        data = [
            {
                "original_line": line,
                "line_number": lines.index(line) + 1,
                "error_message": "invalid column type for column 'value', expected"
                " iox::column_type::field::integer, got iox::column_type::field::float",
            }
            for line in refused
        ]
        return Answer.json(400, {"error": "parsing failed for write_lp endpoint", "data": data})
