"""Cayenne Low Power Payload: what many ready-made LoRaWAN nodes send.

A frame is a row of: channel number, type, value, the highest byte first. A value's name is its
type's and the channel number, ``analog_in_1``. Read are the types that are one number; those that
are several (accelerometer, gyrometer, colour, position) and the node's time are passed over.

Limits: no number of its own, no time of its own, no null, and steps of the type: 0.01 V, 0.1 degC,
0.01 of an analog input (1 cm, where that is a level in metres).

Source: myDevices, Cayenne LPP 2.0, and the types ElectronicCats' library adds to it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from kahriz.errors import DecodeError
from kahriz.observations import Readings


class _Type(NamedTuple):
    """One type: its name (none: passed over), bytes, steps in a unit, whether it has a sign."""

    name: str
    size: int
    steps: int = 1
    is_signed: bool = False


_TYPES: dict[int, _Type] = {
    0: _Type("digital_in", 1),
    1: _Type("digital_out", 1),
    2: _Type("analog_in", 2, 100, is_signed=True),
    3: _Type("analog_out", 2, 100, is_signed=True),
    100: _Type("generic", 4),
    101: _Type("illuminance", 2),
    102: _Type("presence", 1),
    103: _Type("temperature", 2, 10, is_signed=True),
    104: _Type("humidity", 1, 2),
    113: _Type("", 6),  # accelerometer
    115: _Type("barometer", 2, 10),
    116: _Type("voltage", 2, 100),
    117: _Type("current", 2, 1000),
    118: _Type("frequency", 4),
    120: _Type("percentage", 1),
    121: _Type("altitude", 2, is_signed=True),
    125: _Type("concentration", 2),
    128: _Type("power", 2),
    130: _Type("distance", 4, 1000),
    131: _Type("energy", 4, 1000),
    132: _Type("direction", 2),
    133: _Type("", 4),  # the node's time
    134: _Type("", 6),  # gyrometer
    135: _Type("", 3),  # colour
    136: _Type("", 9),  # position
    142: _Type("switch", 1),
}


class CayenneLPP:
    """Cayenne LPP to one reading; see the module for what is read."""

    reads: Literal["data", "object"] = "data"

    def decode(self, f_port: int, data: bytes, time_ms: int) -> Readings:
        """Return what `data` says at `time_ms`; names the byte where it cannot be read."""
        values: dict[str, float] = {}
        at = 0
        while at < len(data):
            number, kind = data[at], data[at + 1] if at + 1 < len(data) else None
            found = None if kind is None else _TYPES.get(kind)
            if found is None:
                what = "truncated" if kind is None else f"LPP type {kind} is not known"
                raise DecodeError("", f"byte {at} of {len(data)}: {what}")
            raw = data[at + 2 : at + 2 + found.size]
            if len(raw) < found.size:
                raise DecodeError("", f"byte {at} of {len(data)}: truncated")
            name = f"{found.name}_{number}"
            if found.name and name in values:
                raise DecodeError("", f"byte {at} of {len(data)}: {name} is said twice")
            if found.name:
                values[name] = int.from_bytes(raw, signed=found.is_signed) / found.steps
            at += 2 + found.size
        if not values:
            raise DecodeError("", f"{len(data)} bytes without a number")
        n = len(values)
        return Readings(1, [0] * n, [time_ms] * n, list(values), list(values.values()))
