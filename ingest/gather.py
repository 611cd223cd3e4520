"""Many messages to one set of columns: decode, resolve by table, set aside what cannot be used.

Native payloads are decoded and resolved together. Any other, and any of which something cannot be
used, is looked at alone, slowly, so that it gets its own reason and harms nobody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest import lorawan_topics, topics
from ingest.clocks import Clocks
from ingest.lorawan import LoRaWAN
from ingest.parts import NONE, PartList, Parts, joined
from ingest.waiting import Incoming
from kahriz import plugins
from kahriz.book.days import STRANGERS, Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.clock import from_ms, iso, to_ms
from kahriz.codec import CODECS, MAX_PAYLOAD, Codec
from kahriz.codec.json_columns import JsonColumns, PayloadColumns
from kahriz.codec.json_v1 import JsonV1
from kahriz.codec.sniff import codec_for
from kahriz.errors import DecodeError, UnknownSensorError
from kahriz.observations import Readings
from kahriz.sites import Registry
from kahriz.units import property_of

_SHOWN = 40
_FIRMWARE = re.compile(r"[ -~]{0,64}")


class _Route(NamedTuple):
    """Where messages on one topic go: the device's place among the devices, and its channels."""

    device: int
    channels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """A device's own word about itself, or its last will."""

    device: str
    status: str
    firmware: str | None


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


