"""What LoRaWAN frames carry, by bytes written by hand."""

from __future__ import annotations

import json
import math

import pytest

from kahriz.codec.payload.cayenne_lpp import CayenneLPP
from kahriz.codec.payload.chirpstack_object import ChirpStackObject
from kahriz.codec.payload.compact import CompactPayload
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from tests.uplinks import LPP, TIME_MS


def lpp(data: str) -> dict[str, float]:
    said = CayenneLPP().decode(1, bytes.fromhex(data), TIME_MS)
    return dict(zip(said.channel, said.value, strict=True))


def of_object(said: object) -> dict[str, float]:
    readings = ChirpStackObject().decode(1, json.dumps(said).encode(), TIME_MS)
    return dict(zip(readings.channel, readings.value, strict=True))


def test_an_lpp_frame_is_one_reading_at_the_time_the_network_heard_it() -> None:
    assert CayenneLPP().decode(1, LPP, TIME_MS) == Readings(
        1, [0, 0], [TIME_MS] * 2, ["analog_in_1", "voltage_2"], [12.7, 12.6]
    )


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("03 67 01 10 05 67 00 ff", {"temperature_3": 27.2, "temperature_5": 25.5}),
        ("01 67 ff d7", {"temperature_1": -4.1}),
        ("01 02 ff 38", {"analog_in_1": -2.0}),
        ("01 03 00 64", {"analog_out_1": 1.0}),
        ("00 00 01 00 01 00", {"digital_in_0": 1.0, "digital_out_0": 0.0}),
        ("01 68 c9", {"humidity_1": 100.5}),
        ("01 73 27 10", {"barometer_1": 1000.0}),
        ("01 75 ff ff", {"current_1": 65.535}),
        ("01 64 ff ff ff ff", {"generic_1": 4294967295.0}),
        ("01 82 00 00 04 e2", {"distance_1": 1.25}),
        ("06 71 04 d2 fb 2e 00 00 01 02 00 01", {"analog_in_1": 0.01}),
        ("01 88 06 76 5f f2 96 0a 00 03 e8 02 78 32", {"percentage_2": 50.0}),
        ("01 85 62 d5 2a 00 02 79 ff ff", {"altitude_2": -1.0}),
    ],
)
def test_each_lpp_type_has_its_size_its_sign_and_its_steps(
    data: str, values: dict[str, float]
) -> None:
    assert lpp(data) == values


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("01", "byte 0 of 1: truncated"),
        ("01 67 01 10 02 67 01", "byte 4 of 7: truncated"),
        ("01 67 01 10 02 09 01", "byte 4 of 7: LPP type 9 is not known"),
        ("01 67 01 10 01 67 01 10", "byte 4 of 8: temperature_1 is said twice"),
        ("06 71 04 d2 fb 2e 00 00", "8 bytes without a number"),
    ],
)
def test_an_lpp_refusal_names_the_byte(data: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        lpp(data)

    assert caught.value.reason == reason


def test_the_numbers_of_an_object_are_values_and_nested_names_are_joined() -> None:
    said = {"analogInput": {"1": 12.7, "2": None}, "text": "x", "open": True, "list": [1], "n": 3}
    values = of_object(said)

    assert list(values) == ["analogInput.1", "analogInput.2", "n"]
    assert values["analogInput.1"] == 12.7
    assert math.isnan(values["analogInput.2"])
    assert values["n"] == 3.0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "object {} has no number"),
        ({"a": "x"}, "has no number"),
        ([1], "object: Expected `object`, got `array`"),
        ({f"c{i}": i for i in range(65)}, "object has more than 64 values"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}, "lies deeper than 8"),
        ({"a": 10**400}, 'object: "a" 1000'),
    ],
)
def test_an_object_that_says_nothing_useful_is_refused(said: object, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        of_object(said)

    assert reason in caught.value.reason


def test_an_object_may_hold_64_values() -> None:
    assert len(of_object({f"c{i}": i for i in range(64)})) == 64


def test_compact_v1_keeps_the_device_s_own_times_and_numbers() -> None:
    data = bytes.fromhex("01 00 07 29 02 32 16 01 80 c4 82 99 a0 34 80 02 fe 01 68 d8 df 19")
    said = CompactPayload().decode(1, data, TIME_MS)

    assert (said.boot, said.first_seq, said.time_ms[0]) == (7, 41, 1_795_348_800_000)
