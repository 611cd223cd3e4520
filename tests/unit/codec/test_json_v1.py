"""The native payload, by golden bytes written by hand from docs/wire-format.md."""

from __future__ import annotations

import math

import pytest

from kahriz.codec.json_v1 import MAX_CHANNELS, JsonV1
from kahriz.errors import DecodeError
from kahriz.observations import Readings


def test_one_reading_is_decoded_by_column() -> None:
    payload = b'{"boot":7,"seq":41,"r":[[1795348800000,{"stage_m":0.127,"battery_v":12.6}]]}'

    assert JsonV1().decode(payload) == Readings(
        n_rows=1,
        row=[0, 0],
        time_ms=[1795348800000, 1795348800000],
        channel=["stage_m", "battery_v"],
        value=[0.127, 12.6],
        boot=7,
        first_seq=41,
    )


def test_a_backlog_says_everything_a_device_knows_about_itself() -> None:
    payload = (
        b'{"boot":7,"seq":41,"oldest":12,"uptime_ms":86400000,"fw":"kz-1.4.2","battery_v":12.6,'
        b'"r":[[1795348800000,{"stage_m":0.127}],[1795349100000,{"stage_m":null}]]}'
    )
    readings = JsonV1().decode(payload)

    assert readings.n_rows == 2
    assert readings.row == [0, 1, 1]
    assert readings.time_ms == [1795348800000, 1795349100000, 1795349100000]
    assert readings.channel == ["stage_m", "stage_m", "battery_v"]
    assert readings.value[0] == 0.127
    assert math.isnan(readings.value[1])
    assert readings.value[2] == 12.6
    assert (readings.boot, readings.first_seq, readings.oldest_seq) == (7, 41, 12)
    assert (readings.uptime_ms, readings.firmware) == (86400000, "kz-1.4.2")


def test_a_payload_is_encoded_to_the_documented_bytes() -> None:
    readings = Readings(
        n_rows=2,
        row=[0, 0, 1],
        time_ms=[1795348800000, 1795348800000, 1795349100000],
        channel=["stage_m", "battery_v", "stage_m"],
        value=[0.127, 12.6, math.nan],
        boot=7,
        first_seq=41,
        oldest_seq=12,
        firmware="kz-1.4.2",
    )

    assert JsonV1().encode(readings) == (
        b'{"boot":7,"seq":41,"r":[[1795348800000,{"stage_m":0.127,"battery_v":12.6}],'
        b'[1795349100000,{"stage_m":null}]],"fw":"kz-1.4.2","oldest":12}'
    )


def test_a_reading_s_own_battery_goes_before_the_payload_s() -> None:
    payload = b'{"boot":1,"seq":1,"battery_v":11,"r":[[1795348800000,{"battery_v":12.6}]]}'

    assert JsonV1().decode(payload).value == [12.6]


def test_a_top_level_battery_fills_a_last_reading_without_values() -> None:
    payload = b'{"boot":1,"seq":1,"battery_v":11.5,"r":[[1795348800000,{}]]}'

    assert JsonV1().decode(payload).channel == ["battery_v"]


def test_keys_of_newer_firmware_are_ignored() -> None:
    payload = b'{"v":2,"gps":[40.1,[46.2]],"boot":1,"seq":1,"r":[[1795348800000,{"stage_m":1}]]}'

    assert JsonV1().decode(payload).value == [1.0]


def test_an_instant_of_1970_is_the_ingest_s_to_judge() -> None:
    assert JsonV1().decode(b'{"boot":1,"seq":1,"r":[[0,{"stage_m":1}]]}').time_ms == [0]


def refusal(payload: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        JsonV1().decode(payload)
    return caught.value.reason


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "true", '"0.1"', "[]", "{}"]
)
def test_a_value_that_is_no_finite_number_is_named_with_its_channel(value: str) -> None:
    payload = f'{{"boot":1,"seq":1,"r":[[1,{{"battery_v":12}}],[2,{{"stage_m":{value}}}]]}}'

    assert refusal(payload.encode()) == (
        f'reading 1: channel "stage_m": value {value} is not a finite number'
    )


@pytest.mark.parametrize("value", ["NaN", "1e999", "true", '"full"'])
def test_a_top_level_battery_that_is_no_number_is_named(value: str) -> None:
    payload = f'{{"boot":1,"seq":1,"battery_v":{value},"r":[[1,{{"stage_m":1}}]]}}'

    assert refusal(payload.encode()) == (
        f'channel "battery_v": value {value} is not a finite number'
    )


@pytest.mark.parametrize("instant", ["-1", "1.5", "9007199254740992", '"now"', "null", "true"])
def test_an_instant_that_is_no_whole_millisecond_is_named(instant: str) -> None:
    reason = refusal(f'{{"boot":1,"seq":1,"r":[[{instant},{{"stage_m":1}}]]}}'.encode())

    assert reason == (
        f"reading 0: time {instant} is not a whole number of milliseconds from 0 to 2**53"
    )


