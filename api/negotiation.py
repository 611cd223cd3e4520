"""What form an answer has, by what the request accepts (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from api.problems import Problem

JSON = "application/json"
CSV = "text/csv"


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """Return which of what is `offered` a request likes best; None: it takes nothing of it.

    Of several it likes as much, the first one offered. The most specific range of `accept` counts
    for a type; parameters other than q are not looked at. Without any range everything is taken.
    """
    ranges = [_range(each) for each in accept.split(",") if each.strip()]
    if not ranges:
        return offered[0]
    liked = {kind: _quality(kind, ranges) for kind in offered}
    best = max(offered, key=lambda kind: liked[kind])
    return best if liked[best] > 0 else None


def _range(text: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    weights = [part[2:] for part in parameters if part.startswith("q=")]
    try:
        weight = float(weights[0]) if weights else 1.0
    except ValueError:
        weight = 0.0
    return kind, weight if 0 <= weight <= 1 else 0.0


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    whole = kind.partition("/")[0] + "/*"
    for pattern in (kind, whole, "*/*"):
        found = [weight for name, weight in ranges if name == pattern]
        if found:
            return max(found)
    return 0.0


async def _json_or_csv(request: Request) -> str:
    accept = ",".join(request.headers.getlist("accept"))
    chosen = preferred(accept, (JSON, CSV))
    if chosen is None:
        raise Problem(
            406,
            "not-acceptable",
            f"Accept {accept[:100]!r} takes neither {JSON} nor {CSV}",
            available=(JSON, CSV),
        )
    return chosen


JsonOrCsv = Annotated[str, Depends(_json_or_csv)]
"""``application/json`` or ``text/csv``; 406 where a request takes neither."""
