"""Whether our own clock can be believed: while it cannot, nothing is taken and nothing is lost.

A clock that is behind makes every device's time lie in the future, and what lies in the future is
set aside for good. So ingest waits: the broker and the devices keep what is not acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from kahriz.clock import from_ms, iso

FLOOR_MS = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
"""This release is from later: a clock that says less was never set."""

TOLERANCE_S = 120.0
HOLD_S = 600.0
"""After a step back, or a start before our own last sign of life, a clock is given so long."""


class OwnClock:
    """Compares the wall clock with the monotonic one, and with what must be past.

    Parameters
    ----------
    wall, monotonic
        Seconds since 1970, and seconds that only go forward.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset_s = wall() - monotonic()  # of the clock as it was believed last
        self._back_since: float | None = None
        self._why = "the clock of this machine was set back"

    def has_been(self, wall_ms: int) -> None:
        """Take in that it has been `wall_ms` before: our own last sign of life."""
        offset_s = wall_ms / 1000 - self._monotonic()
        if offset_s > self._offset_s:
            self._offset_s = offset_s
            self._why = f"ingest was at work at {_shown(wall_ms / 1000)} already"

    def problem(self) -> str:
        """Return why nothing can be taken now; empty: the clock can be believed."""
        wall, now = self._wall(), self._monotonic()
        if wall * 1000 < FLOOR_MS:
            return f"our clock says {_shown(wall)}, which is before this release was made: set it"
        back_s = self._offset_s - (wall - now)
        if back_s > TOLERANCE_S:
            self._back_since = now if self._back_since is None else self._back_since
            if now - self._back_since < HOLD_S:
                return (
                    f"our clock went back by {back_s:.0f} s: {self._why}; it is believed when it"
                    f" is right again, or after {HOLD_S / 60:.0f} minutes"
                )
        self._offset_s, self._back_since = wall - now, None
        self._why = "the clock of this machine was set back"
        return ""


def _shown(wall: float) -> str:
    return iso(from_ms(round(wall * 1000)))
