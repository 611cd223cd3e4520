"""The way in: a persistent MQTT session whose messages are acknowledged by whoever stored them.

With `ingest.bulk` and `ingest.session` what of ingest knows paho. The paho thread does nothing but
put messages on a queue (`ingest.waiting`): how many may wait there is bounded by the number of
unacknowledged messages the broker may send (MQTT 5 Receive Maximum; with 3.1.1 its own
``max_inflight_messages``), how much by leaving the rest in the network. What a device sends at
QoS 0 nobody bounds: of that as much may wait, and what is more is shed.

Each connection has a paho client of its own. A message remembers the client it came by, so an
acknowledgement that comes after that connection broke goes nowhere instead of acknowledging
another message that was given the same number: the broker delivers again, which changes nothing.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest import lorawan_topics, refusals
from ingest.bulk import BulkClient
from ingest.outbox import Note, Outbox
from ingest.session import ANSWER_TIMEOUT_S, Session
from ingest.topics import STATUS_FILTER, UP_FILTER
from ingest.waiting import Incoming, Waiting
from kahriz.errors import ConfigError
from kahriz.logs import Once
from kahriz.settings import MqttSettings

_LOG = logging.getLogger(__name__)

SESSION_EXPIRY_S = 7 * 24 * 3600
KEEPALIVE_S = 30
MAX_PAUSE_S = 5.0  # a broker that is back is not kept waiting; one try costs it nothing


class Intake:
    """Subscribes to every device and hands its messages over in batches.

    Parameters
    ----------
    settings
        Where the broker is and who we are there.
    on_shed
        Called with the messages of QoS 0 that there was no room for.
    """

    def __init__(
        self,
        settings: MqttSettings,
        on_shed: Callable[[Sequence[Incoming]], object] = lambda messages: None,
    ) -> None:
        self._settings = settings
        self._tls = _tls(settings)
        self.waiting = Waiting(settings.max_inflight, settings.max_waiting_mb * 2**20, on_shed)
        self._outbox = Outbox()
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
        self.waiting.end()
        if self._thread.is_alive():
            self._thread.join(5)

    @property
    def state(self) -> str:
        """``connected``, or what stands in the way."""
        return "connected" if self._subscribed.is_set() else self._problem

    def wait_until_subscribed(self, timeout: float) -> bool:
        """Wait until the broker has confirmed the subscriptions."""
        return self._subscribed.wait(timeout)

    def take(self, most: int, timeout: float) -> tuple[list[Incoming], float]:
        """Return what waits, and when the oldest of it came; see `Waiting.take`."""
        return self.waiting.take(most, timeout)

    def acknowledge(self, messages: Sequence[Incoming]) -> None:
        """Tell the broker that `messages` need not be delivered again."""
        for source in dict.fromkeys([message.source for message in messages]):
            source.ack_all([m.mid for m in messages if m.qos and m.source is source])

    def publish(self, notes: Iterable[Note]) -> None:
        """Send `notes` at QoS 1, as far as there is a connection now."""
        client = self._client
        if client is not None and client.is_connected():
            client.publish_notes(notes)

    def notes_waiting(self) -> int:
        """Return how many notes the broker has not acknowledged."""
        return len(self._outbox)

    def _run(self) -> None:
        pause = 0.5
        while not self._stopping.is_set():
            is_soon = self._connect_once()
            pause = 0.5 if is_soon else min(pause * 2, MAX_PAUSE_S)
            self._stopping.wait(pause * random.uniform(0.5, 1.0))

    def _connect_once(self) -> bool:
        """Hold one connection until it ends; return whether to try again soon."""
        where = f"{self._settings.host}:{self._settings.port}"
        session = Session(self._new_client(), self.filters(), self.waiting, self._subscribed_by)
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

    def _refused(self, where: str, session: Session) -> None:
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
            transport=settings.transport,
        )
        if settings.transport == "websockets":
            client.ws_set_options(settings.websocket_path)
        if settings.username:
            client.username_pw_set(settings.username, settings.password.get_secret_value())
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.has_room = self.waiting.has_room
        client.outbox = self._outbox
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
        filters = (UP_FILTER, STATUS_FILTER, lorawan_topics.UP_FILTER)
        return [(prefix + name, 1) for name in filters]

    def _subscribed_by(self) -> None:
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
