r"""A few bytes a reading, for 2G by the kilobyte and for LoRaWAN's short frames.

Says all that json_v1 says. Numbers are `kahriz.codec.varints`; s marks one with a sign::

    01                      version
    flags                   bit 0: oldest, bit 1: uptime, bit 2: firmware follows
    boot seq                of the first reading
    [s seq - oldest] [uptime_ms] [length, firmware]
    n                       channels, each:
      byte                  bits 0-3 property, bits 4-6 scale, bit 7: a name follows
      [length, name]        prefix of the property's channel; the whole name where property is 0
    n                       readings, each:
      time                  of the first in ms since 1970; then s change of the step
      n cells               0: null, 1: not in this reading, else 2 + s change of the value
    CRC-32                  of all before, 4 bytes, the lowest first

A value is a whole number in units of 10**-scale, so it is exact to the scale its channel declares.
Scale 7 is for what no such scale holds: two varints, the upper half of an IEEE 754 double in place
of the change, and the lower half.

The whole contract, bytes by hand and an encoder in C: docs/wire-format.md.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from itertools import groupby
from math import isnan
from operator import itemgetter
from zlib import crc32

from kahriz.codec import MAX_PAYLOAD
from kahriz.codec.compact_table import ABSENT, DOUBLE, LIMIT, NULL, VALUE, read_table, width_of
from kahriz.codec.varints import folded, put_varint, unfolded, varint
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from kahriz.units import PROPERTIES, Property

VERSION = 0x01
"""The first byte; no JSON text begins with it, and no blank is one."""

MAX_CHANNELS = 64
"""Channels in one payload."""

PROPERTY_CODES: tuple[Property, ...] = (
    Property.DISCHARGE,
    Property.STAGE,
    Property.WATER_TEMPERATURE,
    Property.CONDUCTIVITY,
    Property.TURBIDITY,
    Property.BATTERY_VOLTAGE,
    Property.RAINFALL,
)
"""Code 1 is the first; 0 says that the name stands in full. Only ever appended to."""

_CHANNELS = tuple(PROPERTIES[prop].channel for prop in PROPERTY_CODES)
_NAME = re.compile(r"[a-z0-9_]{1,64}")
_FIRMWARE = re.compile(r"[ -~]{0,64}")
_BLANK = b" \t\r\n"
_OLDEST, _UPTIME, _FIRMWARE_BIT, _NAMED = 1, 2, 4, 0x80
_U32 = 2**32
_CRC = struct.Struct("<I")
Rows = list[tuple[int, dict[str, float]]]


class Compact:
    """compact_v1 to readings and back; see the module for its form.

    Blanks before and after are allowed, as in JSON: modems add line ends. `encode` gives each
    channel the smallest scale that holds its values exactly.
    """

    def decode(self, payload: bytes) -> Readings:
        """Return what `payload` says; raise DecodeError naming the place and the value.

        Parameters
        ----------
        payload
            At most 16 KiB.
        """
        if len(payload) > MAX_PAYLOAD:
            raise DecodeError("", f"{len(payload)} bytes, at most {MAX_PAYLOAD} are allowed")
        body = payload.lstrip(_BLANK)
        if not body:
            raise DecodeError("", "empty payload")
        if body[0] != VERSION:
            raise DecodeError("", f"begins with byte {body[0]:#04x}, expected 0x01")
        try:
            readings, end = _decoded(body)
        except DecodeError as error:
            if _is_whole(body) or _is_whole(body.rstrip(_BLANK)):
                raise
            raise DecodeError("", f"{error.reason}; the checksum says: damaged, or cut") from error
        if not _is_whole(body[: end + 4]):
            raise DecodeError(
                "", f"checksum {body[end : end + 4].hex()!r} is wrong: damaged, or cut"
            )
        if body[end + 4 :].strip(_BLANK):
            raise DecodeError("", f"{len(body) - end - 4} bytes after the checksum")
        return readings

    def encode(self, readings: Readings) -> bytes:
        """Return the payload that says `readings`.

        Raises
        ------
        ValueError
            No boot or seq, a name or a number the form has no place for, or more than one payload
            can hold.
        """
        rows = _by_reading(readings)
        names = list(dict.fromkeys(readings.channel))
        if not 0 < len(names) <= MAX_CHANNELS:
            raise ValueError(f"{len(names)} channels, expected 1 to {MAX_CHANNELS}")
        scales = [scale_of([v[name] for _, v in rows if name in v]) for name in names]
        out = _header(readings)
        out.append(len(names))
        for name, scale in zip(names, scales, strict=True):
            out += _channel_entry(name, scale)
        put_varint(out, len(rows))
        _put_rows(out, rows, names, scales)
        out += _CRC.pack(crc32(out))
        if len(out) > MAX_PAYLOAD:
            raise ValueError(f"{len(out)} bytes are more than the {MAX_PAYLOAD} of a payload")
        return bytes(out)


def _is_whole(body: bytes) -> bool:
    return len(body) > 4 and body[-4:] == _CRC.pack(crc32(memoryview(body)[:-4]))


def _decoded(body: bytes) -> tuple[Readings, int]:
    flags, at = _byte(body, 1)
    if flags > 7:
        raise DecodeError("", f"flags {flags:#04x}: bits 3 to 7 mean nothing in compact_v1")
    boot, at = _below(body, at, "boot", _U32)
    seq, at = _below(body, at, "seq", _U32)
    oldest = uptime = firmware = None
    if flags & _OLDEST:
        back, at = varint(body, at)
        oldest = seq - unfolded(back)
        if not 0 <= oldest < _U32:
            raise DecodeError("", f"oldest {oldest} is not a whole number from 0 to {_U32 - 1}")
    if flags & _UPTIME:
        uptime, at = _below(body, at, "uptime_ms", LIMIT)
    if flags & _FIRMWARE_BIT:
        firmware, at = _text(body, at, _FIRMWARE, "fw")
    names, scales, at = _channels(body, at)
    n_rows, at = varint(body, at)
    room = len(body) - at
    if not 0 < n_rows * width_of(scales) <= room:
        raise DecodeError("", f"{n_rows} readings of {len(names)} channels in {room} bytes")
    if seq + n_rows > _U32:
        raise DecodeError("", f"seq {seq} with {n_rows} readings runs over 2**32")
    (row, time_ms, position, value), at = read_table(body, at, n_rows, scales)
    channel = [names[p] for p in position]
    said = Readings(n_rows, row, time_ms, channel, value, boot, seq, oldest, uptime, firmware)
    return said, at


def _channels(body: bytes, at: int) -> tuple[list[str], list[int], int]:
    n, at = _byte(body, at)
    if not 0 < n <= MAX_CHANNELS:
        raise DecodeError("", f"{n} channels, expected 1 to {MAX_CHANNELS}")
    names: list[str] = []
    scales: list[int] = []
    for _ in range(n):
        entry, at = _byte(body, at)
        code, prefix = entry & 0x0F, ""
        if code > len(_CHANNELS):
            raise DecodeError("", f"property {code} is not known, 0 to {len(_CHANNELS)} are")
        if entry & _NAMED:
            prefix, at = _text(body, at, _NAME, "channel")
        elif not code:
            raise DecodeError("", f"channel entry {entry:#04x} has neither a property nor a name")
        name = "_".join(part for part in (prefix, _CHANNELS[code - 1] if code else "") if part)
        if len(name) > 64 or name in names:
            raise DecodeError("", f"channel {name[:64]!r} is longer than 64 or named twice")
        names.append(name)
        scales.append(entry >> 4 & 7)
    return names, scales, at


def _byte(body: bytes, at: int) -> tuple[int, int]:
    if at >= len(body):
        raise DecodeError("", f"truncated: ends after {len(body)} bytes")
    return body[at], at + 1


def _below(body: bytes, at: int, what: str, limit: int) -> tuple[int, int]:
    number, at = varint(body, at)
    if number >= limit:
        raise DecodeError("", f"{what} {number} is not a whole number from 0 to {limit - 1}")
    return number, at


def _text(body: bytes, at: int, form: re.Pattern[str], what: str) -> tuple[str, int]:
    length, at = _byte(body, at)
    if at + length > len(body):
        raise DecodeError("", f"truncated: ends after {len(body)} bytes")
    text = body[at : at + length].decode("latin-1")
    if not form.fullmatch(text):
        raise DecodeError("", f"{what} {text[:20]!a} is not of the form {form.pattern}")
    return text, at + length


def scale_of(values: Sequence[float]) -> int:
    """Return the fewest decimal digits that hold `values` exactly, or `DOUBLE` if none do."""
    numbers = [value for value in values if not isnan(value)]
    if all(abs(value) < LIMIT for value in numbers):
        for scale in range(DOUBLE):
            if all(_is_exact(value, 10**scale) for value in numbers):
                return scale
    return DOUBLE


def _is_exact(value: float, power: int) -> bool:
    number = round(value * power)
    return abs(number) < LIMIT and number / power == value


def _by_reading(readings: Readings) -> Rows:
    values = zip(readings.row, readings.time_ms, readings.channel, readings.value, strict=True)
    rows: Rows = []
    for _, group in groupby(values, key=itemgetter(0)):
        part = list(group)
        rows.append((part[0][1], {name: value for _, _, name, value in part}))
    if len(rows) != readings.n_rows:
        raise ValueError(f"{readings.n_rows} readings, but values of {len(rows)}")
    return rows


def _header(readings: Readings) -> bytearray:
    if readings.boot is None or readings.first_seq is None:
        raise ValueError("compact_v1 needs boot and first_seq")
    if not (0 <= readings.boot < _U32 and 0 <= readings.first_seq <= _U32 - readings.n_rows):
        raise ValueError(f"boot {readings.boot} or seq {readings.first_seq} is beyond 2**32")
    out = bytearray([VERSION, 0])
    put_varint(out, readings.boot)
    put_varint(out, readings.first_seq)
    if readings.oldest_seq is not None:
        out[1] |= _OLDEST
        put_varint(out, folded(readings.first_seq - readings.oldest_seq))
    if readings.uptime_ms is not None:
        out[1] |= _UPTIME
        put_varint(out, readings.uptime_ms)
    if readings.firmware is not None:
        if not _FIRMWARE.fullmatch(readings.firmware):
            raise ValueError(f"fw {readings.firmware!a}: at most 64 printable ASCII characters")
        out[1] |= _FIRMWARE_BIT
        out += bytes([len(readings.firmware)]) + readings.firmware.encode()
    return out


def _channel_entry(name: str, scale: int) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"channel {name[:64]!a}: expected at most 64 of a-z, 0-9 and _")
    for code, channel in enumerate(_CHANNELS, 1):
        if name == channel:
            return bytes([scale << 4 | code])
        if len(name) > len(channel) + 1 and name.endswith("_" + channel):
            prefix = name.removesuffix("_" + channel).encode()
            return bytes([_NAMED | scale << 4 | code, len(prefix)]) + prefix
    return bytes([_NAMED | scale << 4, len(name)]) + name.encode()


def _put_rows(out: bytearray, rows: Rows, names: list[str], scales: list[int]) -> None:
    last = dict.fromkeys(names, 0)
    before = step = 0
    for i, (time_ms, values) in enumerate(rows):
        if i:
            put_varint(out, folded(time_ms - before - step))
            step = time_ms - before
        else:
            put_varint(out, time_ms)
        before = time_ms
        for name, scale in zip(names, scales, strict=True):
            value = values.get(name)
            if value is None or isnan(value):
                put_varint(out, ABSENT if value is None else NULL)
                if scale == DOUBLE:
                    put_varint(out, 0)
            elif scale == DOUBLE:
                high, low = struct.unpack(">II", struct.pack(">d", value))
                put_varint(out, VALUE + high)
                put_varint(out, low)
            else:
                number = round(value * 10**scale)
                put_varint(out, VALUE + folded(number - last[name]))
                last[name] = number
