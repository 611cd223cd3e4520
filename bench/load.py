"""A fleet of devices in one process that costs next to nothing: packets made beforehand.

It speaks just enough MQTT 3.1.1 to publish at QoS 1 over a bare socket, so that what is measured
is the consumer and not a Python client that publishes. As a command: makes its packets, prints
``ready``, waits for a line, sends everything, prints when it began.
"""

from __future__ import annotations

import argparse
import math
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator

STEP_MS = 60_000
_CHUNK = 64
_MAX_WAITING = 20_000


def device_name(number: int) -> str:
    """Return the id of a device."""
    return f"d{number:04d}-outlet"


def payloads(devices: int, readings: int, pack: int, now_ms: int) -> Iterator[tuple[str, bytes]]:
    """Yield (topic, payload): `readings` in all, `pack` a message, every device in turn.

    The last reading of each device is a minute before `now_ms`, and one a minute before that.
    """
    each = readings // devices
    start = now_ms // STEP_MS * STEP_MS - each * STEP_MS
    for first in range(0, each, pack):
        for number in range(devices):
            rows = [
                f'[{start + i * STEP_MS},{{"discharge_lps":{_discharge(number, i):.3f}}}]'
                for i in range(first, min(first + pack, each))
            ]
            body = f'{{"boot":1,"seq":{first + 1},"r":[{",".join(rows)}]}}'
            yield f"kahriz/v1/{device_name(number)}/up", body.encode()


def _discharge(number: int, i: int) -> float:
    return 3 + number % 7 + 0.2 * math.sin(i / 60) + 0.001 * (i % 13)


def packet(topic: str, payload: bytes, id: int) -> bytes:
    """Return a PUBLISH at QoS 1 (MQTT 3.1.1, section 3.3)."""
    name = topic.encode()
    rest = struct.pack("!H", len(name)) + name + struct.pack("!H", id) + payload
    length, size = b"", len(rest)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return b"\x32" + length + rest


class Publisher:
    """One connection that sends ready packets as fast as the broker acknowledges them."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"bench-load"
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(name)) + name
        self._socket.sendall(b"\x10" + bytes([len(body)]) + body)
        answer = self._socket.recv(4)
        if answer[:1] != b"\x20" or answer[3] != 0:
            raise ConnectionError(f"the broker refused: {answer!r}")
        self._acknowledged = 0
        self._progress = threading.Condition()

    def send(self, packets: list[bytes]) -> None:
        """Send all of `packets` and return once each is acknowledged."""
        reader = threading.Thread(target=self._read_answers, args=(len(packets),))
        reader.start()
        for first in range(0, len(packets), _CHUNK):
            self._socket.sendall(b"".join(packets[first : first + _CHUNK]))
            with self._progress:
                while first - self._acknowledged > _MAX_WAITING:
                    self._progress.wait()
        reader.join()

    def _read_answers(self, expected: int) -> None:
        received = 0
        while received < 4 * expected:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the broker closed the connection")
            received += len(data)
            with self._progress:
                self._acknowledged = received // 4
                self._progress.notify()


def main() -> None:
    """Publish as the command line says."""
    parser = argparse.ArgumentParser()
    for name in ("port", "devices", "readings", "pack"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    made = payloads(options.devices, options.readings, options.pack, int(time.time() * 1000))
    packets = [packet(topic, body, i % 65535 + 1) for i, (topic, body) in enumerate(made)]
    publisher = Publisher(options.port)
    print("ready", flush=True)
    sys.stdin.readline()
    print(time.time(), flush=True)
    publisher.send(packets)
    print(time.time(), flush=True)


if __name__ == "__main__":
    main()
