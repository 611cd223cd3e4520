"""Many messages to one set of columns: decode, resolve by table, set aside what cannot be used.

Native payloads are decoded and resolved together. Any other, and any of which something cannot be
used, is looked at alone, slowly, so that it gets its own reason and harms nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest import topics
from ingest.clocks import Clocks
from ingest.gathered import Gathered
from ingest.one_by_one import OneByOne, Rest
from ingest.parts import Parts, joined
from ingest.waiting import Incoming
from kahriz.clock import to_ms
from kahriz.codec.json_columns import NONE, JsonColumns, PayloadColumns
from kahriz.codec.json_v1 import JsonV1
from kahriz.sites import Registry


class _Route(NamedTuple):
    """Where messages on one topic go: the device's place among the devices, and its channels."""

    device: int
    channels: Mapping[str, int]


class Gatherer:
    """Decodes and resolves; a payload that cannot be used harms only itself.

    Parameters
    ----------
    registry
        Which channel of which device is which datastream.
    future_tolerance, oldest
        A device's time further ahead of ours, or longer ago, is not believed.
    clocks
        Correct the times of devices that say their uptime; if None, for this object's life only.

    Attributes
    ----------
    devices
        Their ids; `Parts.device` points into them.
    clocks
        Correct the times of devices.
    one_by_one
        Looks at what is not plain.
    """

    def __init__(
        self,
        registry: Registry,
        future_tolerance: timedelta,
        oldest: timedelta,
        clocks: Clocks | None = None,
    ) -> None:
        self.devices = tuple(registry.channels)
        self._native = JsonColumns(JsonV1())
        self._routes = _Routes(registry.channels)
        self._future_tolerance = future_tolerance
        self._oldest = oldest
        self.clocks = clocks or Clocks(
            future_tolerance // timedelta(milliseconds=1), oldest // timedelta(milliseconds=1)
        )
        self.one_by_one = OneByOne(registry, self.clocks)

    def gather(self, messages: Sequence[Incoming], now: datetime) -> Gathered:
        """Return the columns of `messages`, received at `now`."""
        bounds = (to_ms(now - self._oldest), to_ms(now + self._future_tolerance))
        routes = [self._routes[message[0]] for message in messages]
        known = [i for i, route in enumerate(routes) if route is not None]
        native = self._native.decode([messages[i][1] for i in known])
        plain = self._resolved(native, known, routes, bounds, to_ms(now))
        rest = Rest()
        if len(plain.used) < len(messages):
            for i in sorted(set(range(len(messages))).difference(plain.used.tolist())):
                self.one_by_one.look_at(rest, i, messages[i], now, bounds)
        return _together(now, plain, rest)

    def _resolved(
        self,
        native: PayloadColumns,
        known: Sequence[int],
        routes: Sequence[Any],
        bounds: tuple[int, int],
        now_ms: int,
    ) -> _Plain:
        def disturbed(device: NDArray[np.int64], is_odd: NDArray[np.bool_]) -> list[int]:
            names = [self.devices[i] for i in device.tolist()]
            return self.clocks.disturbed(native, names, is_odd.tolist(), now_ms)

        return _resolved(native, known, routes, bounds, disturbed)


class _Routes(dict[str, _Route | None]):
    """Topics resolved once: the route of a known device's readings, else None."""

    def __init__(self, channels: Mapping[str, Mapping[str, int]]) -> None:
        super().__init__()
        self._known = {
            device: _Route(i, table) for i, (device, table) in enumerate(channels.items())
        }

    def __missing__(self, name: str) -> _Route | None:
        topic = topics.parse(name)
        if topic is None or topic.kind is not topics.Kind.UP:
            return None
        route = self._known.get(topic.device)
        if route is not None:  # as many topics as devices; strangers' are not kept
            self[name] = route
        return route


@dataclass(frozen=True, slots=True)
class _Plain:
    """What was decoded and resolved together; `used` are the places of its messages."""

    used: NDArray[np.int64]
    stream: NDArray[np.int32]
    time_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    source: NDArray[np.int32]
    parts: Parts


def _resolved(
    native: PayloadColumns,
    known: Sequence[int],
    routes: Sequence[Any],
    bounds: tuple[int, int],
    disturbed: Callable[[NDArray[np.int64], NDArray[np.bool_]], list[int]],
) -> _Plain:
    """Resolve every value by its device's table; leave out payloads with anything unusual."""
    position = np.array(known, np.int64)[native.position]
    mine = [routes[i] for i in position.tolist()]
    row_part = np.repeat(np.arange(len(mine)), native.n_rows)
    value_row = np.repeat(np.arange(len(row_part)), native.n_values)
    value_part = row_part[value_row]
    sizes = np.bincount(value_part, minlength=len(mine)).tolist()
    tables = chain.from_iterable(map(repeat, [route[1] for route in mine], sizes))
    stream = np.fromiter(
        map(dict.get, tables, native.channel, repeat(-1)),
        np.int32,
        len(native.channel),
    )
    is_odd = np.zeros(len(mine), np.bool_)
    is_odd[value_part[stream < 0]] = True
    is_odd[row_part[(native.time_ms < bounds[0]) | (native.time_ms > bounds[1])]] = True
    device = np.array([route[0] for route in mine], np.int64)
    is_odd[disturbed(device, is_odd)] = True
    last_ms = np.full(len(mine), NONE, np.int64)
    np.maximum.at(last_ms, row_part, native.time_ms)
    kept = np.flatnonzero(~is_odd)
    firmware = native.firmware
    parts = Parts(
        position[kept],
        device[kept],
        native.boot[kept],
        native.first_seq[kept],
        native.oldest_seq[kept],
        native.n_rows[kept],
        last_ms[kept],
        firmware if len(kept) == len(mine) else [firmware[i] for i in kept.tolist()],
    )
    rows = ~is_odd[value_part]
    return _Plain(
        position[kept],
        stream[rows],
        native.time_ms[value_row[rows]],
        native.value[rows],
        position[value_part[rows]].astype(np.int32),
        parts,
    )


def _together(now: datetime, plain: _Plain, rest: Rest) -> Gathered:
    stream, time_ms = plain.stream, plain.time_ms
    value, source = plain.value, plain.source
    if rest.stream:
        source = np.concatenate((source, np.array(rest.source, np.int32)))
        # In the order they came in: of two values for one instant the last one counts.
        order = np.argsort(source, kind="stable")
        source = source[order]
        stream = np.concatenate((stream, np.array(rest.stream, np.int32)))[order]
        time_ms = np.concatenate((time_ms, np.array(rest.time_ms, np.int64)))[order]
        value = np.concatenate((value, np.array(rest.value, np.float64)))[order]
    is_corrected = None
    if any(rest.is_corrected):
        is_corrected = np.array([False] * len(plain.stream) + rest.is_corrected)[order]
    parts = joined(plain.parts, rest.parts)
    return Gathered(
        now,
        stream,
        time_ms,
        value,
        source,
        parts,
        rest.statuses,
        rest.letters,
        rest.refused,
        rest.set_aside,
        is_corrected,
    )
