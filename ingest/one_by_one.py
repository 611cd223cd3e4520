"""A message looked at alone: another format, a status, a LoRaWAN event, or anything with a fault.

Slowly, so that it gets its own reason and harms nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ingest import lorawan_topics, topics
from ingest.clocks import Clocks
from ingest.letters import kind_of, letter_of, reason_of, refusal_of
from ingest.lorawan import LoRaWAN
from ingest.parts import PartList
from ingest.status import Status, decode_status
from ingest.waiting import Incoming
from kahriz import plugins
from kahriz.book.days import STRANGERS, Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.clock import to_ms
from kahriz.codec import CODECS, MAX_PAYLOAD, Codec
from kahriz.codec.sniff import codec_for
from kahriz.errors import DecodeError, UnknownSensorError
from kahriz.observations import Readings
from kahriz.sites import Registry


@dataclass(slots=True)
class Rest:
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


class OneByOne:
    """Decodes and resolves single messages.

    Parameters
    ----------
    registry
        Which channel of which device is which datastream.
    clocks
        Correct the times of devices.

    Attributes
    ----------
    lorawan
        Reads ChirpStack's events.
    deaf
        Devices heard through them: nothing is acknowledged to these.
    """

    def __init__(self, registry: Registry, clocks: Clocks) -> None:
        self._channels = registry.channels
        self._place = {device: i for i, device in enumerate(registry.channels)}
        self._codecs: dict[str, Codec] = {
            name: plugins.load("codec", name, CODECS)() for name in CODECS
        }
        self._clocks = clocks
        self.lorawan = LoRaWAN(registry)
        self.deaf: set[str] = set()

    def sender(self, message: Incoming) -> str:
        """Return under which device `message` is counted."""
        device = topics.sender(message.topic)
        return device if device is not None and device in self._channels else STRANGERS

    def look_at(
        self, rest: Rest, i: int, message: Incoming, now: datetime, bounds: tuple[int, int]
    ) -> None:
        """Add to `rest` what message `i` of a batch says, or why it cannot be used."""
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
            rest.letters.append(letter_of(message, reason_of(error), now, kind_of(error)))
            rest.set_aside.append((self.sender(message), kind_of(error)))

    def _add_status(self, rest: Rest, device: str, payload: bytes) -> None:
        if device not in self._channels:
            raise UnknownSensorError(f"device {device!r}")
        if payload:  # an empty retained message only clears what was retained
            rest.statuses.append(decode_status(device, payload))

    def _add_readings(
        self,
        rest: Rest,
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
        rest: Rest,
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
        rest.parts.add(position, self._place[device], readings, newest)

    def _add_usable(
        self,
        rest: Rest,
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
            refusal = refusal_of(device, channel, time_ms, table.get(channel), bounds)
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
