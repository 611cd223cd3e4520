"""The files of an intake log: ``<number>-<first instant in ms>.kzi``, oldest first.

A segment holds at most `SPAN_MS` of the clock, and within it time does not run backwards: where
the clock does, the next one is begun. So its name says which instants it can hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SPAN_MS = 3_600_000
_NAME = re.compile(r"(\d{8,})-(-?\d+)\.kzi")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file, by its name."""

    number: int
    first_ms: int
    path: Path

    def may_hold(self, since_ms: int, until_ms: int) -> bool:
        """Return whether anything of [since, until) can be in it."""
        return self.first_ms < until_ms and self.first_ms + SPAN_MS >= since_ms

    def size(self) -> int:
        """Return its bytes; 0 where it has gone meanwhile."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def segments_in(folder: Path) -> list[Segment]:
    """Return the segments of `folder` in the order they were written; none: no such folder."""
    return sorted(_segments(folder))


def after(previous: Segment | None, folder: Path, first_ms: int) -> Segment:
    """Return the segment that comes after `previous` and begins at `first_ms`."""
    number = 0 if previous is None else previous.number + 1
    return Segment(number, first_ms, folder / f"{number:08d}-{first_ms}.kzi")


def _segments(folder: Path) -> Iterator[Segment]:
    if folder.is_dir():
        for path in folder.iterdir():
            if found := _NAME.fullmatch(path.name):
                yield Segment(int(found[1]), int(found[2]), path)
