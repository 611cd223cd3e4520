"""One control packet, taken apart strictly (chapter 3 of the standards)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.mqtt_wire.properties import WILL, properties
from tests.mqtt_wire.reading import Body, MalformedError, Raw

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
NAMES = ("reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
         "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT",
         "AUTH")  # fmt: skip
FROM_CLIENT = {CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ}
FROM_SERVER = {CONNACK, SUBACK, UNSUBACK, PINGRESP}

_REASONS = {
    CONNACK: {0, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, *range(0x99, 0x9E), 0x9F},
    PUBACK: {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    SUBACK: {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
}
_DISCONNECTS = {
    True: {0, 4, 0x81, 0x82, 0x83, 0x90, *range(0x93, 0x9A)},
    False: {0, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, *range(0x8D, 0x91), *range(0x93, 0xA3)},
}


@dataclass(slots=True)
class Packet:
    """What a packet says; a field that its type does not have keeps its default."""

    kind: int
    size: int
    dup: bool = False
    qos: int = 0
    retain: bool = False
    id: int = 0
    topic: str = ""
    payload: bytes = b""
    reasons: tuple[int, ...] = (0,)
    filters: tuple[str, ...] = ()
    properties: dict[int, int] = field(default_factory=dict)
    client_id: str = ""
    is_clean: bool = False
    keep_alive: int = 0
    session_present: bool = False

    @property
    def name(self) -> str:
        """Its type in words."""
        return NAMES[self.kind]


def version_of(raw: Raw) -> int:
    """Return the protocol version a CONNECT asks for: 4 (3.1.1) or 5."""
    body = Body(raw.body, is_v5=False)
    name = body.binary()
    if name != b"MQTT":
        raise MalformedError("MQTT-3.1.2-1", f"protocol name {name!r}")
    version = body.number(1)
    if version not in (4, 5):
        raise MalformedError("MQTT-3.1.2-2", f"protocol version {version}")
    return version


def parse(raw: Raw, version: int, *, from_client: bool) -> Packet:
    """Return what `raw` says, or raise MalformedError."""
    is_v5 = version == 5
    if not raw.is_minimal:
        clause = "MQTT-1.5.5-1" if is_v5 else "2.2.3"
        raise MalformedError(clause, "Remaining Length takes more bytes than it needs")
    foreign = FROM_SERVER if from_client else FROM_CLIENT | (set() if is_v5 else {DISCONNECT})
    if raw.kind == 0 or raw.kind in foreign or (raw.kind == AUTH and not is_v5):
        side = "client" if from_client else "server"
        raise MalformedError("2.2.1", f"a {side} sends no {NAMES[raw.kind]}")
    packet = Packet(raw.kind, raw.size)
    _flags(packet, raw.flags, is_v5)
    body = Body(raw.body, is_v5=is_v5)
    if raw.kind == CONNECT:
        _connect(packet, body, is_v5)
    elif raw.kind == CONNACK:
        _connack(packet, body, is_v5)
    elif raw.kind == PUBLISH:
        _publish(packet, body, is_v5)
    elif raw.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        _acknowledgement(packet, body, is_v5)
    elif raw.kind in (SUBSCRIBE, UNSUBSCRIBE):
        _subscription(packet, body, is_v5)
    elif raw.kind in (SUBACK, UNSUBACK):
        _suback(packet, body, is_v5)
    elif raw.kind == DISCONNECT and is_v5:
        _disconnect(packet, body, from_client)
    elif raw.kind == AUTH:
        raise MalformedError("4.12", "enhanced authentication is not followed here")
    body.end()
    return packet


def _flags(packet: Packet, flags: int, is_v5: bool) -> None:
    if packet.kind != PUBLISH:
        wanted = 2 if packet.kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0
        if flags != wanted:
            clause = "MQTT-2.1.3-1" if is_v5 else "MQTT-2.2.2-1"
            raise MalformedError(clause, f"{packet.name} has flags {flags:04b}, not {wanted:04b}")
        return
    packet.dup, packet.qos, packet.retain = bool(flags & 8), flags >> 1 & 3, bool(flags & 1)
    if packet.qos == 3:
        raise MalformedError("MQTT-3.3.1-4", "both QoS bits are set")
    if packet.dup and not packet.qos:
        raise MalformedError("MQTT-3.3.1-2", "DUP is set at QoS 0")


def _connect(packet: Packet, body: Body, is_v5: bool) -> None:
    body.take(7)  # name and version, see `version_of`
    flags = body.number(1)
    has_will, will_qos, will_retain = bool(flags & 4), flags >> 3 & 3, bool(flags & 32)
    has_user, has_password = bool(flags & 128), bool(flags & 64)
    if flags & 1:
        raise MalformedError("MQTT-3.1.2-3", "the reserved connect flag is set")
    if will_qos == 3:
        raise MalformedError("MQTT-3.1.2-12" if is_v5 else "MQTT-3.1.2-14", "Will QoS is 3")
    if not has_will and will_qos:
        clause = "MQTT-3.1.2-11" if is_v5 else "MQTT-3.1.2-13"
        raise MalformedError(clause, f"no will, but Will QoS {will_qos}")
    if not has_will and will_retain:
        clause = "MQTT-3.1.2-13" if is_v5 else "MQTT-3.1.2-15"
        raise MalformedError(clause, "no will, but Will Retain")
    if has_password and not has_user and not is_v5:
        raise MalformedError("MQTT-3.1.2-22", "a password without a user name")
    packet.is_clean = bool(flags & 2)
    packet.keep_alive = body.number(2)
    if is_v5:
        packet.properties = properties(body, CONNECT)
    packet.client_id = body.text()
    if not packet.client_id and not packet.is_clean and not is_v5:
        raise MalformedError("MQTT-3.1.3-7", "no client id, and no clean session")
    if has_will:
        if is_v5:
            properties(body, WILL)
        _topic_name(body.text(), may_be_empty=False)
        body.binary()
    if has_user:
        body.text()
    if has_password:
        body.binary()


def _connack(packet: Packet, body: Body, is_v5: bool) -> None:
    flags = body.number(1)
    packet.reasons = (body.number(1),)
    packet.session_present = bool(flags & 1)
    if flags > 1:
        clause = "MQTT-3.2.2-1" if is_v5 else "3.2.2.1"
        raise MalformedError(clause, f"connect acknowledge flags {flags:08b}")
    if packet.reasons[0] not in (_REASONS[CONNACK] if is_v5 else range(6)):
        clause = "MQTT-3.2.2-8" if is_v5 else "3.2.2.3"
        raise MalformedError(clause, f"reason code {packet.reasons[0]:#x}")
    if packet.reasons[0] and packet.session_present:
        clause = "MQTT-3.2.2-6" if is_v5 else "MQTT-3.2.2-4"
        raise MalformedError(clause, "refused, but a session is present")
    if is_v5:
        packet.properties = properties(body, CONNACK)


def _publish(packet: Packet, body: Body, is_v5: bool) -> None:
    packet.topic = body.text()
    if packet.qos:
        packet.id = body.number(2)
        _not_zero(packet, is_v5)
    if is_v5:
        packet.properties = properties(body, PUBLISH)
    # With a topic alias the name may be left out; who follows the aliases judges that.
    _topic_name(packet.topic, may_be_empty=is_v5)
    packet.payload = body.take(body.left)


def _acknowledgement(packet: Packet, body: Body, is_v5: bool) -> None:
    packet.id = body.number(2)
    if packet.id == 0:
        clause = "MQTT-2.2.1-5" if is_v5 else "MQTT-2.3.1-6"
        raise MalformedError(clause, f"{packet.name} of packet identifier 0")
    if is_v5 and body.left:
        packet.reasons = (body.number(1),)
        if packet.kind == PUBACK and packet.reasons[0] not in _REASONS[PUBACK]:
            raise MalformedError("MQTT-3.4.2-1", f"PUBACK with reason {packet.reasons[0]:#x}")
        if body.left:
            packet.properties = properties(body, packet.kind)


def _subscription(packet: Packet, body: Body, is_v5: bool) -> None:
    section = "3.8.3" if packet.kind == SUBSCRIBE else "3.10.3"
    packet.id = body.number(2)
    _not_zero(packet, is_v5)
    if is_v5:
        packet.properties = properties(body, packet.kind)
    filters = []
    while body.left:
        filters.append(body.text())
        _topic_filter(filters[-1])
        if packet.kind == SUBSCRIBE:
            options = body.number(1)
            if options & 3 == 3 or options & (0xC0 if is_v5 else 0xFC):
                clause = "MQTT-3.8.3-5" if is_v5 else "MQTT-3-8.3-4"
                raise MalformedError(clause, f"subscription options {options:08b}")
    if not filters:
        numbered = {"3.8.3": ("-2" if is_v5 else "-3"), "3.10.3": "-2"}
        raise MalformedError(f"MQTT-{section}{numbered[section]}", f"{packet.name} of nothing")
    packet.filters = tuple(filters)


def _suback(packet: Packet, body: Body, is_v5: bool) -> None:
    packet.id = body.number(2)
    if is_v5:
        packet.properties = properties(body, packet.kind)
    packet.reasons = tuple(body.take(body.left))
    allowed = _REASONS[packet.kind] if is_v5 else {0, 1, 2, 0x80}
    for reason in packet.reasons:
        if reason not in allowed:
            clause = "MQTT-3.9.3-2" if packet.kind == SUBACK else "MQTT-3.11.3-2"
            raise MalformedError(clause, f"{packet.name} with reason {reason:#x}")


def _disconnect(packet: Packet, body: Body, from_client: bool) -> None:
    if not body.left:
        return
    packet.reasons = (body.number(1),)
    if packet.reasons[0] not in _DISCONNECTS[from_client]:
        raise MalformedError("MQTT-3.14.2-1", f"DISCONNECT with reason {packet.reasons[0]:#x}")
    if body.left:
        packet.properties = properties(body, DISCONNECT)


def _not_zero(packet: Packet, is_v5: bool) -> None:
    if packet.id == 0:
        clause = "MQTT-2.2.1-3" if is_v5 else "MQTT-2.3.1-1"
        raise MalformedError(clause, f"{packet.name} with packet identifier 0")


def _topic_name(topic: str, *, may_be_empty: bool) -> None:
    if not topic and not may_be_empty:
        raise MalformedError("MQTT-4.7.3-1", "an empty topic")
    if "+" in topic or "#" in topic:
        raise MalformedError("MQTT-3.3.2-2", f"wildcard in topic {topic!r:.60}")


def _topic_filter(said: str) -> None:
    if not said:
        raise MalformedError("MQTT-4.7.3-1", "an empty topic filter")
    levels = said.split("/")
    if levels[0] == "$share":
        if len(levels) < 3 or not levels[1] or not levels[2]:
            raise MalformedError("MQTT-4.8.2-1", f"shared subscription {said!r:.60}")
        if "+" in levels[1] or "#" in levels[1]:
            raise MalformedError("MQTT-4.8.2-2", f"share name {levels[1]!r:.60}")
    for i, level in enumerate(levels):
        if "#" in level and (level != "#" or i + 1 < len(levels)):
            raise MalformedError("MQTT-4.7.1-1", f"# in topic filter {said!r:.60}")
        if "+" in level and level != "+":
            raise MalformedError("MQTT-4.7.1-2", f"+ in topic filter {said!r:.60}")
