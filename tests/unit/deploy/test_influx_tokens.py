"""InfluxDB 2 tokens, asked of a small server that answers as 2.x documents it."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from kahriz.cli import build
from kahriz.deploy.influx import InfluxAdmin
from kahriz.errors import ConfigError, StoreUnavailable
from tests.http_double import HttpDouble
from tests.servers import free_port

ADMIN = "the-admin"


class _Influx2(HttpDouble):
    """Knows one organisation and one bucket, and makes tokens."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.tokens: dict[str, Any] = {ADMIN: "everything"}

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class _Handler(BaseHTTPRequestHandler):
    server: _Influx2

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        address = urlsplit(self.path)
        asked = parse_qs(address.query)
        if address.path == "/api/v2/orgs":
            self._list("orgs", {"id": "0a", "name": "kahriz"}, asked.get("org"))
        else:
            self._list("buckets", {"id": "0b", "name": "kahriz"}, asked.get("name"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_allowed():
            return
        token = f"token-{len(self.server.tokens)}"
        self.server.tokens[token] = body
        self._say(201, {"id": "1", "token": token, **body})

    def _is_allowed(self) -> bool:
        token = self.headers["Authorization"].removeprefix("Token ")
        if token not in self.server.tokens:
            self._say(401, {"code": "unauthorized", "message": "unauthorized access"})
            return False
        return True

    def _list(self, kind: str, thing: dict[str, str], wanted: list[str] | None) -> None:
        if wanted and wanted[0] != thing["name"]:
            self._say(404, {"code": "not found", "message": f'"{wanted[0]}" not found'})
        else:
            self._say(200, {kind: [thing]})

    def _say(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_token_may_do_what_was_asked_with_one_bucket_only(tmp_path: Path) -> None:
    with _Influx2() as influx:
        admin = InfluxAdmin(influx.url, ADMIN, "kahriz", "kahriz")
        made = admin.ensure_token(tmp_path / "token", "kahriz api", ["read"])
        token = (tmp_path / "token").read_text(encoding="utf-8")

        assert made
        assert influx.tokens[token]["description"] == "kahriz api"
        assert influx.tokens[token]["permissions"] == [
            {"action": "read", "resource": {"type": "buckets", "id": "0b", "orgID": "0a"}}
        ]


def test_a_token_the_server_knows_is_kept_and_one_it_forgot_is_replaced(tmp_path: Path) -> None:
    with _Influx2() as influx:
        admin = InfluxAdmin(influx.url, ADMIN, "kahriz", "kahriz")
        admin.ensure_token(tmp_path / "token", "kahriz api", ["read"])
        first = (tmp_path / "token").read_text(encoding="utf-8")
        made_again = admin.ensure_token(tmp_path / "token", "kahriz api", ["read"])
        kept = (tmp_path / "token").read_text(encoding="utf-8")
        del influx.tokens[first]
        replaced = admin.ensure_token(tmp_path / "token", "kahriz api", ["read"])

        assert not made_again
        assert kept == first
        assert replaced
        assert (tmp_path / "token").read_text(encoding="utf-8") in influx.tokens


@pytest.mark.parametrize(
    ("token", "org", "bucket", "says"),
    [
        ("wrong", "kahriz", "kahriz", "401"),
        (ADMIN, "other", "kahriz", "other"),
        (ADMIN, "kahriz", "missing", "missing"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, token: str, org: str, bucket: str, says: str
) -> None:
    with _Influx2() as influx, pytest.raises(ConfigError, match=says):
        InfluxAdmin(influx.url, token, org, bucket).ensure_token(tmp_path / "t", "n", ["read"])
    assert not (tmp_path / "t").exists()


def test_a_server_that_is_down_may_be_tried_again(tmp_path: Path) -> None:
    admin = InfluxAdmin(f"http://127.0.0.1:{free_port()}", ADMIN, "kahriz", "kahriz")
    with pytest.raises(StoreUnavailable, match="127"):
        admin.ensure_token(tmp_path / "t", "n", ["read"])


def test_the_command_makes_one_token_that_writes_and_one_that_only_reads(tmp_path: Path) -> None:
    (tmp_path / "admin").write_text(ADMIN + "\n", encoding="utf-8")
    with _Influx2() as influx:
        options = {
            "--url": influx.url,
            "--admin-token-file": tmp_path / "admin",
            "--ingest-out": tmp_path / "ingest",
            "--api-out": tmp_path / "api",
        }
        words = [f"{name}={value}" for name, value in options.items()]
        done = CliRunner().invoke(build(), ["credentials", "influx", *words])
        allowed = {
            name: [
                p["action"]
                for p in influx.tokens[(tmp_path / name).read_text(encoding="utf-8")]["permissions"]
            ]
            for name in ("ingest", "api")
        }

    assert done.exit_code == 0, done.output
    assert allowed == {"ingest": ["read", "write"], "api": ["read"]}
