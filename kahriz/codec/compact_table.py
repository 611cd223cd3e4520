"""The readings of compact_v1: a table of varints, one row a reading.

Read row by row where it is small, as the page describes it, and column by column where it is
large: a backlog has thousands of values, and a loop over each takes longer than a message may.
Both ways say the same; a test holds them together.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from kahriz.codec.varints import unfold, unfolded, varint, varints
from kahriz.errors import DecodeError

NULL, ABSENT, VALUE = 0, 1, 2
"""A cell: the sensor gave none; not in this reading; from here on a value."""

DOUBLE = 7
"""The scale of a channel whose values are IEEE 754 doubles; below it, decimal digits."""

LIMIT = 2**53
"""Times and scaled values lie below: what a double holds exactly."""

_SMALL = 200
_POWERS = tuple(10**scale for scale in range(DOUBLE))
_U32 = 2**32
Table = tuple[list[int], list[int], list[int], list[float]]
"""Each (n_values,): row, time in ms, position of the channel, value."""


def width_of(scales: Sequence[int]) -> int:
    """Return the varints of one reading: its time, one a channel, two where it is a double."""
    return 1 + len(scales) + scales.count(DOUBLE)


def read_table(payload: bytes, at: int, n_rows: int, scales: Sequence[int]) -> tuple[Table, int]:
    """Return (the table of `n_rows` readings at `at`, the position after it).

    Parameters
    ----------
    payload, at
        Where it begins.
    n_rows
        Readings, at least 1.
    scales
        Decimal digits of each channel, or `DOUBLE`.
    """
    is_small = n_rows * width_of(scales) <= _SMALL
    return (read_by_row if is_small else read_by_column)(payload, at, n_rows, scales)


def read_by_row(payload: bytes, at: int, n_rows: int, scales: Sequence[int]) -> tuple[Table, int]:
    """Return the same as `read_table`, reading by reading."""
    row: list[int] = []
    time: list[int] = []
    channel: list[int] = []
    value: list[float] = []
    cells, at = _some_varints(payload, at, n_rows * width_of(scales))
    last = [0] * len(scales)
    time_ms = step = cell = 0
    for i in range(n_rows):
        code = cells[cell]
        cell += 1
        step = step + unfolded(code) if i else 0
        time_ms = time_ms + step if i else code
        if not 0 <= time_ms < LIMIT:
            raise _bad_time(i)
        before = len(row)
        for position, scale in enumerate(scales):
            code = cells[cell]
            cell += 1 if scale < DOUBLE else 2
            if code == ABSENT:
                continue
            if code == NULL:
                value.append(nan)
            elif scale == DOUBLE:
                value.append(_double(i, code - VALUE, cells[cell - 1]))
            else:
                code -= VALUE
                last[position] = number = last[position] + (code >> 1 ^ -(code & 1))
                if not -LIMIT < number < LIMIT:
                    raise _too_large(i, position)
                value.append(number / _POWERS[scale])
            row.append(i)
            time.append(time_ms)
            channel.append(position)
        if len(row) == before:
            raise _empty(i)
    return (row, time, channel, value), at


def _some_varints(payload: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return the same as `varints`, number by number: most are one byte."""
    numbers: list[int] = []
    for _ in range(count):
        number = payload[at] if at < len(payload) else 0x80
        at += 1
        if number >= 0x80:
            number, at = varint(payload, at - 1)
        numbers.append(number)
    return numbers, at


def read_by_column(
    payload: bytes, at: int, n_rows: int, scales: Sequence[int]
) -> tuple[Table, int]:
    """Return the same as `read_table`, column by column."""
    width = width_of(scales)
    cells, at = varints(payload, at, n_rows * width)
    table = cells.reshape(n_rows, width)
    times = _times(table[:, 0])
    values = np.full((n_rows, len(scales)), nan)
    codes = np.empty((n_rows, len(scales)), np.int64)
    column = 1
    for position, scale in enumerate(scales):
        codes[:, position] = code = table[:, column]
        said = code >= VALUE
        if scale == DOUBLE:
            values[said, position] = _doubles(said, code - VALUE, table[:, column + 1])
            column += 2
        else:
            values[said, position] = _scaled(position, said, code - VALUE, scale)
            column += 1
    present = codes != ABSENT
    empty = ~present.any(axis=1)
    if empty.any():
        raise _empty(int(empty.argmax()))
    row, channel = present.nonzero()
    found = (row.tolist(), times[row].tolist(), channel.tolist(), values[present].tolist())
    return found, at


def _times(column: NDArray[np.int64]) -> NDArray[np.int64]:
    # A sum is looked at before it can leave 63 bits: what is added to it has 62 at most.
    steps = np.cumsum(unfold(column[1:]))
    bad = np.abs(steps) >= LIMIT
    if not bad.any():
        times: NDArray[np.int64] = column[0] + np.concatenate(([0], np.cumsum(steps)))
        bad = (times < 0) | (times >= LIMIT)
        if not bad.any():
            return times
        raise _bad_time(int(bad.argmax()))
    raise _bad_time(int(bad.argmax()) + 1)


def _scaled(
    position: int, said: NDArray[np.bool_], folded: NDArray[np.int64], scale: int
) -> NDArray[np.float64]:
    numbers = np.cumsum(unfold(folded[said]))
    bad = np.abs(numbers) >= LIMIT
    if bad.any():
        raise _too_large(int(said.nonzero()[0][bad.argmax()]), position)
    values: NDArray[np.float64] = numbers / _POWERS[scale]
    return values


def _doubles(
    said: NDArray[np.bool_], high: NDArray[np.int64], low: NDArray[np.int64]
) -> NDArray[np.float64]:
    high, low = high[said], low[said]
    bad = (high >= _U32) | (low >= _U32)
    values = (high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)).view(np.float64)
    bad |= ~np.isfinite(values)
    if bad.any():
        raise _no_double(int(said.nonzero()[0][bad.argmax()]))
    return values


def _double(row: int, high: int, low: int) -> float:
    if high < _U32 and low < _U32:
        value: float = struct.unpack(">d", struct.pack(">II", high, low))[0]
        if isfinite(value):
            return value
    raise _no_double(row)


def _bad_time(row: int) -> DecodeError:
    return DecodeError("", f"reading {row}: time is not a number of milliseconds from 0 to 2**53")


def _too_large(row: int, position: int) -> DecodeError:
    return DecodeError("", f"reading {row}: channel #{position}: value is beyond 2**53")


def _no_double(row: int) -> DecodeError:
    return DecodeError("", f"reading {row}: a value is not a finite number")


def _empty(row: int) -> DecodeError:
    return DecodeError("", f"reading {row}: 0 channels, expected at least 1")
