"""A paho client that reads in bulk: messages taken apart many at a time, acknowledged in one write.

paho reads a packet by three system calls of 1, 1 and n bytes and handles it in some fifty
microseconds. Here the socket is read by up to 256 KiB, and the complete PUBLISH packets of QoS 0
and 1, and the PUBACKs, at the front of what was read are taken apart in one go. Everything else,
and every packet that is not whole yet, paho reads itself, from what was read ahead: connect, TLS,
keep-alive, subscriptions and QoS 2 stay its own. A WebSocket it reads alone: its frames are no
stream that could be read ahead.

What we publish ourselves, the acknowledgements devices wait for, goes the same way: an `Outbox`
says what may be on its way, and a batch of packets is one write.

It rests on names of paho's that are not public (`PRIVATE`): the minor version is pinned in
pyproject.toml, and a test fails when one of them changes (docs/decisions/0006-bulk-reads.md).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from ingest.outbox import Note, Outbox

PRIVATE = (
    "_handle_pubackcomp",
    "_in_packet",
    "_last_bytes_received",
    "_loop_rc_handle",
    "_msgtime_mutex",
    "_packet_queue",
    "_packet_read",
    "_ping_t",
    "_protocol",
    "_sock",
    "_sock_recv",
    "_thread",
)

_READ_AHEAD = 256 * 1024
_PUBLISH, _PUBACK = 0x30, 0x40
_QOS, _QOS_1 = 0x06, 0x02
_PUBLISH_QOS_1 = 0x32
_ACK = 0x4002  # PUBACK and the length of what follows

_LEAST = 4
"""Bytes of a topic's length and an identifier: fewer cannot be a PUBLISH of QoS 1."""

_FLOOD = 16
"""Messages read at once that are a flood: then the next read waits for more to come."""

_SLICE_S = 0.004
_FULL_PAUSE_S = 0.01


class Published(NamedTuple):
    """One PUBLISH as it came: topic as bytes, mid 0 where QoS is 0."""

    topic: bytes
    payload: bytes
    mid: int
    qos: int


