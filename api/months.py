"""Texts of a month and what they cost, by kahriz and by contact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from api.reads import Connection
from api.shapes import Shape, masked
from kahriz.book import message_counts
from kahriz.book.message_counts import Count
from kahriz.settings import NotifySettings
from kahriz.sites import Registry
from kahriz.stats.local_days import local_date, month_bounds

Month = Annotated[
    str, Field(pattern=r"^(19[7-9]\d|20\d\d|21\d\d)-(0[1-9]|1[0-2])$", examples=["2026-11"])
]

_COUNTED = ("texts", "sent", "parts", "delivered", "failed", "expired")


def month_of(now: datetime, zone: ZoneInfo) -> str:
    """Return the local month that holds `now`, as ``2026-11``."""
    return f"{local_date(now, zone):%Y-%m}"


def bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return [start, end) of a local month."""
    year, number = map(int, month.split("-"))
    return month_bounds(year, number, zone)


def summary(
    book: Connection, registry: Registry, month: str, notify: NotifySettings, *, is_whole: bool
) -> Shape:
    """Return what a month's texts came to, each kahriz's in its own zone.

    Parameters
    ----------
    book, registry
        The texts, and the zones. What is about no kahriz of the registry, or about several, is
        counted in the zone of the first one.
    month
        As ``2026-11``.
    notify
        The price of one SMS.
    is_whole
        Whether numbers are shown whole.
    """
    counts = sorted(_counts(book, registry, month), key=lambda c: (c.kahriz or "", c.contact))
    kahrizes = sorted({c.kahriz for c in counts}, key=lambda id: id or "")
    price = notify.price_a_part
    return {
        "month": month,
        "price_a_part": price,
        "currency": notify.currency,
        "total": _sum(counts, price),
        "kahrizes": [
            {"kahriz": id, **_sum([c for c in counts if c.kahriz == id], price)} for id in kahrizes
        ],
        "contacts": [
            {
                "kahriz": c.kahriz,
                "contact": c.contact,
                "channel": c.channel,
                "address": c.address if is_whole else masked(c.address),
                **_sum([c], price),
            }
            for c in counts
        ],
    }


def _counts(book: Connection, registry: Registry, month: str) -> Iterable[Count]:
    zones = {kahriz.id: kahriz.zone for kahriz in registry.kahriz}
    first = registry.kahriz[0].zone
    for zone in dict.fromkeys(zones.values()):
        start, end = bounds(month, zone)
        for each in message_counts.count(book, start, end):
            if zones.get(each.kahriz or "", first) == zone:
                yield each


def _sum(counts: Sequence[Count], price_a_part: float) -> Shape:
    total = {name: sum(getattr(c, name) for c in counts) for name in _COUNTED}
    return total | {"cost": round(total["parts"] * price_a_part, 4)}
