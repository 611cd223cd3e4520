"""One end of a connection: what it sends is judged by what it has sent and received so far."""

from __future__ import annotations

from collections import deque

from tests.mqtt_wire import packets as mqtt
from tests.mqtt_wire.packets import Packet, parse, version_of
from tests.mqtt_wire.party import Finding, Party, Session
from tests.mqtt_wire.properties import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    SESSION_EXPIRY,
    SUBSCRIPTION_ID,
    TOPIC_ALIAS,
    TOPIC_ALIAS_MAXIMUM,
)
from tests.mqtt_wire.reading import Framer, MalformedError, Raw

_RESENT_WITHIN_S = 2.0
"""A connection shorter than this need not have re-sent everything."""


class Line:
    """One connection, seen from one of its ends."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._sent, self._received = Framer(), Framer()
        self._is_broken = False
        self.version = 4
        """4 (3.1.1) or 5, once CONNECT has said so."""
        self._session = Session()
        self._connect: Packet | None = None
        self._connack: Packet | None = None
        self._is_resumed = False
        self._to_resend: dict[int, Packet] = {}
        self._flying: set[int] = set()
        self._owed: deque[int] = deque()
        self._pending: dict[int, Packet] = {}
        self._aliases: set[int] = set()
        self._n_pings = 0
        self._last_sent: float | None = None
        self._connected_at: float | None = None
        self.n_sent = 0
        self.is_left = False
        """Whether DISCONNECT was sent."""

    @property
    def client_id(self) -> str:
        """Who connected; empty before CONNECT."""
        return "" if self._connect is None else self._connect.client_id

    @property
    def is_accepted(self) -> bool:
        """Whether CONNACK has taken the client in."""
        return self._connack is not None and not self._connack.reasons[0]

    # --- bytes --------------------------------------------------------------------------------

    def sent(self, data: bytes, at: float) -> None:
        """Judge what this side sent at `at` seconds."""
        self._keep_alive(at)
        self._last_sent = at
        if self._is_broken:
            return
        try:
            for raw in self._sent.feed(data):
                self._sent_packet(raw, at)
        except MalformedError as error:  # from here on nobody knows where a packet begins
            self._is_broken = True
            self._found(error.clause, error.text)

    def _sent_packet(self, raw: Raw, at: float) -> None:
        self.n_sent += 1
        try:
            if raw.kind == mqtt.CONNECT:
                self.version = version_of(raw)
            packet = parse(raw, self.version, from_client=self._party.is_client)
        except MalformedError as error:
            self._found(error.clause, error.text)
        else:
            self._judge(packet, at)

    def received(self, data: bytes, at: float) -> None:
        """Take in what reached this side at `at` seconds; judging it is the other side's."""
        try:
            for raw in self._received.feed(data):
                if raw.kind == mqtt.CONNECT:
                    self.version = version_of(raw)
                self._take(parse(raw, self.version, from_client=not self._party.is_client), at)
        except MalformedError:
            return

    def closed(self, at: float) -> None:
        """Judge what was left undone when the connection ended at `at` seconds."""
        if not self.is_left:
            self._keep_alive(at)
        since = self._connected_at
        if self._to_resend and since is not None and at - since >= _RESENT_WITHIN_S:
            ids = list(self._to_resend)
            self._found("MQTT-4.4.0-1", f"{len(ids)} PUBLISH not re-sent on resuming: {ids[:5]}")

    # --- what the clauses ask of a sender -----------------------------------------------------

    def _found(self, clause: str, text: str) -> None:
        self._party.findings.append(Finding(self._party.side, clause, text))

    def _is_v5(self) -> bool:
        return self.version == 5

    def _by(self, v5: str, v4: str) -> str:
        return "MQTT-" + (v5 if self._is_v5() else v4)

    def _judge(self, packet: Packet, at: float) -> None:
        client = self._party.is_client
        first = mqtt.CONNECT if client else mqtt.CONNACK
        greeted = self._connect if client else self._connack
        if (greeted is None) != (packet.kind == first):
            if client:
                clause = "MQTT-3.1.0-1" if greeted is None else "MQTT-3.1.0-2"
            else:
                clause = "MQTT-3.2.0-1" if greeted is None else self._by("3.2.0-2", "3.2.0-1")
            self._found(clause, f"{packet.name} where it may not be")
        if self.is_left:
            self._found(self._by("3.14.4-1", "3.14.4-2"), f"{packet.name} after DISCONNECT")
        if self._connack is not None and self._connack.reasons[0]:
            self._found(self._by("3.2.2-7", "3.2.2-5"), f"{packet.name} after a refusal")
        most = self._peer(MAXIMUM_PACKET_SIZE, packet.size)
        if packet.size > most:
            clause = "MQTT-3.2.2-15" if client else "MQTT-3.1.2-24"
            self._found(clause, f"{packet.name} of {packet.size} bytes, {most} are allowed")
        judges = {
            mqtt.CONNECT: self._sent_connect,
            mqtt.CONNACK: self._sent_connack,
            mqtt.PUBLISH: self._sent_publish,
            mqtt.PUBACK: self._sent_puback,
            mqtt.SUBSCRIBE: self._sent_subscription,
            mqtt.UNSUBSCRIBE: self._sent_subscription,
            mqtt.SUBACK: self._sent_suback,
            mqtt.UNSUBACK: self._sent_suback,
            mqtt.PINGRESP: self._sent_pingresp,
            mqtt.DISCONNECT: self._sent_disconnect,
        }
        if packet.kind in judges:
            judges[packet.kind](packet, at)
        elif packet.kind != mqtt.PINGREQ:
            self._found("4.3.3", f"{packet.name}: QoS 2 is not followed here")

    def _peer(self, property: int, otherwise: int) -> int:
        """Return a limit the other side has announced."""
        said = self._connack if self._party.is_client else self._connect
        return otherwise if said is None else said.properties.get(property, otherwise)

    def _keep_alive(self, at: float) -> None:
        if not self._party.is_client or self._connect is None or self._last_sent is None:
            return
        seconds = self._peer(SERVER_KEEP_ALIVE, self._connect.keep_alive)
        silence = at - self._last_sent
        if seconds and silence > 1.5 * seconds:
            clause = self._by("3.1.2-20", "3.1.2-23")
            self._found(clause, f"nothing for {silence:.1f} s, keep alive is {seconds} s")

    def _sent_connect(self, packet: Packet, at: float) -> None:
        self._connect = packet
        self._session = self._party.sessions.setdefault(packet.client_id, Session())

    def _sent_connack(self, packet: Packet, at: float) -> None:
        if packet.session_present and self._connect is not None and self._connect.is_clean:
            self._found(self._by("3.2.2-2", "3.2.2-1"), "a session is present after a clean start")
        self._greeted(packet, at)

    def _greeted(self, packet: Packet, at: float) -> None:
        self._connack, self._connected_at = packet, at
        self._is_resumed = packet.session_present
        if packet.session_present:
            self._to_resend = dict(self._session.out)
        elif not packet.reasons[0]:
            self._session.out.clear()

    def _sent_publish(self, packet: Packet, at: float) -> None:
        client = self._party.is_client
        if client and packet.qos > self._peer(MAXIMUM_QOS, 2):
            self._found("MQTT-3.2.2-11", f"QoS {packet.qos} is more than the server takes")
        if client and packet.retain and not self._peer(RETAIN_AVAILABLE, 1):
            self._found("MQTT-3.2.2-14", "retained, which the server does not do")
        if client and SUBSCRIPTION_ID in packet.properties:
            self._found("MQTT-3.3.4-6", "a client's PUBLISH with a Subscription Identifier")
        self._alias(packet)
        if packet.qos == 2:
            self._found("4.3.3", "PUBLISH of QoS 2 is not followed here")
        elif packet.qos == 1:
            self._sent_once(packet)

    def _alias(self, packet: Packet) -> None:
        client = self._party.is_client
        alias = packet.properties.get(TOPIC_ALIAS)
        if alias is None:
            if not packet.topic:
                self._found("MQTT-4.7.3-1", "no topic, and no alias")
            return
        most = self._peer(TOPIC_ALIAS_MAXIMUM, 0)
        if alias == 0:
            self._found("MQTT-3.3.2-8", "topic alias 0")
        elif alias > most:
            clause = "3.2.2-17" if client else "3.1.2-26"
            none = "3.2.2-18" if client else "3.1.2-27"
            self._found(f"MQTT-{clause if most else none}", f"topic alias {alias} of {most}")
        if packet.topic:
            self._aliases.add(alias)
        elif alias not in self._aliases:
            self._found("3.3.2.3.4", f"topic alias {alias} was not given a topic")

    def _sent_once(self, packet: Packet) -> None:
        """Judge a PUBLISH of QoS 1: a new one, or one re-sent on a resumed session."""
        client = self._party.is_client
        before = self._to_resend.get(packet.id)
        if before is not None and (packet.dup or _same(before, packet)):
            self._resent(before, packet)
        elif packet.dup and (not self._is_resumed or packet.id in self._session.out):
            clause = self._by("4.4.0-1", "4.3.2-1")
            self._found(clause, f"PUBLISH {packet.id} re-sent on the same connection, or new")
        elif not packet.dup and (packet.id in self._session.out or packet.id in self._pending):
            clause = self._by("2.2.1-3", "2.3.1-2") if client else self._by("2.2.1-4", "2.3.1-4")
            self._found(clause, f"packet identifier {packet.id} is in use")
        self._session.out.pop(packet.id, None)
        self._session.out[packet.id] = packet
        self._flying.add(packet.id)
        most = self._peer(RECEIVE_MAXIMUM, 65535)
        if self._is_v5() and len(self._flying) > most:
            clause = "MQTT-3.3.4-7" if client else "MQTT-3.3.4-9"
            self._found(clause, f"{len(self._flying)} PUBLISH unacknowledged, {most} are allowed")

    def _resent(self, before: Packet, packet: Packet) -> None:
        if not packet.dup:
            self._found("MQTT-3.3.1-1", f"PUBLISH {packet.id} re-sent without DUP")
        if not _same(before, packet):
            clause = self._by("4.4.0-1", "2.3.1-3")
            self._found(clause, f"PUBLISH {packet.id} re-sent with another content")
        if packet.id != next(iter(self._to_resend)):
            self._found("MQTT-4.6.0-1", f"PUBLISH {packet.id} re-sent out of order")
        del self._to_resend[packet.id]

    def _sent_puback(self, packet: Packet, at: float) -> None:
        if packet.id not in self._owed:
            clause = self._by("2.2.1-5", "2.3.1-6")
            text = f"PUBACK {packet.id}: no PUBLISH of this connection waits for it"
            self._found(clause, text)
            return
        if packet.id != self._owed[0]:
            self._found("MQTT-4.6.0-2", f"PUBACK {packet.id} before {self._owed[0]}")
        self._owed.remove(packet.id)

    def _sent_subscription(self, packet: Packet, at: float) -> None:
        if packet.id in self._pending or packet.id in self._session.out:
            clause = self._by("2.2.1-3", "2.3.1-2")
            self._found(clause, f"{packet.name}: packet identifier {packet.id} is in use")
        self._pending[packet.id] = packet

    def _sent_suback(self, packet: Packet, at: float) -> None:
        asked = self._pending.pop(packet.id, None)
        is_sub = packet.kind == mqtt.SUBACK
        if asked is None or asked.kind != packet.kind - 1:
            clause = self._by("2.2.1-6", "2.3.1-7")
            self._found(clause, f"{packet.name} {packet.id}: nothing was asked by that number")
        elif (is_sub or self._is_v5()) and len(packet.reasons) != len(asked.filters):
            clause = self._by("3.8.4-6", "3.8.4-5") if is_sub else "MQTT-3.11.3-1"
            text = f"{len(packet.reasons)} reason codes for {len(asked.filters)} filters"
            self._found(clause, text)

    def _sent_pingresp(self, packet: Packet, at: float) -> None:
        if not self._n_pings:
            self._found("MQTT-3.12.4-1", "PINGRESP to no PINGREQ")
        self._n_pings = max(self._n_pings - 1, 0)

    def _sent_disconnect(self, packet: Packet, at: float) -> None:
        expiry = packet.properties.get(SESSION_EXPIRY)
        if expiry is not None and not self._party.is_client:
            self._found("MQTT-3.14.2-2", "a server's DISCONNECT with Session Expiry Interval")
        began = 0 if self._connect is None else self._connect.properties.get(SESSION_EXPIRY, 0)
        if expiry and not began and self._party.is_client:
            self._found("3.14.2.2.2", "a session of no length is to last longer")
        self.is_left = True

    # --- what the other side's packets change -------------------------------------------------

    def _take(self, packet: Packet, at: float) -> None:
        if packet.kind == mqtt.CONNECT:
            self._sent_connect(packet, at)
        elif packet.kind == mqtt.CONNACK:
            self._greeted(packet, at)
        elif packet.kind == mqtt.PUBLISH and packet.qos == 1:
            self._owed.append(packet.id)
        elif packet.kind == mqtt.PUBACK:
            self._session.out.pop(packet.id, None)
            self._to_resend.pop(packet.id, None)
            self._flying.discard(packet.id)
        elif packet.kind in (mqtt.SUBSCRIBE, mqtt.UNSUBSCRIBE):
            self._pending[packet.id] = packet
        elif packet.kind in (mqtt.SUBACK, mqtt.UNSUBACK):
            self._pending.pop(packet.id, None)
        elif packet.kind == mqtt.PINGREQ:
            self._n_pings += 1


def _same(one: Packet, other: Packet) -> bool:
    return (one.topic, one.payload) == (other.topic, other.payload)
