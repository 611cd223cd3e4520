"""A device's memory: a bounded ring of readings, freed only by acknowledgement.

Readings are kept by column, a run for each boot, so that a month of them for hundreds of devices
fits in memory and a backlog is cut into payloads without touching single objects.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from firmware_sim.chance import Floats, TimesMs
from kahriz.observations import Readings

_WAITING, _IN_FLIGHT, _FREED = b"\0", b"\1", b"\2"
_TRIM = 4096
"""Freed readings at the front of a run before their memory is given back."""


class Span(NamedTuple):
    """Readings first..last (inclusive) of one boot."""

    boot: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True)
class _Run:
    """The readings of one boot; position i holds sequence number ``first + i``."""

    boot: int
    first: int
    time_ms: array[int]
    columns: dict[str, array[float]]
    state: bytearray
    head: int = 0
    """Everything before it is freed."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def held(self) -> int:
        """Readings not freed."""
        return len(self) - self.state.count(_FREED)

    def advance(self) -> None:
        """Move the head over what is freed, and give its memory back now and then."""
        while self.head < len(self) and self.state[self.head] == _FREED[0]:
            self.head += 1
        if self.head >= _TRIM:
            del self.time_ms[: self.head]
            del self.state[: self.head]
            for column in self.columns.values():
                del column[: self.head]
            self.first += self.head
            self.head = 0

    def set_state(self, lo: int, hi: int, state: bytes) -> None:
        """Give the positions [lo, hi) that are not freed another state."""
        part = self.state[lo:hi]
        for other in (_WAITING, _IN_FLIGHT):
            part = part.replace(other, state)
        self.state[lo:hi] = part


