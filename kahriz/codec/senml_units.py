"""Which channel a SenML name means, and how its unit becomes the channel's.

Units are those of the IANA registry that a water logger may use: primary ones (RFC 8428: ``m``
``m3/s`` ``l/s`` ``K`` ``Cel`` ``S/m`` ``V``; ISO 7027-1: ``NTU``) and secondary ones, which are a
primary one times a factor (RFC 8798: ``km`` ``cm`` ``mm`` ``mV``). The registry has none for
litres a minute, cubic metres an hour or microsiemens a centimetre, and no ``dm``: what people
write in their place is taken too. Rates of rain (``mm/h``) are another quantity and are not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kahriz.codec.explain import shown
from kahriz.errors import DecodeError, UnknownSensorError
from kahriz.units import PROPERTIES, Property, property_of


class _Scale(NamedTuple):
    """value * times / over + plus; two whole factors keep 12.7 cm at 0.127 m exactly."""

    times: float = 1.0
    over: float = 1.0
    plus: float = 0.0


_SAME = _Scale()
_SCALES: dict[Property, dict[str, _Scale]] = {
    Property.DISCHARGE: {
        "l/s": _SAME,
        "L/s": _SAME,
        "m3/s": _Scale(times=1000),
        "m3/h": _Scale(over=3.6),
        "m3/d": _Scale(over=86.4),
        "l/min": _Scale(over=60),
        "L/min": _Scale(over=60),
    },
    Property.STAGE: {
        "m": _SAME,
        "dm": _Scale(over=10),
        "cm": _Scale(over=100),
        "mm": _Scale(over=1000),
        "km": _Scale(times=1000),
    },
    Property.WATER_TEMPERATURE: {"Cel": _SAME, "degC": _SAME, "K": _Scale(plus=-273.15)},
    Property.CONDUCTIVITY: {
        "uS/cm": _SAME,
        "S/m": _Scale(times=10_000),
        "mS/m": _Scale(times=10),
        "mS/cm": _Scale(times=1000),
    },
    Property.TURBIDITY: {"NTU": _SAME},
    Property.BATTERY_VOLTAGE: {"V": _SAME, "mV": _Scale(over=1000)},
    Property.RAINFALL: {"mm": _SAME, "cm": _Scale(times=10), "m": _Scale(times=1000)},
}


# What `encode` writes: primary units that are the channel's own. A channel of another unit says it
# by its name; SenML leaves secondary ones to packs that ask for the feature.
_WRITTEN: dict[Property, str] = {
    Property.DISCHARGE: "l/s",
    Property.STAGE: "m",
    Property.WATER_TEMPERATURE: "Cel",
    Property.TURBIDITY: "NTU",
    Property.BATTERY_VOLTAGE: "V",
}


@lru_cache(maxsize=1024)
def channel_of(name: str) -> str:
    """Return the channel that the last part of a SenML name means: ``shaft_stage`` -> its metres.

    What ends with no known property is returned as it is: whether such a channel exists is judged
    by the registry.
    """
    for prop, info in PROPERTIES.items():
        if name == prop.value or name.endswith("_" + prop.value):
            return name.removesuffix(prop.value) + info.channel
    return name


def unit_of(channel: str) -> str | None:
    """Return the SenML unit `channel` is written with; None where its name alone says it."""
    prop = _property(channel)
    return None if prop is None else _WRITTEN.get(prop)


def converted(name: str, value: float, unit: str | None) -> float:
    """Return `value` in the unit of the channel that `name` means.

    Parameters
    ----------
    name
        The last part of the SenML name. A full channel name says its unit itself, so `unit` may
        be None then; a property alone does not.

    Raises
    ------
    DecodeError
        The unit is missing or cannot be converted; names what is expected.
    """
    times, over, plus = _scale(name, unit)
    return value * times / over + plus


@lru_cache(maxsize=1024)
def _scale(name: str, unit: str | None) -> _Scale:
    channel = channel_of(name)
    prop = _property(channel)
    if prop is None or (unit is None and channel == name):
        return _SAME
    scales = _SCALES[prop]
    if unit not in scales:
        said = "unit is missing" if unit is None else f"unit {shown(unit)} is wrong"
        raise DecodeError("", f"{said} for {prop.value}: expected {' or '.join(scales)}")
    return scales[unit]


@lru_cache(maxsize=1024)
def _property(channel: str) -> Property | None:
    try:
        return property_of(channel)
    except UnknownSensorError:
        return None
