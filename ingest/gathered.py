"""One batch as the rest of ingest sees it: columns of values, and what came beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ingest.parts import Parts
from ingest.status import Status
from kahriz.book.days import Reason
from kahriz.book.dead_letters import DeadLetter


@dataclass(frozen=True, slots=True)
class Gathered:
    """One batch by column: one entry a value, and what came beside them.

    Attributes
    ----------
    received_at
        When it was taken in hand.
    stream, time_ms, value
        (n,) place in ``registry.datastreams``, milliseconds since 1970, value in its unit or NaN.
    source
        (n,) place of the message each came in.
    parts
        What each payload contributed.
    statuses, letters
        Devices' words about themselves; what could not be used, with the reason.
    refused
        By place of the message the readings, by row, of which something could not be used.
    set_aside
        Whose messages were set aside whole, and why.
    is_corrected
        (n,) the time is not as the device said it; None: all are.
    """

    received_at: datetime
    stream: NDArray[np.int32]
    time_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    source: NDArray[np.int32]
    parts: Parts
    statuses: list[Status] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    refused: dict[int, dict[int, Reason]] = field(default_factory=dict)
    set_aside: list[tuple[str, Reason]] = field(default_factory=list)
    is_corrected: NDArray[np.bool_] | None = None

    def refuse(self, source: int, times_ms: NDArray[np.int64], reason: Reason) -> None:
        """Say that the readings of message `source` at these instants were not stored.

        A row is known by its turn: two readings of one instant count as one, which is what they
        are in the store.
        """
        own = self.time_ms[self.source == source]
        turns = np.cumsum(np.append(0, np.diff(own) != 0))
        rows = self.refused.setdefault(source, {})
        for turn in np.unique(turns[np.isin(own, times_ms)]).tolist():
            rows.setdefault(turn, reason)
