"""Readings (what a payload said) and observations (what we keep), one by one and by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from kahriz.clock import to_datetime64
from kahriz.units import Property

DatastreamId = NewType("DatastreamId", str)
"""``<kahriz>.<site>.<property>``: one property of one site in one unit."""

Times = NDArray[np.datetime64]
Values = NDArray[np.float64]
Flags = NDArray[np.uint8]


def datastream_id(kahriz: str, site: str, prop: Property) -> DatastreamId:
    """Return the id of one property of one site."""
    return DatastreamId(f"{kahriz}.{site}.{prop.value}")


def split_datastream_id(datastream: DatastreamId) -> tuple[str, str, str]:
    """Return (kahriz, site, property) of an id."""
    kahriz, site, prop = datastream.split(".")
    return kahriz, site, prop


class Quality(IntEnum):
    """QARTOD primary flags (U.S. IOOS, manual for real-time quality control of water levels)."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


# FAIL > SUSPECT > GOOD > NOT_EVALUATED > MISSING; index = flag, value = rank.
_RANK = np.zeros(10, dtype=np.uint8)
_RANK[[Quality.MISSING, Quality.NOT_EVALUATED, Quality.GOOD, Quality.SUSPECT, Quality.FAIL]] = (
    range(5)
)
_BY_RANK = np.array(
    [Quality.MISSING, Quality.NOT_EVALUATED, Quality.GOOD, Quality.SUSPECT, Quality.FAIL],
    dtype=np.uint8,
)


def combine_flags(flags: Sequence[Flags]) -> Flags:
    """Return the one flag (n,) that several tests' flags (n,) add up to; the gravest wins."""
    if not flags:
        raise ValueError("no flags to combine")
    return _BY_RANK[np.maximum.reduce([_RANK[f] for f in flags])]


@dataclass(slots=True)
class Readings:
    """What one payload said, unjudged: flat parallel columns, one entry a value.

    A *reading* is one instant of one device and carries one or more values; its place in the
    device's own count is ``first_seq + row``. Lists, not arrays: most payloads hold one reading,
    and many payloads are joined before numpy sees them.

    Attributes
    ----------
    boot, first_seq
        The device's boot counter and the sequence number of row 0; None where the format has none.
    n_rows
        Readings in the payload.
    row, time_ms, channel, value
        Each (n_values,): the reading it belongs to, its instant, the channel's name, the value in
        the channel's unit; NaN where the device said it had none.
    oldest_seq
        The oldest reading the device still holds: everything before is gone for good.
    uptime_ms, firmware
        The device's own statements about itself, where given.
    """

    n_rows: int
    row: list[int]
    time_ms: list[int]
    channel: list[str]
    value: list[float]
    boot: int | None = None
    first_seq: int | None = None
    oldest_seq: int | None = None
    uptime_ms: int | None = None
    firmware: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one datastream at the instant the water had it, with its quality."""

    datastream: DatastreamId
    time: datetime
    value: float
    quality: Quality


@dataclass(frozen=True, slots=True)
class Series:
    """Observations of one datastream in time order: equal-length arrays (n,), times unique."""

    datastream: DatastreamId
    time: Times
    value: Values
    quality: Flags

    def __len__(self) -> int:
        return len(self.time)

    def between(self, start: datetime, end: datetime) -> Series:
        """Return the part in the half-open interval [start, end)."""
        first, last = np.searchsorted(self.time, [to_datetime64(start), to_datetime64(end)])
        cut = slice(int(first), int(last))
        return Series(self.datastream, self.time[cut], self.value[cut], self.quality[cut])

    def usable(self) -> Series:
        """Return the part that says something about the water: all but FAIL and MISSING.

        SUSPECT stays: a true collapse is suspect to a rate-of-change test.
        """
        keep = (self.quality != Quality.FAIL) & (self.quality != Quality.MISSING)
        keep &= np.isfinite(self.value)
        return Series(self.datastream, self.time[keep], self.value[keep], self.quality[keep])

    @classmethod
    def empty(cls, datastream: DatastreamId) -> Series:
        """Return a series of length 0."""
        return cls(
            datastream,
            np.empty(0, "datetime64[ms]"),
            np.empty(0, np.float64),
            np.empty(0, np.uint8),
        )


@dataclass(frozen=True, slots=True)
class ObservationBatch:
    """Observations of many datastreams by column, in no promised order.

    Attributes
    ----------
    datastreams
        The ids that `stream` points into.
    stream
        (n,) int32, index into `datastreams`.
    time
        (n,) ``datetime64[ms]``.
    value
        (n,) float64, in the datastream's unit; finite unless quality is MISSING.
    quality
        (n,) uint8 of `Quality`.
    """

    datastreams: tuple[DatastreamId, ...]
    stream: NDArray[np.int32]
    time: Times
    value: Values
    quality: Flags = field(repr=False)

    def __len__(self) -> int:
        return len(self.stream)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> ObservationBatch:
        """Return the given rows, by position or by mask."""
        return ObservationBatch(
            self.datastreams,
            self.stream[rows],
            self.time[rows],
            self.value[rows],
            self.quality[rows],
        )

    def by_datastream(self) -> dict[DatastreamId, Series]:
        """Return each datastream's part in time order; of equal times the last one given."""
        order = np.lexsort((np.arange(len(self)), self.time, self.stream))
        stream, time = self.stream[order], self.time[order]
        last = np.ones(len(order), dtype=bool)
        last[:-1] = (stream[1:] != stream[:-1]) | (time[1:] != time[:-1])
        order = order[last]
        stream = self.stream[order]
        edges = np.flatnonzero(np.diff(stream)) + 1
        parts = np.split(order, edges) if len(order) else []
        return {
            (name := self.datastreams[int(self.stream[part[0]])]): Series(
                name, self.time[part], self.value[part], self.quality[part]
            )
            for part in parts
        }

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> ObservationBatch:
        """Return a batch of single observations; for tests and small hands-on work."""
        names = tuple(dict.fromkeys(o.datastream for o in observations))
        index = {name: i for i, name in enumerate(names)}
        return cls(
            names,
            np.array([index[o.datastream] for o in observations], np.int32),
            np.array([to_datetime64(o.time) for o in observations], "datetime64[ms]"),
            np.array([o.value for o in observations], np.float64),
            np.array([o.quality for o in observations], np.uint8),
        )
