"""SenML JSON: what many ready-made loggers and gateways already speak.

::

    [{"bn": "urn:dev:agh-dere:", "bt": 1763800000, "n": "stage", "u": "cm", "v": 12.7},
     {"n": "battery_voltage", "u": "mV", "v": 12600}]

A record's name is base name and name together; its last part, after ``:`` or ``/``, is a property
(``stage``, ``shaft_stage``) or a full channel name (``stage_m``). The rest of the name is not
looked at: which device speaks is known from the topic. Values are converted into the channel's
unit. Records of the same instant make one reading.

Limits: no boot and no sequence numbers, so a hole in the series cannot be told from silence
(json_v1 can); no clock here, so times relative to "now" are refused; sums (``s``) and values
that are no numbers (``vs vb vd``) are refused.

Source: RFC 8428, Sensor Measurement Lists; RFC 8798, additional units; RFC 9100, versions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from sys import float_info
from typing import Any

import msgspec

from kahriz.codec import MAX_PAYLOAD
from kahriz.codec.explain import (
    check_text,
    explain_syntax,
    is_finite_number,
    read_slowly,
    shown,
)
from kahriz.codec.senml_units import channel_of, converted, unit_of
from kahriz.errors import DecodeError
from kahriz.observations import Readings

VERSION = 10
"""The SenML version of RFC 8428."""

SECONDARY_UNITS = VERSION + 2**4
"""The version that asks for secondary units as well (RFC 9100); any other later one is refused."""

LONGEST_NAME = 256
"""Characters of base name and name together."""

ABSOLUTE_FROM_S = 2**28
"""Times below this many seconds are relative to the receiver's now (RFC 8428, 4.5.3)."""

_LATEST_S = 2**53 / 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_SPLIT = re.compile(r"[:/]")
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_LARGEST = float_info.max
_NUMBERS = frozenset({"bt", "bv", "bver", "t", "v", "ut", "bs", "s"})
_TEXTS = frozenset({"bn", "bu", "n", "u"})
_BASE_ONLY = frozenset({"bn", "bt", "bu", "bv", "bver"})
_REFUSED = frozenset({"vs", "vb", "vd", "s", "bs"})


@dataclass(slots=True)
class _Base:
    """The base fields in force: each holds from the record that says it to the next that does."""

    name: str = ""
    time: float = 0
    unit: str | None = None
    value: float = 0

    def take(self, record: dict[str, Any]) -> None:
        self.name = record.get("bn", self.name)
        self.time = record.get("bt", self.time)
        self.unit = record.get("bu", self.unit)
        self.value = record.get("bv", self.value)


@dataclass(slots=True)
class _Columns:
    """Readings as they grow, and the row each instant has."""

    rows: dict[int, int] = field(default_factory=dict)
    row: list[int] = field(default_factory=list)
    time_ms: list[int] = field(default_factory=list)
    channel: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def add(self, time_ms: int, channel: str, value: float) -> None:
        self.row.append(self.rows.setdefault(time_ms, len(self.rows)))
        self.time_ms.append(time_ms)
        self.channel.append(channel)
        self.value.append(value)


