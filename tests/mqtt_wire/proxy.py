"""Stands between MQTT clients and a broker: judges every byte, cuts and re-segments the stream."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.mqtt_wire.line import Line
from tests.mqtt_wire.party import Finding, Party

Segments = Callable[[bytes, random.Random], Iterator[bytes]]
"""Cuts what was read into the pieces that are handed on, one write each."""


def as_read(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Hand on what was read together."""
    yield data


def tiny(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Hand on 1 to 5 bytes at a time: no packet comes whole."""
    at = 0
    while at < len(data):
        n = chance.randint(1, 5)
        yield data[at : at + n]
        at += n


_UNSUPPORTED = b"\x20\x03\x00\x84\x00"
"""CONNACK of MQTT 5: unsupported protocol version."""


def _asks_for_5(data: bytes) -> bool:
    return data[:1] == b"\x10" and data[2:9] == b"\x00\x04MQTT\x05"


@dataclass(eq=False)
class Connection:
    """One connection through the proxy."""

    near: socket.socket
    far: socket.socket
    client: Line
    server: Line
    threads: list[threading.Thread] = field(default_factory=list)
    n_over: int = 0

    def end(self) -> None:
        """Close both sides, whatever is on its way."""
        for end in (self.near, self.far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class WireProxy:
    """Listens on `port` and hands everything on to a broker.

    Parameters
    ----------
    broker_port
        Where the broker listens on the loopback interface.
    segments
        How the stream is cut into pieces.
    gather_s
        Wait so long after each read, so that many packets go on together; at most 1 MiB.
    seed
        Of the chance that `segments` uses.
    knows_5
        False: answer MQTT 5 as a broker that knows only 3.1.1.
    """

    def __init__(
        self,
        broker_port: int,
        segments: Segments = as_read,
        gather_s: float = 0.0,
        seed: int = 1,
        *,
        knows_5: bool = True,
    ) -> None:
        self.clients, self.servers = Party("client"), Party("server")
        self.connections: list[Connection] = []
        self.broker_port = broker_port
        self.n_bytes = {"client": 0, "server": 0}
        """Bytes handed on, by the side they came from."""
        self._segments, self._gather_s, self._knows_5 = segments, gather_s, knows_5
        self._chance = random.Random(seed)
        self._cut_in: dict[str, int] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return int(self._listener.getsockname()[1])

    @property
    def findings(self) -> list[Finding]:
        """Everything either side was found to do wrong."""
        with self._lock:
            return [*self.clients.findings, *self.servers.findings]

    def cut_after(self, side: str, n_bytes: int) -> None:
        """Break the connection once `n_bytes` more from `side` were handed on, not one more."""
        with self._lock:
            self._cut_in[side] = n_bytes

    @property
    def is_to_cut(self) -> bool:
        """Whether a cut asked for has not happened yet."""
        with self._lock:
            return bool(self._cut_in)

    def cut(self) -> None:
        """Break every connection now."""
        for connection in list(self.connections):
            connection.end()

    def close(self) -> None:
        """Take no more connections, and end those there are."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.cut()
        for connection in self.connections:
            for thread in connection.threads:
                thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.broker_port), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                made = Connection(near, far, Line(self.clients), Line(self.servers))
            self.connections.append(made)
            for side in ("client", "server"):
                made.threads.append(
                    threading.Thread(target=self._pump, args=(made, side), daemon=True)
                )
            for thread in made.threads:
                thread.start()

    def _pump(self, connection: Connection, side: str) -> None:
        """Hand on what `side` sends until either end closes."""
        here, there = connection.near, connection.far
        sender, receiver = connection.client, connection.server
        if side == "server":
            here, there, sender, receiver = there, here, receiver, sender
        is_cut = True
        with suppress(OSError):
            is_cut = not self._hand_on_all(here, there, sender, receiver, side)
            if not is_cut:
                there.shutdown(socket.SHUT_WR)  # what comes the other way may still come
        self._over(connection, is_cut)

    def _hand_on_all(
        self, here: socket.socket, there: socket.socket, sender: Line, receiver: Line, side: str
    ) -> bool:
        """Hand on all that comes to its end; False where the connection is to be cut."""
        while data := self._read(here):
            with self._lock:
                sender.sent(data, time.monotonic())
            if not self._knows_5 and _asks_for_5(data):
                receiver, there, data = sender, here, _UNSUPPORTED
            for piece in self._segments(data, self._chance):
                if not self._hand_on(there, receiver, side, piece):
                    return False
            if there is here:
                return False
        return True

    def _read(self, here: socket.socket) -> bytes:
        data = here.recv(1 << 16)
        if data and self._gather_s:
            time.sleep(self._gather_s)
            with suppress(BlockingIOError):
                while len(data) < 1 << 20 and (more := here.recv(1 << 16, socket.MSG_DONTWAIT)):
                    data += more
        return data

    def _hand_on(self, there: socket.socket, receiver: Line, side: str, piece: bytes) -> bool:
        """Hand one piece on; False where the connection is to be cut in or behind it."""
        with self._lock:
            left = self._cut_in.get(side)
            is_last = left is not None and left <= len(piece)
            if is_last:
                piece = piece[:left]
                del self._cut_in[side]
            elif left is not None:
                self._cut_in[side] = left - len(piece)
            # Before it goes: the answer may come at once.
            receiver.received(piece, time.monotonic())
            self.n_bytes[side] += len(piece)
        there.sendall(piece)
        return not is_last

    def _over(self, connection: Connection, is_cut: bool) -> None:
        """Note that one direction has ended; a cut ends the other one too."""
        if is_cut:
            connection.end()
        with self._lock:
            connection.n_over += 1
            if connection.n_over == 2:
                for line in (connection.client, connection.server):
                    line.closed(time.monotonic())
                connection.near.close()
                connection.far.close()


@contextmanager
def wire(
    broker_port: int,
    segments: Segments = as_read,
    gather_s: float = 0.0,
    seed: int = 1,
    *,
    knows_5: bool = True,
) -> Iterator[WireProxy]:
    """Run a proxy in front of a broker."""
    proxy = WireProxy(broker_port, segments, gather_s, seed, knows_5=knows_5)
    try:
        yield proxy
    finally:
        proxy.close()
