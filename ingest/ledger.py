"""The gap ledger: which readings of a device are durable, and what it may therefore free.

Sequence numbers are kept as inclusive ranges by (device, boot). A reading is entered only after
the store has it; the device is told only after the book has the entry.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kahriz.book.ledger import BootRecord

MAX_ALSO = 16
"""Ranges named beyond the first hole in one acknowledgement."""

MAX_BOOTS = 20_000
"""Boots held in memory; the book has them all."""

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
        touched = slice(bisect_left(self.lasts, first), bisect_right(self.firsts, last))
        return sum(
            min(last, b) - max(first, a) + 1
            for a, b in zip(self.firsts[touched], self.lasts[touched], strict=True)
        )

    def has_all(self, first: int, last: int) -> bool:
        """Say whether all of [first, last] are there."""
        return self.count_between(first, last) == last - first + 1

    def changes(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Return (ranges to write, firsts to take out) since the last call, and forget them."""
        added = [
            (first, self.lasts[bisect_left(self.firsts, first)]) for first in sorted(self._added)
        ]
        removed = sorted(self._removed)
        self._added, self._removed = set(), set()
        return added, removed


def ranges_of(boots: Mapping[tuple[str, int], BootRecord]) -> dict[tuple[str, int], Ranges]:
    """Return what the book says of each boot as ranges."""
    return {
        key: Ranges([first for first, _ in record.ranges], [last for _, last in record.ranges])
        for key, record in boots.items()
    }


@dataclass(slots=True)
class BootLedger:
    """One boot of one device: its ranges, and from which reading on they are complete.

    ``first`` is the floor it began with; of one the book knows already, the book keeps it.
    """

    floor: int
    ranges: Ranges
    is_new: bool = True
    first: int = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.floor

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
        firsts, lasts = self.ranges.firsts, self.ranges.lasts
        beyond = bisect_right(firsts, self.floor)
        upto = max(self.floor - 1, lasts[beyond - 1]) if beyond else self.floor - 1
        named = slice(max(beyond, len(firsts) - MAX_ALSO), None)
        also = list(zip(firsts[named], lasts[named], strict=True))
        return (upto if upto >= 0 else None), also


class Ledger:
    """The ledgers of the devices heard of late, filled from the book on demand."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._boots: dict[tuple[str, int], BootLedger] = {}

    def boot(self, device: str, boot: int, begins_at: int) -> BootLedger:
        """Return the ledger of one boot.

        One never heard of begins at `begins_at`: the device's `oldest`, or, where it does not say
        it, the first reading heard: such a device publishes its oldest reading first
        (docs/wire-format.md).
        """
        key = (device, boot)
        found = self._boots.get(key)
        if found is None:
            found = self._boots[key] = self._recalled(device, boot, begins_at)
        return found

    def _recalled(self, device: str, boot: int, begins_at: int) -> BootLedger:
        record = self._find(device, boot)
        if record is None:
            return BootLedger(begins_at, Ranges())
        firsts = [first for first, _ in record.ranges]
        lasts = [last for _, last in record.ranges]
        return BootLedger(record.floor_seq, Ranges(firsts, lasts), is_new=False)

    def trim(self) -> None:
        """Keep the newest `MAX_BOOTS`, now that the book has all: some devices draw their boots."""
        while len(self._boots) > MAX_BOOTS:
            del self._boots[next(iter(self._boots))]

    def forget(self) -> None:
        """Drop what is in memory; the book has it. After a failed transaction it is the truth."""
        self._boots.clear()
