"""LoRaWAN devices, as ChirpStack tells of them: an event to readings of a device of ours.

Nothing is acknowledged to such a device: it cannot hear ``down/ack``. What came by a topic of
`lorawan_topics` needs none; the ledger counts it like everything else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isinf

from ingest import lorawan_topics
from ingest.frame_counters import FrameCounters
from kahriz import plugins
from kahriz.book.devices import DeviceRow
from kahriz.codec.chirpstack import Uplink, decode_uplink
from kahriz.codec.payload import DEFAULT, PAYLOAD_DECODERS, PayloadDecoder
from kahriz.errors import DecodeError, UnknownSensorError
from kahriz.observations import Readings
from kahriz.sites import PayloadChannel, Registry

_CHANNEL = re.compile(r"[a-z0-9_]{1,64}")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one device's frames are read."""

    decoder: PayloadDecoder
    channels: Mapping[str, PayloadChannel]


class LoRaWAN:
    """ChirpStack's events to readings.

    Parameters
    ----------
    registry
        Which devices there are, and how each one's payload is read.

    Attributes
    ----------
    ignored
        Events that carry no reading, by kind; ``empty`` is an uplink without a payload.

    Raises
    ------
    ConfigError
        A device's payload decoder does not exist.
    """

    def __init__(self, registry: Registry) -> None:
        self.ignored: Counter[str] = Counter()
        self._counters = FrameCounters()
        self._uncounted: set[str] = set()
        self._readers = {device: _reader(registry, device) for device in registry.devices}

    def restore(self, known: Iterable[DeviceRow]) -> None:
        """Go on with the boots the book counted; before the first event."""
        for row in known:
            if row.boot is not None and row.last_seq is not None and row.last_time_ms is not None:
                self._counters.restore(row.device, row.boot, row.last_seq, row.last_time_ms)

    def leave_uncounted(self, known: Iterable[DeviceRow]) -> None:
        """Give no numbers to the frames of devices of which the book has counted any.

        For frames that are told again: it has counted these, and in which boot each was is not to
        be said any more. To guess would make holes in a ledger that has none.
        """
        self._uncounted = {row.device for row in known if row.boot is not None}

    def readings(self, topic: str, payload: bytes, latest_ms: int) -> tuple[str, Readings] | None:
        """Return (device, what it said), or None where the event carries no reading.

        Parameters
        ----------
        topic, payload
            Of one message.
        latest_ms
            The latest instant to believe: now, and what a clock may be ahead. What is later is
            returned like everything else, for the caller to judge.

        Raises
        ------
        DecodeError
            The event, or the device's payload in it, is not what it should be.
        UnknownSensorError
            The device is not in sites.toml.
        """
        event = lorawan_topics.parse(topic)
        if event is None:
            shown = topic[: lorawan_topics.LONGEST]
            raise DecodeError("", f"topic {shown!r} is not one of ChirpStack's")
        if event.kind != "up":
            self.ignored[event.kind if event.kind in lorawan_topics.KINDS else "other"] += 1
            return None
        reader = self._readers.get(event.device)
        if reader is None:
            raise UnknownSensorError(f"device {event.device!r}")
        uplink = decode_uplink(payload)
        if uplink.dev_eui != event.device:
            raise DecodeError("", f"devEui {uplink.dev_eui!r} on a topic of {event.device!r}")
        if not (uplink.data or uplink.object) or uplink.f_port == 0:
            self.ignored["empty"] += 1
            return None
        said = _read(reader, uplink)
        if said.boot is None:
            self._number(said, uplink, latest_ms)
        return event.device, said

    def _number(self, said: Readings, uplink: Uplink, latest_ms: int) -> None:
        if said.n_rows != 1:
            raise DecodeError("", f"{said.n_rows} readings without numbers in one frame")
        if uplink.dev_eui in self._uncounted:
            return
        said.boot, said.first_seq = self._counters.number(
            uplink.dev_eui, uplink.deduplication_id, uplink.f_cnt, uplink.time_ms, latest_ms
        )
        # A frame that was not heard is not sent again: nothing before this one can still come.
        said.oldest_seq = said.first_seq


def _reader(registry: Registry, device: str) -> _Reader:
    entry = registry.payloads.get(device)
    name = DEFAULT if entry is None else entry.payload
    decoder: PayloadDecoder = plugins.load("payload decoder", name, PAYLOAD_DECODERS)()
    return _Reader(decoder, {} if entry is None else {c.name: c for c in entry.channel})


def _read(reader: _Reader, uplink: Uplink) -> Readings:
    data = uplink.object if reader.decoder.reads == "object" else uplink.data
    if not data:
        raise DecodeError(
            "",
            f"the event has no {reader.decoder.reads}: give its device profile a codec in"
            " ChirpStack, or say in sites.toml how the payload is read",
        )
    said = reader.decoder.decode(uplink.f_port, data, uplink.time_ms)
    return _chosen(said, reader.channels) if reader.channels else _unchanged(said)


def _chosen(said: Readings, channels: Mapping[str, PayloadChannel]) -> Readings:
    """Return the values that sites.toml names, as the channels it names."""
    kept = [i for i, name in enumerate(said.channel) if name in channels]
    if len({said.row[i] for i in kept}) < said.n_rows:
        names = ", ".join(repr(name[:24]) for name in said.channel[:_SHOWN])
        raise DecodeError("", f"{names}: a reading without any value that sites.toml names")
    said.row = [said.row[i] for i in kept]
    said.time_ms = [said.time_ms[i] for i in kept]
    said.value = [channels[said.channel[i]].converted(said.value[i]) for i in kept]
    said.channel = [channels[said.channel[i]].channel for i in kept]
    for channel, value in zip(said.channel, said.value, strict=True):
        if isinf(value):
            raise DecodeError("", f"channel {channel!r}: value {value} is not a finite number")
    return said


def _unchanged(said: Readings) -> Readings:
    for name in said.channel:
        if not _CHANNEL.fullmatch(name):
            raise DecodeError("", f"{name[:24]!r} is no channel: name it in sites.toml")
    return said