class RingBuffer:
    """A bounded memory of readings.

    Parameters
    ----------
    channels
        What each reading holds, in this order.
    capacity
        Readings it holds; one more overwrites the oldest.
    """

    def __init__(self, channels: Sequence[str], capacity: int) -> None:
        self._channels = tuple(channels)
        self._capacity = capacity
        self._runs: list[_Run] = []
        self.held = 0

    def boot(self, boot: int, first_seq: int = 0) -> None:
        """Begin a new count of readings."""
        columns = {name: array("d") for name in self._channels}
        self._runs.append(_Run(boot, first_seq, array("q"), columns, bytearray()))

    def restore(
        self, boot: int, seq: TimesMs, time_ms: TimesMs, columns: Mapping[str, Floats]
    ) -> None:
        """Hold again the readings (n,) of an earlier `boot`, `seq` rising, holes allowed."""
        self.boot(boot, int(seq[0]))
        run, at = self._runs[-1], seq - seq[0]
        times = np.zeros(at[-1] + 1, np.int64)
        times[at] = time_ms
        run.time_ms.frombytes(times.tobytes())
        for name, column in run.columns.items():
            values = np.full(len(times), np.nan)
            values[at] = columns[name]
            column.frombytes(values.tobytes())
        state = np.full(len(times), _FREED[0], np.uint8)
        state[at] = _WAITING[0]
        run.state += state.tobytes()
        self.held += len(seq)

    def append(self, time_ms: TimesMs, columns: Mapping[str, Floats]) -> tuple[Span, list[Span]]:
        """Keep n readings of the newest boot.

        Returns
        -------
        tuple
            The readings just kept, and those overwritten for want of room.
        """
        run = self._runs[-1]
        before = len(run)
        run.time_ms.frombytes(time_ms.astype(np.int64).tobytes())
        for name, column in run.columns.items():
            column.frombytes(columns[name].astype(np.float64).tobytes())
        run.state += bytes(len(time_ms))
        self.held += len(time_ms)
        added = Span(run.boot, run.first + before, run.first + len(run) - 1)
        return added, self._overwrite()

    def _overwrite(self) -> list[Span]:
        lost: list[Span] = []
        while self.held > self._capacity:
            run = next(r for r in self._runs if r.head < len(r))
            # One reading is held at the head; the ones after it too, unless acknowledged already.
            stop = run.state.find(_FREED, run.head, run.head + self.held - self._capacity)
            end = stop if stop >= 0 else min(len(run), run.head + self.held - self._capacity)
            lost.append(Span(run.boot, run.first + run.head, run.first + end - 1))
            self._free(run, run.head, end)
            self._forget_empty()
        return lost

    def _free(self, run: _Run, lo: int, hi: int) -> int:
        freed = (hi - lo) - run.state.count(_FREED, lo, hi)
        run.state[lo:hi] = _FREED * (hi - lo)
        run.advance()
        self.held -= freed
        return freed

    def _forget_empty(self) -> None:
        self._runs = [r for r in self._runs[:-1] if r.head < len(r)] + self._runs[-1:]

    def free(self, span: Span) -> Span | None:
        """Forget the readings of `span` that are held; return the part that was not free yet."""
        run = self._run(span.boot)
        if run is None:
            return None
        lo = max(span.first - run.first, run.head)
        hi = min(span.last - run.first + 1, len(run))
        if lo >= hi:
            return None
        freed = Span(span.boot, run.first + lo, run.first + hi - 1)
        is_new = self._free(run, lo, hi) > 0
        self._forget_empty()
        return freed if is_new else None

    def _run(self, boot: int) -> _Run | None:
        return next((r for r in self._runs if r.boot == boot), None)

    def oldest(self, boot: int) -> int | None:
        """Return the oldest sequence number of `boot` still held."""
        run = self._run(boot)
        return None if run is None or run.head >= len(run) else run.first + run.head

    def newest(self) -> dict[int, int]:
        """Return the newest sequence number of each boot held."""
        return {run.boot: run.first + len(run) - 1 for run in self._runs if run.head < len(run)}

    def held_up_to(self, newest: Mapping[int, int]) -> int:
        """Return how many are held of those that were there when `newest` was asked for."""
        n = 0
        for run in self._runs:
            end = min(newest.get(run.boot, -1) + 1 - run.first, len(run))
            if end > run.head:
                n += end - run.head - run.state.count(_FREED, run.head, end)
        return n

    def forget(self) -> list[Span]:
        """Forget everything; return what was still held, by boot."""
        gone: list[Span] = []
        for run in self._runs:
            lo = run.head
            while lo < len(run):
                hi = run.state.find(_FREED, lo)
                hi = len(run) if hi < 0 else hi
                gone += [Span(run.boot, run.first + lo, run.first + hi - 1)] if hi > lo else []
                lo = hi + 1
            self._free(run, run.head, len(run))
        self._forget_empty()
        return gone

    def oldest_waiting(self, most: int) -> Span | None:
        """Return the oldest readings not on their way, at most `most`, without a hole in them."""
        for run in self._runs:
            lo = run.state.find(_WAITING, run.head)
            if lo >= 0:
                hi = lo + 1
                end = min(lo + most, len(run))
                while hi < end and run.state[hi] == _WAITING[0]:
                    hi += 1
                return Span(run.boot, run.first + lo, run.first + hi - 1)
        return None

    def is_waiting(self, span: Span) -> bool:
        """Whether every reading of `span` is held and not on its way."""
        run = self._run(span.boot)
        if run is None or span.first < run.first:
            return False
        return run.state[span.first - run.first : span.last - run.first + 1] == _WAITING * len(span)

    def is_freed(self, span: Span) -> bool:
        """Whether no reading of `span` is held."""
        run = self._run(span.boot)
        if run is None:
            return True
        part = run.state[max(span.first - run.first, 0) : max(span.last - run.first + 1, 0)]
        return part.count(_FREED) == len(part)

    def send(self, span: Span) -> None:
        """Note that `span` is on its way."""
        self._set(span, _IN_FLIGHT)

    def take_back(self, span: Span) -> None:
        """Note that `span` may have been lost on its way: it waits again."""
        self._set(span, _WAITING)

    def _set(self, span: Span, state: bytes) -> None:
        if run := self._run(span.boot):
            lo, hi = span.first - run.first, span.last - run.first + 1
            run.set_state(max(lo, 0), max(hi, 0), state)

    def readings(self, span: Span) -> Readings:
        """Return the readings of `span`, for a codec."""
        run = self._run(span.boot)
        if run is None:
            raise ValueError(f"{span} is not held")
        lo, hi = span.first - run.first, span.last - run.first + 1
        names = list(self._channels)
        table = list(zip(*(run.columns[n][lo:hi] for n in names), strict=True))
        width = len(names)
        return Readings(
            n_rows=hi - lo,
            row=[i for i in range(hi - lo) for _ in range(width)],
            time_ms=[t for t in run.time_ms[lo:hi] for _ in range(width)],
            channel=names * (hi - lo),
            value=[value for values in table for value in values],
            boot=span.boot,
            first_seq=span.first,
            oldest_seq=self.oldest(span.boot),
        )
