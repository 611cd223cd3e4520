"""SenML JSON, by golden bytes written by hand from docs/wire-format.md and RFC 8428."""

from __future__ import annotations

import pytest

from kahriz.codec.senml import SenML
from kahriz.errors import DecodeError
from kahriz.observations import Readings


def test_names_times_and_units_are_resolved_from_the_base() -> None:
    payload = (
        b'[{"bn":"urn:dev:agh-dere:","bt":1795348800,"bu":"cm","n":"stage","v":12.7},'
        b'{"n":"stage","v":12.6,"t":300},'
        b'{"n":"battery_voltage","u":"mV","v":12600,"t":300.25}]'
    )

    assert SenML().decode(payload) == Readings(
        n_rows=3,
        row=[0, 1, 2],
        time_ms=[1795348800000, 1795349100000, 1795349100250],
        channel=["stage_m", "stage_m", "battery_v"],
        value=[0.127, 0.126, 12.6],
    )


def test_records_of_one_instant_are_one_reading() -> None:
    payload = (
        b'[{"n":"stage","u":"m","v":0.1,"t":1795348800},{"n":"stage","u":"m","v":0.2,'
        b'"t":1795349100},{"n":"water_temperature","u":"Cel","v":11,"t":1795348800}]'
    )
    readings = SenML().decode(payload)

    assert readings.n_rows == 2
    assert readings.row == [0, 1, 0]


def test_a_base_value_is_added_before_the_unit_is_converted() -> None:
    payload = b'[{"bt":1795348800,"bv":10,"n":"stage","u":"cm","v":2.5}]'

    assert SenML().decode(payload).value == [0.125]


def test_a_first_record_may_hold_the_base_alone() -> None:
    payload = b'[{"bn":"kz/","bt":1795348800,"bver":10},{"n":"stage_m","v":0.1}]'

    assert SenML().decode(payload).channel == ["stage_m"]


def test_a_base_name_alone_can_name_the_channel() -> None:
    payload = b'[{"bn":"kz:shaft_stage","bt":1795348800,"u":"mm","v":1250}]'
    readings = SenML().decode(payload)

    assert (readings.channel, readings.value) == (["shaft_stage_m"], [1.25])


@pytest.mark.parametrize(
    ("name", "unit", "value", "channel", "expected"),
    [
        ("stage", "m", 0.127, "stage_m", 0.127),
        ("stage", "cm", 12.7, "stage_m", 0.127),
        ("stage", "mm", 127, "stage_m", 0.127),
        ("stage", "dm", 1.27, "stage_m", 0.127),
        ("stage", "km", 0.000127, "stage_m", 0.127),
        ("discharge", "m3/s", 0.008, "discharge_lps", 8),
        ("discharge", "l/s", 8, "discharge_lps", 8),
        ("discharge", "L/s", 8, "discharge_lps", 8),
        ("discharge", "m3/h", 28.8, "discharge_lps", 8),
        ("discharge", "m3/d", 691.2, "discharge_lps", 8),
        ("discharge", "l/min", 480, "discharge_lps", 8),
        ("discharge", "L/min", 480, "discharge_lps", 8),
        ("water_temperature", "Cel", 11.5, "water_temperature_degc", 11.5),
        ("water_temperature", "K", 284.65, "water_temperature_degc", 11.5),
        ("conductivity", "S/m", 0.065, "conductivity_us_cm", 650),
        ("conductivity", "mS/m", 65, "conductivity_us_cm", 650),
        ("conductivity", "uS/cm", 650, "conductivity_us_cm", 650),
        ("conductivity", "mS/cm", 0.65, "conductivity_us_cm", 650),
        ("turbidity", "NTU", 3, "turbidity_ntu", 3),
        ("battery_voltage", "V", 12.6, "battery_v", 12.6),
        ("battery_voltage", "mV", 12600, "battery_v", 12.6),
        ("rainfall", "mm", 4, "rainfall_mm", 4),
        ("rainfall", "cm", 0.4, "rainfall_mm", 4),
        ("rainfall", "m", 0.004, "rainfall_mm", 4),
        ("stage_m", "cm", 12.7, "stage_m", 0.127),
    ],
)
def test_units_become_the_channel_s(
    name: str, unit: str, value: float, channel: str, expected: float
) -> None:
    payload = f'[{{"bt":1795348800,"n":"{name}","u":"{unit}","v":{value}}}]'.encode()
    readings = SenML().decode(payload)

    assert readings.channel == [channel]
    assert readings.value == [pytest.approx(expected, rel=1e-12)]


def test_a_pack_may_ask_for_secondary_units() -> None:
    # RFC 9100: version 10 and 2 to the power of feature 4.
    payload = b'[{"bver":26,"bt":1795348800,"n":"battery_voltage","u":"mV","v":12600}]'

    assert SenML().decode(payload).value == [12.6]


def test_a_channel_whose_unit_is_no_primary_one_says_it_by_its_name_alone() -> None:
    readings = Readings(
        1, [0, 0], [1795348800000] * 2, ["conductivity_us_cm", "rainfall_mm"], [650.0, 4.0]
    )
    payload = SenML().encode(readings)

    assert b'"u"' not in payload
    assert SenML().decode(payload) == readings


def test_a_name_may_have_256_characters() -> None:
    name = "a" * 250 + "/stage"
    record = f'[{{"bt":1795348800,"u":"m","n":"{name}","v":1}}]'

    assert SenML().decode(record.encode()).channel == ["stage_m"]
    with pytest.raises(DecodeError, match="a name of 257 characters, at most 256 are read"):
        SenML().decode(record.replace("/stage", "a/stage").encode())


