"""API keys of machines: ``kz_<id>_<secret>``, shown once, kept as a SHA-256.

A secret has 256 random bits, so a fast hash keeps it as safe as a slow one would, and checking it
costs no attacker-controlled second of CPU.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from kahriz.book.tables import api_key
from kahriz.clock import from_ms, to_ms
from kahriz.errors import KahrizError, NotFoundError

_PREFIX = "kz"
_LONGEST = 200
_NO_DIGEST = "0" * 64


class Scope(StrEnum):
    """What a key may do; `write` may read as well."""

    READ = "read"
    WRITE = "write"

    def covers(self, needed: Scope) -> bool:
        """Return whether a key of this scope may do what `needed` asks for."""
        return self is Scope.WRITE or self is needed


class KeyRefused(KahrizError):  # noqa: N818 - the name says a decision, not a mistake
    """A key that opens nothing; the reason may be shown to whoever presented it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Key:
    """One key as the book knows it; the secret itself is nowhere."""

    id: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return ``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= now
        return "expired" if is_over else "active"


def create(
    connection: Connection,
    name: str,
    scope: Scope,
    now: datetime,
    lifetime: timedelta | None = None,
) -> tuple[str, str]:
    """Make a key and return (its id, the whole key): the only time the secret is seen.

    Raises
    ------
    ValueError
        The name is empty or a lifetime is not above zero.
    """
    if not name.strip():
        raise ValueError(f"name {name!r} is empty")
    if lifetime is not None and lifetime <= timedelta(0):
        raise ValueError(f"lifetime {lifetime} is not above 0")
    id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    row = {
        "id": id,
        "secret_sha256": _digest(secret),
        "name": name.strip(),
        "scope": scope.value,
        "created_at_ms": to_ms(now),
        "expires_at_ms": None if lifetime is None else to_ms(now + lifetime),
    }
    connection.execute(insert(api_key).values(row))
    return id, f"{_PREFIX}_{id}_{secret}"


def list_keys(connection: Connection) -> list[Key]:
    """Return every key, the oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.created_at_ms, api_key.c.id))
    return [_key(row) for row in rows]


def revoke(connection: Connection, id: str, now: datetime) -> Key:
    """Make a key open nothing from `now` on and return it; twice changes nothing.

    Raises
    ------
    NotFoundError
        No key has this id.
    """
    still_valid = (api_key.c.id == id) & api_key.c.revoked_at_ms.is_(None)
    connection.execute(update(api_key).where(still_valid).values(revoked_at_ms=to_ms(now)))
    row = _row(connection, id)
    if row is None:
        raise NotFoundError("key", id)
    return _key(row)


def verify(connection: Connection, token: str, now: datetime) -> Key:
    """Return the key that `token` is.

    Why a key is refused is told only to one who holds its secret.

    Raises
    ------
    KeyRefused
        It is no key, not known, revoked or expired.
    """
    prefix, _, rest = token[:_LONGEST].partition("_")
    id, _, secret = rest.partition("_")
    row = _row(connection, id) if prefix == _PREFIX and id.isascii() and id.isalnum() else None
    kept = _NO_DIGEST if row is None else row.secret_sha256
    if not hmac.compare_digest(kept, _digest(secret)) or row is None:
        raise KeyRefused("the API key is not known")
    key = _key(row)
    if (state := key.state(now)) != "active":
        raise KeyRefused(f"API key {key.id} is {state}")
    return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _row(connection: Connection, id: str) -> Any | None:
    return connection.execute(select(api_key).where(api_key.c.id == id)).one_or_none()


def _key(row: Any) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scope=Scope(row.scope),
        created_at=from_ms(row.created_at_ms),
        expires_at=None if row.expires_at_ms is None else from_ms(row.expires_at_ms),
        revoked_at=None if row.revoked_at_ms is None else from_ms(row.revoked_at_ms),
    )
