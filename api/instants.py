"""Instants and intervals as requests name them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from api.problems import invalid_parameter
from kahriz.clock import iso

LONGEST = timedelta(days=3653)
"""Ten years, leap days included."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def parse_instant(text: object) -> datetime:
    """Return the aware UTC instant that ISO 8601 `text` names.

    Raises
    ------
    ValueError
        It is no ISO 8601, has no zone, or lies outside 1970 to 2200.
    """
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        hint = "ISO 8601 is wanted, such as 2026-11-22T00:00:00Z"
        if isinstance(text, str) and " " in text:
            hint += "; in an address '+' is written %2B"
        raise ValueError(hint) from None
    if instant.tzinfo is None:
        raise ValueError("the zone is missing: end it with Z or with an offset such as +04:00")
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        utc = _LATEST
    if not _EARLIEST <= utc < _LATEST:
        raise ValueError("not from 1970 to 2199")
    return utc


Instant = Annotated[
    datetime, BeforeValidator(parse_instant), Field(examples=["2026-11-21T00:00:00Z"])
]


def interval(
    start: datetime | None,
    end: datetime | None,
    now: datetime,
    usual: timedelta,
    longest: timedelta = LONGEST,
) -> tuple[datetime, datetime]:
    """Return the half-open interval a request means, what it left out filled in.

    Parameters
    ----------
    start, end
        As given; without `end` it ends now, without `start` it is as long as `usual`.
    now
        The service's now.
    usual, longest
        Lengths of the interval nobody chose, and of the longest one that is answered.

    Raises
    ------
    Problem
        422: it is empty, turned round or too long; names the parameter and its value.
    """
    until = now if end is None else end
    since = until - usual if start is None else start
    if since >= until:
        raise invalid_parameter("start", iso(since), f"not before end, {iso(until)}")
    if until - since > longest:
        raise invalid_parameter(
            "start", iso(since), f"more than {longest.days} days before end, {iso(until)}"
        )
    return since, until
