"""The wall: what the broker can give at QoS 1 to a consumer that does nothing with it.

The trivial consumer counts PUBLISH packets, acknowledges them and stores nothing. Where there is a
C compiler it is ``wall.c``, built on the spot; elsewhere the same in Python, this module as a
command. Either reads the socket once in a millisecond at most and acknowledges what was read
together by one write. As a command: prints ``ready`` once subscribed, then the time when so many
messages have come.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

TOPIC = "kahriz/v1/+/up"
_SLICE_S = 0.001
_READ = 1 << 20
_SOURCE = Path(__file__).with_name("wall.c")


def build(folder: Path) -> list[str]:
    """Return the words that start the trivial consumer; made in `folder` where there is a cc."""
    compiler = _compiler()
    if compiler is None:
        return [sys.executable, "-m", "bench.wall"]
    made = folder / "wall"
    subprocess.run([compiler, "-O2", "-o", str(made), str(_SOURCE)], check=True)
    return [str(made)]


def language() -> str:
    """Return what the consumer that `build` gives is written in here."""
    return "C" if _compiler() else "Python"


def _compiler() -> str | None:
    return shutil.which("cc")


def take(data: bytes) -> tuple[int, bytes, int]:
    """Return how many PUBLISH packets are whole in `data`, their PUBACKs, and where they end."""
    messages, at, end = 0, 0, len(data)
    acks = bytearray()
    while at + 2 <= end:
        length, body = data[at + 1], at + 2
        if length & 0x80:
            length, body = _long_length(data, at + 1)
        stop = body + length
        if body == 0 or stop > end:
            break
        if data[at] & 0xF0 == 0x30:
            messages += 1
            if data[at] & 0x06 == 0x02:
                id_at = body + 2 + (data[body] << 8 | data[body + 1])
                acks += b"\x40\x02" + data[id_at : id_at + 2]
        at = stop
    return messages, bytes(acks), at


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Return (length, position after it); position 0: not whole yet."""
    length = 0
    for digit, byte in enumerate(data[at : at + 4]):
        length |= (byte & 0x7F) << 7 * digit
        if byte < 0x80:
            return length, at + digit + 1
    return 0, 0


def _subscribed(port: int, topic: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04wall")
    answer = connection.recv(4, socket.MSG_WAITALL)
    if answer != b"\x20\x02\x00\x00":
        raise ConnectionError(f"the broker refused: {answer!r}")
    name = topic.encode()
    body = b"\x00\x01" + struct.pack("!H", len(name)) + name + b"\x01"
    connection.sendall(b"\x82" + bytes([len(body)]) + body)
    answer = connection.recv(5, socket.MSG_WAITALL)
    if answer != b"\x90\x03\x00\x01\x01":
        raise ConnectionError(f"the broker refused {topic!r}: {answer!r}")
    return connection


def main() -> None:
    """Consume so many messages, say when, and wait to be stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("topic")
    parser.add_argument("messages", type=int)
    options = parser.parse_args()
    connection = _subscribed(options.port, options.topic)
    print("ready", flush=True)
    left, rest = options.messages, b""
    while left > 0:
        read = connection.recv(_READ)
        if not read:
            raise ConnectionError("the broker closed the connection")
        data = rest + read
        n, acks, end = take(data)
        left, rest = left - n, data[end:]
        connection.sendall(acks)
        time.sleep(_SLICE_S)
    print(time.time(), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
