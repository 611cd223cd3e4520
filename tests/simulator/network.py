"""A network of pretended time: no sockets, the same calls and failures each time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from firmware_sim.device import Broker, Link
from firmware_sim.run import Options, Outside, Play
from kahriz import plugins
from kahriz.codec import CODECS
from kahriz.codec.sniff import codec_for

Script = Callable[[float], bool]
"""Whether the broker is there at a second of real time."""


class _Info(NamedTuple):
    mid: int


class Reason(NamedTuple):
    value: int = 0
    is_failure: bool = False


class Message(NamedTuple):
    topic: str
    payload: bytes


_TAKEN = Reason()


@dataclass
class Network:
    """The broker, the service behind it, and everything that was said to them, in order."""

    is_there: Script = lambda wall: True
    acks: Script = lambda wall: True
    takes: Callable[[bytes], bool] = lambda payload: True
    """Whether the service can use a payload, and so acknowledges it."""
    puback: Reason = _TAKEN
    wall: float = 0.0
    said: list[tuple[str, float, str, bytes]] = field(default_factory=list)
    """Client, second, topic, payload; a try to connect has the topic ``connect``."""
    retained: list[Message] = field(default_factory=list)

    def retain(self, device: str, kind: str, said: Any) -> None:
        topic = f"kahriz/v1/{device}/down/{kind}"
        self.retained.append(Message(topic, json.dumps(said).encode()))

    def readings(self, device: str) -> list[tuple[int, int, int]]:
        """Return (boot, seq, time as said) of each reading, as it came, repeats too."""
        found = []
        for payload in self.payloads(device):
            said = plugins.load("codec", codec_for(payload), CODECS)().decode(payload)
            assert said.boot is not None
            assert said.first_seq is not None
            times = dict(zip(said.row, said.time_ms, strict=True))
            found += [(said.boot, said.first_seq + row, at) for row, at in times.items()]
        return found

    def payloads(self, device: str) -> list[bytes]:
        return [p for _, _, topic, p in self.said if topic == f"kahriz/v1/{device}/up"]

    def tries(self, client: str) -> list[float]:
        """Return when it tried to connect, the successful tries too."""
        return [at for name, at, topic, _ in self.said if (name, topic) == (client, "connect")]

    def link(self) -> type[Link]:
        """Return the class of connections that lead here."""
        network = self

        class Here(Link):
            def _new_client(self) -> Any:
                client = _Client(network, self._device)
                client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
                client.on_message, client.on_publish = self._on_message, self._on_publish
                return client

        return Here


class _Client:
    """What `Link` needs of paho's client."""

    on_connect: Any
    on_disconnect: Any
    on_message: Any
    on_publish: Any

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name
        self._came: deque[Callable[[], None]] = deque()
        self._mid = 0

    def connect(self, *_: Any) -> None:
        network = self._network
        network.said.append((self._name, network.wall, "connect", b""))
        if not network.is_there(network.wall):
            raise ConnectionRefusedError(111, "Connection refused")
        self._came.append(lambda: self.on_connect(self, None, None, Reason(), None))
        for message in network.retained:
            if message.topic.startswith(f"kahriz/v1/{self._name}/down/"):
                self._came.append(partial(self.on_message_later, message))

    def on_message_later(self, message: Message) -> None:
        self.on_message(self, None, message)

    def loop_misc(self) -> None:
        if not self._network.is_there(self._network.wall):
            self.on_disconnect(self, None, None, "gone", None)
            return
        while self._came:
            self._came.popleft()()

    def publish(self, topic: str, payload: Any, **_: Any) -> _Info:
        self._mid += 1
        mid, data = self._mid, payload if isinstance(payload, bytes) else payload.encode()
        self._network.said.append((self._name, self._network.wall, topic, data))
        reason = self._network.puback
        self._came.append(lambda: self.on_publish(self, None, mid, reason, None))
        if topic.endswith("/up") and self._acknowledges(data):
            self._came.append(lambda: self._acknowledge(topic, data))
        return _Info(mid)

    def _acknowledges(self, payload: bytes) -> bool:
        return self._network.acks(self._network.wall) and self._network.takes(payload)

    def _acknowledge(self, topic: str, payload: bytes) -> None:
        said = plugins.load("codec", codec_for(payload), CODECS)().decode(payload)
        if said.first_seq is not None:
            ranges = [[said.first_seq, said.first_seq + said.n_rows - 1]]
            ack = json.dumps({"boot": said.boot, "also": ranges}).encode()
            down = topic.removesuffix("up") + "down/ack"
            self.on_message(self, None, Message(down, ack))

    def subscribe(self, *_: Any) -> None: ...
    def disconnect(self) -> None: ...
    def loop_read(self) -> None: ...
    def socket(self) -> None: ...


def play(
    options: Options, network: Network, origin: datetime, hours: float, step_s: float = 30.0
) -> Play:
    """Play `hours` of pretended time, `step_s` of it in each half second; return what played."""

    def clock() -> datetime:
        return origin + timedelta(seconds=network.wall / 0.5 * step_s)

    outside = Outside(lambda: network.wall, network.link(), tick_s=0.0, clock=clock)
    made = Play(options, outside)
    for _ in range(round(hours * 3600 / step_s)):
        made.fleet.turn()
        network.wall += 0.5
    return made


NOWHERE = Broker("nowhere.invalid", 1)
