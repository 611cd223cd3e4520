"""What ChirpStack's own decoder made of a frame: the ``object`` of its event.

Where a device profile has a codec (JavaScript, or Cayenne LPP), the event carries a JSON object
of names and values. Names of nested ones are joined by dots, ``analogInput.1``. Numbers and null
are values; texts, true and false and lists say nothing of the water and are passed over.
"""

from __future__ import annotations

from math import isfinite, nan
from typing import Any, Literal

import msgspec

from kahriz.codec.explain import shown
from kahriz.errors import DecodeError
from kahriz.observations import Readings

MAX_VALUES = 64
"""Values in one object."""

MAX_DEPTH = 8
"""Objects within one another."""


class ChirpStackObject:
    """The event's object to one reading; see the module for what is read."""

    reads: Literal["data", "object"] = "object"

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(dict[str, Any])

    def decode(self, f_port: int, data: bytes, time_ms: int) -> Readings:
        """Return what the JSON `data` says at `time_ms`; names the value that is wrong."""
        try:
            said = self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise DecodeError("", f"object: {error}".replace("\n", " ")) from error
        values: dict[str, float] = {}
        _collect(said, "", 1, values)
        if not values:
            raise DecodeError("", f"object {shown(said)} has no number")
        n = len(values)
        return Readings(1, [0] * n, [time_ms] * n, list(values), list(values.values()))


def _collect(said: dict[str, Any], prefix: str, depth: int, into: dict[str, float]) -> None:
    if depth > MAX_DEPTH:
        raise DecodeError("", f"object {shown(prefix)} lies deeper than {MAX_DEPTH}")
    for key, value in said.items():
        name = prefix + key
        if isinstance(value, dict):
            _collect(value, name + ".", depth + 1, into)
        elif value is None:
            into[name] = nan
        elif isinstance(value, int | float) and not isinstance(value, bool):
            into[name] = _finite(name, value)
        if len(into) > MAX_VALUES:
            raise DecodeError("", f"object has more than {MAX_VALUES} values")


def _finite(name: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise DecodeError("", f"object: {shown(name)} {shown(value)} is not a finite number")
    return number
