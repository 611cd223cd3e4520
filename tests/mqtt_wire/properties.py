"""The properties of MQTT 5: their types, and which packets may carry them (table 2-4)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mqtt_wire.reading import Body, MalformedError

WILL = 0
_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _DISCONNECT, _AUTH = 1, 2, 3, 8, 14, 15
_WITH_REASON = (_CONNACK, 4, 5, 6, 7, 9, 11, _DISCONNECT, _AUTH)
_ANY = (WILL, _CONNECT, _PUBLISH, _SUBSCRIBE, 10, *_WITH_REASON)

SESSION_EXPIRY, SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM = 17, 19, 33, 34
TOPIC_ALIAS, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 35, 36, 37, 39
SUBSCRIPTION_ID = 11


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    type: str
    packets: tuple[int, ...]
    may_repeat: bool = False


_KINDS = {
    1: _Kind("Payload Format Indicator", "flag", (_PUBLISH, WILL)),
    2: _Kind("Message Expiry Interval", "u32", (_PUBLISH, WILL)),
    3: _Kind("Content Type", "text", (_PUBLISH, WILL)),
    8: _Kind("Response Topic", "text", (_PUBLISH, WILL)),
    9: _Kind("Correlation Data", "bytes", (_PUBLISH, WILL)),
    SUBSCRIPTION_ID: _Kind("Subscription Identifier", "some int", (_PUBLISH, _SUBSCRIBE)),
    SESSION_EXPIRY: _Kind("Session Expiry Interval", "u32", (_CONNECT, _CONNACK, _DISCONNECT)),
    18: _Kind("Assigned Client Identifier", "text", (_CONNACK,)),
    SERVER_KEEP_ALIVE: _Kind("Server Keep Alive", "u16", (_CONNACK,)),
    21: _Kind("Authentication Method", "text", (_CONNECT, _CONNACK, _AUTH)),
    22: _Kind("Authentication Data", "bytes", (_CONNECT, _CONNACK, _AUTH)),
    23: _Kind("Request Problem Information", "flag", (_CONNECT,)),
    24: _Kind("Will Delay Interval", "u32", (WILL,)),
    25: _Kind("Request Response Information", "flag", (_CONNECT,)),
    26: _Kind("Response Information", "text", (_CONNACK,)),
    28: _Kind("Server Reference", "text", (_CONNACK, _DISCONNECT)),
    31: _Kind("Reason String", "text", _WITH_REASON),
    RECEIVE_MAXIMUM: _Kind("Receive Maximum", "some u16", (_CONNECT, _CONNACK)),
    TOPIC_ALIAS_MAXIMUM: _Kind("Topic Alias Maximum", "u16", (_CONNECT, _CONNACK)),
    TOPIC_ALIAS: _Kind("Topic Alias", "u16", (_PUBLISH,)),
    MAXIMUM_QOS: _Kind("Maximum QoS", "flag", (_CONNACK,)),
    RETAIN_AVAILABLE: _Kind("Retain Available", "flag", (_CONNACK,)),
    38: _Kind("User Property", "pair", _ANY, may_repeat=True),
    MAXIMUM_PACKET_SIZE: _Kind("Maximum Packet Size", "some u32", (_CONNECT, _CONNACK)),
    40: _Kind("Wildcard Subscription Available", "flag", (_CONNACK,)),
    41: _Kind("Subscription Identifier Available", "flag", (_CONNACK,)),
    42: _Kind("Shared Subscription Available", "flag", (_CONNACK,)),
}


def properties(body: Body, packet: int) -> dict[int, int]:
    """Take the properties of a packet's type (or `WILL`); return the numbers among them."""
    inner = Body(body.take(body.variable_int()), is_v5=True)
    seen: set[int] = set()
    numbers: dict[int, int] = {}
    while inner.left:
        id = inner.variable_int()
        kind = _KINDS.get(id)
        if kind is None or packet not in kind.packets:
            raise MalformedError("2.2.2.2", f"property {id} is none of packet type {packet}")
        repeats = kind.may_repeat or (id == SUBSCRIPTION_ID and packet == _PUBLISH)
        if id in seen and not repeats:
            raise MalformedError("2.2.2.2", f"{kind.name} is there more than once")
        seen.add(id)
        value = _value(inner, kind)
        if value is not None:
            numbers[id] = value
    return numbers


def _value(inner: Body, kind: _Kind) -> int | None:
    value: int | None = None
    if kind.type == "text":
        inner.text()
    elif kind.type == "bytes":
        inner.binary()
    elif kind.type == "pair":
        inner.text()
        inner.text()
    elif kind.type == "flag":
        value = inner.number(1)
        if value > 1:
            raise MalformedError("2.2.2.2", f"{kind.name} is {value}, neither 0 nor 1")
    else:
        width = {"u16": 2, "u32": 4}.get(kind.type[-3:], 0)
        value = inner.number(width) if width else inner.variable_int()
        if value == 0 and kind.type.startswith("some"):
            raise MalformedError("2.2.2.2", f"{kind.name} is 0")
    return value
