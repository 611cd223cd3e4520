"""Which channel a SenML name means, and how its unit becomes the channel's.

Units are those of RFC 8428 and RFC 8798 that a water logger may use, and the spellings people
write in their place (``L/s``, ``degC``). Turbidity has no registered unit: ``NTU`` is taken.
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
# The first unit of each property is the one written by `encode`; it equals the channel's own.
_SCALES: dict[Property, dict[str, _Scale]] = {
    Property.DISCHARGE: {
        "l/s": _SAME,
        "L/s": _SAME,
        "m3/s": _Scale(times=1000),
        "m3/h": _Scale(over=3.6),
        "l/min": _Scale(over=60),
        "L/min": _Scale(over=60),
    },
    Property.STAGE: {"m": _SAME, "cm": _Scale(over=100), "mm": _Scale(over=1000)},
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
    """Return the SenML unit `channel` is written with; None where no property is known."""
    prop = _property(channel)
    return None if prop is None else next(iter(_SCALES[prop]))


def converted(where: str, name: str, value: float, unit: str | None) -> float:
    """Return `value` in the unit of the channel that `name` means.

    Parameters
    ----------
    where
        The record in words, for the error.
    name
        The last part of the SenML name. A full channel name says its unit itself, so `unit` may
        be None then; a property alone does not.

    Raises
    ------
    DecodeError
        The unit is missing or cannot be converted; names what is expected.
    """
    channel = channel_of(name)
    prop = _property(channel)
    if prop is None or (unit is None and channel == name):
        return float(value)
    scales = _SCALES[prop]
    if unit not in scales:
        said = "unit is missing" if unit is None else f"unit {shown(unit)} is wrong"
        raise DecodeError("", f"{where}: {said} for {prop.value}: expected {' or '.join(scales)}")
    scale = scales[unit]
    return value * scale.times / scale.over + scale.plus


@lru_cache(maxsize=1024)
def _property(channel: str) -> Property | None:
    try:
        return property_of(channel)
    except UnknownSensorError:
        return None
