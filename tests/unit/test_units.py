"""A channel's name says property and unit; anything else is refused with the right one."""

from __future__ import annotations

import pytest

from kahriz.errors import UnknownSensorError
from kahriz.units import PROPERTIES, Property, property_of


@pytest.mark.parametrize("prop", list(Property))
def test_every_property_is_known_by_its_channel_with_or_without_a_prefix(prop: Property) -> None:
    channel = PROPERTIES[prop].channel

    assert property_of(channel) is prop
    assert property_of(f"upper_{channel}") is prop


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ("stage_cm", "unit 'cm' is wrong for stage: expected 'stage_m'"),
        ("shaft_stage_mm", "unit 'mm' is wrong for stage: expected 'stage_m'"),
        ("discharge_m3s", "unit 'm3s' is wrong for discharge: expected 'discharge_lps'"),
        ("water_temperature_f", "expected 'water_temperature_degc'"),
        ("conductivity_ms", "expected 'conductivity_us_cm'"),
        ("battery_mv", "expected 'battery_v'"),
        ("stage", "no known property"),
        ("upperstage_m", "no known property"),
        ("stage_m ", "wrong for stage"),
        ("", "no known property"),
        ("mood", "discharge_lps stage_m"),
    ],
)
def test_a_name_that_says_neither_is_refused_and_the_right_one_named(
    channel: str, problem: str
) -> None:
    with pytest.raises(UnknownSensorError) as refused:
        property_of(channel)

    assert problem in str(refused.value)
    assert refused.value.sensor == channel


@pytest.mark.parametrize("prop", list(Property))
def test_what_is_possible_is_a_range(prop: Property) -> None:
    lowest, highest = PROPERTIES[prop].possible

    assert lowest < highest
