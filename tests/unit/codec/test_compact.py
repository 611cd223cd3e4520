"""compact_v1 beyond the bytes of docs/wire-format.md: its limits, and its two ways of reading."""

from __future__ import annotations

import math
import struct
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz.codec.compact import MAX_CHANNELS, PROPERTY_CODES, Compact, scale_of
from kahriz.codec.compact_table import DOUBLE, read_by_column, read_by_row
from kahriz.codec.varints import folded, put_varint, unfolded, varint, varints
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from kahriz.units import PROPERTIES, Property

T0 = 1_795_348_800_000
ONE = bytes.fromhex("01 00 07 29 02 32 16 01 80 c4 82 99 a0 34 80 02 fe 01 68 d8 df 19")


def one(channel: str = "stage_m", value: float = 0.127, **said: object) -> Readings:
    readings = Readings(1, [0], [T0], [channel], [value], boot=7, first_seq=41)
    for name, thing in said.items():
        setattr(readings, name, thing)
    return readings


def summed(body: bytes) -> bytes:
    return body + struct.pack("<I", crc32(body))


def through(readings: Readings) -> Readings:
    return Compact().decode(Compact().encode(readings))


@pytest.mark.parametrize("bit", range(len(ONE) * 8))
def test_a_flipped_bit_is_never_taken_for_water(bit: int) -> None:
    payload = bytearray(ONE)
    payload[bit // 8] ^= 1 << bit % 8

    with pytest.raises(DecodeError):
        Compact().decode(bytes(payload))


def test_blanks_around_a_payload_are_a_modem_s_and_other_bytes_are_not() -> None:
    readings = Compact().decode(ONE)

    assert Compact().decode(b"\r\n " + ONE + b"\r\n") == readings
    with pytest.raises(DecodeError, match="2 bytes after the checksum"):
        Compact().decode(ONE + b"\r.")


def test_a_checksum_of_blanks_is_not_cut_off() -> None:
    for seq in range(2**32):
        payload = Compact().encode(one(first_seq=seq))
        if payload[-1] in b" \t\r\n":
            break

    assert Compact().decode(payload + b"\n").first_seq == seq


@pytest.mark.parametrize("prop", list(Property))
def test_every_property_has_a_code_and_takes_one_byte(prop: Property) -> None:
    channel = PROPERTIES[prop].channel
    payload = Compact().encode(one(channel, 1.0))

    assert payload[4:6] == bytes([1, PROPERTY_CODES.index(prop) + 1])
    assert Compact().decode(payload).channel == [channel]


@pytest.mark.parametrize(
    "channel", ["shaft_stage_m", "gate_1", "_stage_m", "x" * 56 + "_stage_m", "a" * 64]
)
def test_any_channel_name_comes_back(channel: str) -> None:
    assert through(one(channel)).channel == [channel]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.127], 3),
        ([12.6, 3.0], 1),
        ([650.0, -2.0], 0),
        ([0.000001], 6),
        ([0.0000001], DOUBLE),
        ([1 / 3], DOUBLE),
        ([1e300], DOUBLE),
        ([float(2**53)], DOUBLE),
        ([float(2**53 - 1)], 0),
        ([math.nan], 0),
        ([0.1, math.nan], 1),
    ],
)
def test_a_channel_has_the_smallest_scale_that_is_exact(values: list[float], scale: int) -> None:
    readings = one()
    readings.n_rows = len(values)
    readings.row = list(range(len(values)))
    readings.time_ms, readings.channel = [T0] * len(values), ["stage_m"] * len(values)
    readings.value = values

    assert scale_of(values) == scale
    assert str(through(readings)) == str(readings)


def test_what_a_device_says_of_itself_comes_back() -> None:
    readings = one(
        boot=2**32 - 1, first_seq=2**32 - 1, oldest_seq=0, uptime_ms=2**53 - 1, firmware="~" * 64
    )

    assert through(readings) == readings
    assert through(one(oldest_seq=100)).oldest_seq == 100  # a device's slip; judged later


