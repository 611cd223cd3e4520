"""The tables of gammu-smsd (schema 17, gammu 1.38 to 1.42), in SQLite or PostgreSQL.

SMSD writes local times without a zone and compares them in its own SQL; so does this.
Source: gammu's manual, "SMS Daemon, SQL service", and the schemas it ships.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    cast,
    create_engine,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMA = 17
_BUSY_S = 10
_MOST = 200

_metadata = MetaData()


def _table(name: str, *columns: str) -> Table:
    kinds = {"ID": Integer, "SequencePosition": Integer, "StatusError": Integer}
    kinds |= {"RelativeValidity": Integer, "Version": Integer}
    return Table(name, _metadata, *(Column(c, kinds.get(c, Text)) for c in columns))


_gammu = _table("gammu", "Version")
_outbox = _table(
    "outbox", "ID", "DestinationNumber", "TextDecoded", "Coding", "UDH", "MultiPart", "CreatorID",
    "DeliveryReport", "RelativeValidity", "SenderID", "SendingDateTime", "SendingTimeOut",
)  # fmt: skip
_multipart = _table(
    "outbox_multipart", "ID", "SequencePosition", "TextDecoded", "Coding", "UDH"
)  # fmt: skip
_sent = _table(
    "sentitems", "ID", "SequencePosition", "CreatorID", "Status", "StatusError",
    "DestinationNumber", "TextDecoded", "Text", "UDH", "SenderID",
)  # fmt: skip
_inbox = _table(
    "inbox", "ID", "SenderNumber", "TextDecoded", "UDH", "ReceivingDateTime", "Processed"
)
_phones = _table("phones", "ID", "TimeOut")
# SQLite's schema has the words, PostgreSQL's booleans: a bare literal is both.
_YES: ColumnElement[str] = literal_column("'true'")
_NO: ColumnElement[str] = literal_column("'false'")
_LONG_AGO: ColumnElement[str] = literal_column("'1970-01-02 00:00:00'")


@dataclass(frozen=True, slots=True)
class Part:
    """One SMS of a text, with the header that joins it to the others; empty: it stands alone."""

    text: str
    header: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A text as SMSD is to send it."""

    creator: str
    number: str
    coding: str
    parts: Sequence[Part]
    wants_report: bool
    validity: int
    phone: str


@dataclass(frozen=True, slots=True)
class SentPart:
    """What became of one part."""

    creator: str
    status: str
    error: int


@dataclass(frozen=True, slots=True)
class ReceivedPart:
    """One part of a text that came in."""

    id: int
    number: str
    text: str
    header: str
    received: str


class Smsd:
    """A database that gammu-smsd works on.

    Parameters
    ----------
    url
        An SQLAlchemy URL. The database is SMSD's: it is never made here.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(make_url(url))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Work in one transaction; SQLAlchemyError where the database is away."""
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                # Where two write, the second waits here and does not fail at its commit.
                connection.execute(text("BEGIN IMMEDIATE"))
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def is_address(url: str) -> bool:
    """Return whether `url` is one that a `Smsd` can be made of."""
    try:
        return make_url(url).get_backend_name() in ("sqlite", "postgresql")
    except ArgumentError:
        return False


def schema(connection: Connection) -> int | None:
    """Return the version of SMSD's tables; None: it says none."""
    return connection.execute(select(func.max(_gammu.c.Version))).scalar()


def has(connection: Connection, creator: str) -> bool:
    """Return whether a text of this creator is there, waiting or sent.

    The outbox first: SMSD writes into `sentitems` before it deletes from there.
    """
    waiting = select(_outbox.c.ID).where(_outbox.c.CreatorID == creator)
    sent = select(_sent.c.ID).where(_sent.c.CreatorID.in_([creator, _told(creator)]))
    return any(connection.execute(q.limit(1)).first() is not None for q in (waiting, sent))


def put(connection: Connection, outgoing: Outgoing) -> None:
    """Let SMSD send a text."""
    first, *others = outgoing.parts
    values = {
        "DestinationNumber": outgoing.number,
        "TextDecoded": first.text,
        "Coding": outgoing.coding,
        "UDH": first.header or None,
        "MultiPart": _YES if others else _NO,
        "CreatorID": outgoing.creator,
        "DeliveryReport": "yes" if outgoing.wants_report else "default",
        "RelativeValidity": outgoing.validity,
        "SenderID": outgoing.phone or None,
        # SQLite's default is UTC, which SMSD takes for local: hours too early or too late.
        "SendingDateTime": _LONG_AGO,
        "SendingTimeOut": _LONG_AGO,
    }
    query = insert(_outbox).values(values).returning(_outbox.c.ID)
    row = connection.execute(query).scalar_one()
    for position, part in enumerate(others, 2):
        connection.execute(
            insert(_multipart).values(
                ID=row,
                SequencePosition=position,
                TextDecoded=part.text,
                Coding=outgoing.coding,
                UDH=part.header,
            )
        )


