"""A paho client that reads in bulk: messages taken apart many at a time, acknowledged in one write.

paho reads a packet by three system calls of 1, 1 and n bytes and handles it in some fifty
microseconds. Here the socket is read by up to 256 KiB, and the complete PUBLISH packets of QoS 0
and 1 at the front of what was read are taken apart in one go. Everything else, and every packet
that is not whole yet, paho reads itself, from what was read ahead: connect, TLS, keep-alive,
subscriptions and QoS 2 stay its own.

It rests on names of paho's that are not public (`PRIVATE`): the minor version is pinned in
pyproject.toml, and a test fails when one of them changes (docs/decisions/0006-bulk-reads.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

PRIVATE = (
    "_in_packet",
    "_last_bytes_received",
    "_loop_rc_handle",
    "_msgtime_mutex",
    "_packet_queue",
    "_packet_read",
    "_protocol",
    "_sock",
    "_sock_recv",
)

_READ_AHEAD = 256 * 1024
_PUBLISH, _PUBACK = 0x30, 0x40
_QOS, _QOS_1 = 0x06, 0x02


class Published(NamedTuple):
    """One PUBLISH as it came: topic as bytes, mid 0 where QoS is 0."""

    topic: bytes
    payload: bytes
    mid: int
    qos: int


class BulkClient(paho.Client):
    """See the module; `on_bulk` is called with the messages that were read together."""

    on_bulk: Callable[[BulkClient, list[Published]], None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ahead = b""
        self._at = 0
        self._is_v5 = self._protocol == MQTTProtocolVersion.MQTTv5

    def ack_all(self, mids: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1, all in one write; from any thread."""
        packets = b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids])
        if packets:
            self._packet_queue(_PUBACK, packets, 0, 0)

    def reconnect(self) -> MQTTErrorCode:
        """Connect again, with nothing read ahead."""
        self._ahead, self._at = b"", 0
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Take in what the socket has: the whole messages at once, the rest by paho."""
        while self._sock is not None:
            if self._in_packet["command"] == 0 and self._take_published():
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            rc = self._packet_read()
            if rc == MQTTErrorCode.MQTT_ERR_AGAIN:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return self._loop_rc_handle(rc)
            if self._at == len(self._ahead):
                return rc
        return MQTTErrorCode.MQTT_ERR_NO_CONN

    def _read_ahead(self) -> None:
        """Fill what is read ahead; an error is left for paho to meet at its own next read."""
        if self._at < len(self._ahead):
            return
        try:
            self._ahead = super()._sock_recv(_READ_AHEAD)
        except OSError:
            self._ahead = b""
        self._at = 0
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Return at most `bufsize` bytes, from what was read ahead as long as there is any."""
        if self._at >= len(self._ahead):
            return super()._sock_recv(bufsize)
        data = self._ahead[self._at : self._at + bufsize]
        self._at += len(data)
        return data

    def _take_published(self) -> bool:
        """Hand over the messages at the front; return whether nothing else was read ahead."""
        self._read_ahead()
        taken, self._at = split(self._ahead, self._at, is_v5=self._is_v5)
        if taken:
            self.on_bulk(self, taken)
        return bool(self._ahead) and self._at == len(self._ahead)


def split(data: bytes, at: int, *, is_v5: bool) -> tuple[list[Published], int]:
    """Return the whole PUBLISH packets of QoS 0 and 1 from `at` on, and where they end.

    Stops before the first packet of another kind, or that is not whole, or not well-formed.
    """
    taken: list[Published] = []
    end = len(data)
    while at + 2 <= end:
        command = data[at]
        qos = command & _QOS
        if command & 0xF0 != _PUBLISH or qos > _QOS_1:
            break
        body, length = _variable_int(data, at + 1)
        stop = body + length
        if body == 0 or stop > end:
            break
        topic_at = body + 2
        here = topic_at + (data[body] << 8 | data[body + 1]) if length >= 2 else stop + 1
        topic_end, mid = here, 0
        if qos:
            here += 2
            if here > stop:
                break
            mid = data[here - 2] << 8 | data[here - 1]
        if is_v5 and here < stop:
            here, properties = _variable_int(data, here)
            here = here + properties if here else stop + 1
        if here > stop:
            break
        taken.append(Published(data[topic_at:topic_end], data[here:stop], mid, qos >> 1))
        at = stop
    return taken, at


def _variable_int(data: bytes, at: int) -> tuple[int, int]:
    """Return (position after it, value) of MQTT's variable byte integer; position 0: not whole."""
    value = shift = 0
    for position in range(at, min(at + 4, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return position + 1, value
        shift += 7
    return 0, 0
