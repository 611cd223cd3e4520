"""Payloads nobody could use: kept raw, with the reason, so that they can be played again.

At most `MAX_LETTERS` are kept, and at most `MAX_BYTES` of payloads; the oldest go first. That is
looked after with every `_TRIM_EVERY` new letters, so there may be so many more for a while.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, case, delete, func, select

from kahriz.book import checkpoints
from kahriz.book.days import Reason
from kahriz.book.tables import dead_letter
from kahriz.book.upsert import excluded, upsert
from kahriz.errors import NotFoundError

_log = logging.getLogger(__name__)

KEPT_WHOLE = 16 * 1024
KEPT_OF_LARGER = 4 * 1024
MAX_LETTERS = 100_000
MAX_BYTES = 100 * 2**20
_TRIM_EVERY = 256
_LONGEST_DEVICE = 40  # as in sites.toml; a longer name is a stranger's, and stands in the topic
_DROPPED = "dead letters dropped"
_AT_ONCE = 500  # parameters of a statement; old SQLite takes 999


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One payload, who sent it and why it could not be used."""

    received_at_ms: int
    topic: str
    device: str | None
    reason: str
    payload: bytes
    kind: Reason | None = None


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """One row of `dead_letter`: ``size`` is what the payload had, ``times`` how often it came."""

    id: int
    received_at_ms: int
    topic: str
    device: str | None
    kind: str | None
    reason: str
    payload: bytes
    size: int
    times: int
    digest: str

    @property
    def is_whole(self) -> bool:
        """Whether all of the payload was kept."""
        return len(self.payload) == self.size


@dataclass(frozen=True, slots=True)
class ListedLetter:
    """What a list says of a letter: everything but the payload."""

    id: int
    received_at_ms: int
    topic: str
    device: str | None
    kind: str | None
    reason: str
    size: int
    times: int


_COLUMNS = [dead_letter.c[f.name] for f in fields(KeptLetter)]


def put(
    connection: Connection,
    letters: Iterable[DeadLetter],
    most: int = MAX_LETTERS,
    most_bytes: int = MAX_BYTES,
) -> None:
    """Keep `letters`; the same payload on the same topic is one row that counts its times."""
    new = excluded(dead_letter)
    update = {
        "times": dead_letter.c.times + new.times,
        "kind": new.kind,
        "reason": new.reason,
        "received_at_ms": new.received_at_ms,
    }
    if rows := _rows(letters):
        before = _last_id(connection)
        upsert(connection, dead_letter, rows, ("digest",), update)
        if before // _TRIM_EVERY != _last_id(connection) // _TRIM_EVERY:
            trim(connection, most, most_bytes)


