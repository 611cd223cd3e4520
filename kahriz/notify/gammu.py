"""Texts by a local modem: gammu-smsd's SQL outbox, its receipts, and what people answer.

It needs no internet: a SIM card and Debian's gammu-smsd. A text becomes one row a part, each with
its user data header, because SMSD cuts a longer row to one SMS and still reports it sent. Every
row carries whose it is (`CreatorID`), so that a text handed over twice is there once, whatever
crashed in between.

Limits: SMSD matches delivery reports by number and the modem's reference of 8 bits; a report that
comes within the same second as the sending is lost, and the text stays ``accepted``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import ClassVar, Self

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kahriz.clock import from_ms, to_ms
from kahriz.errors import ConfigError, DeliveryError, DeliveryReason
from kahriz.notify import SMS, Arrived, Fate, FateState, Message, News, Receipt, gammu_sql
from kahriz.notify.gammu_sql import Outgoing, Part, ReceivedPart, SentPart, Smsd
from kahriz.notify.segments import GSM7, split
from kahriz.settings import Settings

_OURS = "kahriz "
_AT = "@"
_CODING = {GSM7: "Default_No_Compression"}
_UNICODE = "Unicode_No_Compression"
_LOST = frozenset({"SendingError", "DeliveryFailed", "Error"})
_EXPIRED = 0x46
"""TP-Status: the validity period is over (3GPP TS 23.040 section 9.2.3.15)."""
_FAILURES_IN_A_ROW = 3
PARTS_PATIENCE = timedelta(minutes=10)
"""So long the other parts of an answer are waited for; then it is told as it is."""


class GammuNotifier:
    """Hand texts to gammu-smsd, and hear from it.

    Parameters
    ----------
    smsd
        Its database.
    phone
        ``PhoneID`` of the SMSD that is to send; empty: any.
    wants_report
        Ask the network for delivery reports; some charge for them.
    patience_s
        Seconds for which SMSD may be silent beyond what it announced.
    """

    name: ClassVar[str] = "gammu"
    channels: ClassVar[frozenset[str]] = frozenset({SMS})

    def __init__(
        self, smsd: Smsd, phone: str = "", *, wants_report: bool = True, patience_s: float = 120
    ) -> None:
        self._smsd = smsd
        self._phone = phone
        self._wants_report = wants_report
        self._patience_s = patience_s
        self._incomplete_since: dict[str, datetime] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the notifier a process uses; ConfigError where SMSD's database is not named."""
        said = settings.notify.gammu
        if not gammu_sql.is_address(said.url):
            raise ConfigError(
                "notify.gammu.url",
                f"{said.url!r} is no SQLAlchemy URL of SMSD's SQLite or PostgreSQL database",
                "like sqlite:////var/lib/gammu/smsd.db",
            )
        return cls(
            Smsd(said.url), said.phone, wants_report=said.reports, patience_s=said.patience_s
        )

    def send(self, message: Message) -> Receipt:
        """Put `message` into SMSD's outbox, once; DeliveryError where its database is away."""
        creator = _creator(message)
        outgoing = Outgoing(
            creator,
            message.address,
            _CODING.get(message.encoding, _UNICODE),
            _parts(message),
            self._wants_report,
            _validity(message),
            self._phone,
        )
        try:
            with self._smsd.begin() as connection:
                if not gammu_sql.has(connection, creator):
                    gammu_sql.put(connection, outgoing)
        except SQLAlchemyError as error:
            raise DeliveryError(DeliveryReason.GATEWAY, _why(error), permanent=False) from error
        return Receipt(_reference(creator))

    def news(self, now: datetime) -> News:
        """Return fates and answers that are not taken; take back what is too late to send."""
        try:
            with self._smsd.begin() as connection:
                _withdraw_late(connection, now)
                fates = tuple(_fates(gammu_sql.sent(connection, _OURS), now))
                parts = gammu_sql.received(connection)
        except SQLAlchemyError as error:
            raise DeliveryError(DeliveryReason.GATEWAY, _why(error), permanent=False) from error
        return News(fates, tuple(self._joined(parts, now)))

    def taken(self, references: Collection[str]) -> None:
        """Mark what is written down: answers ``Processed``, fates by their `CreatorID`."""
        ids = [int(id) for r in references if _AT in r for id in r.partition(_AT)[0].split(".")]
        told = {r for r in references if _AT not in r}
        try:
            with self._smsd.begin() as connection:
                gammu_sql.mark_processed(connection, ids)
                if told:
                    parts = gammu_sql.sent(connection, _OURS)
                    creators = {p.creator for p in parts if _reference(p.creator) in told}
                    gammu_sql.mark_told(connection, creators)
        except SQLAlchemyError as error:
            raise DeliveryError(DeliveryReason.GATEWAY, _why(error), permanent=False) from error

    def trouble(self) -> str | None:
        """Return why texts do not leave: SMSD or its database away, or the modem refuses them."""
        try:
            with self._smsd.begin() as connection:
                version = gammu_sql.schema(connection)
                silent = gammu_sql.silent_since(connection, self._patience_s)
                last = gammu_sql.last_statuses(connection, _FAILURES_IN_A_ROW)
        except SQLAlchemyError as error:
            return _why(error)
        if version != gammu_sql.SCHEMA:
            return f"SMSD's tables are of version {version}, not {gammu_sql.SCHEMA}"
        if silent is not None:
            return f"gammu-smsd, or its modem, has not been heard of since {silent}"
        if len(last) == _FAILURES_IN_A_ROW and set(last) == {"SendingError"}:
            return f"the modem refused the last {_FAILURES_IN_A_ROW} texts"
        return None

    def _joined(self, parts: list[ReceivedPart], now: datetime) -> Iterator[Arrived]:
        """Join what came in parts; wait for what is missing, but not for ever."""
        found: dict[str, list[ReceivedPart]] = {}
        for part in parts:
            found.setdefault(_whole(part), []).append(part)
        self._incomplete_since = {
            whole: self._incomplete_since.get(whole, now)
            for whole, of in found.items()
            if len(of) < _count(of[0])
        }
        for whole, of in found.items():
            since = self._incomplete_since.get(whole)
            if since is None or now - since >= PARTS_PATIENCE:
                yield _arrived(sorted(of, key=_position), now)


