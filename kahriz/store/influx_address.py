"""Where an InfluxDB is and which bucket is ours: ``influxdb://HOST:PORT/BUCKET?org=ORG``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from kahriz.errors import ConfigError
from kahriz.logs import without_secrets

_PORT = 8086
_OPTIONS = ("org",)
_HINT = "influxdb://HOST:PORT/BUCKET?org=ORG, influxdbs:// for TLS"
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """A server, its bucket, and the names 1.x knows that bucket by.

    On 1.x and in InfluxQL a bucket ``DATABASE/POLICY`` is a database and a retention policy; a
    plain ``DATABASE`` is the database with its default policy.
    """

    is_encrypted: bool
    host: str
    port: int
    database: str
    policy: str
    org: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return what `url` says.

        Raises
        ------
        ConfigError
            Host or bucket is missing or oddly named, an option is unknown, or it holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORT
        except ValueError as error:
            raise ConfigError("store.url", f"{without_secrets(url)!r}: {error}", _HINT) from error
        if parts.username or parts.password:
            # Not repeated in the message: it would end in a log.
            raise ConfigError(
                "store.url", "a user or token does not belong into the address", "store.token"
            )
        options = dict(parse_qsl(parts.query))
        if unknown := sorted(set(options) - set(_OPTIONS)):
            # Its value may be a token.
            shown = f"{without_secrets(url)!r}: unknown option {unknown[0]!r}"
            raise ConfigError("store.url", shown, "valid: org; store.token")
        database, _, policy = parts.path.strip("/").partition("/")
        if not parts.hostname or not _is_name(database) or not _is_name(policy or "-"):
            raise ConfigError(
                "store.url", f"{without_secrets(url)!r} names no host or no plain bucket", _HINT
            )
        is_encrypted = parts.scheme == "influxdbs"
        return cls(is_encrypted, parts.hostname, port, database, policy, options.get("org", "-"))

    @property
    def bucket(self) -> str:
        """The bucket as 2.x, and 1.8 in its 2.x path, know it."""
        return f"{self.database}/{self.policy}" if self.policy else self.database

    @property
    def url(self) -> str:
        """The server's root as HTTP."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_encrypted else 'http'}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, where compressing costs more than it saves."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def v1_parameters(self, **more: str) -> list[tuple[str, str]]:
        """Return the query string's pairs that name the bucket in the 1.x way, and `more`."""
        named = {"db": self.database, "rp": self.policy, **more}
        return [(name, value) for name, value in named.items() if value]

    def __str__(self) -> str:
        return f"influxdb {self.host}:{self.port}/{self.bucket}"


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None