def put_again(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Keep `letters` that are being replayed: one that is there did not come once more.

    Its reason is written anew, for it may be another one by now.
    """
    upsert(connection, dead_letter, _rows(letters), ("digest",), ("kind", "reason"))


def _rows(letters: Iterable[DeadLetter]) -> list[dict[str, object]]:
    rows: dict[str, dict[str, object]] = {}
    times: Counter[str] = Counter()
    for letter in letters:
        topic = _text(letter.topic)
        digest = digest_of(topic, letter.payload)
        times[digest] += 1
        rows[digest] = {
            "received_at_ms": letter.received_at_ms,
            "topic": topic,
            "device": _device(letter.device),
            "kind": None if letter.kind is None else letter.kind.value,
            "reason": _text(letter.reason),
            "payload": _kept(letter.payload),
            "size": len(letter.payload),
            "digest": digest,
            "times": times[digest],
        }
    return list(rows.values())


def trim(connection: Connection, most: int = MAX_LETTERS, most_bytes: int = MAX_BYTES) -> int:
    """Let the oldest letters go, down to `most` and `most_bytes`; return how many went."""
    kept = case((dead_letter.c.size > KEPT_WHOLE, KEPT_OF_LARGER), else_=dead_letter.c.size)
    n, n_bytes = connection.execute(select(func.count(), func.sum(kept))).one()
    excess, excess_bytes = n - most, int(n_bytes or 0) - most_bytes
    if excess <= 0 and excess_bytes <= 0:
        return 0
    by_age = (dead_letter.c.received_at_ms, dead_letter.c.id)
    gone: list[int] = []
    for id, size in connection.execute(select(dead_letter.c.id, kept).order_by(*by_age)):
        if len(gone) >= excess and excess_bytes <= 0:
            break
        gone.append(id)
        excess_bytes -= size
    remove(connection, gone)
    checkpoints.put(connection, _DROPPED, dropped(connection) + len(gone))
    _log.warning("dead letters dropped", extra={"n": len(gone), "kept": n - len(gone)})
    return len(gone)


def dropped(connection: Connection) -> int:
    """Return how many letters had to go, ever, to make room for newer ones."""
    return int(checkpoints.get(connection, _DROPPED) or 0)


def count(connection: Connection) -> int:
    """Return how many different payloads are kept."""
    return int(connection.execute(select(func.count()).select_from(dead_letter)).scalar_one())


def find(connection: Connection, id: int) -> KeptLetter:
    """Return one letter; NotFoundError if there is none of that id."""
    row = connection.execute(select(*_COLUMNS).where(dead_letter.c.id == id)).one_or_none()
    if row is None:
        raise NotFoundError("dead letter", str(id))
    return _letter(row)


def chosen(
    connection: Connection,
    device: str | None = None,
    reason: str | None = None,
    since_ms: int | None = None,
    limit: int | None = None,
) -> list[KeptLetter]:
    """Return letters, the newest first.

    Parameters
    ----------
    connection
        The book.
    device
        Only this device's; None: everybody's.
    reason
        Only of this kind, or whose reason has these words; None: all.
    since_ms
        Only those that came at or after this instant; None: all.
    limit
        At most so many; None: no limit.
    """
    query = select(*_COLUMNS).order_by(dead_letter.c.received_at_ms.desc(), dead_letter.c.id.desc())
    if device is not None:
        query = query.where(dead_letter.c.device == device)
    if reason is not None:
        has_words = dead_letter.c.reason.contains(reason, autoescape=True)
        query = query.where((dead_letter.c.kind == reason) | has_words)
    if since_ms is not None:
        query = query.where(dead_letter.c.received_at_ms >= since_ms)
    return [_letter(row) for row in connection.execute(query.limit(limit))]


def listed(
    connection: Connection,
    device: str | None = None,
    kind: str | None = None,
    limit: int = 100,
    older_than: int | None = None,
) -> list[ListedLetter]:
    """Return letters without their payloads, the last to be new first.

    Parameters
    ----------
    connection
        The book.
    device, kind
        Only this device's, only of this kind of reason; None: all.
    limit
        At most so many.
    older_than
        An id: only letters that were there before it.
    """
    columns = [dead_letter.c[f.name] for f in fields(ListedLetter)]
    query = select(*columns).order_by(dead_letter.c.id.desc()).limit(limit)
    if device is not None:
        query = query.where(dead_letter.c.device == device)
    if kind is not None:
        query = query.where(dead_letter.c.kind == kind)
    if older_than is not None:
        query = query.where(dead_letter.c.id < older_than)
    return [ListedLetter(*row) for row in connection.execute(query)]


def newest(connection: Connection, limit: int) -> list[KeptLetter]:
    """Return the newest letters, newest first."""
    return chosen(connection, limit=limit)


def digests(connection: Connection, kinds: Iterable[Reason]) -> dict[str, int]:
    """Return the digest of every letter of these kinds, with its id."""
    wanted = [kind.value for kind in kinds]
    query = select(dead_letter.c.digest, dead_letter.c.id).where(dead_letter.c.kind.in_(wanted))
    return {row.digest: row.id for row in connection.execute(query)}


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Keep these letters no longer."""
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        connection.execute(delete(dead_letter).where(dead_letter.c.id.in_(some)))


def digest_of(topic: str, payload: bytes) -> str:
    """Return by what a payload on a topic is known again."""
    return hashlib.sha256(_text(topic).encode() + b"\0" + payload).hexdigest()


def _letter(row: object) -> KeptLetter:
    values = {f.name: getattr(row, f.name) for f in fields(KeptLetter)}
    return KeptLetter(**(values | {"payload": bytes(values["payload"])}))


def _last_id(connection: Connection) -> int:
    return int(connection.scalar(select(func.max(dead_letter.c.id))) or 0)


def _kept(payload: bytes) -> bytes:
    return payload if len(payload) <= KEPT_WHOLE else payload[:KEPT_OF_LARGER]


def _text(said: str) -> str:
    """Return what every database takes as text: anybody may put anything into a bad payload."""
    return said.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _device(name: str | None) -> str | None:
    shown = None if name is None else _text(name)
    return shown if shown is not None and len(shown) <= _LONGEST_DEVICE else None