class SenML:
    """SenML JSON to readings and back; see the module for what is read and what is refused."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(list[dict[str, Any]])
        self._encoder = msgspec.json.Encoder()

    def decode(self, payload: bytes) -> Readings:
        """Return what `payload` says; raise DecodeError naming the record, its name and the value.

        Parameters
        ----------
        payload
            At most 16 KiB of UTF-8.
        """
        check_text(payload)
        try:
            records = self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise DecodeError("", _explain(payload, error)) from error
        columns, base = _Columns(), _Base()
        for i, record in enumerate(records):
            _check_types(i, record)
            if not _BASE_ONLY.isdisjoint(record):
                base.take(record)
            if not _BASE_ONLY.issuperset(record):
                columns.add(*_resolved(i, record, base))
        if not columns.row:
            raise DecodeError("", "no record with a value")
        return Readings(
            n_rows=len(columns.rows),
            row=columns.row,
            time_ms=columns.time_ms,
            channel=columns.channel,
            value=columns.value,
        )

    def encode(self, readings: Readings) -> bytes:
        """Return the payload that says `readings`; boot, seq and the device's own words are lost.

        Raises
        ------
        ValueError
            A value is NaN, or an instant lies before 1978-07-04: SenML can say neither. Or more
        than one payload can hold.
        """
        records: list[dict[str, Any]] = []
        second = -1
        values = zip(readings.time_ms, readings.channel, readings.value, strict=True)
        for time_ms, channel, value in values:
            _check_sayable(time_ms, channel, value)
            record: dict[str, Any] = {"n": channel, "v": value}
            if (unit := unit_of(channel)) is not None:
                record["u"] = unit
            # Whole seconds as base time and the rest beside it: a sum of floats that is exact.
            if time_ms // 1000 != second:
                record["bt"] = second = time_ms // 1000
            if rest := time_ms % 1000:
                record["t"] = rest / 1000
            records.append(record)
        payload = self._encoder.encode(records)
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{len(payload)} bytes are more than the {MAX_PAYLOAD} of a payload")
        return payload


def _check_sayable(time_ms: int, channel: str, value: float) -> None:
    is_sayable = _CHANNEL.fullmatch(channel) and isfinite(value)
    if not is_sayable or time_ms < ABSOLUTE_FROM_S * 1000:
        raise ValueError(f"SenML cannot say {channel} = {value} at {time_ms} ms")


def _resolved(i: int, record: dict[str, Any], base: _Base) -> tuple[int, str, float]:
    """Return (time_ms, channel, value) of record `i` with the base fields added (RFC 8428, 4.6)."""
    name = base.name + record.get("n", "")
    try:
        last, channel = _named(name)
        if "v" not in record or not _REFUSED.isdisjoint(record):
            raise _no_number(record)
        # As floats: two whole numbers that fit a float can have a sum that does not.
        value = converted(last, float(base.value) + record["v"], record.get("u", base.unit))
        if not isfinite(value):
            raise DecodeError("", f"value {value} is not finite")
        return _instant(base.time, record.get("t", 0)), channel, value
    except DecodeError as error:
        raise DecodeError("", f"record {i} {shown(name)}: {error.reason}") from error


@lru_cache(maxsize=1024)
def _named(name: str) -> tuple[str, str]:
    """Return (the last part of a SenML name, the channel it means)."""
    if len(name) > LONGEST_NAME:
        raise DecodeError("", f"a name of {len(name)} characters, at most {LONGEST_NAME} are read")
    if not _NAME.fullmatch(name):
        raise DecodeError("", "not a SenML name")
    last = _SPLIT.split(name)[-1]
    channel = channel_of(last)
    if not _CHANNEL.fullmatch(channel):
        raise DecodeError("", f"{shown(last)} is neither a property nor a channel name")
    return last, channel


def _no_number(record: dict[str, Any]) -> DecodeError:
    for key in ("vs", "vb", "vd", "s", "bs"):
        if key in record:
            return DecodeError("", f"{key} {shown(record[key])} is not a number in v")
    return DecodeError("", "v is missing")


def _instant(base: float, offset: float) -> int:
    """Return milliseconds since 1970 of a base time and an offset in seconds."""
    total = float(base) + offset
    if total < ABSOLUTE_FROM_S:
        raise DecodeError("", f"time {total:g} is relative to now: give an absolute base time (bt)")
    if max(total, abs(base), abs(offset)) >= _LATEST_S:
        raise DecodeError("", f"time {total:g} is not in seconds since 1970")
    return round(base * 1000) + round(offset * 1000)


def _check_types(i: int, record: dict[str, Any]) -> None:
    """Raise DecodeError where a field is not what RFC 8428 says it is."""
    for key, value in record.items():
        if key in _NUMBERS:
            # bool is an int to Python, and not a number to JSON.
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise DecodeError("", f"record {i}: {key} {shown(value)} is not a number")
            if not -_LARGEST <= value <= _LARGEST:
                raise DecodeError("", f"record {i}: {key} {shown(value)} is not a finite number")
        elif key in _TEXTS:
            if not isinstance(value, str):
                raise DecodeError("", f"record {i}: {key} {shown(value)} is not a string")
        elif key.endswith("_"):
            raise DecodeError("", f"record {i}: {shown(key)} must be understood, and is not")
    if record.get("bver", VERSION) > VERSION and record["bver"] != SECONDARY_UNITS:
        known = f"up to {VERSION}, and {SECONDARY_UNITS} for secondary units"
        raise DecodeError("", f"record {i}: bver {shown(record['bver'])} is not known: {known}")


def _explain(payload: bytes, error: Exception) -> str:
    try:
        said = read_slowly(payload)
    except (ValueError, RecursionError) as syntax:
        kept = error if isinstance(syntax, ValueError) else syntax
        return explain_syntax(payload, kept)
    if not isinstance(said, list):
        return f"expected an array [...], got {shown(said)}"
    for i, record in enumerate(said):
        if not isinstance(record, dict):
            return f"record {i}: {shown(record)} is not an object"
        for key in _NUMBERS:
            if key in record and not is_finite_number(record[key]):
                name = shown(str(record.get("n", "")))
                return f"record {i} {name}: {key} {shown(record[key])} is not a finite number"
    return explain_syntax(payload, error)
