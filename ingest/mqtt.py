"""The way in: a persistent MQTT session whose messages are acknowledged by whoever stored them.

With `ingest.bulk` the only file of ingest that knows paho. The paho thread does nothing but put
messages on a queue: how much may wait there is bounded by the number of unacknowledged messages
the broker may send (MQTT 5 Receive Maximum; with 3.1.1 its own ``max_inflight_messages``). What a
device sends at QoS 0 nobody bounds: of that as much may wait, and what is more is shed.

Each connection has a paho client of its own. A message remembers the client it came by, so an
acknowledgement that comes after that connection broke goes nowhere instead of acknowledging
another message that was given the same number: the broker delivers again, which changes nothing.
"""

from __future__ import annotations

import logging
import queue
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest import refusals
from ingest.bulk import BulkClient, Published
from ingest.topics import STATUS_FILTER, UP_FILTER
from kahriz.errors import ConfigError
from kahriz.logs import Once
from kahriz.settings import MqttSettings

_LOG = logging.getLogger(__name__)

SESSION_EXPIRY_S = 7 * 24 * 3600
KEEPALIVE_S = 30
MAX_PAUSE_S = 15.0
ANSWER_TIMEOUT_S = 5.0
BATCH_BYTES = 4 * 2**20
"""A batch of backlogs is cut here: taken apart, a payload needs some fifteen times its size."""


class Incoming(NamedTuple):
    """One message as it came, and how to acknowledge it; a topic that is no UTF-8 is empty."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    source: BulkClient


class Intake:
    """Subscribes to every device and hands its messages over in batches.

    Parameters
    ----------
    settings
        Where the broker is and who we are there.
    on_shed
        Called with the topic of each message of QoS 0 that there was no room for.
    """

    def __init__(
        self, settings: MqttSettings, on_shed: Callable[[str], object] = lambda _topic: None
    ) -> None:
        self._settings = settings
        self._on_shed = on_shed
        self._tls = _tls(settings)
        self._queue: queue.SimpleQueue[Incoming | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._subscribed = threading.Event()
        self._client: BulkClient | None = None
        self._protocol = (
            MQTTProtocolVersion.MQTTv311
            if settings.protocol == "3.1.1"
            else MQTTProtocolVersion.MQTTv5
        )
        self._once = Once(_LOG)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._problem = "not connected yet"

    def start(self) -> None:
        """Begin to connect; returns at once, and keeps trying for ever."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the broker; unacknowledged messages stay with it, for the next start."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    @property
    def state(self) -> str:
        """``connected``, or what stands in the way."""
        return "connected" if self._subscribed.is_set() else self._problem

    def wait_until_subscribed(self, timeout: float) -> bool:
        """Wait until the broker has confirmed the subscriptions."""
        return self._subscribed.wait(timeout)

    def waiting(self) -> int:
        """Return how many messages are waiting to be taken."""
        return self._queue.qsize()

    def take(self, most: int, timeout: float) -> list[Incoming]:
        """Return what is there, at most `most` messages and hardly more than `BATCH_BYTES`.

        Waits up to `timeout` seconds for the first.
        """
        taken: list[Incoming] = []
        n_bytes = 0
        try:
            item = self._queue.get(timeout=timeout)
            while item is not None:
                taken.append(item)
                n_bytes += len(item.payload)
                if len(taken) >= most or n_bytes >= BATCH_BYTES:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return taken

    def acknowledge(self, messages: Sequence[Incoming]) -> None:
        """Tell the broker that `messages` need not be delivered again."""
        for source, some in groupby(messages, key=lambda message: message.source):
            source.ack_all([message.mid for message in some if message.qos])

    def publish(self, topic: str, payload: bytes) -> None:
        """Send `payload` at QoS 1, as far as there is a connection now."""
        client = self._client
        if client is not None and client.is_connected():
            client.publish(topic, payload, qos=1)

    def _run(self) -> None:
        pause = 0.5
        while not self._stopping.is_set():
            is_soon = self._connect_once()
            pause = 0.5 if is_soon else min(pause * 2, MAX_PAUSE_S)
            self._stopping.wait(pause * random.uniform(0.5, 1.0))

    def _connect_once(self) -> bool:
        """Hold one connection until it ends; return whether to try again soon."""
        where = f"{self._settings.host}:{self._settings.port}"
        session = _Session(self, self._new_client())
        client = session.client
        try:
            client.connect(
                self._settings.host, self._settings.port, KEEPALIVE_S, **self._session_options()
            )
        except (OSError, ValueError) as error:  # ValueError: a name no host can have
            reason = getattr(error, "strerror", None) or str(error)
            self._problem = refusals.unreachable(where, reason)
            self._once.failed("broker", self._problem)
            return False
        self._client = client
        # paho's own thread: only then does an acknowledgement from ours go through its queue.
        client.loop_start()
        session.wait_until_over(self._stopping)
        self._subscribed.clear()
        client.disconnect()
        client.loop_stop()
        self._client = None
        if self._stopping.is_set():
            return session.was_subscribed
        if not session.was_subscribed:
            self._refused(where, session)
        else:
            name, code = self._settings.client_id, session.end_code
            self._problem = refusals.lost(where, name, code, session.lived_s())
            self._once.failed("broker", self._problem)
        # Two under one name would drive each other out as fast as they can.
        return session.was_subscribed and session.lived_s() >= refusals.SHORT_S

    def _refused(self, where: str, session: _Session) -> None:
        code = None if session.refusal is None else session.refusal.value
        is_credential = code in refusals.NOT_AUTHORISED
        if not is_credential and self._settings.protocol == "auto":
            # A broker that knows only 3.1.1 refuses MQTT 5, or just closes.
            other = MQTTProtocolVersion.MQTTv311
            is_v5 = self._protocol == MQTTProtocolVersion.MQTTv5
            self._protocol = other if is_v5 else MQTTProtocolVersion.MQTTv5
        said = session.said or f"gave no answer within {ANSWER_TIMEOUT_S:g} s"
        self._problem = refusals.refused(where, self._settings.username, code, said)
        is_last_try = self._protocol == MQTTProtocolVersion.MQTTv5
        if is_credential or is_last_try or self._settings.protocol != "auto":
            self._once.failed("broker", self._problem)

    def _new_client(self) -> BulkClient:
        settings = self._settings
        is_v5 = self._protocol == MQTTProtocolVersion.MQTTv5
        client = BulkClient(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=None if is_v5 else False,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if settings.username:
            client.username_pw_set(settings.username, settings.password.get_secret_value())
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client

    def _session_options(self) -> dict[str, Any]:
        if self._protocol != MQTTProtocolVersion.MQTTv5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = self._settings.max_inflight
        return {"clean_start": False, "properties": properties}

    def filters(self) -> list[tuple[str, int]]:
        """Return what is subscribed to; readings are shared where a group is configured."""
        group = self._settings.shared_group
        prefix = f"$share/{group}/" if group else ""
        return [(prefix + UP_FILTER, 1), (prefix + STATUS_FILTER, 1)]

    def _put(self, messages: Iterable[Incoming]) -> None:
        """Let `messages` wait to be taken; never blocks."""
        for message in messages:
            if message.qos or self._queue.qsize() < self._settings.max_inflight:
                self._queue.put(message)
            else:
                self._on_shed(message.topic)

    def _forget_redelivered(self) -> None:
        """Drop what came by earlier connections: the broker kept the session and sends it again.

        A connection that breaks often while the store is away would otherwise fill the memory.
        """
        for _ in range(self._queue.qsize()):
            try:
                message = self._queue.get_nowait()
            except queue.Empty:
                return
            if message is None or not message.qos:
                self._queue.put(message)

    def _subscribed_by(self, session: _Session) -> None:
        session.subscribed_at = time.monotonic()
        self._once.worked("broker")
        _LOG.info(
            "subscribed",
            extra={
                "broker": f"{self._settings.host}:{self._settings.port}",
                "mqtt": "5" if self._protocol == MQTTProtocolVersion.MQTTv5 else "3.1.1",
            },
        )
        self._subscribed.set()


def _tls(settings: MqttSettings) -> ssl.SSLContext | None:
    if settings.tls_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.tls_ca)
    except OSError as error:
        problem = f"{settings.tls_ca}: {error.strerror or error}"
        hint = "a file of certificates in PEM"
        raise ConfigError("mqtt.tls_ca", problem, hint) from error