@pytest.mark.parametrize(
    "readings",
    [
        one(boot=None),
        one(first_seq=2**32),
        one(boot=-1),
        one(firmware="é"),
        one(firmware="x" * 65),
        one("Stage"),
        one("x" * 65),
        one(n_rows=2),
        one(time_ms=[-1]),
        one(uptime_ms=-1),
        Readings(1, [0] * 65, [T0] * 65, [f"c{i}" for i in range(65)], [1.0] * 65, 1, 1),
    ],
)
def test_what_the_form_has_no_place_for_is_not_encoded(readings: Readings) -> None:
    with pytest.raises(ValueError):
        Compact().encode(readings)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("01 08 07 29 01 02 01 01 04", "flags 0x08: bits 3 to 7 mean nothing"),
        ("01 00 ff ff ff ff 1f 29 01 02 01 01 04", "boot 8589934591 is not a whole number"),
        ("01 00 07 ff ff ff ff 1f 01 02 01 01 04", "seq 8589934591 is not a whole number"),
        ("01 01 07 29 80 01 01 02 01 01 04", "oldest -23 is not a whole number"),
        ("01 02 07 29 ff ff ff ff ff ff ff 1f 01 02 01 01 04", "uptime_ms 18014398509481983 is"),
        ("01 04 07 29 01 0a 01 02 01 01 04", "fw '\\n' is not of the form"),
        ("01 00 07 29 00 01 01 04", "0 channels, expected 1 to 64"),
        ("01 00 07 29 41 01 01 04", "65 channels, expected 1 to 64"),
        ("01 00 07 29 01 08 01 01 04", "property 8 is not known, 0 to 7 are"),
        ("01 00 07 29 01 00 01 01 04", "channel entry 0x00 has neither a property nor a name"),
        ("01 00 07 29 01 82 01 41 01 01 04", "channel 'A' is not of the form"),
        ("01 00 07 29 01 82 00 01 01 04", "channel '' is not of the form"),
        ("01 00 07 29 02 02 02 01 01 04 04", "channel 'stage_m' is longer than 64 or named twice"),
        ("01 00 07 29 01 02 00", "0 readings of 1 channels in 4 bytes"),
        ("01 00 07 29 01 02 7f 01 04", "127 readings of 1 channels in 6 bytes"),
        ("01 00 07 ff ff ff ff 0f 01 02 02 01 04 01 04", "seq 4294967295 with 2 readings runs"),
        ("01 00 07 29 01 02 01 01 01", "reading 0: 0 channels, expected at least 1"),
        ("01 00 07 29 01 02 02 01 04 03 04", "reading 1: time is not a number of milliseconds"),
        ("01 00 07 29 01 02 01 80 80 80 80 80 80 80 10 04", "reading 0: time is not a number"),
        ("01 00 07 29 01 02 01 01 82 80 80 80 80 80 80 20", "reading 0: channel #0: value is beyo"),
        ("01 00 07 29 01 72 01 01 82 80 c0 ff 07 00", "reading 0: a value is not a finite number"),
        ("01 00 07 29 01 72 01 01 82 80 e0 ff 0f 00", "reading 0: a value is not a finite number"),
        ("01 00 07 29 01 72 01 01 02 80 80 80 80 10", "reading 0: a value is not a finite number"),
        ("01 00 07 29 01 02 01 80 80 80 80 80 80 80 80 80 00 04", "a number of more than 9 bytes"),
    ],
)
def test_a_refusal_names_the_place_and_the_value(body: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Compact().decode(summed(bytes.fromhex(body)))

    assert reason in caught.value.reason
    assert "checksum" not in caught.value.reason


def test_what_is_damaged_is_said_to_be_damaged_whatever_it_reads_like() -> None:
    with pytest.raises(
        DecodeError, match=r"bits 3 to 7 mean nothing.*; the checksum says: damaged"
    ):
        Compact().decode(b"\x01\xff" + ONE[2:])
    with pytest.raises(DecodeError, match="begins with byte 0x02, expected 0x01"):
        Compact().decode(b"\x02" + ONE[1:])


def test_sixty_four_channels_and_sixteen_kib_of_readings_are_read() -> None:
    names = [f"c{i}" for i in range(MAX_CHANNELS)]
    n = 16_000 // (MAX_CHANNELS + 1)
    readings = Readings(
        n,
        [i for i in range(n) for _ in names],
        [T0 + 60_000 * i for i in range(n) for _ in names],
        names * n,
        [float(i) for i in range(n) for _ in names],
        boot=1,
        first_seq=0,
    )

    assert through(readings) == readings


numbers = st.integers(0, 2**63 - 1) | st.integers(0, 200)


@given(st.lists(numbers, min_size=1))
def test_varints_are_read_alike_one_by_one_and_together(said: list[int]) -> None:
    payload = bytearray(b"\xff")
    for number in said:
        put_varint(payload, number)
    at, found = 1, []
    for _ in said:
        number, at = varint(bytes(payload), at)
        found.append(number)
    together, end = varints(bytes(payload), 1, len(said))

    assert found == together.tolist() == said
    assert at == end == len(payload)


@given(st.integers(-(2**62), 2**62 - 1))
def test_folding_comes_back(number: int) -> None:
    assert unfolded(folded(number)) == number
    assert folded(number) >= 0


cells = st.sampled_from([0, 1, 2, 3, 4, 2**53, 2**54 + 1, 2**54 + 2, 2**54 + 3]) | numbers


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(0, 2**53) | st.integers(0, 20),
    st.data(),
)
@settings(max_examples=400, deadline=None)
def test_a_table_is_read_alike_by_row_and_by_column(
    scales: list[int], n: int, begin: int, data: st.DataObject
) -> None:
    width = 1 + len(scales) + scales.count(DOUBLE)
    said = data.draw(st.lists(cells, min_size=n * width, max_size=n * width))
    payload = bytearray()
    for number in [begin, *said[1:]]:
        put_varint(payload, number)
    found = []
    for read in (read_by_row, read_by_column):
        try:
            found.append(str(read(bytes(payload), 0, n, scales)))
        except DecodeError:
            found.append("refused")

    assert found[0] == found[1]