class BulkClient(paho.Client):
    """See the module.

    Attributes
    ----------
    on_bulk
        Called with the messages that were read together, as plain tuples like `Published`.
    has_room
        Whether more may be read. While it says no, what comes waits in the network: TCP tells the
        broker. Our own pings and acknowledgements go on.
    outbox
        What we publish, and what of it the broker has acknowledged.
    """

    on_bulk: Callable[[BulkClient, list[tuple[bytes, bytes, int, int]]], None]
    has_room: Callable[[], bool]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ahead = b""
        self._at = 0
        self._is_v5 = self._protocol == MQTTProtocolVersion.MQTTv5
        self.outbox = Outbox()
        self.has_room = lambda: True

    def is_running(self) -> bool:
        """Return whether paho's own thread is at work: a fault ends it, and nobody is told."""
        return self._thread is not None

    def ack_all(self, mids: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1, all in one write; from any thread."""
        if mids:
            packets = np.full((len(mids), 2), _ACK, ">u2")
            packets[:, 1] = mids
            self._packet_queue(_PUBACK, packets.tobytes(), 0, 0)

    def publish_notes(self, notes: Iterable[Note]) -> None:
        """Publish `notes` at QoS 1 as far as the broker allows now, the others as it acknowledges.

        Of a key only the newest note that is not on its way yet is sent. From any thread.
        """
        self._send(self.outbox.add(notes))

    def resume_notes(self, *, is_resumed: bool, receive_maximum: int) -> None:
        """Go on with the notes of earlier connections, if the session goes on."""
        packets = self.outbox.connected(
            is_v5=self._is_v5, is_resumed=is_resumed, receive_maximum=receive_maximum
        )
        self._send(packets)

    def _send(self, packets: bytes) -> None:
        if packets:
            self._packet_queue(_PUBLISH_QOS_1, packets, 0, 1)

    def reconnect(self) -> MQTTErrorCode:
        """Connect again, with nothing read ahead."""
        self._ahead, self._at = b"", 0
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Take in what the socket has: the whole messages at once, the rest by paho."""
        if not self.has_room():
            self._stand_still()
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        line: object = self._sock
        if not isinstance(line, socket.socket):
            return super().loop_read(max_packets)
        while self._sock is not None:
            if self._in_packet["command"] == 0 and self._take_whole():
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            rc = self._packet_read()
            if rc == MQTTErrorCode.MQTT_ERR_AGAIN:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return self._loop_rc_handle(rc)
            if self._at == len(self._ahead):
                return rc
        return MQTTErrorCode.MQTT_ERR_NO_CONN

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        """Take in an acknowledgement that came in pieces."""
        mid = int.from_bytes(self._in_packet["packet"][:2], "big")
        self._send(self.outbox.acknowledged([mid]))
        return super()._handle_pubackcomp(cmd)

    def _stand_still(self) -> None:
        """Leave what came where it is; the answer to our last ping may be behind it."""
        time.sleep(_FULL_PAUSE_S)
        self._ping_t = 0.0
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()

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

    def _take_whole(self) -> bool:
        """Hand over the whole packets at the front; return whether nothing else was read ahead."""
        self._read_ahead()
        taken, acked, self._at = split(self._ahead, self._at, is_v5=self._is_v5)
        if acked:
            self._send(self.outbox.acknowledged(acked))
        if taken:
            self.on_bulk(self, taken)
        is_all = bool(self._ahead) and self._at == len(self._ahead)
        if is_all and len(taken) >= _FLOOD:
            time.sleep(_SLICE_S)  # one read of a millisecond's messages costs less than forty
        return is_all


def split(
    data: bytes, at: int, *, is_v5: bool
) -> tuple[list[tuple[bytes, bytes, int, int]], list[int], int]:
    """Return the whole PUBLISH packets of QoS 0 and 1 from `at` on, PUBACKs' ids, and the end.

    Stops before the first packet of another kind, or that is not whole, or not well-formed.
    """
    taken: list[tuple[bytes, bytes, int, int]] = []
    acked: list[int] = []
    take = taken.append
    end = len(data)
    while at + 2 <= end:
        command = data[at]
        length = data[at + 1]
        body = at + 2
        if length > 127:
            body, length = _variable_int(data, at + 1)
            if body == 0:
                break
        stop = body + length
        if stop > end:
            break
        if command == _PUBLISH_QOS_1 and length > _LEAST:
            # What nearly all of them are, without a look at what they are not.
            topic_end = body + 2 + (data[body] << 8 | data[body + 1])
            here = topic_end + 2
            if is_v5 and here < stop and data[here] == 0:
                here += 1
            elif is_v5 or here > stop:
                message = _message(data, command, body, stop, is_v5=is_v5)
                if message is None:
                    break
                take(message)
                at = stop
                continue
            mid = data[topic_end] << 8 | data[topic_end + 1]
            take((data[body + 2 : topic_end], data[here:stop], mid, 1))
        elif command == _PUBACK and length >= 2:
            acked.append(data[body] << 8 | data[body + 1])
        else:
            message = _message(data, command, body, stop, is_v5=is_v5)
            if message is None:
                break
            take(message)
        at = stop
    return taken, acked, at


def _message(
    data: bytes, command: int, body: int, stop: int, *, is_v5: bool
) -> tuple[bytes, bytes, int, int] | None:
    """Return the PUBLISH of QoS 0 or 1 that stands in [body, stop), or None if it is none."""
    qos = command & _QOS
    if command & 0xF0 != _PUBLISH or qos > _QOS_1 or stop - body < 2:
        return None
    topic_end = here = body + 2 + (data[body] << 8 | data[body + 1])
    mid = 0
    if qos:
        here += 2
        if here > stop:
            return None
        mid = data[here - 2] << 8 | data[here - 1]
    if is_v5 and here < stop:
        properties = data[here]
        here += 1
        if properties > 127:
            here, properties = _variable_int(data, here - 1)
        here = here + properties if here else stop + 1
    if here > stop:
        return None
    return data[body + 2 : topic_end], data[here:stop], mid, qos >> 1


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