@dataclass(slots=True)
class _Rest:
    """What is looked at one by one: flat lists that grow."""

    stream: list[int] = field(default_factory=list)
    time_ms: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    is_corrected: list[bool] = field(default_factory=list)
    parts: PartList = field(default_factory=PartList)
    statuses: list[Status] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    refused: dict[int, dict[int, Reason]] = field(default_factory=dict)
    set_aside: list[tuple[str, Reason]] = field(default_factory=list)


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
    lorawan
        Reads ChirpStack's events.
    deaf
        Devices heard through them: nothing is acknowledged to these.
    """

    def __init__(
        self,
        registry: Registry,
        future_tolerance: timedelta,
        oldest: timedelta,
        clocks: Clocks | None = None,
    ) -> None:
        self._channels = registry.channels
        self.devices = tuple(registry.channels)
        self._codecs: dict[str, Codec] = {
            name: plugins.load("codec", name, CODECS)() for name in CODECS
        }
        self.lorawan = LoRaWAN(registry)
        self.deaf: set[str] = set()
        self._native = JsonColumns(JsonV1())
        self._routes = _Routes(registry.channels)
        self._future_tolerance = future_tolerance
        self._oldest = oldest
        self._clocks = clocks or Clocks(
            future_tolerance // timedelta(milliseconds=1), oldest // timedelta(milliseconds=1)
        )

    def gather(self, messages: Sequence[Incoming], now: datetime) -> Gathered:
        """Return the columns of `messages`, received at `now`."""
        bounds = (to_ms(now - self._oldest), to_ms(now + self._future_tolerance))
        routes = [self._routes[message[0]] for message in messages]
        known = [i for i, route in enumerate(routes) if route is not None]
        native = self._native.decode([messages[i][1] for i in known])
        plain = self._resolved(native, known, routes, bounds, to_ms(now))
        rest = _Rest()
        if len(plain.used) < len(messages):
            for i in sorted(set(range(len(messages))).difference(plain.used.tolist())):
                self._look_at(rest, i, messages[i], now, bounds)
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
            return self._clocks.disturbed(native, names, is_odd.tolist(), now_ms)

        return _resolved(native, known, routes, bounds, disturbed)

    def _look_at(
        self, rest: _Rest, i: int, message: Incoming, now: datetime, bounds: tuple[int, int]
    ) -> None:
        topic = topics.parse(message.topic)
        try:
            if lorawan_topics.parse(message.topic) is not None:
                if found := self.lorawan.readings(message.topic, message.payload, bounds[1]):
                    self.deaf.add(found[0])
                    self._add(rest, i, found[0], found[1], message, now, bounds)
            elif topic is None:
                raise DecodeError(
                    "", f"topic {message.topic[: topics.LONGEST]!r} is not one of ours"
                )
            elif topic.kind is topics.Kind.STATUS:
                self._add_status(rest, topic.device, message.payload)
            else:
                self._add_readings(rest, i, topic.device, message, now, bounds)
        except (DecodeError, UnknownSensorError) as error:
            rest.letters.append(letter_of(message, _reason(error), now, _kind(error)))
            rest.set_aside.append((self.sender(message), _kind(error)))

    def sender(self, message: Incoming) -> str:
        """Return under which device `message` is counted."""
        topic = topics.parse(message.topic)
        return topic.device if topic and topic.device in self._channels else STRANGERS

    def _add_status(self, rest: _Rest, device: str, payload: bytes) -> None:
        if device not in self._channels:
            raise UnknownSensorError(f"device {device!r}")
        if payload:  # an empty retained message only clears what was retained
            rest.statuses.append(_decode_status(device, payload))

    def _add_readings(
        self,
        rest: _Rest,
        position: int,
        device: str,
        message: Incoming,
        now: datetime,
        bounds: tuple[int, int],
    ) -> None:
        if device not in self._channels:
            raise UnknownSensorError(f"device {device!r}")
        if len(message.payload) > MAX_PAYLOAD:
            raise DecodeError("", f"{len(message.payload)} bytes, {MAX_PAYLOAD} are allowed")
        readings = self._codecs[codec_for(message.payload)].decode(message.payload)
        self._add(rest, position, device, readings, message, now, bounds)

    def _add(
        self,
        rest: _Rest,
        position: int,
        device: str,
        readings: Readings,
        message: Incoming,
        now: datetime,
        bounds: tuple[int, int],
    ) -> None:
        corrected = self._clocks.corrected(device, readings, to_ms(now))
        if corrected is not None:
            readings.time_ms = corrected.time_ms
        marks = [False] * len(readings.row) if corrected is None else corrected.is_corrected
        refused, reasons = self._add_usable(rest, position, device, readings, marks, bounds)
        if refused:
            shown = "; ".join(reasons[:3]) + ("; ..." if len(reasons) > 3 else "")
            first = next(iter(refused.values()))
            rest.letters.append(letter_of(message, shown, now, first))
            rest.refused[position] = refused
        newest = max((t for t in readings.time_ms if bounds[0] <= t <= bounds[1]), default=None)
        rest.parts.add(position, self.devices.index(device), readings, newest)

    def _add_usable(
        self,
        rest: _Rest,
        position: int,
        device: str,
        readings: Readings,
        marks: Sequence[bool],
        bounds: tuple[int, int],
    ) -> tuple[dict[int, Reason], list[str]]:
        """Add what can be used; return the rows that fell short, and why."""
        table = self._channels[device]
        refused: dict[int, Reason] = {}
        reasons: dict[str, None] = {}
        r = readings
        columns = zip(r.row, r.time_ms, r.channel, r.value, marks, strict=True)
        for row, time_ms, channel, value, is_corrected in columns:
            refusal = _refusal(device, channel, time_ms, table.get(channel), bounds)
            if refusal is None:
                rest.stream.append(table[channel])
                rest.time_ms.append(time_ms)
                rest.value.append(value)
                rest.source.append(position)
                rest.is_corrected.append(is_corrected)
            else:
                refused.setdefault(row, refusal[0])
                reasons[refusal[1]] = None
        return refused, list(reasons)


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


def _together(now: datetime, plain: _Plain, rest: _Rest) -> Gathered:
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


def _refusal(
    device: str, channel: str, time_ms: int, stream: int | None, bounds: tuple[int, int]
) -> tuple[Reason, str] | None:
    if stream is None:
        try:
            property_of(channel)
        except UnknownSensorError as error:
            is_unit = error.reason.startswith("unit ")
            kind = Reason.WRONG_UNIT if is_unit else Reason.UNKNOWN_CHANNEL
            return kind, f"device {device!r}: channel {error}"
        said = f"device {device!r}: channel {channel!r} is not in sites.toml"
        return Reason.UNKNOWN_CHANNEL, said
    if time_ms < bounds[0]:
        said = f"device {device!r}: time {_shown(time_ms)} is too long ago to be true"
        return Reason.TIME_PAST, said
    if time_ms > bounds[1]:
        said = f"device {device!r}: time {_shown(time_ms)} lies in the future"
        return Reason.TIME_FUTURE, said
    return None


def _shown(time_ms: int) -> str:
    try:
        return iso(from_ms(time_ms))
    except OverflowError:
        return f"{time_ms} ms"


def _reason(error: DecodeError | UnknownSensorError) -> str:
    return error.reason if isinstance(error, DecodeError) else str(error)


def _kind(error: DecodeError | UnknownSensorError) -> Reason:
    is_strange = isinstance(error, UnknownSensorError)
    return Reason.UNKNOWN_DEVICE if is_strange else Reason.DECODE_ERROR


def letter_of(message: Incoming, reason: str, now: datetime, kind: Reason) -> DeadLetter:
    """Return what is kept of a message that cannot be used, for `reason`."""
    topic = topics.parse(message.topic) or lorawan_topics.parse(message.topic)
    device = None if topic is None else topic.device
    return DeadLetter(to_ms(now), message.topic, device, reason, message.payload, kind)


def _decode_status(device: str, payload: bytes) -> Status:
    try:
        said = json.loads(payload[:1024])
        status, firmware = said["status"], said.get("fw")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DecodeError(
            "", f"status is not {{'status': 'online' or 'offline'}}: got {payload[:_SHOWN]!r}"
        ) from error
    if status not in ("online", "offline"):
        raise DecodeError("", f"status {status!r} is neither 'online' nor 'offline'")
    if firmware is not None and not (isinstance(firmware, str) and _FIRMWARE.fullmatch(firmware)):
        raise DecodeError(
            "", f"fw {firmware!r} is not a string of at most 64 printable ASCII characters"
        )
    return Status(device, status, firmware)
