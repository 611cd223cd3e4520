"""What holds for any bytes given to a decoder, as functions a fuzzer calls: they raise or not."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

from kahriz.codec.chirpstack import decode_uplink
from kahriz.codec.compact import Compact
from kahriz.codec.json_v1 import JsonV1
from kahriz.codec.payload.cayenne_lpp import CayenneLPP
from kahriz.codec.payload.chirpstack_object import ChirpStackObject
from kahriz.codec.senml import SenML
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from tests.uplinks import DOCUMENTED, LPP

Claim = Callable[[bytes], None]
TIME_MS = 1_795_348_800_000
ONE = bytes.fromhex("01 00 07 29 02 32 16 01 80 c4 82 99 a0 34 80 02 fe 01")
"""One reading of compact_v1 without its checksum."""


def check_refusal(error: DecodeError) -> None:
    """Raise AssertionError unless the reason is one short line without a topic."""
    assert error.topic == ""
    assert "\n" not in error.reason
    assert 0 < len(error.reason) < 300, error.reason


def check_too_long(error: ValueError) -> None:
    """Raise AssertionError unless the same words, written out, are longer than a payload may be."""
    assert "more than the 16384 of a payload" in str(error), error


def check_readings(said: Readings) -> None:
    """Raise AssertionError unless these are readings as every decoder promises them."""
    size = {len(said.row), len(said.time_ms), len(said.channel), len(said.value)}
    assert len(size) == 1, size
    assert sorted(set(said.row)) == list(range(said.n_rows))
    assert not any(math.isinf(value) for value in said.value)
    assert all(0 <= t < 2**53 for t in said.time_ms)
    assert (said.boot is None) == (said.first_seq is None)
    assert said.first_seq is None or said.first_seq + said.n_rows <= 2**32


def check_same(one: Readings, other: Readings) -> None:
    """Raise AssertionError unless both say the same; NaN is the same as NaN."""
    assert replace(one, value=[]) == replace(other, value=[])
    for a, b in zip(one.value, other.value, strict=True):
        assert a == b or (math.isnan(a) and math.isnan(b)), (a, b)


def _codec(codec: JsonV1 | SenML | Compact) -> Claim:
    def claim(payload: bytes) -> None:
        try:
            said = codec.decode(payload)
        except DecodeError as error:
            return check_refusal(error)
        check_readings(said)
        try:
            again = codec.encode(said)
        except ValueError as error:
            return check_too_long(error)
        # In what order a reading names its channels may change the first time, not the second.
        once = codec.decode(again)
        assert sorted(said.channel) == sorted(once.channel)
        return check_same(codec.decode(codec.encode(once)), once)

    return claim


def _with_checksum(claim: Claim) -> Claim:
    # No fuzzer guesses a checksum.
    return lambda body: claim(body + struct.pack("<I", crc32(body)))


def _payload(decoder: CayenneLPP | ChirpStackObject) -> Claim:
    def claim(data: bytes) -> None:
        if not data:
            return None
        try:
            return check_readings(decoder.decode(1, data, TIME_MS))
        except DecodeError as error:
            return check_refusal(error)

    return claim


def _event(payload: bytes) -> None:
    try:
        uplink = decode_uplink(payload)
    except DecodeError as error:
        return check_refusal(error)
    assert len(uplink.dev_eui) == 16
    assert uplink.dev_eui == uplink.dev_eui.lower()
    assert 0 <= uplink.f_cnt < 2**32
    assert 0 <= uplink.f_port < 256
    assert 0 <= uplink.time_ms < 2**53
    return _payload(ChirpStackObject())(uplink.object)


CLAIMS: dict[str, Claim] = {
    "json_v1": _codec(JsonV1()),
    "senml": _codec(SenML()),
    "compact_v1": _with_checksum(_codec(Compact())),
    "compact_v1_damaged": _codec(Compact()),
    "event": _event,
    "object": _payload(ChirpStackObject()),
    "cayenne_lpp": _payload(CayenneLPP()),
}

SEEDS: dict[str, list[bytes]] = {
    "json_v1": [
        b'{"boot":7,"seq":41,"oldest":12,"uptime_ms":86400000,"fw":"kz-1.4.2","battery_v":12.6,'
        b'"r":[[1795348800000,{"stage_m":0.127}],[1795349100000,{"stage_m":null}]]}',
    ],
    "senml": [
        b'[{"bn":"urn:dev:x:","bt":1795348800,"bu":"cm","bver":26,"n":"stage","v":12.7},'
        b'{"n":"stage","v":12.6,"t":300.25},{"n":"rainfall","u":"mm","v":1e2,"t":300}]',
    ],
    "compact_v1": [
        ONE,
        Compact().encode(
            Readings(
                2,
                [0, 0, 1, 1],
                [TIME_MS, TIME_MS, TIME_MS + 300_000, TIME_MS + 300_000],
                ["shaft_stage_m", "gate_1", "gate_1", "battery_v"],
                [math.nan, 1 / 3, -0.5, 12.6],
                *(7, 41, 12, 86_400_000, "kz-1.4.2"),
            )
        )[:-4],
    ],
    "compact_v1_damaged": [ONE + struct.pack("<I", crc32(ONE))],
    "event": [DOCUMENTED.encode(), DOCUMENTED.replace("null", '{"a":{"b":1}}').encode()],
    "object": [b'{"stage_m":0.127,"a":{"1":null,"2":-1e-7},"x":"y"}'],
    "cayenne_lpp": [LPP, bytes.fromhex("0371 04d2fb2e0000 0102 0001 0385 62d52a00")],
}