@pytest.mark.parametrize("key", ["boot", "seq", "oldest"])
@pytest.mark.parametrize("value", ["-1", "4294967296", "1.5", '"7"', "true", "9" * 30])
def test_a_count_that_is_no_u32_is_named(key: str, value: str) -> None:
    counts = {"boot": "1", "seq": "1", "oldest": "1"} | {key: value}
    said = ",".join(f'"{k}":{v}' for k, v in counts.items())

    assert refusal(f'{{{said},"r":[[1,{{"stage_m":1}}]]}}'.encode()) == (
        f"{key} {value} is not a whole number from 0 to 4294967295"
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"seq":1,"r":[[1,{"stage_m":1}]]}', "boot is missing"),
        (b'{"boot":1,"r":[[1,{"stage_m":1}]]}', "seq is missing"),
        (b'{"boot":1,"seq":1}', "r is missing: no readings"),
        (b'{"boot":1,"seq":1,"r":[]}', "r [] is not a list of at least one reading"),
        (b'{"boot":1,"seq":1,"r":{}}', "r {} is not a list of at least one reading"),
        (b'{"boot":1,"seq":1,"r":[[1,{}]]}', "reading 0: 0 channels, expected 1 to 64"),
        (b'{"boot":1,"seq":1,"r":[[1]]}', "reading 0: "),
        (b'{"boot":1,"seq":1,"r":[1]}', "reading 0: 1 is not [t_ms, {channel: number}]"),
        (b'{"boot":1,"seq":1,"fw":7,"r":[[1,{"stage_m":1}]]}', "fw 7 is not a string"),
        (b'{"boot":1,"seq":1,"fw":"\\u0000","r":[[1,{"stage_m":1}]]}', 'fw "\\u0000" is not'),
        (b'{"boot":1,"seq":1,"r":[[1,{"Stage (m)":1}]]}', "channel 'Stage (m)': expected"),
        (b'{"boot":1,"seq":1,"r":[[1,{"stage\\u0000":1}]]}', "channel 'stage\\x00': expected"),
        (b'{"boot":1,"seq":1,"r":[[1,{"":1}]]}', "channel '': expected"),
        (b'[{"boot":1}]', "expected an object {...}, got [{"),
        (
            b'{"boot":1,"seq":1,"r":[[1,{"stage_m":1}]]',
            r'truncated: ends after 41 bytes with ":[[1,{\"stage_m\":1}]]"',
        ),
        (b'{"boot":1,"seq":1,"r":[[1,{"stage_m":1}]],"x":"\xff"}', "not UTF-8: byte 0xff at 47"),
        (b'{"x":' + b"[" * 10_000, "nested too deeply"),
        (b'{"boot":1,"seq":1,"r":[[1,{"stage\x00m":1}]]}', "JSON is malformed: invalid char"),
    ],
)
def test_a_refusal_names_the_thing_and_the_value(payload: bytes, reason: str) -> None:
    assert refusal(payload).startswith(reason)


def test_a_count_that_runs_over_is_refused() -> None:
    payload = b'{"boot":1,"seq":4294967295,"r":[[1,{"stage_m":1}],[2,{"stage_m":1}]]}'

    assert refusal(payload) == "seq 4294967295 with 2 readings runs over 2**32"


def test_a_reading_of_hundreds_of_channels_is_refused() -> None:
    channels = ",".join(f'"c{i}_stage_m":1' for i in range(MAX_CHANNELS + 1))

    assert refusal(f'{{"boot":1,"seq":1,"r":[[1,{{{channels}}}]]}}'.encode()) == (
        "reading 0: 65 channels, expected 1 to 64"
    )


def test_a_channel_s_name_may_have_sixty_four_letters_and_no_more() -> None:
    fits, too_long = "a" * 62 + "_m", "a" * 63 + "_m"

    assert JsonV1().decode(f'{{"boot":1,"seq":1,"r":[[1,{{"{fits}":1}}]]}}'.encode()).n_rows == 1
    assert "expected at most 64" in refusal(
        f'{{"boot":1,"seq":1,"r":[[1,{{"{too_long}":1}}]]}}'.encode()
    )


def test_a_refused_name_is_refused_again_by_the_same_codec() -> None:
    codec = JsonV1()

    for _ in range(2):
        with pytest.raises(DecodeError, match="expected at most 64"):
            codec.decode(b'{"boot":1,"seq":1,"r":[[1,{"stage_m":1,"Bad":1}]]}')


def test_readings_without_a_count_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="needs boot and first_seq"):
        JsonV1().encode(Readings(1, [0], [1], ["stage_m"], [1.0]))


def test_a_reading_without_values_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="2 readings, but values of 1"):
        JsonV1().encode(Readings(2, [0], [1], ["stage_m"], [1.0], boot=1, first_seq=1))
