"""Why a payload is refused, in one line that names the thing and the value.

The fast path of a codec knows that a payload is wrong, not which channel or which value. Refusals
are rare, so here the payload is read once more, slowly, keeping each number as it was written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kahriz.codec import MAX_PAYLOAD
from kahriz.errors import DecodeError

_WHOLE = re.compile(r"[0-9]+")
# Far from 1 a number takes microseconds to read, and 16 KiB have room for thousands.
_FAR = re.compile(rb"[eE][+-]?0*[1-9][0-9]{2}")
FAR_FROM = 3072
"""Bytes a payload has more than, before it can have room for too many of them."""

MAX_FAR = 256
"""Numbers with an exponent of three digits or more in one payload: no water needs one."""

_SHOWN = 40
_TAIL = 20
_TOP_LEVEL: dict[str, tuple[bool, int]] = {
    "boot": (True, 2**32),
    "seq": (True, 2**32),
    "uptime_ms": (False, 2**53),
    "oldest": (False, 2**32),
}


class Written(str):
    """A number as it stands in the payload, e.g. ``1e999``."""

    __slots__ = ()


def check_text(payload: bytes) -> None:
    """Raise DecodeError unless `payload` is 1 byte to 16 KiB of UTF-8, quick to read as numbers."""
    if not payload:
        raise DecodeError("", "empty payload")
    if len(payload) > MAX_PAYLOAD:
        raise DecodeError("", f"{len(payload)} bytes, at most {MAX_PAYLOAD} are allowed")
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise DecodeError(
                "", f"not UTF-8: byte {payload[error.start]:#04x} at {error.start}"
            ) from error
    if is_slow_to_read(payload):
        n = len(_FAR.findall(payload))
        raise DecodeError("", f"{n} numbers with exponents beyond 99, at most {MAX_FAR} are read")


def is_slow_to_read(payload: bytes) -> bool:
    """Return whether `payload` has so many numbers far from 1 that reading it takes too long."""
    return len(payload) > FAR_FROM and len(_FAR.findall(payload)) > MAX_FAR


def read_slowly(payload: bytes) -> Any:
    """Return the JSON of `payload` with every number as `Written`, NaN and Infinity included.

    Raises
    ------
    ValueError, RecursionError
        It is not JSON, or nested too deeply.
    """
    return json.loads(payload, parse_int=Written, parse_float=Written, parse_constant=Written)


def shown(value: Any) -> str:
    """Return `value` as it would stand in JSON, cut to one short line."""
    try:
        text = value if isinstance(value, Written) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "nested too deeply"
    # JSON may escape half of a surrogate pair, which no file and no database takes as text.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def is_finite_number(value: Any) -> bool:
    """Return whether `value`, as `read_slowly` gives it, is a number that fits a float."""
    return isinstance(value, Written) and abs(float(value)) < float("inf")


def explain_syntax(payload: bytes, error: Exception) -> str:
    """Return what is wrong with a `payload` that is not JSON at all."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if "truncated" in str(error):
        tail = payload[-_TAIL:].decode(errors="backslashreplace")
        return f"truncated: ends after {len(payload)} bytes with {shown(tail)}"
    return str(error).replace("\n", " ")


def explain_json_v1(payload: bytes, error: Exception) -> str:
    """Return why `payload` is no json_v1, given the `error` of the fast path."""
    try:
        said = read_slowly(payload)
    except (ValueError, RecursionError) as syntax:
        kept = error if not isinstance(syntax, RecursionError) else syntax
        return explain_syntax(payload, kept)
    return (
        _wrong_top_level(said) or _wrong_readings(said) or _wrong_extras(said) or str(error)
    ).replace("\n", " ")


def _wrong_top_level(said: Any) -> str | None:
    if not isinstance(said, dict):
        return f"expected an object {{...}}, got {shown(said)}"
    for key, (is_required, limit) in _TOP_LEVEL.items():
        if key not in said:
            if is_required:
                return f"{key} is missing"
        elif not (_is_whole(said[key], limit) or (said[key] is None and not is_required)):
            return f"{key} {shown(said[key])} is not a whole number from 0 to {limit - 1}"
    return None


def _wrong_readings(said: Mapping[str, Any]) -> str | None:
    if "r" not in said:
        return "r is missing: no readings"
    readings = said["r"]
    if not isinstance(readings, list) or not readings:
        return f"r {shown(readings)} is not a list of at least one reading"
    for i, reading in enumerate(readings):
        if wrong := _wrong_reading(reading):
            return f"reading {i}: {wrong}"
    return None


def _wrong_reading(reading: Any) -> str | None:
    if not (isinstance(reading, list) and len(reading) == 2 and isinstance(reading[1], dict)):
        return f"{shown(reading)} is not [t_ms, {{channel: number}}]"
    instant, values = reading
    if not _is_whole(instant, 2**53):
        return f"time {shown(instant)} is not a whole number of milliseconds from 0 to 2**53"
    for channel, value in values.items():
        if value is not None and not is_finite_number(value):
            return f"channel {shown(channel)}: value {shown(value)} is not a finite number"
    return None


def _wrong_extras(said: Mapping[str, Any]) -> str | None:
    battery = said.get("battery_v")
    if battery is not None and not is_finite_number(battery):
        return f'channel "battery_v": value {shown(battery)} is not a finite number'
    if said.get("fw") is not None:
        return f"fw {shown(said['fw'])} is not a string of at most 64 printable ASCII characters"
    return None


def _is_whole(value: Any, limit: int) -> bool:
    # The length first: turning thousands of digits into an int costs time, and raises.
    return (
        isinstance(value, Written)
        and len(value) < 20
        and bool(_WHOLE.fullmatch(value))
        and int(value) < limit
    )
