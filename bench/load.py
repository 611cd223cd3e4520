"""A fleet of devices in one process that costs next to nothing: packets made beforehand.

It speaks just enough MQTT 3.1.1 to publish at QoS 1 over a bare socket, so that what is measured
is the consumer and not a Python client that publishes. As a command: makes its packets, prints
``ready``, waits for a line, prints when it began, sends everything, prints when the broker had
acknowledged it.
"""

from __future__ import annotations

import argparse
import math
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence

STEP_MS = 60_000
_CHUNK = 256
_MAX_WAITING = 20_000
_PUBACK_BYTES = 4
# What is paced goes out in so many parts a second.
_PARTS_PER_S = 100


def device_name(number: int) -> str:
    """Return the id of a device."""
    return f"d{number:04d}-outlet"


def first_ms(each: int, now_ms: int) -> int:
    """Return the time of a device's first reading, of so many: its last is a minute before now."""
    return now_ms // STEP_MS * STEP_MS - each * STEP_MS


def payloads(devices: int, readings: int, pack: int, now_ms: int) -> Iterator[tuple[str, bytes]]:
    """Yield (topic, payload): `readings` in all, `pack` a message, every device in turn.

    The last reading of each device is a minute before `now_ms`, and one a minute before that.
    """
    each = readings // devices
    start = first_ms(each, now_ms)
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
        self._heard_bytes = 0

    def close(self) -> None:
        """Leave; the broker sees a connection that broke off."""
        self._socket.close()

    def send(self, packets: Sequence[bytes], per_s: float = 0.0) -> None:
        """Send all of `packets` and return once each is acknowledged.

        Parameters
        ----------
        per_s
            So many packets a second; 0: as many as the broker takes.
        """
        chunk = max(1, round(per_s / _PARTS_PER_S)) if per_s else _CHUNK
        began, before = time.monotonic(), self._heard_bytes // _PUBACK_BYTES
        for first in range(0, len(packets), chunk):
            if per_s:
                time.sleep(max(0.0, began + first / per_s - time.monotonic()))
            self._socket.sendall(b"".join(packets[first : first + chunk]))
            self._hear(before + first - _MAX_WAITING)
        self._hear(before + len(packets))

    def _hear(self, wanted: int) -> None:
        """Take in what was acknowledged; wait until it is at least `wanted` packets."""
        while True:
            is_enough = self._heard_bytes // _PUBACK_BYTES >= wanted
            try:
                data = self._socket.recv(65536, socket.MSG_DONTWAIT if is_enough else 0)
            except BlockingIOError:
                return
            if not data:
                raise ConnectionError("the broker closed the connection")
            self._heard_bytes += len(data)


def main() -> None:
    """Publish as the command line says."""
    parser = argparse.ArgumentParser()
    for name in ("port", "devices", "readings", "pack", "now-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--per-s", type=float, default=0.0, help="messages a second; 0: no pause")
    options = parser.parse_args()
    made = payloads(options.devices, options.readings, options.pack, options.now_ms)
    packets = [packet(topic, body, i % 65535 + 1) for i, (topic, body) in enumerate(made)]
    publisher = Publisher(options.port)
    print("ready", flush=True)
    sys.stdin.readline()
    print(time.time(), flush=True)
    publisher.send(packets, options.per_s)
    print(time.time(), flush=True)


if __name__ == "__main__":
    main()
