"""Reading in bulk gives what paho gives, however the bytes are cut; and its internals are there."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import cast

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ingest.bulk import PRIVATE, BulkClient, Published, split
from ingest.outbox import Note, Outbox


def variable_int(value: int) -> bytes:
    out = bytearray()
    while True:
        value, byte = divmod(value, 128)
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def publish(
    topic: bytes, payload: bytes, mid: int, qos: int, *, is_v5: bool, extra: bytes
) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic
    if qos:
        body += mid.to_bytes(2, "big")
    if is_v5:
        body += variable_int(len(extra)) + extra
    body += payload
    return bytes([0x30 | qos << 1]) + variable_int(len(body)) + body


PINGRESP = b"\xd0\x00"
# User property "k": "v", and a content type: what MQTT 5 may put before the payload.
PROPERTIES = [b"", b"\x26\x00\x01k\x00\x01v", b"\x03\x00\x02ab"]
PACKET = st.tuples(
    st.sampled_from([b"kahriz/v1/a/up", b"kahriz/v1/b/status", b"\xff\xfe", b"x" * 300]),
    st.sampled_from([b"", b"{}", b"x" * 200, b"y" * 20000]),
    st.integers(1, 65535),
    st.sampled_from([0, 1]),
    st.sampled_from(PROPERTIES),
    st.sampled_from([b"", PINGRESP, b"\x40\x02\x04\x00"]),
)


class Acked:
    """Notes what was acknowledged."""

    def __init__(self, mids: list[int]) -> None:
        self._mids = mids

    def acknowledged(self, mids: Iterable[int]) -> bytes:
        self._mids.extend(mids)
        return b""


@contextmanager
def connected(*, is_v5: bool) -> Iterator[tuple[BulkClient, socket.socket, list[Published]]]:
    """Yield a client that believes to be connected, the broker's end, and what it has received."""
    protocol = MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311
    client = BulkClient(CallbackAPIVersion.VERSION2, protocol=protocol, manual_ack=True)
    received: list[Published] = []
    client.on_bulk = lambda _client, messages: received.extend(map(Published._make, messages))
    client.on_message = lambda _client, _data, m: received.append(
        Published(m._topic, bytes(m.payload), m.mid, m.qos)
    )
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        client._sock = ours
        yield client, theirs, received
    finally:
        client._sock = None
        ours.close()
        theirs.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(PACKET, max_size=12), st.booleans(), st.data())
def test_every_message_arrives_once_and_whole_however_the_bytes_are_cut(
    packets: list[tuple[bytes, bytes, int, int, bytes, bytes]], is_v5: bool, data: st.DataObject
) -> None:
    stream = b""
    expected: list[Published] = []
    n_acked = 0
    for topic, payload, mid, qos, extra, other_before in packets:
        stream += other_before
        n_acked += other_before[:1] == b"\x40"
        stream += publish(topic, payload, mid, qos, is_v5=is_v5, extra=extra)
        expected.append(Published(topic, payload, mid if qos else 0, qos))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    with connected(is_v5=is_v5) as (client, broker, received):
        acked: list[int] = []
        client.outbox = cast(Outbox, Acked(acked))
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            for at in range(start, end, 4096):
                broker.sendall(stream[at : min(at + 4096, end)])
                assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        for _ in range(200):
            client.loop_read()

    assert received == expected
    assert acked == [1024] * n_acked


@given(st.binary(max_size=200), st.booleans())
def test_taking_packets_apart_never_fails_and_never_goes_back(data: bytes, is_v5: bool) -> None:
    taken, acked, at = split(data, 0, is_v5=is_v5)

    assert 0 <= at <= len(data)
    assert bool(taken or acked) == (at > 0)


def test_a_packet_of_qos_2_is_left_to_paho() -> None:
    packet = b"\x34" + variable_int(7) + b"\x00\x01t\x00\x01{}"

    assert split(packet, 0, is_v5=False) == ([], [], 0)


def test_a_connection_that_ends_is_told_like_paho_tells_it() -> None:
    with connected(is_v5=True) as (client, broker, received):
        broker.sendall(publish(b"t", b"last", 7, 1, is_v5=True, extra=b""))
        broker.close()
        first, second = client.loop_read(), client.loop_read()

        assert [m.payload for m in received] == [b"last"]
        assert (first, second) == (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_CONN_LOST)


def test_many_messages_are_acknowledged_in_one_write() -> None:
    with connected(is_v5=True) as (client, broker, _):
        client.ack_all([1, 258, 65535])
        client.loop_write()

        assert broker.recv(100) == b"\x40\x02\x00\x01\x40\x02\x01\x02\x40\x02\xff\xff"


def test_acknowledgements_of_our_notes_are_read_with_the_messages_and_let_the_next_go() -> None:
    with connected(is_v5=True) as (client, broker, received):
        client.resume_notes(is_resumed=False, receive_maximum=1)
        client.publish_notes([Note("a", "t/a", b"1"), Note("b", "t/b", b"2")])
        client.loop_write()
        first = broker.recv(100)
        broker.sendall(publish(b"t", b"x", 7, 1, is_v5=True, extra=b"") + b"\x40\x02\x04\x00")
        client.loop_read()
        client.loop_write()
        second = broker.recv(100)

        assert (first[4:7], second[4:7]) == (b"t/a", b"t/b")
        assert [m.payload for m in received] == [b"x"]


@pytest.mark.parametrize(
    "ack", [b"\x40\x02\x04\x00", b"\x40\x03\x04\x00\x10", b"\x40\x04\x04\x00\x10\x00"]
)
def test_every_form_of_puback_is_taken(ack: bytes) -> None:
    assert split(ack + PINGRESP, 0, is_v5=True) == ([], [1024], len(ack))


def test_while_there_is_no_room_nothing_is_read_and_the_line_is_not_given_up() -> None:
    with connected(is_v5=True) as (client, broker, received):
        room = [False]
        client.has_room = lambda: room[0]
        client._ping_t = 1.0
        broker.sendall(publish(b"t", b"later", 7, 1, is_v5=True, extra=b""))
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        before = list(received)
        room[0] = True
        client.loop_read()

        assert (before, [m.payload for m in received]) == ([], [b"later"])
        assert client._ping_t == 0


@pytest.mark.parametrize("name", PRIVATE)
def test_the_names_of_paho_it_rests_on_are_still_there(name: str) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)

    assert hasattr(client, name), f"paho {version('paho-mqtt')} has no {name}: see ingest/bulk.py"
