"""What every decoder of a LoRaWAN frame's payload promises."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz import plugins
from kahriz.codec.chirpstack import decode_uplink
from kahriz.codec.compact import Compact
from kahriz.codec.payload import DEFAULT, PAYLOAD_DECODERS, PayloadDecoder
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from tests.uplinks import LPP, TIME_MS, event

EVERY_DECODER = pytest.mark.parametrize("name", sorted(PAYLOAD_DECODERS))
GOOD = {
    "cayenne_lpp": LPP,
    "object": b'{"stage_m": 0.127, "analogInput": {"1": 12.6}}',
    "compact_v1": Compact().encode(
        Readings(1, [0, 0], [TIME_MS] * 2, ["stage_m", "battery_v"], [0.127, 12.6], 7, 41)
    ),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


def decoder(name: str) -> PayloadDecoder:
    made: PayloadDecoder = plugins.load("payload decoder", name, PAYLOAD_DECODERS)()
    return made


def check(said: Readings) -> None:
    size = {len(said.row), len(said.time_ms), len(said.channel), len(said.value)}
    assert len(size) == 1
    assert sorted(set(said.row)) == list(range(said.n_rows))
    assert not any(math.isinf(value) for value in said.value)
    assert (said.boot is None) == (said.first_seq is None)
    assert said.boot is not None or said.n_rows == 1


def check_refusal(error: DecodeError) -> None:
    assert error.topic == ""
    assert "\n" not in error.reason
    assert 0 < len(error.reason) < 300


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT in PAYLOAD_DECODERS
    assert set(GOOD) == set(PAYLOAD_DECODERS)


@EVERY_DECODER
def test_a_good_payload_is_read_and_no_part_of_it_is(name: str) -> None:
    made = decoder(name)
    check(made.decode(1, GOOD[name], TIME_MS))

    assert made.reads in ("data", "object")
    for end in range(1, len(GOOD[name])):
        if (name, end) == ("cayenne_lpp", 4):
            continue  # a whole frame by itself: LPP has no length
        with pytest.raises(DecodeError):
            made.decode(1, GOOD[name][:end], TIME_MS)


@EVERY_DECODER
@given(data=st.binary(min_size=1, max_size=260), f_port=st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_readings_or_a_decode_error(name: str, data: bytes, f_port: int) -> None:
    try:
        check(decoder(name).decode(f_port, data, TIME_MS))
    except DecodeError as error:
        check_refusal(error)


@EVERY_DECODER
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_payload_is_readings_or_a_decode_error(name: str, data: st.DataObject) -> None:
    payload = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        payload = payload or bytearray(b" ")
    try:
        check(decoder(name).decode(1, bytes(payload), TIME_MS))
    except DecodeError as error:
        check_refusal(error)


@given(said=st.dictionaries(st.text(max_size=6), json_values, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_object_is_readings_or_a_decode_error(said: dict[str, Any]) -> None:
    try:
        check(decoder("object").decode(1, json.dumps(said).encode(), TIME_MS))
    except DecodeError as error:
        check_refusal(error)


fields = st.sampled_from(
    ["deduplicationId", "time", "deviceInfo", "fCnt", "fPort", "data", "object", "rxInfo", "x"]
)


@given(changes=st.dictionaries(fields, json_values, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_an_event_with_anything_in_its_fields_is_an_uplink_or_a_decode_error(
    changes: dict[str, Any],
) -> None:
    try:
        uplink = decode_uplink(event(**changes))
    except DecodeError as error:
        check_refusal(error)
        return

    assert 0 <= uplink.f_cnt < 2**32
    assert 0 <= uplink.f_port < 256
    assert 0 <= uplink.time_ms < 2**53
    assert len(uplink.dev_eui) == 16


@given(payload=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_no_event(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_uplink(payload)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_event_is_an_uplink_or_a_decode_error(data: st.DataObject) -> None:
    payload = bytearray(event())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        put = st.sampled_from([b"", b"1e999", b"null", b"[", b'"', b"\\ud800", b"9" * 400])
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(put | st.binary(max_size=2))
    try:
        decode_uplink(bytes(payload))
    except DecodeError as error:
        check_refusal(error)
