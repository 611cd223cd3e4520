"""Devices that cost nothing: MQTT 3.1.1 over a bare socket, packets made beforehand."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing

from bench.load import packet

_CONNACK = b"\x20\x02\x00\x00"
_AT_ONCE = 64


def readings(boot: int, seq: int, rows: Iterable[tuple[int, Mapping[str, float | None]]]) -> bytes:
    """Return a payload of readings numbered from `seq`; rows are (time in ms, values)."""
    said = {"boot": boot, "seq": seq, "r": [list(row) for row in rows]}
    return json.dumps(said, separators=(",", ":")).encode()


def _read(line: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n and (more := line.recv(n - len(data))):
        data += more
    return data


def connect(port: int, client_id: str) -> socket.socket:
    """Return a connection that the broker has accepted, with a clean session."""
    name = client_id.encode()
    made = socket.create_connection(("127.0.0.1", port), timeout=20)
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    made.sendall(bytes([0x10, len(body)]) + body)
    answer = _read(made, 4)
    if answer != _CONNACK:
        raise ConnectionError(f"{client_id}: the broker answers {answer.hex(' ')}")
    return made


def publish_all(
    port: int, messages: Iterable[tuple[str, bytes]], client_id: str = "raw-device"
) -> None:
    """Publish (topic, payload) at QoS 1 and return once the broker has taken every one."""
    ids = itertools.cycle(range(1, 65536))
    with closing(connect(port, client_id)) as line:
        rest = list(messages)
        while rest:
            some, rest = rest[:_AT_ONCE], rest[_AT_ONCE:]
            line.sendall(b"".join(packet(topic, body, next(ids)) for topic, body in some))
            answers = _read(line, 4 * len(some))
            if answers[::4] != b"\x40" * len(some):
                raise ConnectionError(f"{client_id}: the broker answers {answers[:16].hex(' ')}")
        line.sendall(b"\xe0\x00")
