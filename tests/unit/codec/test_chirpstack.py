"""ChirpStack's uplink event, by JSON written by hand from its documentation."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from kahriz.codec.chirpstack import Uplink, decode_uplink
from kahriz.errors import DecodeError
from tests.uplinks import DEVICE, DOCUMENTED, LPP, TIME_MS, event

# As ChirpStack's own page shows it: fields that are 0 or false are left out.
SPARSE = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2022-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {
        "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
        "deviceName": "Test device",
        "devEui": "0101010101010101",
        "tags": {"key": "value"},
    },
    "devAddr": "00189440",
    "dr": 1,
    "fPort": 1,
    "data": "qg==",
    "rxInfo": [{"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -36}],
    "txInfo": {"frequency": 867100000, "modulation": {"lora": {"bandwidth": 125000}}},
}


def test_the_documented_event_is_who_when_and_what() -> None:
    assert decode_uplink(DOCUMENTED.encode()) == Uplink(
        dev_eui=DEVICE,
        deduplication_id="3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        f_cnt=41,
        f_port=1,
        time_ms=TIME_MS,
        data=LPP,
        object=b"",
    )


def test_fields_that_are_left_out_have_their_default() -> None:
    uplink = decode_uplink(json.dumps(SPARSE).encode())

    assert (uplink.f_cnt, uplink.f_port, uplink.data) == (0, 1, b"\xaa")
    assert uplink.time_ms == 1_658_136_855_775


def test_an_object_is_kept_as_it_came() -> None:
    assert decode_uplink(event(object={"stage_m": 0.127})).object == b'{"stage_m": 0.127}'


def test_a_dev_eui_is_the_same_in_either_case() -> None:
    assert decode_uplink(event(deviceInfo={"devEui": DEVICE.upper()})).dev_eui == DEVICE


@pytest.mark.parametrize(
    ("time", "time_ms"),
    [
        ("2026-11-22T12:00:00Z", 1_795_348_800_000),
        ("2026-11-22T12:00:00.1Z", 1_795_348_800_100),
        ("2026-11-22T12:00:00.0019Z", 1_795_348_800_001),
        ("2026-11-22T12:00:00.999999999Z", 1_795_348_800_999),
        ("2026-11-22T16:00:00.5+04:00", 1_795_348_800_500),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times_are_cut_to_milliseconds(time: str, time_ms: int) -> None:
    assert decode_uplink(event(time=time)).time_ms == time_ms


@pytest.mark.parametrize(
    ("text", "data"), [("-_8=", b"\xfb\xff"), ("+/8=", b"\xfb\xff"), ("", b"")]
)
def test_base64_of_either_alphabet_is_read(text: str, data: bytes) -> None:
    assert decode_uplink(event(data=text)).data == data


def test_a_frame_has_at_most_255_bytes() -> None:
    assert len(decode_uplink(event(data=b64encode(bytes(255)).decode())).data) == 255
    with pytest.raises(DecodeError, match="data of 256 bytes, a frame has at most 255"):
        decode_uplink(event(data=b64encode(bytes(256)).decode()))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time": None}, "missing required field `time`"),
        ({"time": "2026-11-22 12:00"}, 'time "2026-11-22 12:00" is not an instant since 1970'),
        ({"time": "2026-11-22T12:00:00"}, "is not an instant since 1970 with its zone"),
        ({"time": "2026-02-30T12:00:00Z"}, "is not an instant since 1970"),
        ({"time": "2026-11-22T12:00:60Z"}, "is not an instant since 1970"),
        ({"time": "1969-12-31T23:59:59Z"}, "is not an instant since 1970"),
        ({"time": "2026-11-22T12:00:00+99:00"}, "is not an instant since 1970"),
        ({"time": "0001-01-01T00:00:00+23:00"}, "is not an instant since 1970"),
        ({"time": 5}, "time 5: Expected `str`, got `int`"),
        ({"fCnt": -1}, "fCnt -1: Expected `int` >= 0"),
        ({"fCnt": 2**32}, "fCnt 4294967296: Expected `int`"),
        ({"fCnt": "41"}, 'fCnt "41": Expected `int`, got `str`'),
        ({"fPort": 256}, "fPort 256: Expected `int`"),
        ({"data": "AQI"}, 'data "AQI" is not base64'),
        ({"data": "A QI="}, 'data "A QI=" is not base64'),
        ({"data": "é"}, 'data "é" is not base64'),
        ({"data": 7}, "data 7: Expected `str`"),
        ({"deviceInfo": None}, "missing required field `deviceInfo`"),
        ({"deviceInfo": {}}, "missing required field `devEui`"),
        ({"deviceInfo": {"devEui": "70b3"}}, 'deviceInfo.devEui "70b3": Expected `str` matching'),
        ({"deduplicationId": None}, "missing required field `deduplicationId`"),
        ({"deduplicationId": "x" * 65}, "deduplicationId"),
    ],
)
def test_a_refusal_names_the_field_and_the_value(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_uplink(event(**fields))

    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason
    assert len(caught.value.reason) < 300
