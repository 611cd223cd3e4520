"""In which quarters of an hour somebody works at a kahriz. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kahriz.book.maintenance import Works
from kahriz.detect.ticks import Quarters


class Calendar:
    """The works at one kahriz by the quarter of an hour.

    A quarter is under works if any of it is: what was measured in it may be the works' doing.
    """

    def __init__(self, works: Sequence[Works], quarters: Quarters) -> None:
        self._spans = [
            (quarters.of(one.start), None if one.end is None else quarters.of(one.end))
            for one in works
        ]
        self._anew = sorted(
            quarters.of(one.end) for one in works if one.end is not None and one.is_new_normal
        )

    def is_on(self, quarter: int) -> bool:
        """Return whether somebody works there in a quarter."""
        return any(
            first <= quarter and (last is None or quarter <= last) for first, last in self._spans
        )

    def normal_since(self, quarter: int) -> int:
        """Return the last quarter of the newest works before one that left a new normal; -1."""
        return max((last for last in self._anew if last < quarter), default=-1)