class _Session:
    """One connection: its paho client and what came of it."""

    def __init__(self, intake: Intake, client: BulkClient) -> None:
        self.client = client
        self.refusal: ReasonCode | None = None
        self.subscribed_at: float | None = None
        self.said = ""
        self.end_code: int | None = None
        self._intake = intake
        self._is_left = False
        self._over = threading.Event()
        self._answered = threading.Event()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
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

        amqtt leaves a client that speaks MQTT 5 without any answer.
        """
        if self._answered.wait(ANSWER_TIMEOUT_S):
            while not self._over.wait(0.2) and not stopping.is_set():
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
        _props: Any,
    ) -> None:
        self._answered.set()
        if code.is_failure:
            self.refusal = code
            self.said = str(code)
            self._over.set()
        else:
            if flags.session_present:
                self._intake._forget_redelivered()
            client.subscribe(self._intake.filters())

    def _on_subscribe(
        self, client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Any
    ) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused:
            self.refusal = refused[0]
            self.said = str(refused[0])
            self._over.set()
        else:
            self._intake._subscribed_by(self)

    def _on_bulk(self, client: BulkClient, messages: list[Published]) -> None:
        self._intake._put(
            Incoming(_text(topic), payload, mid, qos, client)
            for topic, payload, mid, qos in messages
        )

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        # What came in pieces; the name of its topic is bytes inside paho's message.
        incoming = Published(message._topic, bytes(message.payload), message.mid, message.qos)
        self._on_bulk(self.client, [incoming])


@lru_cache(maxsize=65536)
def _text(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return ""