def test_a_name_that_measures_nothing_we_know_is_left_to_the_registry() -> None:
    readings = SenML().decode(b'[{"bt":1795348800,"n":"gate_1","u":"%","v":40}]')

    assert (readings.channel, readings.value) == (["gate_1"], [40.0])


def test_a_payload_is_encoded_to_the_documented_bytes() -> None:
    readings = Readings(
        n_rows=2,
        row=[0, 0, 1],
        time_ms=[1795348800000, 1795348800000, 1795349100250],
        channel=["stage_m", "battery_v", "stage_m"],
        value=[0.127, 12.6, 0.126],
    )

    assert SenML().encode(readings) == (
        b'[{"n":"stage_m","v":0.127,"u":"m","bt":1795348800},{"n":"battery_v","v":12.6,"u":"V"},'
        b'{"n":"stage_m","v":0.126,"u":"m","bt":1795349100,"t":0.25}]'
    )


def test_every_millisecond_comes_back_as_it_was() -> None:
    # Around here seconds as one float, times a thousand, fall short of a quarter of them.
    instants = range(2_170_000_000_000, 2_170_000_001_000)
    for instant in instants:
        payload = SenML().encode(Readings(1, [0], [instant], ["stage_m"], [0.1]))

        assert SenML().decode(payload).time_ms == [instant]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ('{"n":"stage","u":"m","v":1}', "time 0 is relative to now: give an absolute base time"),
        ('{"n":"stage","u":"m","v":1,"t":-60}', "time -60 is relative to now"),
        ('{"n":"stage","u":"m","v":1,"bt":1e300}', "time 1e+300 is not in seconds since 1970"),
        ('{"n":"stage","u":"V","v":1,"bt":1795348800}', 'record 0 "stage": unit "V" is wrong'),
        (
            '{"n":"stage","u":"V","v":1,"bt":1795348800}',
            "for stage: expected m or dm or cm or mm or km",
        ),
        ('{"n":"stage","v":1,"bt":1795348800}', "unit is missing for stage: expected m or"),
        ('{"n":"stage","u":"m","bt":1795348800}', 'record 0 "stage": v is missing'),
        ('{"n":"stage","vs":"high","bt":1795348800}', 'vs "high" is not a number in v'),
        ('{"n":"stage","vb":true,"bt":1795348800}', "vb true is not a number in v"),
        ('{"n":"stage","vd":"aGk","bt":1795348800}', 'vd "aGk" is not a number in v'),
        ('{"n":"stage","s":5,"v":1,"bt":1795348800}', "s 5 is not a number in v"),
        ('{"n":"stage","u":"m","v":true}', "record 0: v true is not a number"),
        ('{"n":"stage","u":"m","v":"1"}', 'record 0: v "1" is not a number'),
        ('{"n":"stage","u":"m","v":null}', "record 0: v null is not a number"),
        ('{"n":7,"v":1}', "record 0: n 7 is not a string"),
        ('{"n":"a b","v":1}', 'record 0 "a b": not a SenML name'),
        ('{"n":"","v":1}', 'record 0 "": not a SenML name'),
        ('{"bt":1795348800,"n":"Stage","v":1}', '"Stage" is neither a property nor a channel'),
        ('{"n":"stage","lock_":1}', 'record 0: "lock_" must be understood, and is not'),
        (
            '{"bver":11,"n":"stage","u":"m","v":1}',
            "record 0: bver 11 is not known: up to 10, and 26 for",
        ),
        ('{"bn":"kz:","bt":1795348800}', "no record with a value"),
        ('{"n":"stage","u":"m","v":NaN}', 'record 0 "stage": v NaN is not a finite number'),
        ('{"n":"stage","u":"m","v":1e999}', 'record 0 "stage": v 1e999 is not a finite number'),
        (
            '{"n":"discharge","u":"m3/s","v":1e308,"bt":1795348800}',
            'record 0 "discharge": value inf is not finite',
        ),
        ('{"n":"x","v":' + "9" * 400 + "}", "is not a finite number"),
        ('{"n":"x","v":' + "9" * 5000 + "}", "is not a finite number"),
        ('{"n":"x","vs":' + "9" * 4000 + "}", "is not a number in v"),
        ('{"n":"x","vs":' + "9" * 5000 + "}", "Integer value out of range"),
        ("7", "record 0: 7 is not an object"),
        (
            '{"bv":1' + "0" * 308 + ',"v":1' + "0" * 308 + ',"bt":1795348800,"n":"stage","u":"m"}',
            'record 0 "stage": value inf is not finite',
        ),
        (
            '{"bt":1' + "0" * 308 + ',"t":1' + "0" * 308 + ',"v":1,"n":"stage_m"}',
            'record 0 "stage_m": time inf is not in seconds since 1970',
        ),
    ],
)
def test_a_refusal_names_the_record_and_the_value(records: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        SenML().decode(f"[{records}]".encode())

    assert reason in caught.value.reason


def test_an_object_is_no_senml() -> None:
    with pytest.raises(DecodeError, match="expected an array"):
        SenML().decode(b'{"boot":1}')


@pytest.mark.parametrize(
    "readings",
    [
        Readings(1, [0], [1795348800000], ["stage_m"], [float("nan")]),
        Readings(1, [0], [1000], ["stage_m"], [1.0]),
        Readings(1, [0], [1795348800000], ["_stage_m"], [1.0]),
    ],
)
def test_what_senml_cannot_say_is_not_encoded(readings: Readings) -> None:
    with pytest.raises(ValueError, match="SenML cannot say"):
        SenML().encode(readings)
