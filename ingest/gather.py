"""Many messages to one set of columns: decode, resolve by table, set aside what cannot be used."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ingest import topics
from ingest.clocks import Clocks
from ingest.mqtt import Incoming
from kahriz import plugins
from kahriz.book.dead_letters import DeadLetter
from kahriz.clock import from_ms, iso, to_ms
from kahriz.codec import CODECS, MAX_PAYLOAD, Codec
from kahriz.codec.sniff import codec_for
from kahriz.errors import DecodeError, UnknownSensorError
from kahriz.observations import Readings
from kahriz.sites import Registry
from kahriz.units import property_of

_SHOWN = 40
_FIRMWARE = re.compile(r"[ -~]{0,64}")


@dataclass(slots=True)
class Part:
    """What one payload contributed: whose it is, its place in the device's count, what was used."""

    device: str
    readings: Readings
    last_time_ms: int | None
    n_quarantined: int


@dataclass(frozen=True, slots=True)
class Status:
    """A device's own word about itself, or its last will."""

    device: str
    status: str
    firmware: str | None


@dataclass(slots=True)
class Gathered:
    """One batch by column: flat parallel lists, one entry a value, and what came beside them.

    ``stream`` points into ``registry.datastreams``, ``source`` into the messages; ``corrected``
    names the values whose time is not as the device said.
    """

    received_at: datetime
    stream: list[int] = field(default_factory=list)
    time_ms: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    received_at_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.received_at_ms = to_ms(self.received_at)


class Gatherer:
    """Decodes and resolves; a payload that cannot be used harms only itself.

    Parameters
    ----------
    registry
        Which channel of which device is which datastream.
    future_tolerance, oldest
        A device's time further ahead of ours, or longer ago, is not believed.
    clocks
        Correct the times of devices that say their uptime; if None for this object's life only.
    """

    def __init__(
        self,
        registry: Registry,
        future_tolerance: timedelta,
        oldest: timedelta,
        clocks: Clocks | None = None,
    ) -> None:
        self._channels = registry.channels
        self._codecs: dict[str, Codec] = {
            name: plugins.load("codec", name, CODECS)() for name in CODECS
        }
        self._future_tolerance = future_tolerance
        self._oldest = oldest
        self._clocks = clocks or Clocks(
            future_tolerance // timedelta(milliseconds=1), oldest // timedelta(milliseconds=1)
        )

    def gather(self, messages: Sequence[Incoming], now: datetime) -> Gathered:
        """Return the columns of `messages`, received at `now`."""
        batch = Gathered(received_at=now)
        bounds = (to_ms(now - self._oldest), to_ms(now + self._future_tolerance))
        for position, message in enumerate(messages):
            topic = topics.parse(message.topic)
            try:
                if topic is None:
                    raise DecodeError(
                        "", f"topic {message.topic[: topics.LONGEST]!r} is not one of ours"
                    )
                if topic.kind is topics.Kind.STATUS:
                    self._add_status(batch, topic.device, message.payload)
                else:
                    self._add_readings(batch, position, topic.device, message, bounds)
            except (DecodeError, UnknownSensorError) as error:
                batch.letters.append(letter_of(message, _reason(error), now))
        return batch

    def _add_status(self, batch: Gathered, device: str, payload: bytes) -> None:
        if device not in self._channels:
            raise UnknownSensorError(f"device {device!r}")
        if payload:  # an empty retained message only clears what was retained
            batch.statuses.append(_decode_status(device, payload))

    def _add_readings(
        self,
        batch: Gathered,
        position: int,
        device: str,
        message: Incoming,
        bounds: tuple[int, int],
    ) -> None:
        table = self._channels.get(device)
        if table is None:
            raise UnknownSensorError(f"device {device!r}")
        if len(message.payload) > MAX_PAYLOAD:
            raise DecodeError("", f"{len(message.payload)} bytes, {MAX_PAYLOAD} are allowed")
        readings = self._codecs[codec_for(message.payload)].decode(message.payload)
        marks: list[bool] = []
        corrected = self._clocks.corrected(device, readings, batch.received_at_ms)
        if corrected is not None:
            readings.time_ms, marks = corrected.time_ms, corrected.is_corrected
        times = readings.time_ms
        refused: set[int] = set()
        try:
            stream = [table[channel] for channel in readings.channel]
            is_usable = not times or (min(times) >= bounds[0] and max(times) <= bounds[1])
        except KeyError:
            stream, is_usable = [], False
        if is_usable:
            batch.corrected += [len(batch.stream) + i for i, is_it in enumerate(marks) if is_it]
            batch.stream += stream
            batch.time_ms += times
            batch.value += readings.value
            batch.source += [position] * len(stream)
        else:
            refused = self._add_usable(batch, position, device, message, readings, marks, bounds)
        newest = max((t for t in times if bounds[0] <= t <= bounds[1]), default=None)
        batch.parts.append(Part(device, readings, newest, len(refused)))

    def _add_usable(
        self,
        batch: Gathered,
        position: int,
        device: str,
        message: Incoming,
        readings: Readings,
        marks: Sequence[bool],
        bounds: tuple[int, int],
    ) -> set[int]:
        """Add what can be used, keep the payload for the rest; return the rows that fell short."""
        table = self._channels[device]
        refused: set[int] = set()
        reasons: dict[str, None] = {}
        columns = zip(readings.row, readings.time_ms, readings.channel, readings.value, strict=True)
        for i, (row, time_ms, channel, value) in enumerate(columns):
            reason = _refusal(device, channel, time_ms, table.get(channel), bounds)
            if reason is None:
                if marks and marks[i]:
                    batch.corrected.append(len(batch.stream))
                batch.stream.append(table[channel])
                batch.time_ms.append(time_ms)
                batch.value.append(value)
                batch.source.append(position)
            else:
                refused.add(row)
                reasons[reason] = None
        shown = "; ".join(list(reasons)[:3]) + ("; ..." if len(reasons) > 3 else "")
        batch.letters.append(letter_of(message, shown, batch.received_at))
        return refused


def _refusal(
    device: str, channel: str, time_ms: int, stream: int | None, bounds: tuple[int, int]
) -> str | None:
    if stream is None:
        try:
            property_of(channel)
        except UnknownSensorError as error:
            return f"device {device!r}: channel {error}"
        return f"device {device!r}: channel {channel!r} is not in sites.toml"
    if time_ms < bounds[0]:
        return f"device {device!r}: time {_shown(time_ms)} is too long ago to be true"
    if time_ms > bounds[1]:
        return f"device {device!r}: time {_shown(time_ms)} lies in the future"
    return None


def _shown(time_ms: int) -> str:
    try:
        return iso(from_ms(time_ms))
    except OverflowError:
        return f"{time_ms} ms"


def _reason(error: DecodeError | UnknownSensorError) -> str:
    return error.reason if isinstance(error, DecodeError) else str(error)


def letter_of(message: Incoming, reason: str, now: datetime) -> DeadLetter:
    """Return what is kept of a message that cannot be used, for `reason`."""
    topic = topics.parse(message.topic)
    device = None if topic is None else topic.device
    return DeadLetter(to_ms(now), message.topic, device, reason, message.payload)


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
