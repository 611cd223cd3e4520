"""The flags of a whole batch, whatever order it came in and however the series was cut.

What each datastream's last values were is carried from batch to batch, so a series gets the same
flags in one piece and reading by reading. A value that is older than what its stream has shown
already (a backlog behind live data, a redelivery) is judged beside its own neighbours in time, read
from the store. Where it would change what is carried, that is read again before the next batch, by
when it is stored.

Limits: the flags of values stored earlier are not judged again when an older neighbour turns up.
Of late values with stored ones between them only the batch's own and those before them are seen.
`is_late` says of which values that may be so; `kahriz.quality.recorded.flag_again` settles it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kahriz import plugins
from kahriz.observations import Flags, Quality, Values, combine_flags
from kahriz.quality import TESTS, LimitTable, QualityTest, Window
from kahriz.quality.context import NEVER, Context
from kahriz.quality.rows import begins

History = Callable[[int, int | None], tuple[NDArray[np.int64], Values]]
"""``history(stream, before_ms)`` -> (time_ms, value) of one datastream, in time order.

The values stored before `before_ms`, or up to the newest where that is None, going back as far as
`kahriz.quality.limits.look_back_ms` says (from the newest of them). Values may be NaN.
"""


def no_history(stream: int, before_ms: int | None) -> tuple[NDArray[np.int64], Values]:
    """Return nothing: for a store that is known to be empty."""
    return np.empty(0, np.int64), np.empty(0, np.float64)


class Flagger:
    """Quality flags for batches of many datastreams, all tests combined.

    Not for several threads at once: what it remembers has one owner.

    Parameters
    ----------
    limits
        By position in ``registry.datastreams``; see `kahriz.quality.limits.limits_of`.
    history
        Reads what is stored: once a datastream when it is first seen, and for late values.
    tests
        Which tests; all of `TESTS` where not given.
    """

    def __init__(
        self,
        limits: LimitTable,
        history: History = no_history,
        tests: Sequence[QualityTest] | None = None,
    ) -> None:
        n_streams = len(limits.fail_low)
        self._limits = limits
        self._history = history
        self._tests = _all_tests() if tests is None else tuple(tests)
        self._newest = Context(n_streams)
        self._late = Context(n_streams)
        self._is_known = np.zeros(n_streams, np.bool_)

    def flag(self, stream: NDArray[np.int32], time_ms: NDArray[np.int64], value: Values) -> Flags:
        """Return the flag (n,) of every row, and remember the rows for the batches to come.

        Parameters
        ----------
        stream, time_ms, value
            (n,) each, in any order: row of the limit table, milliseconds since 1970, the value in
            the datastream's unit or NaN. Of rows with the same stream and time the last one
            counts, as in the store; the others have its flag if they say the same, else
            NOT_EVALUATED.

        Raises
        ------
        StoreUnavailable
            Whatever `history` raises; the same call may then be made again.
        """
        flags: Flags = np.full(len(stream), Quality.MISSING, np.uint8)
        rows = np.flatnonzero(np.isfinite(value))
        rows = rows[np.lexsort((time_ms[rows], stream[rows]))]
        if len(rows):
            flags[rows] = self._flag_sorted(stream[rows], time_ms[rows], value[rows])
        return flags

    def is_late(self, stream: NDArray[np.int32], time_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which rows (n,) the datastream has shown something as new, or newer, already.

        To be asked before the same rows are flagged.

        Raises
        ------
        StoreUnavailable
            Whatever `history` raises; the same call may then be made again.
        """
        self._meet(np.flatnonzero(np.bincount(stream)).astype(np.int32))
        late: NDArray[np.bool_] = time_ms <= self._newest.last_ms[stream]
        return late

    def _flag_sorted(
        self, stream: NDArray[np.int32], time_ms: NDArray[np.int64], value: Values
    ) -> Flags:
        is_last = np.ones(len(stream), np.bool_)
        is_last[:-1] = (stream[1:] != stream[:-1]) | (time_ms[1:] != time_ms[:-1])
        if is_last.all():
            return self._flag_window(Window.of(stream, time_ms, value))
        kept = np.flatnonzero(is_last)
        flags = self._flag_window(Window.of(stream[kept], time_ms[kept], value[kept]))
        which: NDArray[np.int64] = np.cumsum(is_last) - is_last
        is_same = value == value[kept][which]
        return np.where(is_same, flags[which], Quality.NOT_EVALUATED).astype(np.uint8)

    def _flag_window(self, batch: Window) -> Flags:
        """Return the flags of a batch of numbers, sorted, no (stream, time) twice."""
        self._meet(batch.stream[begins(batch)])
        is_late = batch.time_ms <= self._newest.last_ms[batch.stream]
        if not is_late.any():
            return self._judge(self._newest, batch)
        late, newer = batch.take(is_late), batch.take(~is_late)
        self._go_back_to(late)
        flags: Flags = np.empty(len(batch), np.uint8)
        flags[is_late] = self._judge(self._late, late)
        self._is_known[late.stream[self._newest.is_changed_by(late)]] = False
        flags[~is_late] = self._judge(self._newest, newer)
        return flags

    def _judge(self, context: Context, batch: Window) -> Flags:
        if not len(batch):
            return np.empty(0, np.uint8)
        stream, time_ms, value = context.rows(batch.stream[begins(batch)])
        n_context = len(stream)
        stream = np.concatenate((stream, batch.stream))
        # Two sorted parts; stable, so that in each stream the context stays before the batch.
        order = np.argsort(stream, kind="stable")
        window = Window.of(
            stream[order],
            np.concatenate((time_ms, batch.time_ms))[order],
            np.concatenate((value, batch.value))[order],
        )
        flags = combine_flags([test(window, self._limits) for test in self._tests])
        context.keep(window)
        return flags[order >= n_context]

    def _meet(self, streams: NDArray[np.int32]) -> None:
        """Read the end of what is stored of the `streams` not seen since the start, or changed."""
        strangers = streams[~self._is_known[streams]]
        if len(strangers):
            seen = self._newest.last_ms[strangers].tolist()
            self._recall(self._newest, strangers, [None if ms == NEVER else ms + 1 for ms in seen])
            self._is_known[strangers] = True

    def _go_back_to(self, late: Window) -> None:
        """Make the late context end right before the first late row of each stream.

        A backlog comes in many batches: one that goes on where the last one ended, at that one's
        own pace, leaves no room for a stored value in between, and needs no look into the store.
        """
        starts = begins(late)
        streams, first_ms = late.stream[starts], late.time_ms[starts]
        last_ms = self._late.last_ms[streams]
        goes_on = (first_ms > last_ms) & (first_ms - self._late.pace_ms(streams) <= last_ms)
        if not goes_on.all():
            self._recall(self._late, streams[~goes_on], first_ms[~goes_on].tolist())

    def _recall(
        self, context: Context, streams: NDArray[np.int32], before_ms: Sequence[int | None]
    ) -> None:
        found = [
            self._history(stream, before)
            for stream, before in zip(streams.tolist(), before_ms, strict=True)
        ]
        context.forget(streams)
        window = Window.of(
            np.repeat(streams, [len(time_ms) for time_ms, _ in found]),
            np.concatenate([time_ms for time_ms, _ in found]),
            np.concatenate([value for _, value in found]),
        )
        context.keep(window.take(np.isfinite(window.value)))


def _all_tests() -> tuple[QualityTest, ...]:
    return tuple(plugins.load("quality test", name, TESTS)() for name in TESTS)