def _withdraw_late(connection: Connection, now: datetime) -> None:
    """Take back what SMSD could not send in time; it is then among what has ended."""
    for creator in gammu_sql.waiting(connection, _OURS):
        expires = _expires(creator)
        if expires is not None and expires <= now:
            gammu_sql.withdraw(connection, creator, _EXPIRED)


def _creator(message: Message) -> str:
    # With its instant: a book that began anew counts from 1 again.
    whose = f"{_OURS}{message.id}-{to_ms(message.created_at)}"
    return whose if message.expires_at is None else f"{whose} {to_ms(message.expires_at)}"


def _reference(creator: str) -> str:
    return creator.split()[1]


def _expires(creator: str) -> datetime | None:
    said = creator.split()[2:]
    return from_ms(int(said[0])) if said else None


def _parts(message: Message) -> list[Part]:
    texts = split(message.text)
    if len(texts) == 1:
        return [Part(texts[0], "")]
    # Concatenated short messages, 8-bit reference: 3GPP TS 23.040 section 9.2.3.24.1.
    head = f"050003{message.id % 256:02X}{len(texts):02X}"
    return [Part(each, f"{head}{position:02X}") for position, each in enumerate(texts, 1)]


def _validity(message: Message) -> int:
    """Return how long the network may try, as TP-VP says it; -1: as long as it likes.

    3GPP TS 23.040 section 9.2.3.12.1: steps of 5 minutes, then 30, then days.
    """
    if message.expires_at is None:
        return -1
    minutes = (message.expires_at - message.created_at) / timedelta(minutes=1)
    if minutes <= 12 * 60:
        return max(int(minutes / 5) - 1, 0)
    if minutes <= 24 * 60:
        return 143 + int((minutes - 12 * 60) / 30)
    return min(166 + int(minutes / (24 * 60)), 196)


def _fates(parts: list[SentPart], now: datetime) -> Iterator[Fate]:
    for creator, of in groupby(parts, key=lambda part: part.creator):
        statuses = {part.status: part.error for part in of}
        if lost := _LOST & statuses.keys():
            status = sorted(lost)[0]
            is_late = status != "SendingError" and statuses[status] == _EXPIRED
            state = FateState.EXPIRED if is_late else FateState.FAILED
            yield Fate(_reference(creator), state, now, f"{status} {statuses[status]}")
        elif statuses.keys() == {"DeliveryOK"}:
            yield Fate(_reference(creator), FateState.DELIVERED, now)


def _whole(part: ReceivedPart) -> str:
    """Return what parts of one text have in common: the header but the position, and the sender."""
    return f"{part.number} {part.header[:-2]}" if part.header else f"{part.id}"


def _count(part: ReceivedPart) -> int:
    return int(part.header[-4:-2], 16) if _joins(part) else 1


def _position(part: ReceivedPart) -> int:
    return int(part.header[-2:], 16) if _joins(part) else 1


def _joins(part: ReceivedPart) -> bool:
    return part.header[:6] in ("050003", "060804")


def _arrived(parts: list[ReceivedPart], now: datetime) -> Arrived:
    ids = ".".join(str(part.id) for part in parts)
    reference = f"{ids}{_AT}{parts[0].received}"
    # SMSD puts the whole text into the first row where it joined the parts itself.
    return Arrived(reference, parts[0].number, "".join(part.text for part in parts), now)


def _why(error: SQLAlchemyError) -> str:
    return f"SMSD's database: {str(getattr(error, 'orig', None) or error).splitlines()[0]}"
