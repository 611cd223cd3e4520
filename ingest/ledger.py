"""The gap ledger: which readings of a device are durable, and what it may therefore free.

Sequence numbers are kept as inclusive ranges by (device, boot). A reading is entered only after
the store has it; the device is told only after the book has the entry.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from kahriz.book.ledger import BootRecord

MAX_ALSO = 16
"""Ranges named beyond the first hole in one acknowledgement."""

Find = Callable[[str, int], BootRecord | None]


@dataclass(slots=True)
class Ranges:
    """Inclusive ranges of integers, merged; remembers what changed since `changes` was called."""

    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    _added: set[int] = field(default_factory=set)
    _removed: set[int] = field(default_factory=set)

    def add(self, first: int, last: int) -> int:
        """Enter [first, last]; return how many of them were not there before."""
        low = bisect_left(self.lasts, first - 1)  # the first range that reaches to first - 1
        high = low
        covered = 0
        new_first, new_last = first, last
        while high < len(self.firsts) and self.firsts[high] <= last + 1:
            overlap = min(last, self.lasts[high]) - max(first, self.firsts[high]) + 1
            covered += max(overlap, 0)
            new_first = min(new_first, self.firsts[high])
            new_last = max(new_last, self.lasts[high])
            high += 1
        if high - low == 1 and (self.firsts[low], self.lasts[low]) == (new_first, new_last):
            return 0
        for gone in self.firsts[low:high]:
            self._removed.add(gone)
            self._added.discard(gone)
        self.firsts[low:high] = [new_first]
        self.lasts[low:high] = [new_last]
        self._added.add(new_first)
        self._removed.discard(new_first)
        return last - first + 1 - covered

    def count_between(self, first: int, last: int) -> int:
        """Return how many of [first, last] are there."""
        return sum(
            max(0, min(last, b) - max(first, a) + 1)
            for a, b in zip(self.firsts, self.lasts, strict=True)
        )

    def changes(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Return (ranges to write, firsts to take out) since the last call, and forget them."""
        last_of = dict(zip(self.firsts, self.lasts, strict=True))
        added = [(first, last_of[first]) for first in sorted(self._added) if first in last_of]
        removed = sorted(self._removed)
        self._added, self._removed = set(), set()
        return added, removed


@dataclass(slots=True)
class BootLedger:
    """One boot of one device: its ranges, and from which reading on they are complete."""

    floor: int
    ranges: Ranges
    is_new: bool = True

    def raise_floor(self, oldest: int) -> int:
        """Take in that everything before `oldest` is gone; return how many holes that closes."""
        if oldest <= self.floor:
            return 0
        span = oldest - self.floor
        lost = span - self.ranges.count_between(self.floor, oldest - 1)
        self.floor = oldest
        self.is_new = True
        return lost

    def acknowledgement(self) -> tuple[int | None, list[tuple[int, int]]]:
        """Return (upto, also): all up to `upto` is durable or gone; `also` lies beyond a hole.

        `upto` is None while even the oldest reading is still missing and nothing lies before it.
        """
        upto = self.floor - 1
        also: list[tuple[int, int]] = []
        for first, last in zip(self.ranges.firsts, self.ranges.lasts, strict=True):
            if first <= upto + 1:
                upto = max(upto, last)
            else:
                also.append((first, last))
        return (upto if upto >= 0 else None), also[-MAX_ALSO:]


class Ledger:
    """The ledger of every device heard since this process began, filled from the book on demand."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._boots: dict[tuple[str, int], BootLedger] = {}

    def boot(self, device: str, boot: int, oldest: int | None, first_seq: int) -> BootLedger:
        """Return the ledger of one boot.

        One never heard of begins at `oldest`, or, where the device does not say it, at the first
        reading heard: such a device publishes its oldest reading first (docs/wire-format.md).
        """
        key = (device, boot)
        if key not in self._boots:
            record = self._find(device, boot)
            if record is None:
                begin = first_seq if oldest is None else min(oldest, first_seq)
                self._boots[key] = BootLedger(begin, Ranges())
            else:
                firsts = [first for first, _ in record.ranges]
                lasts = [last for _, last in record.ranges]
                self._boots[key] = BootLedger(record.floor_seq, Ranges(firsts, lasts), is_new=False)
        return self._boots[key]

    def forget(self) -> None:
        """Drop what is in memory; the book has it. After a failed transaction it is the truth."""
        self._boots.clear()
