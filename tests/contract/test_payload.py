"""What every decoder of a LoRaWAN frame's payload promises; more of it in tests/fuzz."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz import plugins
from kahriz.codec.compact import Compact
from kahriz.codec.payload import DEFAULT, PAYLOAD_DECODERS, PayloadDecoder
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from tests.fuzz.claims import check_readings, check_refusal
from tests.uplinks import LPP, TIME_MS

EVERY_DECODER = pytest.mark.parametrize("name", sorted(PAYLOAD_DECODERS))
GOOD = {
    "cayenne_lpp": LPP,
    "object": b'{"stage_m": 0.127, "analogInput": {"1": 12.6}}',
    "compact_v1": Compact().encode(
        Readings(1, [0, 0], [TIME_MS] * 2, ["stage_m", "battery_v"], [0.127, 12.6], 7, 41)
    ),
}


def decoder(name: str) -> PayloadDecoder:
    made: PayloadDecoder = plugins.load("payload decoder", name, PAYLOAD_DECODERS)()
    return made


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT in PAYLOAD_DECODERS
    assert set(GOOD) == set(PAYLOAD_DECODERS)


@EVERY_DECODER
def test_a_good_payload_is_read_and_no_part_of_it_is(name: str) -> None:
    made = decoder(name)
    said = made.decode(1, GOOD[name], TIME_MS)
    check_readings(said)

    assert said.boot is not None or said.n_rows == 1
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
        check_readings(decoder(name).decode(f_port, data, TIME_MS))
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
        check_readings(decoder(name).decode(1, bytes(payload), TIME_MS))
    except DecodeError as error:
        check_refusal(error)
