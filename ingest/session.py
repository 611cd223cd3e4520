"""One connection to the broker: from CONNECT to its end, and what was said meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.bulk import BulkClient
from ingest.waiting import Waiting

ANSWER_TIMEOUT_S = 5.0

RECEIVE_MAXIMUM = 65535
"""What a broker takes at once that does not say it (MQTT 5, 3.2.2.3.3)."""


class Session:
    """One connection: its paho client and what came of it.

    Parameters
    ----------
    client, filters
        Not connected yet, and what it subscribes to.
    waiting
        Where messages go.
    on_subscribed
        Called once the broker has confirmed the subscriptions.
    """

    def __init__(
        self,
        client: BulkClient,
        filters: Sequence[tuple[str, int]],
        waiting: Waiting,
        on_subscribed: Callable[[], object],
    ) -> None:
        self.client = client
        self.refusal: ReasonCode | None = None
        self.subscribed_at: float | None = None
        self.said = ""
        self.end_code: int | None = None
        self._filters = list(filters)
        self._waiting = waiting
        self._on_subscribed = on_subscribed
        self._is_left = False
        self._over = threading.Event()
        self._answered = threading.Event()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_confirmed
        client.on_message = self._on_message
        client.on_bulk = self._on_bulk

    @property
    def was_subscribed(self) -> bool:
        """Whether the broker ever confirmed the subscriptions."""
        return self.subscribed_at is not None

    def lived_s(self) -> float:
        """Return how long ago they were confirmed; 0 where they never were."""
        return 0.0 if self.subscribed_at is None else time.monotonic() - self.subscribed_at

    def wait_until_over(self, stopping: threading.Event) -> None:
        """Wait until the connection ends, `stopping` is set, or the broker has not answered.

        amqtt leaves a client that speaks MQTT 5 without any answer. Where nobody reads any more
        because of a fault of ours the connection has ended, too.
        """
        if self._answered.wait(ANSWER_TIMEOUT_S):
            while not self._over.wait(0.2) and not stopping.is_set() and self.client.is_running():
                pass
        self._is_left = True  # what comes now is our own doing

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _props: Any
    ) -> None:
        if not self._is_left:
            self.end_code = code.value
            self.said = self.said or "closed the connection"
        self._over.set()
        self._answered.set()

    def _on_connect(
        self,
        client: paho.Client,
        _data: Any,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answered.set()
        if code.is_failure:
            self.refusal = code
            self.said = str(code)
            self._over.set()
        else:
            if flags.session_present:
                self._waiting.forget_redelivered()
            client.subscribe(self._filters)
            self.client.resume_notes(
                is_resumed=flags.session_present,
                receive_maximum=getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM),
            )

    def _on_confirmed(
        self, client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Any
    ) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused:
            self.refusal = refused[0]
            self.said = str(refused[0])
            self._over.set()
        else:
            self.subscribed_at = time.monotonic()
            self._on_subscribed()

    def _on_bulk(
        self, client: BulkClient, messages: Sequence[tuple[bytes, bytes, int, int]]
    ) -> None:
        self._waiting.put(messages, client)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        # What came in pieces; the name of its topic is bytes inside paho's message.
        whole = (message._topic, bytes(message.payload), message.mid, message.qos)
        self._on_bulk(self.client, [whole])
