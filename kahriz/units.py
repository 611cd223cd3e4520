"""What is measured, in which unit, and how a channel's name says both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kahriz.errors import UnknownSensorError


class Property(StrEnum):
    """A property of the water, or of the device that measures it."""

    DISCHARGE = "discharge"
    STAGE = "stage"
    WATER_TEMPERATURE = "water_temperature"
    CONDUCTIVITY = "conductivity"
    TURBIDITY = "turbidity"
    BATTERY_VOLTAGE = "battery_voltage"
    RAINFALL = "rainfall"


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """One property's unit, the name its values carry outside a series, and what is possible.

    ``possible`` is the gross range [lowest, highest] in ``unit`` outside which no kahriz can be;
    a sensor's own limits in sites.toml are narrower.
    """

    unit: str
    channel: str
    possible: tuple[float, float]


PROPERTIES: dict[Property, PropertyInfo] = {
    Property.DISCHARGE: PropertyInfo("L/s", "discharge_lps", (-1.0, 500.0)),
    Property.STAGE: PropertyInfo("m", "stage_m", (-2.0, 60.0)),
    Property.WATER_TEMPERATURE: PropertyInfo("degC", "water_temperature_degc", (-5.0, 45.0)),
    Property.CONDUCTIVITY: PropertyInfo("uS/cm", "conductivity_us_cm", (0.0, 20000.0)),
    Property.TURBIDITY: PropertyInfo("NTU", "turbidity_ntu", (-1.0, 10000.0)),
    Property.BATTERY_VOLTAGE: PropertyInfo("V", "battery_v", (0.0, 60.0)),
    Property.RAINFALL: PropertyInfo("mm", "rainfall_mm", (0.0, 500.0)),
}

# The stem a channel's name ends with before its unit, to tell a wrong unit from an unknown name.
_STEMS = {info.channel.rpartition("_")[0]: prop for prop, info in PROPERTIES.items()}
_STEMS |= {"conductivity": Property.CONDUCTIVITY}


def property_of(channel: str) -> Property:
    """Return the property a channel's name speaks of, e.g. ``shaft_stage_m`` -> stage.

    Raises
    ------
    UnknownSensorError
        The name ends with no known property, or with a known one in another unit.
    """
    for prop, info in PROPERTIES.items():
        if channel == info.channel or channel.endswith("_" + info.channel):
            return prop
    for stem, prop in _STEMS.items():
        head, _, unit = channel.rpartition("_")
        if head == stem or head.endswith("_" + stem):
            info = PROPERTIES[prop]
            raise UnknownSensorError(
                channel, f"unit {unit!r} is wrong for {prop.value}: expected {info.channel!r}"
            )
    known = " ".join(info.channel for info in PROPERTIES.values())
    raise UnknownSensorError(
        channel, f"no known property; a channel's name ends with one of {known}"
    )
