"""Readings as they came, of many datastreams at once: four plain columns, no packing.

21 bytes a reading and next to no work, because whoever sends waits until they are on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values
from kahriz.store.sealed import DamagedError, Integers, Stretch

ROW_BYTES = 8 + 8 + 4 + 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings of many datastreams by column, each (n,); `stream` is the store's own number."""

    stream: NDArray[np.int32]
    time: Integers
    value: Values
    quality: Flags

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Rows:
        return Rows(self.stream[rows], self.time[rows], self.value[rows], self.quality[rows])

    def to_bytes(self) -> bytes:
        """Return the columns one after another, little-endian."""
        return b"".join(
            (
                self.time.astype("<i8", copy=False).tobytes(),
                self.value.astype("<f8", copy=False).tobytes(),
                self.stream.astype("<i4", copy=False).tobytes(),
                self.quality.tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes, n: int) -> Rows:
        """Return the `n` rows of `data`, which stay where they are in memory."""
        if len(data) != n * ROW_BYTES:
            raise DamagedError(f"{len(data)} bytes are not {n} readings")
        return cls(
            np.frombuffer(data, "<i4", n, 16 * n),
            np.frombuffer(data, "<i8", n),
            np.frombuffer(data, "<f8", n, 8 * n),
            np.frombuffer(data, np.uint8, n, 20 * n),
        )

    @classmethod
    def merged(cls, parts: Sequence[Rows]) -> Rows:
        """Return all by stream and then by time; of equal keys the one of the last part stays."""
        stream = np.concatenate([part.stream for part in parts])
        time = np.concatenate([part.time for part in parts])
        order = np.lexsort((time, stream))
        ordered, at = stream[order], time[order]
        last = np.ones(len(order), dtype=bool)
        last[:-1] = (ordered[1:] != ordered[:-1]) | (at[1:] != at[:-1])
        value = np.concatenate([part.value for part in parts])
        quality = np.concatenate([part.quality for part in parts])
        kept = order[last]
        return cls(ordered[last], at[last], value[kept], quality[kept])

    def of(self, stream: int, start: int, end: int) -> Stretch:
        """Return one stream's part in [start, end) ms, of rows that `merged` has put in order."""
        first, last = np.searchsorted(
            self.stream, np.array([stream, stream + 1], self.stream.dtype)
        )
        time = self.time[first:last]
        begin, stop = np.searchsorted(time, [start, end])
        part = slice(int(first + begin), int(first + stop))
        return Stretch(self.time[part], self.value[part], self.quality[part])
