"""Tokens of an InfluxDB 2.x: ingest may read and write one bucket, the API may only read it.

InfluxDB 2 makes the text of a token itself, so they cannot be generated beforehand like the other
secrets: a small container asks for them once, after the server's first start.
Source: InfluxDB 2 HTTP API, ``/api/v2/authorizations``.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kahriz.deploy.broker import write_private
from kahriz.errors import ConfigError, StoreUnavailable

_TIMEOUT_S = 10.0
_NO_ENTRY = (401, 403)


@dataclass(frozen=True, slots=True)
class InfluxAdmin:
    """A server, and the token that may make tokens there."""

    url: str
    token: str
    org: str
    bucket: str

    def ensure_token(self, path: Path, name: str, actions: Sequence[str]) -> bool:
        """Have in `path` a token with which `actions` are allowed on the bucket.

        Parameters
        ----------
        path
            A token found here that the server still knows is kept.
        name
            Shown in InfluxDB's own list of tokens.
        actions
            ``read`` and ``write``.

        Returns
        -------
        Whether a new one was made.

        Raises
        ------
        ConfigError
            The admin token is refused, or there is no such organisation or bucket.
        StoreUnavailable
            The server does not answer.
        """
        if path.exists() and self._is_known(path.read_text(encoding="utf-8").strip()):
            return False
        # Readable by the group: Grafana reads the API's token under a user id of its own.
        write_private(path, self._make(name, actions), 0o640)
        return True

    def _is_known(self, token: str) -> bool:
        try:
            self._ask("GET", "/api/v2/buckets", token=token, query={"name": self.bucket})
        except ConfigError:
            return False
        return True

    def _make(self, name: str, actions: Sequence[str]) -> str:
        org = self._id_of("orgs", {"org": self.org}, self.org)
        bucket = self._id_of("buckets", {"org": self.org, "name": self.bucket}, self.bucket)
        resource = {"type": "buckets", "id": bucket, "orgID": org}
        permissions = [{"action": action, "resource": resource} for action in actions]
        body = {"orgID": org, "description": name, "permissions": permissions}
        answer = self._ask("POST", "/api/v2/authorizations", body=body)
        return str(answer["token"])

    def _id_of(self, kind: str, query: dict[str, str], name: str) -> str:
        answer = self._ask("GET", f"/api/v2/{kind}", query=query)
        for found in answer.get(kind, []):
            if found.get("name") == name:
                return str(found["id"])
        raise ConfigError(self.url, f"InfluxDB has no {kind.removesuffix('s')} {name!r}")

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> dict[str, Any]:
        address = self.url.rstrip("/") + path
        if query:
            address += "?" + urllib.parse.urlencode(query)
        request = urllib.request.Request(
            address,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Token {self.token if token is None else token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                raise self._explained(error) from error
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"InfluxDB at {self.url}: {error}") from error

    def _explained(self, error: urllib.error.HTTPError) -> Exception:
        said = error.read(500).decode(errors="replace").strip()
        if error.code in _NO_ENTRY:
            return ConfigError(self.url, f"InfluxDB refuses the token: {error.code} {said}")
        if error.code == 404:
            return ConfigError(self.url, f"InfluxDB has no such thing: {said}")
        return StoreUnavailable(f"InfluxDB at {self.url}: {error.code} {said}")
