"""What every registered codec promises; a new one is covered before its first own test."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz import plugins
from kahriz.codec import CODECS, MAX_PAYLOAD, Codec
from kahriz.codec.sniff import codec_for
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from kahriz.units import PROPERTIES

NAMES = sorted(CODECS)
CHANNELS = [info.channel for info in PROPERTIES.values()] + ["shaft_stage_m", "gate_1"]
EVERY_CODEC = pytest.mark.parametrize("name", NAMES)

# What every format can say: finite values, instants from 1980 to 2200.
instants = st.integers(315_532_800_000, 7_258_118_400_000)
finite = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(
    st.tuples(instants, st.dictionaries(st.sampled_from(CHANNELS), finite, min_size=1, max_size=4)),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[0],
)


def codec(name: str) -> Codec:
    made: Codec = plugins.load("codec", name, CODECS)()
    return made


def readings_of(said: list[tuple[int, dict[str, float]]]) -> Readings:
    flat = [(i, t, c, v) for i, (t, values) in enumerate(said) for c, v in values.items()]
    return Readings(
        n_rows=len(said),
        row=[i for i, _, _, _ in flat],
        time_ms=[t for _, t, _, _ in flat],
        channel=[c for _, _, c, _ in flat],
        value=[v for _, _, _, v in flat],
        boot=7,
        first_seq=41,
    )


def by_reading(readings: Readings) -> list[tuple[int, int, str, float]]:
    """In what order a reading names its channels says nothing."""
    values = zip(readings.row, readings.time_ms, readings.channel, readings.value, strict=True)
    return sorted(values)


def same(one: Readings, other: Readings) -> bool:
    values = zip(one.value, other.value, strict=True)
    return replace(one, value=[]) == replace(other, value=[]) and all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in values
    )


SAMPLE = [
    (1_763_800_000_000, {"stage_m": 0.127, "battery_v": 12.6}),
    (1_763_800_300_500, {"stage_m": 0.126}),
]


@EVERY_CODEC
@given(said=rows)
@settings(max_examples=60, deadline=None)
def test_what_was_encoded_decodes_to_the_same_values(
    name: str, said: list[tuple[int, dict[str, float]]]
) -> None:
    given_readings = readings_of(said)
    decoded = codec(name).decode(codec(name).encode(given_readings))

    assert decoded.n_rows == given_readings.n_rows
    assert decoded.row == sorted(decoded.row)
    assert by_reading(decoded) == by_reading(given_readings)


@EVERY_CODEC
@given(said=rows)
@settings(max_examples=30, deadline=None)
def test_what_was_decoded_encodes_to_the_same_again(
    name: str, said: list[tuple[int, dict[str, float]]]
) -> None:
    once = codec(name).decode(codec(name).encode(readings_of(said)))

    assert same(codec(name).decode(codec(name).encode(once)), once)


@EVERY_CODEC
@given(payload=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes_raise_nothing_but_a_decode_error(name: str, payload: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        codec(name).decode(payload)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@EVERY_CODEC
@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_a_damaged_payload_decodes_whole_or_raises_a_decode_error(
    name: str, data: st.DataObject
) -> None:
    payload = bytearray(codec(name).encode(readings_of(SAMPLE)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        cut = data.draw(st.integers(0, 3))
        put = data.draw(
            st.sampled_from([b"", b"1e999", b"NaN", b"-", b"null", b"[", b'"', b"{}", b"9" * 400])
            | st.binary(min_size=1, max_size=2)
        )
        payload[at : at + cut] = put
        payload = payload or bytearray(b" ")
    try:
        decoded = codec(name).decode(bytes(payload))
    except DecodeError:
        return

    size = {len(decoded.row), len(decoded.time_ms), len(decoded.channel), len(decoded.value)}
    assert len(size) == 1
    assert sorted(set(decoded.row)) == list(range(decoded.n_rows))
    assert not any(math.isinf(value) for value in decoded.value)
    assert all(0 <= t < 2**53 for t in decoded.time_ms)


@EVERY_CODEC
def test_every_truncation_of_a_payload_raises_a_decode_error(name: str) -> None:
    payload = codec(name).encode(readings_of(SAMPLE))

    for end in range(len(payload)):
        with pytest.raises(DecodeError):
            codec(name).decode(payload[:end])


@EVERY_CODEC
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 100, id="NUL"),
        pytest.param(b"\xff\xfe{}", id="invalid UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b"[" * 16_000, id="deep arrays"),
        pytest.param(b'{"r":' * 3_000, id="deep objects"),
        pytest.param(b'[{"n":' * 2_500, id="deep both"),
        pytest.param(b"[" * 100_000, id="depth 100 000"),
        pytest.param(b"{" + b'"a":1,' * 2_000 + b'"b":1}', id="thousands of keys"),
        pytest.param(b"null", id="null"),
        pytest.param(b"9" * 10_000, id="one long number"),
        pytest.param(b'"' + b"a" * 10_000 + b'"', id="one long string"),
        pytest.param(b"[]", id="empty array"),
        pytest.param(b"{}", id="empty object"),
        pytest.param(b'[{"n":"\\ud800"}]', id="half a surrogate pair"),
    ],
)
def test_poison_raises_a_decode_error_of_one_short_line(name: str, payload: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        codec(name).decode(payload)

    assert caught.value.topic == ""
    assert "\n" not in caught.value.reason
    assert 0 < len(caught.value.reason) < 300


@EVERY_CODEC
def test_a_payload_above_sixteen_kib_is_refused_however_valid(name: str) -> None:
    payload = codec(name).encode(readings_of(SAMPLE))
    at_the_limit = payload + b" " * (MAX_PAYLOAD - len(payload))

    assert codec(name).decode(at_the_limit).n_rows == 2
    with pytest.raises(DecodeError, match="16385 bytes, at most 16384"):
        codec(name).decode(at_the_limit + b" ")


@EVERY_CODEC
def test_more_than_one_payload_can_hold_is_not_encoded(name: str) -> None:
    too_many = readings_of([(1_763_800_000_000 + i, {"stage_m": 0.1}) for i in range(9000)])

    with pytest.raises(ValueError, match="more than the 16384"):
        codec(name).encode(too_many)


@EVERY_CODEC
def test_a_payload_tells_by_its_look_which_codec_it_is_for(name: str) -> None:
    payload = codec(name).encode(readings_of(SAMPLE))

    assert codec_for(payload) == name
    assert codec_for(b" \r\n\t" + payload) == name


@pytest.mark.parametrize("payload", [b"", b"  ", b"x=1", b"\x00", b"\xff"])
def test_what_looks_like_no_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        codec_for(payload)
