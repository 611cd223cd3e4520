"""The network side of a device: one MQTT connection, driven by the fleet's one loop.

MQTT 5 where the broker has it, else 3.1.1. The session is a new one each time: what the broker may
have kept of the old one is sent again by the device itself, which alone knows what was
acknowledged. A last will says ``offline`` on the status topic when the line breaks.
"""

from __future__ import annotations

import json
import logging
import random
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.uplink import FIRMWARE
from kahriz.logs import Once

_LOG = logging.getLogger(__name__)
_KEEPALIVE_S = 30
_CONNECT_TIMEOUT_S = 1.5
_CONNACK_TIMEOUT_S = 10.0
_BACKOFF_S = (0.5, 30.0)
_STEADY_S = 5.0
"""A connection that held so long ends the growing of the pauses."""
_WRONG_PROTOCOL = 132
_NOBODY_LISTENS = 16
_FAILURE = 128
_OFFLINE = json.dumps({"status": "offline"})
_ONLINE = json.dumps({"status": "online", "fw": FIRMWARE})


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is."""

    host: str = "127.0.0.1"
    port: int = 1883


class Hears(Protocol):
    """What a connection tells the device."""

    def connected(self) -> None:
        """Begin: the broker took us in."""

    def disconnected(self) -> None:
        """Take back what was on the way: the line is gone."""

    def heard(self, topic: str, payload: bytes) -> None:
        """Take a message on ``ack`` or ``config`` (the topic's last part)."""

    def broker_took(self, mid: int, *, nobody_listens: bool) -> None:
        """Note that the broker acknowledged message `mid`."""

    def broker_refused(self, mid: int) -> None:
        """Note that the broker answered message `mid` with a failure."""


class Loop(Protocol):
    """Watches sockets for a connection."""

    def watch(self, sock: Any, link: Link, *, write: bool) -> None:
        """Tell `link` when `sock` can be read, and written if asked."""

    def forget(self, sock: Any) -> None:
        """Watch `sock` no longer."""


class Link:
    """One device's connection to the broker.

    Parameters
    ----------
    device
        Its id: client id and user name.
    broker, password
        Where and with what; None connects without a name.
    ears, loop
        Who is told, who watches the socket.
    once
        Says a broker's refusal once for the fleet, not for each try.
    chance
        Of the pauses between its tries.
    """

    def __init__(
        self,
        device: str,
        broker: Broker,
        password: str | None,
        ears: Hears,
        loop: Loop,
        once: Once,
        chance: int = 0,
    ) -> None:
        self._device = device
        self._broker = broker
        self._password = password
        self._ears = ears
        self._loop = loop
        self._once = once
        self._jitter = random.Random(chance)
        self._protocol = paho.MQTTv5
        self._client: paho.Client | None = None
        self._tries = 0
        self._next_try = 0.0
        self._deadline = 0.0
        self._wall = self._up_since = 0.0
        self._wants_line = True
        self._last_mid = -1
        self.is_up = False
        self.refusal = ""
        """Why the last try failed; empty while connected."""

    @property
    def root(self) -> str:
        """The device's own topics begin with this."""
        return f"kahriz/v1/{self._device}"

    def keep(self, wall: float) -> None:
        """Do what is due: connect, ping, notice that the broker went silent."""
        self._wall = wall
        if self.is_up and wall - self._up_since >= _STEADY_S:
            self._tries = 0
        if self._client is None:
            if self._wants_line and wall >= self._next_try:
                self._connect(wall)
        elif not self.is_up and wall > self._deadline:
            self._failed("no answer to CONNECT")
        else:
            self._client.loop_misc()

    def _connect(self, wall: float) -> None:
        self._tries += 1
        least, most = _BACKOFF_S
        pause = min(least * 2 ** (self._tries - 1), most)
        self._next_try = wall + pause * self._jitter.uniform(0.5, 1.0)
        self._deadline = wall + _CONNACK_TIMEOUT_S
        self._client = client = self._new_client()
        try:
            client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._failed(getattr(error, "strerror", None) or str(error))

    def _new_client(self) -> paho.Client:
        clean = None if self._protocol == paho.MQTTv5 else True
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._device, clean, protocol=self._protocol
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        if self._password is not None:
            client.username_pw_set(self._device, self._password)
        client.will_set(f"{self.root}/status", _OFFLINE, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = lambda _c, _u, sock: self._loop.watch(sock, self, write=False)
        client.on_socket_close = lambda _c, _u, sock: self._loop.forget(sock)
        client.on_socket_register_write = lambda _c, _u, s: self._loop.watch(s, self, write=True)
        client.on_socket_unregister_write = lambda _c, _u, s: self._loop.watch(s, self, write=False)
        return client

    def _failed(self, reason: str) -> None:
        self.refusal = reason
        self._once.failed(f"broker {self._broker.host}:{self._broker.port}", reason)
        self._discard()

    def _discard(self) -> None:
        client = self._client
        self._let_go()
        if client is not None:
            _close(client)

    def _let_go(self) -> None:
        was_up, self._client, self.is_up = self.is_up, None, False
        if was_up:
            self._ears.disconnected()

    def readable(self) -> None:
        """Read what came; the loop calls this."""
        if self._client is not None:
            self._client.loop_read()

    def writable(self) -> None:
        """Write what waits; the loop calls this."""
        if self._client is not None:
            self._client.loop_write()

    def publish(self, payload: bytes) -> int:
        """Send readings at QoS 1; return the message's number."""
        if self._client is None:
            raise ConnectionError(f"{self._device} is not connected")
        return self._client.publish(f"{self.root}/up", payload, qos=1).mid

    def cut(self) -> None:
        """Break the line without a word, as a lost signal does: the broker sends the last will."""
        self._wants_line = False
        self._discard()

    def mend(self) -> None:
        """Let the device connect again."""
        if not self._wants_line:
            self._wants_line, self._tries, self._next_try = True, 0, 0.0

    def part(self) -> None:
        """Say ``offline`` and end the session in order."""
        self._wants_line = False
        client = self._client
        if client is None or not self.is_up:
            self._discard()
            return
        # The session ends once the broker has taken this: closing with answers unread would
        # reset the line, and the broker might never see the DISCONNECT.
        self._last_mid = client.publish(f"{self.root}/status", _OFFLINE, qos=1, retain=True).mid

    @property
    def is_closed(self) -> bool:
        """Whether nothing of the connection is left."""
        return self._client is None

    def _on_connect(
        self, client: paho.Client, _u: Any, _f: Any, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refused(reason)
            return
        self.is_up, self.refusal, self._up_since = True, "", self._wall
        self._once.worked(f"broker {self._broker.host}:{self._broker.port}")
        client.subscribe([(f"{self.root}/down/ack", 1), (f"{self.root}/down/config", 1)])
        client.publish(f"{self.root}/status", _ONLINE, qos=1, retain=True)
        self._ears.connected()

    def _refused(self, reason: ReasonCode) -> None:
        if reason.value == _WRONG_PROTOCOL and self._protocol == paho.MQTTv5:
            self._protocol, self._tries, self._next_try = paho.MQTTv311, 0, 0.0
            self.refusal = str(reason)
            return
        self.refusal = str(reason)
        self._once.failed(f"device {self._device} at the broker", str(reason))

    def _on_disconnect(
        self, client: paho.Client, _u: Any, _f: Any, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if client is self._client:
            if self._wants_line and not self.is_up and not self.refusal:
                self._hung_up(str(reason))
            # paho closes the socket itself, and holds its locks meanwhile.
            self._let_go()

    def _hung_up(self, reason: str) -> None:
        """Try the other version: an old broker may close on MQTT 5 without a word."""
        self.refusal = reason
        is_five = self._protocol == paho.MQTTv5
        self._protocol = paho.MQTTv311 if is_five else paho.MQTTv5

    def _on_message(self, _c: paho.Client, _u: Any, message: paho.MQTTMessage) -> None:
        self._ears.heard(message.topic.rpartition("/")[2], bytes(message.payload))

    def _on_publish(
        self, client: paho.Client, _u: Any, mid: int, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if mid == self._last_mid:
            client.disconnect()
        if reason.value >= _FAILURE:
            self._once.failed(f"device {self._device} at the broker", str(reason))
            self._ears.broker_refused(mid)
        else:
            self._ears.broker_took(mid, nobody_listens=reason.value == _NOBODY_LISTENS)


def _close(client: paho.Client) -> None:
    """Close the socket without DISCONNECT: paho lets go of it once it has read to the end."""
    client.on_disconnect = client.on_message = client.on_publish = client.on_connect = None
    with suppress(OSError):
        if isinstance(sock := client.socket(), socket.socket):
            sock.shutdown(socket.SHUT_RDWR)
    while client.socket() is not None:
        client.loop_read()
