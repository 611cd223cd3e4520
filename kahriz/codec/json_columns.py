"""Many native payloads at once, by column: what `JsonV1.decode` says of each, for an eighth of it.

A payload of one reading costs the codec more in objects than in JSON. Here the typed decoder runs
over all of them and everything behind it is columns. Whatever is not plain (another format, a
fault, a name that is none) is left out by its position: `JsonV1` has the last word on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from kahriz.codec import MAX_PAYLOAD
from kahriz.codec.explain import FAR_FROM, is_slow_to_read
from kahriz.codec.json_v1 import BATTERY, MAX_CHANNELS, U32_MAX, JsonV1, Payload

Longs = NDArray[np.int64]

NONE = -1
"""In a column of whole numbers: the payload does not say it."""


@dataclass(frozen=True, slots=True)
class PayloadColumns:
    """Payloads by column; ``p`` of them were plain, with ``r`` readings and ``v`` values in all.

    Attributes
    ----------
    position
        (p,) place of each payload in what was given.
    boot, first_seq, oldest_seq, uptime_ms
        (p,) what the device says of itself; `NONE` where it does not.
    n_rows
        (p,) readings in the payload.
    firmware
        (p,) texts or None.
    time_ms
        (r,) instants of the readings.
    n_values
        (r,) values in each reading.
    channel, value
        (v,) the values; NaN where the device said it had none.
    """

    position: Longs
    boot: Longs
    first_seq: Longs
    oldest_seq: Longs
    uptime_ms: Longs
    n_rows: Longs
    firmware: list[str | None]
    time_ms: Longs
    n_values: Longs
    channel: list[str]
    value: NDArray[np.float64]


class JsonColumns:
    """Decodes native payloads in bulk.

    Parameters
    ----------
    codec
        Knows which channel names are well formed.
    """

    def __init__(self, codec: JsonV1) -> None:
        self._codec = codec

    def decode(self, payloads: Sequence[bytes]) -> PayloadColumns:
        """Return the plain ones of `payloads` by column; never raises for what is in them."""
        said, position = self._decoded(payloads)
        _place_batteries(said)
        columns = _columns(said, position)
        if self._are_plain(columns):
            return columns
        plain = [i for i, payload in enumerate(said) if self._is_plain(payload)]
        return _columns([said[i] for i in plain], [position[i] for i in plain])

    def _decoded(self, payloads: Sequence[bytes]) -> tuple[list[Payload], list[int]]:
        """Return what could be decoded, and from which positions."""
        longest = max(map(len, payloads), default=0)
        is_quick = longest <= FAR_FROM or not any(map(is_slow_to_read, payloads))
        if is_quick and longest <= MAX_PAYLOAD and all(map(bytes.isascii, payloads)):
            try:
                return self._codec.typed_many(payloads), list(range(len(payloads)))
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                pass
        said: list[Payload] = []
        position: list[int] = []
        for i, payload in enumerate(payloads):
            if (one := self._one(payload)) is not None:
                said.append(one)
                position.append(i)
        return said, position

    def _one(self, payload: bytes) -> Payload | None:
        if len(payload) > MAX_PAYLOAD or not payload.isascii() or is_slow_to_read(payload):
            return None
        try:
            return self._codec.typed_many((payload,))[0]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def _are_plain(self, columns: PayloadColumns) -> bool:
        n = columns.n_values
        return not len(n) or bool(
            n.min() > 0
            and n.max() <= MAX_CHANNELS
            and (columns.first_seq + columns.n_rows).max() <= U32_MAX + 1
            and self._codec.knows(columns.channel)
        )

    def _is_plain(self, payload: Payload) -> bool:
        if payload.seq + len(payload.r) - 1 > U32_MAX:
            return False
        sizes = [len(values) for _, values in payload.r]
        if min(sizes) == 0 or max(sizes) > MAX_CHANNELS:
            return False
        return all(self._codec.knows(values) for _, values in payload.r)


def _place_batteries(said: Sequence[Payload]) -> None:
    """Give a payload's own battery to its last reading, where that says none."""
    batteries = [payload.battery_v for payload in said]
    if batteries.count(None) == len(batteries):
        return
    for payload, battery in zip(said, batteries, strict=True):
        if battery is not None:
            payload.r[-1][1].setdefault(BATTERY, battery)


def _columns(said: Sequence[Payload], position: Sequence[int]) -> PayloadColumns:
    rows = [payload.r for payload in said]
    readings = list(chain.from_iterable(rows))
    values = [reading[1] for reading in readings]
    return PayloadColumns(
        np.array(position, np.int64),
        np.array([payload.boot for payload in said], np.int64),
        np.array([payload.seq for payload in said], np.int64),
        _or_none([payload.oldest for payload in said]),
        _or_none([payload.uptime_ms for payload in said]),
        np.array(list(map(len, rows)), np.int64),
        [payload.fw for payload in said],
        np.array([reading[0] for reading in readings], np.int64),
        np.array(list(map(len, values)), np.int64),
        list(chain.from_iterable(values)),
        np.array(list(chain.from_iterable(map(dict.values, values))), np.float64),
    )


def _or_none(column: list[int | None]) -> Longs:
    if column.count(None) == len(column):
        return np.full(len(column), NONE, np.int64)
    return np.array([NONE if number is None else number for number in column], np.int64)
