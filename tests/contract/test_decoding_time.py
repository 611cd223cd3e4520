"""16 KiB are read, or refused with the reason, within 5 ms of a processor, whatever the bytes.

Each payload is the worst of its kind that was found: dearest to read by the byte, and wrong at
the very end, so that the refusal is explained too. The best of several runs counts: a machine can
be slower than it is, but not faster.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from zlib import crc32

import pytest

from kahriz import plugins
from kahriz.codec import CODECS, MAX_PAYLOAD
from kahriz.codec.chirpstack import MAX_FRAME, decode_uplink
from kahriz.codec.json_columns import JsonColumns
from kahriz.codec.json_v1 import JsonV1
from kahriz.codec.payload import PAYLOAD_DECODERS
from kahriz.codec.varints import put_varint
from kahriz.errors import DecodeError
from tests.uplinks import DOCUMENTED

LIMIT_S = 0.005
TRIES = 40
YARDSTICK_S = 0.0006
"""What `yardstick` takes on the machine the limit is for; on a slower one more is allowed."""

TOGETHER = "json_v1 together"
Decode = Callable[[bytes], object]


def filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    """Return `head`, as many `unit` with commas between as there is room for, and `tail`."""
    n = (MAX_PAYLOAD - len(head) - len(tail)) // (len(unit) + 1)
    return head + b",".join([unit] * n) + tail


def compact(channels: int, scale: int, time_cell: bytes, cell: bytes) -> bytes:
    """Return the largest compact_v1 payload with these cells."""
    out = bytearray([1, 0, 1, 1, channels])
    for i in range(channels):
        out += bytes([0x80 | scale << 4, 3]) + b"c%02d" % i
    row = time_cell + cell * channels
    n = (MAX_PAYLOAD - len(out) - 8) // len(row)
    put_varint(out, n)
    out += row * n
    return bytes(out + struct.pack("<I", crc32(out)))


JSON = b'{"boot":1,"seq":1,"r":['
READING = b'[1,{"s":1}]'
SENML = b'[{"bt":1795348800,"bn":"a"},'
EVENT = DOCUMENTED.encode()

WORST: dict[str, dict[str, bytes]] = {
    "json_v1": {
        "readings": filled(JSON, READING, b"]}"),
        "nulls": filled(JSON, b'[1,{"s":null}]', b"]}"),
        "a wrong last value": filled(JSON, READING, b',[1,{"s":NaN}]]}'),
        "a wrong last name": filled(JSON, READING, b',[1,{"S":1}]]}'),
        "a list for boot": filled(b'{"boot":[', b"1", b"]}"),
        "a list of numbers": filled(b"[", b"1", b"]"),
        "numbers next to nothing": filled(JSON + b"[1,{", b'"a":4e-324', b"}]]}"),
        "numbers next to endless": filled(JSON + b"[1,{", b'"a":4e307', b"}]]}"),
        "long fractions": filled(
            JSON + b"[1,{", b'"a":2.' + b"0" * 330 + b"1", b'}],[1,{"a":""}]]}'
        ),
        "one long number": b'{"boot":' + b"9" * 16_000 + b"}",
        "surrogates": b'{"boot":"' + b"\\ud800" * 2600 + b'"}',
        "deep": b'{"boot":' + b"[" * 900 + b"]" * 900 + b"}",
        "many keys": b"{" + b",".join(b'"%d":1' % i for i in range(1800)) + b"}",
    },
    "senml": {
        "records": filled(SENML, b'{"v":1}', b"]"),
        "a wrong last value": filled(SENML, b'{"v":1}', b',{"v":NaN}]'),
        "a wrong last type": filled(SENML, b'{"v":1}', b',{"v":""}]'),
        "other names": SENML + b",".join(b'{"n":"%d","v":1}' % i for i in range(900)) + b"]",
        "other units": SENML
        + b",".join(b'{"n":"%dstage","u":"m","v":1}' % i for i in range(500))
        + b"]",
        "empty records": filled(b"[", b"{}", b"]"),
        "base times": filled(b"[", b'{"bt":1}', b"]"),
        "a long base name": filled(
            b'[{"bt":1795348800,"bn":"' + b"a/" * 120 + b'a"},', b'{"v":1}', b"]"
        ),
        "numbers next to nothing": filled(SENML, b'{"v":4e-324}', b"]"),
        "numbers next to endless": filled(SENML, b'{"v":4e307}', b"]"),
        "long whole numbers": filled(b"[", b'{"n":"x","v":' + b"9" * 4000 + b"}", b"]"),
        "numbers": filled(b"[{},", b"1", b"]"),
    },
    "compact_v1": {
        "one channel": compact(1, 0, b"\x04", b"\x04"),
        "64 channels": compact(64, 3, b"\x04", b"\x04"),
        "64 nulls": compact(64, 3, b"\x04", b"\x00"),
        "nothing but absent": compact(64, 3, b"\x04", b"\x01"),
        "doubles": compact(1, 7, b"\x04", b"\x02\x00"),
        "64 doubles of null": compact(64, 7, b"\x04", b"\x00\x00"),
        "two bytes each": compact(2, 3, b"\x84\x01", b"\x84\x01"),
        "nine bytes each": compact(
            2, 3, b"\x84" + b"\x80" * 7 + b"\x00", b"\x84" + b"\x80" * 7 + b"\x00"
        ),
        "one byte or two": compact(3, 3, b"\x04", b"\x84\x01"),
        "a wrong checksum": compact(64, 3, b"\x04", b"\x04")[:-1] + b"\x99",
        "noise": b"\x01" + random.Random(1).randbytes(MAX_PAYLOAD - 1),
        "blanks": b" " * (MAX_PAYLOAD - 1) + b"\x01",
        "blanks after": b"\x01" + b" " * (MAX_PAYLOAD - 1),
    },
    "event": {
        "gateways": filled(EVENT[: EVENT.index(b"[") + 1], b'{"rssi":-36}', b"]}"),
        "a wrong last field": filled(b'{"rxInfo":[', b"1", b'],"fCnt":""}'),
        "numbers next to nothing": filled(b'{"rxInfo":[', b"4e-324", b"]}"),
        "base64": EVENT.replace(b"AQIE9gJ0BOw=", b"AAAA" * 3900),
        "no base64": EVENT.replace(b"AQIE9gJ0BOw=", b"AAAA" * 3900 + b"-"),
        "an object": filled(b'{"object":{', b'"a":{}', b"}}"),
    },
    "object": {
        "names": b"{" + b",".join(b'"%d":{}' % i for i in range(1700)) + b"}",
        "texts": filled(b"{", b'"a":""', b"}"),
        "a list": filled(b'{"a":[', b"1", b"]}"),
        "a long name": b'{"' + b"a" * 16_000 + b'":"x"}',
    },
    "cayenne_lpp": {
        "one byte each": b"".join(bytes([i, 0, 1]) for i in range(MAX_FRAME // 3)),
        "passed over": b"\x01\x87..." * (MAX_FRAME // 5),
    },
}

WORST[TOGETHER] = WORST["json_v1"]


@cache
def decoder(name: str) -> Decode:
    if name == "event":
        return decode_uplink
    if name == TOGETHER:
        columns = JsonColumns(JsonV1())
        return lambda payload: columns.decode([payload])
    if name in CODECS:
        decode: Decode = plugins.load("codec", name, CODECS)().decode
        return decode
    made = plugins.load("payload decoder", name, PAYLOAD_DECODERS)()
    return lambda data: made.decode(1, data, 0)


def seconds(decode: Decode, payload: bytes) -> float:
    begin = time.process_time()
    with suppress(DecodeError):
        decode(payload)
    return time.process_time() - begin


@cache
def yardstick() -> float:
    """Return the seconds a fixed piece of work takes here, at best."""
    return min(seconds(lambda _: sum(i * i for i in range(20_000)), b"") for _ in range(10))


def test_every_decoder_is_measured() -> None:
    assert set(WORST) == {*CODECS, *PAYLOAD_DECODERS, "event", TOGETHER}
    for payloads in WORST.values():
        assert max(map(len, payloads.values())) <= MAX_PAYLOAD


@pytest.mark.alone
@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, payloads in WORST.items() for kind in payloads]
)
def test_a_payload_takes_no_longer_than_it_may(name: str, kind: str) -> None:
    allowed = LIMIT_S * max(1.0, yardstick() / YARDSTICK_S)
    best = 1.0
    for _ in range(TRIES):
        best = min(best, seconds(decoder(name), WORST[name][kind]))
        if best <= allowed:
            break

    assert best <= allowed