def sent(connection: Connection, prefix: str) -> list[SentPart]:
    """Return the parts that have been sent, or were not, of creators with `prefix`."""
    columns = (_sent.c.CreatorID, _sent.c.Status, _sent.c.StatusError)
    query = (
        select(*columns)
        .where(_sent.c.CreatorID.startswith(prefix, autoescape=True))
        .order_by(_sent.c.ID, _sent.c.SequencePosition)
    )
    return [SentPart(*row) for row in connection.execute(query)]


def mark_told(connection: Connection, creators: Collection[str]) -> None:
    """Let `sent` say no more of these."""
    for creator in creators:
        connection.execute(
            update(_sent).where(_sent.c.CreatorID == creator).values(CreatorID=_told(creator))
        )


def waiting(connection: Connection, prefix: str) -> list[str]:
    """Return the creators, with `prefix`, of texts that SMSD has not begun to send."""
    query = select(_outbox.c.CreatorID).where(
        _outbox.c.CreatorID.startswith(prefix, autoescape=True), _is_idle(connection)
    )
    return list(connection.execute(query).scalars())


def withdraw(connection: Connection, creator: str, error: int) -> bool:
    """Take a text back, as one that ended with `error`; False: SMSD has begun to send it."""
    columns = (_outbox.c.ID, _outbox.c.DestinationNumber, _outbox.c.TextDecoded)
    taken = delete(_outbox).where(_outbox.c.CreatorID == creator, _is_idle(connection))
    row = connection.execute(taken.returning(*columns)).first()
    if row is None:
        return False
    connection.execute(delete(_multipart).where(_multipart.c.ID.in_([row.ID])))
    values = row._asdict() | {"CreatorID": creator, "Status": "Error", "StatusError": error}
    empty = dict.fromkeys(("Text", "UDH", "SenderID"), "")
    connection.execute(insert(_sent).values(values | empty | {"SequencePosition": 1}))
    return True


def received(connection: Connection) -> list[ReceivedPart]:
    """Return what came in and is not processed, oldest first."""
    columns = (
        _inbox.c.ID,
        _inbox.c.SenderNumber,
        _inbox.c.TextDecoded,
        _inbox.c.UDH,
        # One of the columns that PostgreSQL has as instants.
        func.replace(_as_text(_inbox.c.ReceivingDateTime), " ", "T"),
    )
    query = select(*columns).where(_inbox.c.Processed == _NO).order_by(_inbox.c.ID).limit(_MOST)
    return [ReceivedPart(*row) for row in connection.execute(query)]


def mark_processed(connection: Connection, ids: Collection[int]) -> None:
    """Let `received` say no more of these."""
    connection.execute(update(_inbox).where(_inbox.c.ID.in_(ids)).values(Processed=_YES))


def silent_since(connection: Connection, patience_s: float) -> str | None:
    """Return until when SMSD said it would be heard of, local time, if that is over; else None.

    It renews that while the modem answers it.
    """
    last = connection.execute(select(func.max(_phones.c.TimeOut))).scalar()
    if last is None:
        return "it began"
    alive = select(_phones.c.ID).where(_phones.c.TimeOut >= _local_now(connection, patience_s))
    return None if connection.execute(alive.limit(1)).first() is not None else str(last)


def last_statuses(connection: Connection, count: int) -> list[str]:
    """Return the status of the newest parts that were sent, or were not."""
    query = select(_sent.c.Status).order_by(_sent.c.ID.desc()).limit(count)
    return list(connection.execute(query).scalars())


def _told(creator: str) -> str:
    return "told-" + creator


def _is_idle(connection: Connection) -> ColumnElement[bool]:
    """While SMSD sends a text, its time-out lies ahead."""
    return _outbox.c.SendingTimeOut < _local_now(connection, 0)


def _local_now(connection: Connection, ago_s: float) -> ColumnElement[str]:
    if connection.dialect.name == "sqlite":
        return func.datetime("now", "localtime", f"-{ago_s:f} seconds")
    return literal_column(f"LOCALTIMESTAMP - interval '{ago_s:f} seconds'")


def _as_text(column: Column[str]) -> ColumnElement[str]:
    return cast(column, Text)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    # Opened as it is: SQLite would make an empty file of a name that is wrong.
    file = Path(url.database or "").absolute()
    query = {"mode": "rw", "uri": "true"}
    opened = url.set(database=f"file:{quote(str(file))}", query=query)
    return create_engine(opened, connect_args={"timeout": _BUSY_S})
