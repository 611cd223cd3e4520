"""What a payload says of time, what can be true of it, and the words of `ingest.boot_clock`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from kahriz.book.clocks import Segment
from kahriz.observations import Readings

MAX_STEP_MS = 24 * 3_600_000
"""Further apart, two readings say nothing of how often a device measures."""


class Mark(NamedTuple):
    """A reading's number, and an instant or an uptime."""

    seq: int
    at_ms: int


class Bounds(NamedTuple):
    """What a time has to lie in to be believed, and the tolerance of all comparisons."""

    oldest_ms: int
    newest_ms: int
    tolerance_ms: int

    def holds(self, time_ms: int) -> bool:
        """Say whether `time_ms` can be believed."""
        return self.oldest_ms <= time_ms <= self.newest_ms


class Said(NamedTuple):
    """One payload: the number of its first reading, each reading's time, what came with it."""

    first_seq: int
    times_ms: Sequence[int]
    uptime_ms: int | None
    received_at_ms: int

    @property
    def last_seq(self) -> int:
        """The number of its last reading."""
        return self.first_seq + len(self.times_ms) - 1


def said_by(readings: Readings, received_at_ms: int) -> Said:
    """Return `readings`, which have numbers, by reading."""
    assert readings.first_seq is not None
    times_ms = (
        readings.time_ms[:1]
        if readings.n_rows == 1
        else list(dict(zip(readings.row, readings.time_ms, strict=True)).values())
    )
    return Said(readings.first_seq, times_ms, readings.uptime_ms, received_at_ms)


@dataclass(slots=True)
class Verdict:
    """What is added to each reading's time (None: not known), and what is decided anew by it.

    Doubtful are readings whose numbers go on and whose times do not, with nothing to say by how
    much: they are as the device said, and nothing is measured by them.
    """

    offsets_ms: list[int | None] = field(default_factory=list)
    decided: list[Segment] = field(default_factory=list)
    doubtful: set[int] = field(default_factory=set)


def offset_at(segments: Sequence[Segment], seq: int) -> int:
    """Return what is added to the time of reading `seq`."""
    place = bisect_right(segments, seq, key=lambda s: s.first_seq)
    return segments[place - 1].offset_ms if place else 0


def is_possible(seq: int, time_ms: int, last: Mark | None, bounds: Bounds) -> bool:
    """Say whether reading `seq` can have been measured then, after those known before it."""
    if not bounds.holds(time_ms):
        return False
    return last is None or seq <= last.seq or time_ms >= last.at_ms - bounds.tolerance_ms


def end_of_run(times_ms: Sequence[int], first: int) -> int:
    """Return the last reading up to which the clock runs on from `first` without a jump."""
    end = first
    while end + 1 < len(times_ms) and 0 <= times_ms[end + 1] - times_ms[end] <= MAX_STEP_MS:
        end += 1
    return end


def step_of(times_ms: Sequence[int]) -> float | None:
    """Return how far apart readings usually are; None where there is only one."""
    steps = [b - a for a, b in pairwise(times_ms) if b > a]
    return median(steps) if steps else None


def insert(segments: list[Segment], segment: Segment) -> None:
    """Put `segment` into `segments`, in place of one that begins with the same reading."""
    place = bisect_right(segments, segment.first_seq, key=lambda s: s.first_seq)
    if place and segments[place - 1].first_seq == segment.first_seq:
        segments[place - 1] = segment
    else:
        segments.insert(place, segment)
