"""An MQTT 5 client that answers with what the broker said, for tests of who may do what."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

_WAIT_S = 10.0


class MqttClient:
    """One connection; every call waits for the broker's own answer to it."""

    def __init__(
        self,
        port: int,
        user: str,
        secret: str,
        *,
        client_id: str = "",
        tls_ca: Path | None = None,
    ) -> None:
        self._port = port
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or user,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        if user:
            self._client.username_pw_set(user, secret)
        if tls_ca is not None:
            self._client.tls_set(ca_certs=str(tls_ca))
        self._host = "127.0.0.1" if tls_ca is None else "localhost"
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._dropped = threading.Event()
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connect(self) -> str:
        """Return the broker's answer to CONNECT."""
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        return self._answers.get(timeout=_WAIT_S)

    def publish(self, topic: str, payload: bytes) -> str:
        """Return the broker's answer to PUBLISH at QoS 1."""
        self._client.publish(topic, payload, qos=1)
        return self._answers.get(timeout=_WAIT_S)

    def subscribe(self, *topics: str) -> str:
        """Return the broker's answer to SUBSCRIBE."""
        self._client.subscribe([(topic, 1) for topic in topics])
        return self._answers.get(timeout=_WAIT_S)

    def next_message(self) -> tuple[str, bytes]:
        """Return the next message, topic and payload."""
        return self._messages.get(timeout=_WAIT_S)

    def wait_until_dropped(self) -> bool:
        """Return whether the broker has ended the connection."""
        return self._dropped.wait(_WAIT_S)

    def _on_connect(self, _c: Any, _d: Any, _flags: Any, code: Any, _p: Any) -> None:
        self._answers.put(str(code))

    def _on_publish(self, _c: Any, _d: Any, _mid: int, code: Any, _p: Any) -> None:
        # "No matching subscribers" is a success too.
        self._answers.put(str(code) if code.is_failure else "Success")

    def _on_subscribe(self, _c: Any, _d: Any, _mid: int, codes: Any, _p: Any) -> None:
        self._answers.put(str(codes[0]))

    def _on_message(self, _c: Any, _d: Any, message: paho.MQTTMessage) -> None:
        self._messages.put((message.topic, bytes(message.payload)))

    def _on_disconnect(self, *_: Any) -> None:
        self._dropped.set()
