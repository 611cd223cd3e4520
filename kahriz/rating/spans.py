"""Where two sets of a site's ratings differ: just there discharge has to be derived again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from kahriz.rating.dated import FOR_EVER_MS, SAYS_NOTHING, in_order, midnight_ms
from kahriz.sites import RatingEntry

Span = tuple[int, int]
"""[start, end), milliseconds since 1970."""


def held(entries: Sequence[RatingEntry], zone: tzinfo) -> list[dict[str, Any]]:
    """Return ratings as they are kept: from and to as instants, and what each is, no notes."""
    return [
        {
            "start_ms": midnight_ms(entry.valid_from, zone),
            "end_ms": FOR_EVER_MS if entry.valid_to is None else midnight_ms(entry.valid_to, zone),
            "is": entry.model_dump(mode="json", exclude=set(SAYS_NOTHING), exclude_none=True),
        }
        for entry in in_order(entries)
    ]


def differing(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[Span]:
    """Return the spans in which another curve holds `after` than `before`, in time order."""
    edges = sorted({one[edge] for one in (*before, *after) for edge in ("start_ms", "end_ms")})
    found: list[Span] = []
    for start, end in itertools.pairwise(edges):
        if _at(before, start) != _at(after, start):
            if found and found[-1][1] == start:
                start = found.pop()[0]
            found.append((start, end))
    return found


def _at(kept: Sequence[dict[str, Any]], time_ms: int) -> Any:
    holding = [one["is"] for one in kept if one["start_ms"] <= time_ms < one["end_ms"]]
    return holding[0] if holding else None
