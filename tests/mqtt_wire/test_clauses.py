"""The judge itself: for each clause a conversation that breaks it, by hand, and good ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.mqtt_wire.line import Line
from tests.mqtt_wire.party import Finding, Party
from tests.mqtt_wire.reading import Framer


def text(said: str | bytes) -> bytes:
    raw = said.encode() if isinstance(said, str) else said
    return len(raw).to_bytes(2, "big") + raw


def packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    assert len(body) < 128 * 128
    length = [len(body)] if len(body) < 128 else [len(body) & 127 | 128, len(body) >> 7]
    return bytes([first, *length]) + body


def u16(n: int) -> bytes:
    return n.to_bytes(2, "big")


def connect4(flags: int = 0, keep_alive: int = 30, client: str = "c", rest: bytes = b"") -> bytes:
    return packet(0x10, text("MQTT"), bytes([4, flags]), u16(keep_alive), text(client), rest)


def connect5(props: bytes = b"", flags: int = 0, keep_alive: int = 30, rest: bytes = b"") -> bytes:
    head = text("MQTT") + bytes([5, flags]) + u16(keep_alive)
    return packet(0x10, head, bytes([len(props)]), props, text("c"), rest)


def connack4(present: int = 0, code: int = 0) -> bytes:
    return packet(0x20, bytes([present, code]))


def connack5(present: int = 0, reason: int = 0, props: bytes = b"") -> bytes:
    return packet(0x20, bytes([present, reason, len(props)]), props)


def publish4(id: int, topic: str | bytes = "t", first: int = 0x32, payload: bytes = b"x") -> bytes:
    return packet(first, text(topic), u16(id) if first & 6 else b"", payload)


def publish5(
    id: int, topic: str = "t", first: int = 0x32, props: bytes = b"", payload: bytes = b"x"
) -> bytes:
    number = u16(id) if first & 6 else b""
    return packet(first, text(topic), number, bytes([len(props)]), props, payload)


def puback(id: int) -> bytes:
    return packet(0x40, u16(id))


def subscribe4(id: int, *filters: str, first: int = 0x82, options: int = 1) -> bytes:
    return packet(first, u16(id), *(text(f) + bytes([options]) for f in filters))


def subscribe5(id: int, *filters: str, props: bytes = b"", options: int = 1) -> bytes:
    asked = (text(f) + bytes([options]) for f in filters)
    return packet(0x82, u16(id), bytes([len(props)]), props, *asked)


SUBACK4, SUBACK5 = packet(0x90, u16(1), b"\1"), packet(0x90, u16(1), b"\0\1")
PINGREQ, PINGRESP, DISCONNECT = b"\xc0\0", b"\xd0\0", b"\xe0\0"
CUT = "cut"
Said = tuple[str, bytes] | float | str
"""Who says what ("c" or "s"), or seconds that pass, or the connection is cut and made again."""

HELLO4: list[Said] = [("c", connect4()), ("s", connack4())]
HELLO5: list[Said] = [("c", connect5()), ("s", connack5())]
RESUMED4: list[Said] = [("c", connect4()), ("s", connack4(1))]
RESUMED5: list[Said] = [("c", connect5()), ("s", connack5(1))]
OWED4: list[Said] = [*HELLO4, ("s", publish4(1)), ("s", publish4(2))]


def judged(talk: list[Said], chunk: int = 0) -> list[Finding]:
    """Let both sides say what is written down, in pieces of `chunk` bytes; return the findings."""
    client, server = Party("client"), Party("server")
    lines = Line(client), Line(server)
    at = 0.0
    for said in talk:
        if isinstance(said, float):
            at += said
        elif isinstance(said, str):
            assert said == CUT
            for line in lines:
                line.closed(at)
            lines = Line(client), Line(server)
        else:
            who, data = said
            sender, receiver = lines if who == "c" else lines[::-1]
            for i in range(0, len(data), chunk or len(data) or 1):
                sender.sent(data[i : i + (chunk or len(data))], at)
            receiver.received(data, at)
    for line in lines:
        line.closed(at)
    return [*client.findings, *server.findings]


@dataclass(frozen=True)
class Breach:
    clause: str
    talk: list[Said]
    side: str = "client"


def c(data: bytes, hello: list[Said] = HELLO4) -> list[Said]:
    return [*hello, ("c", data)]


def s(data: bytes, hello: list[Said] = HELLO4) -> list[Said]:
    return [*hello, ("s", data)]


WILL = text("w") + text("gone")
BREACHES = [
    # 3.1.1: the format of packets
    Breach("2.2.3", c(b"\xc0\x80\0")),
    Breach("2.2.3", c(b"\x32\xff\xff\xff\xff\1")),
    Breach("2.2.1", c(b"\0\0")),
    Breach("2.2.1", c(b"\xf0\0")),
    Breach("2.2.1", c(connack4())),
    Breach("2.2.1", s(PINGREQ), "server"),
    Breach("2.2.1", s(DISCONNECT), "server"),
    Breach("4.8", c(packet(0x32, u16(9), b"short"))),
    Breach("4.8", c(packet(0xC0, b"more"))),
    Breach("MQTT-2.2.2-1", c(subscribe4(1, "t", first=0x80))),
    Breach("MQTT-2.2.2-1", c(b"\xc1\0")),
    Breach("MQTT-1.5.3-1", c(publish4(1, b"\xed\xa0\x80"))),
    Breach("MQTT-1.5.3-2", c(publish4(1, "a\0b"))),
    # 3.1.1: CONNECT and CONNACK
    Breach("MQTT-3.1.0-1", [("c", PINGREQ)]),
    Breach("MQTT-3.1.0-2", c(connect4())),
    Breach("MQTT-3.1.2-1", [("c", packet(0x10, text("MQIsdp"), b"\3\0\0\0", text("c")))]),
    Breach("MQTT-3.1.2-2", [("c", packet(0x10, text("MQTT"), b"\3\0\0\0", text("c")))]),
    Breach("MQTT-3.1.2-3", [("c", connect4(1))]),
    Breach("MQTT-3.1.2-13", [("c", connect4(0x08))]),
    Breach("MQTT-3.1.2-14", [("c", connect4(0x1C, rest=WILL))]),
    Breach("MQTT-3.1.2-15", [("c", connect4(0x20))]),
    Breach("MQTT-3.1.2-22", [("c", connect4(0x40, rest=text("pw")))]),
    Breach("MQTT-3.1.3-7", [("c", connect4(client=""))]),
    Breach("4.8", [("c", connect4(0x80))]),
    Breach("4.8", [("c", connect4(0, rest=text("nobody asked")))]),
    Breach("MQTT-4.7.3-1", [("c", connect4(0x04, rest=text("") + text("gone")))]),
    Breach("MQTT-3.1.2-23", [*HELLO4, 46.0, ("c", PINGREQ)]),
    Breach("MQTT-3.1.2-23", [*HELLO4, 46.0]),
    Breach("MQTT-3.2.0-1", [("c", connect4()), ("s", publish4(0, first=0x30))], "server"),
    Breach("3.2.2.1", [("c", connect4()), ("s", connack4(2))], "server"),
    Breach("3.2.2.3", [("c", connect4()), ("s", connack4(0, 6))], "server"),
    Breach("MQTT-3.2.2-1", [("c", connect4(2)), ("s", connack4(1))], "server"),
    Breach("MQTT-3.2.2-4", [("c", connect4()), ("s", connack4(1, 5))], "server"),
    Breach("MQTT-3.2.2-5", [("c", connect4()), ("s", connack4(0, 5)), ("c", PINGREQ)]),
    # 3.1.1: PUBLISH and its acknowledgement
    Breach("MQTT-3.3.1-2", c(publish4(0, first=0x38))),
    Breach("MQTT-3.3.1-4", c(publish4(1, first=0x36))),
    Breach("MQTT-3.3.2-2", c(publish4(1, "a/+/b"))),
    Breach("MQTT-4.7.3-1", c(publish4(1, ""))),
    Breach("MQTT-2.3.1-1", c(publish4(0))),
    Breach("MQTT-2.3.1-2", c(publish4(1) + publish4(1, payload=b"y"))),
    Breach("MQTT-2.3.1-2", c(publish4(1) + subscribe4(1, "t"))),
    Breach("MQTT-2.3.1-2", c(subscribe4(1, "t") + publish4(1))),
    Breach("MQTT-2.3.1-4", s(publish4(1) + publish4(1, payload=b"y")), "server"),
    Breach("MQTT-2.3.1-6", c(puback(1))),
    Breach("MQTT-2.3.1-6", c(puback(0))),
    Breach("MQTT-2.3.1-6", [*OWED4, ("c", puback(1) + puback(1))]),
    Breach("MQTT-2.3.1-6", [*OWED4, CUT, *RESUMED4, ("c", puback(1))]),
    Breach("MQTT-4.6.0-2", [*OWED4, ("c", puback(2) + puback(1))]),
    Breach("MQTT-4.3.2-1", c(publish4(1, first=0x3A))),
    Breach("4.3.3", c(publish4(1, first=0x34))),
    Breach("4.3.3", c(packet(0x50, u16(1)))),
    # 3.1.1: a session that goes on
    Breach("MQTT-4.4.0-1", [*c(publish4(1)), CUT, *RESUMED4, 3.0]),
    Breach("MQTT-4.4.0-1", [*OWED4, CUT, *RESUMED4, 3.0], "server"),
    Breach("MQTT-3.3.1-1", [*c(publish4(1)), CUT, *c(publish4(1), RESUMED4)]),
    Breach("MQTT-2.3.1-2", [*c(publish4(1)), CUT, *c(publish4(1, payload=b"y"), RESUMED4)]),
    Breach("MQTT-2.3.1-2", [*c(publish4(1)), CUT, *c(subscribe4(1, "t"), RESUMED4)]),
    Breach(
        "MQTT-2.3.1-3",
        [*c(publish4(1)), CUT, *c(publish4(1, first=0x3A, payload=b"y"), RESUMED4)],
    ),
    Breach(
        "MQTT-4.6.0-1",
        [
            *c(publish4(1) + publish4(2)),
            CUT,
            *c(publish4(2, first=0x3A) + publish4(1, first=0x3A), RESUMED4),
        ],
    ),
    # 3.1.1: the others
    Breach("MQTT-3.8.3-3", c(subscribe4(1))),
    Breach("MQTT-3-8.3-4", c(subscribe4(1, "t", options=3))),
    Breach("MQTT-3-8.3-4", c(subscribe4(1, "t", options=4))),
    Breach("MQTT-3.10.3-2", c(packet(0xA2, u16(1)))),
    Breach("MQTT-4.7.1-1", c(subscribe4(1, "a/#/b"))),
    Breach("MQTT-4.7.1-2", c(subscribe4(1, "a+/b"))),
    Breach("MQTT-4.8.2-1", c(subscribe4(1, "$share//t"))),
    Breach("MQTT-4.8.2-2", c(subscribe4(1, "$share/a+/t"))),
    Breach("MQTT-2.3.1-7", s(SUBACK4), "server"),
    Breach("MQTT-3.8.4-5", [*c(subscribe4(1, "a", "b")), ("s", SUBACK4)], "server"),
    Breach("MQTT-3.9.3-2", [*c(subscribe4(1, "a")), ("s", b"\x90\3\0\1\3")], "server"),
    Breach("MQTT-3.12.4-1", s(PINGRESP), "server"),
    Breach("MQTT-3.14.4-2", c(DISCONNECT + PINGREQ)),
    # 5.0: the format of packets
    Breach("MQTT-1.5.5-1", c(b"\xc0\x80\0", HELLO5)),
    Breach("MQTT-1.5.5-1", c(packet(0x32, text("t"), u16(1), b"\x80\0"), HELLO5)),
    Breach("MQTT-2.1.3-1", c(b"\xc4\0", HELLO5)),
    Breach("MQTT-1.5.4-1", c(packet(0x32, text(b"\xff"), u16(1), b"\0"), HELLO5)),
    Breach("MQTT-1.5.4-2", c(publish5(1, "a\0"), HELLO5)),
    Breach("2.2.2.2", c(publish5(1, props=b"\x21\0\1"), HELLO5)),
    Breach("2.2.2.2", c(publish5(1, props=b"\x7f\0"), HELLO5)),
    Breach("2.2.2.2", c(publish5(1, props=b"\1\1\1\1"), HELLO5)),
    Breach("2.2.2.2", c(publish5(1, props=b"\1\2"), HELLO5)),
    Breach("2.2.2.2", [("c", connect5(b"\x21\0\0"))]),
    Breach("2.2.2.2", [("c", connect5(b"\x21\0\1\x21\0\1"))]),
    Breach("4.13", c(packet(0x32, text("t"), u16(1), b"\3\1"), HELLO5)),
    Breach("4.12", c(b"\xf0\0", HELLO5)),
    # 5.0: CONNECT, CONNACK and what they promise
    Breach("MQTT-3.1.2-11", [("c", connect5(flags=0x08))]),
    Breach("MQTT-3.1.2-12", [("c", connect5(flags=0x1C, rest=b"\0" + WILL))]),
    Breach("MQTT-3.1.2-13", [("c", connect5(flags=0x20))]),
    Breach("MQTT-3.1.2-20", [*HELLO5, 46.0, ("c", PINGREQ)]),
    Breach(
        "MQTT-3.1.2-20",
        [("c", connect5()), ("s", connack5(props=b"\x13\0\5")), 8.0, ("c", PINGREQ)],
    ),
    Breach("MQTT-3.2.0-2", s(connack5(), HELLO5), "server"),
    Breach("MQTT-3.2.2-1", [("c", connect5()), ("s", connack5(2))], "server"),
    Breach("MQTT-3.2.2-2", [("c", connect5(flags=2)), ("s", connack5(1))], "server"),
    Breach("MQTT-3.2.2-6", [("c", connect5()), ("s", connack5(1, 0x87))], "server"),
    Breach("MQTT-3.2.2-7", [("c", connect5()), ("s", connack5(0, 0x87)), ("c", PINGREQ)]),
    Breach("MQTT-3.2.2-8", [("c", connect5()), ("s", connack5(0, 1))], "server"),
    Breach(
        "MQTT-3.2.2-11",
        [("c", connect5()), ("s", connack5(props=b"\x24\0")), ("c", publish5(1))],
    ),
    Breach(
        "MQTT-3.2.2-14",
        [("c", connect5()), ("s", connack5(props=b"\x25\0")), ("c", publish5(1, first=0x33))],
    ),
    Breach(
        "MQTT-3.2.2-15",
        [
            ("c", connect5()),
            ("s", connack5(props=b"\x27\0\0\0\x40")),
            ("c", publish5(1, payload=bytes(64))),
        ],
    ),
    Breach(
        "MQTT-3.1.2-24",
        [("c", connect5(b"\x27\0\0\0\x40")), ("s", connack5() + publish5(1, payload=bytes(64)))],
        "server",
    ),
    # 5.0: PUBLISH and its acknowledgement
    Breach("MQTT-2.2.1-3", c(publish5(0), HELLO5)),
    Breach("MQTT-2.2.1-3", c(publish5(1) + publish5(1, payload=b"y"), HELLO5)),
    Breach("MQTT-2.2.1-4", s(publish5(1) + publish5(1, payload=b"y"), HELLO5), "server"),
    Breach("MQTT-2.2.1-5", c(puback(1), HELLO5)),
    Breach("MQTT-4.6.0-2", [*s(publish5(1) + publish5(2), HELLO5), ("c", puback(2))]),
    Breach("MQTT-3.4.2-1", [*s(publish5(1), HELLO5), ("c", packet(0x40, u16(1), b"\1"))]),
    Breach("MQTT-4.4.0-1", c(publish5(1) + publish5(1, first=0x3A), HELLO5)),
    Breach("MQTT-4.4.0-1", [*c(publish5(1), HELLO5), CUT, *RESUMED5, 3.0]),
    Breach("MQTT-3.3.4-6", c(publish5(1, props=b"\x0b\1"), HELLO5)),
    Breach(
        "MQTT-3.3.4-7",
        [
            ("c", connect5()),
            ("s", connack5(props=b"\x21\0\2")),
            ("c", publish5(1) + publish5(2) + publish5(3)),
        ],
    ),
    Breach(
        "MQTT-3.3.4-9",
        [("c", connect5(b"\x21\0\1")), ("s", connack5() + publish5(1) + publish5(2))],
        "server",
    ),
    Breach("MQTT-3.3.2-8", c(publish5(1, props=b"\x23\0\0"), HELLO5)),
    Breach("MQTT-3.2.2-18", c(publish5(1, props=b"\x23\0\1"), HELLO5)),
    Breach(
        "MQTT-3.2.2-17",
        [
            ("c", connect5()),
            ("s", connack5(props=b"\x22\0\2")),
            ("c", publish5(1, props=b"\x23\0\3")),
        ],
    ),
    Breach("MQTT-3.1.2-27", s(publish5(1, props=b"\x23\0\1"), HELLO5), "server"),
    Breach(
        "3.3.2.3.4",
        [
            ("c", connect5()),
            ("s", connack5(props=b"\x22\0\2")),
            ("c", publish5(1, "", props=b"\x23\0\1")),
        ],
    ),
    Breach("MQTT-4.7.3-1", c(publish5(1, ""), HELLO5)),
    # 5.0: the others
    Breach("MQTT-3.8.3-2", c(subscribe5(1), HELLO5)),
    Breach("MQTT-3.8.3-5", c(subscribe5(1, "t", options=0x41), HELLO5)),
    Breach("MQTT-2.2.1-6", s(SUBACK5, HELLO5), "server"),
    Breach("MQTT-3.8.4-6", [*c(subscribe5(1, "a", "b"), HELLO5), ("s", SUBACK5)], "server"),
    Breach(
        "MQTT-3.11.3-1",
        [*c(packet(0xA2, u16(1), b"\0", text("a")), HELLO5), ("s", packet(0xB0, u16(1), b"\0"))],
        "server",
    ),
    Breach("MQTT-3.14.2-1", c(b"\xe0\1\1", HELLO5)),
    Breach("MQTT-3.14.2-2", s(b"\xe0\7\0\5\x11\0\0\0\1", HELLO5), "server"),
    Breach("3.14.2.2.2", c(b"\xe0\7\0\5\x11\0\0\0\1", HELLO5)),
    Breach("MQTT-3.14.4-1", c(DISCONNECT + publish5(1), HELLO5)),
]


@pytest.mark.parametrize(
    "breach", BREACHES, ids=[f"{i}-{b.clause}" for i, b in enumerate(BREACHES)]
)
def test_a_conversation_that_breaks_one_clause_is_found_by_its_number(breach: Breach) -> None:
    found = judged(breach.talk)

    assert [(f.side, f.clause) for f in found] == [(breach.side, breach.clause)]
    assert [f.clause for f in judged(breach.talk, chunk=1)] == [breach.clause], "byte by byte"


GOOD4: list[Said] = [
    ("c", connect4(0xC6 | 0x28, rest=WILL + text("user") + text("pw"))),
    ("s", connack4()),
    ("c", subscribe4(1, "a/+/b", "$share/g/c/#")),
    ("s", packet(0x90, u16(1), b"\1\1")),
    ("c", publish4(2) + publish4(3) + publish4(0, first=0x30)),
    ("s", publish4(1, "a/x/b") + puback(2) + publish4(2, "a/y/b") + puback(3)),
    ("c", puback(1) + puback(2) + publish4(2)),
    29.0,
    ("c", PINGREQ),
    ("s", PINGRESP + puback(2)),
    ("c", packet(0xA2, u16(9), text("a/+/b"))),
    ("s", packet(0xB0, u16(9))),
    ("c", DISCONNECT),
    600.0,
]
GOOD5: list[Said] = [
    ("c", connect5(b"\x11\0\0\1\0\x21\0\2\x22\0\1", 0x04, rest=b"\5\x18\0\0\0\1" + WILL)),
    ("s", connack5(props=b"\x21\0\2\x22\0\1\x12" + text("c"))),
    ("c", subscribe5(1, "t", props=b"\x0b\x81\1")),
    ("s", SUBACK5),
    ("c", publish5(2, props=b"\x23\0\1\x26" + text("k") + text("v"))),
    ("c", publish5(3, "", props=b"\x23\0\1")),
    ("s", packet(0x40, u16(2), b"\x10") + publish5(7) + publish5(8) + puback(3)),
    ("c", packet(0x40, u16(7), b"\0\0") + puback(8) + publish5(4) + publish5(5)),
    ("s", publish5(9) + publish5(10)),
    CUT,
    ("c", connect5(b"\x11\0\0\1\0")),
    ("s", connack5(1)),
    ("s", publish5(9, first=0x3A) + publish5(10, first=0x3A)),
    ("c", publish5(4, first=0x3A) + publish5(5, first=0x3A) + publish5(6)),
    ("c", puback(9) + puback(10)),
    ("s", puback(4) + puback(5) + puback(6)),
    5.0,
    ("c", b"\xe0\1\4"),
]  # fmt: skip


@pytest.mark.parametrize("talk", [GOOD4, GOOD5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_nothing_is_found_where_nothing_is_wrong(talk: list[Said], chunk: int) -> None:
    assert judged(talk, chunk) == []


def test_a_session_that_the_broker_has_lost_owes_nothing() -> None:
    lost = [*c(publish4(1)), CUT, *HELLO4, 60.0 / 2, ("c", publish4(1, payload=b"y"))]

    assert judged(lost) == []


def test_packets_are_found_wherever_the_stream_is_cut() -> None:
    stream = publish4(1, payload=bytes(200)) + PINGREQ + publish4(2)
    whole = list(Framer().feed(stream))
    for cut in range(len(stream) + 1):
        framer = Framer()

        assert [*framer.feed(stream[:cut]), *framer.feed(stream[cut:])] == whole
        assert framer.n_held == 0
