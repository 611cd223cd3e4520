"""The native payload: one reading, or a device's backlog, as one JSON object.

::

    {"boot": 7, "seq": 41, "r": [[1763800000000, {"stage_m": 0.127, "battery_v": 12.6}]]}

``boot`` counts the device's starts, ``seq`` its readings (that of the first one here), ``r`` holds
the readings: instant in milliseconds since 1970, then each channel's number or ``null``. May be
given too: ``uptime_ms``, ``battery_v`` (belongs to the last reading), ``fw``, ``oldest`` (the
oldest seq still held). Other keys are ignored, so that newer firmware can talk to an older service.

The whole contract with examples: docs/wire-format.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, repeat
from math import nan
from operator import itemgetter
from typing import Annotated

import msgspec

from kahriz.codec import MAX_PAYLOAD
from kahriz.codec.explain import check_text, explain_json_v1
from kahriz.errors import DecodeError
from kahriz.observations import Readings

MAX_CHANNELS = 64
"""Channels in one reading: a device has a handful, thousands are an attack or a fault."""

U32_MAX = 2**32 - 1
_U32 = Annotated[int, msgspec.Meta(ge=0, le=U32_MAX)]
_MS = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
_CHANNEL = re.compile(r"[a-z0-9_]{1,64}")
_NAMES_KEPT = 1024
BATTERY = "battery_v"
_Columns = tuple[list[int], list[int], list[str], list[float | None]]


class Payload(msgspec.Struct, gc=False, omit_defaults=True):
    """The object as it is typed; `JsonV1` judges the rest."""

    boot: _U32
    seq: _U32
    r: Annotated[list[tuple[_MS, dict[str, float | None]]], msgspec.Meta(min_length=1)]
    uptime_ms: _MS | None = None
    battery_v: float | None = None
    fw: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[ -~]*\Z")] | None = None
    oldest: _U32 | None = None


class JsonV1:
    """The native payload to readings and back; see the module for its form.

    Of a key given twice the last one counts. A reading's own ``battery_v`` goes before the
    payload's. A number too small for a float becomes 0, one too large is a DecodeError.
    """

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(Payload)
        self._encoder = msgspec.json.Encoder()
        # Names seen to be well formed: a device repeats the same few for years.
        self._names: set[str] = set()
        self._typed = self._decoder.decode

    def decode(self, payload: bytes) -> Readings:
        """Return what `payload` says; raise DecodeError naming the key, the channel and the value.

        Parameters
        ----------
        payload
            At most 16 KiB of UTF-8.
        """
        check_text(payload)
        try:
            said = self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise DecodeError("", explain_json_v1(payload, error)) from error
        if said.battery_v is not None:
            said.r[-1][1].setdefault(BATTERY, said.battery_v)
        if said.seq + len(said.r) - 1 > U32_MAX:
            raise DecodeError("", f"seq {said.seq} with {len(said.r)} readings runs over 2**32")
        return self._columns(said)

    def typed_many(self, payloads: Sequence[bytes]) -> list[Payload]:
        """Return `payloads` typed and not judged further; msgspec's errors come out."""
        return list(map(self._typed, payloads))

    def knows(self, channels: Iterable[str]) -> bool:
        """Return whether all of `channels` were seen and well formed, or are it now."""
        if self._names.issuperset(channels):
            return True
        try:
            self._check_names(channels)
        except DecodeError:
            return False
        return True

    def encode(self, readings: Readings) -> bytes:
        """Return the payload that says `readings`.

        Raises
        ------
        ValueError
            No boot or seq, or more than one payload can hold.
        """
        if readings.boot is None or readings.first_seq is None:
            raise ValueError("json_v1 needs boot and first_seq")
        payload = self._encoder.encode(
            Payload(
                boot=readings.boot,
                seq=readings.first_seq,
                r=_by_reading(readings),
                uptime_ms=readings.uptime_ms,
                fw=readings.firmware,
                oldest=readings.oldest_seq,
            )
        )
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"{len(payload)} bytes are more than the {MAX_PAYLOAD} of a payload")
        return payload

    def _columns(self, said: Payload) -> Readings:
        if len(said.r) == 1:
            row, time_ms, channel, value = _one_reading(*said.r[0])
        else:
            row, time_ms, channel, value = _many_readings(said.r)
        if not self._names.issuperset(channel):
            self._check_names(channel)
        # By position: ten names cost more than the object itself, once for every message.
        return Readings(
            len(said.r),
            row,
            time_ms,
            channel,
            [nan if v is None else v for v in value] if None in value else value,  # type: ignore[arg-type]
            said.boot,
            said.seq,
            said.oldest,
            said.uptime_ms,
            said.fw,
        )

    def _check_names(self, channels: Iterable[str]) -> None:
        for name in channels:
            if not _CHANNEL.fullmatch(name):
                raise DecodeError(
                    "", f"channel {name[:24]!r}: expected at most 64 of a-z, 0-9 and _"
                )
            if len(self._names) < _NAMES_KEPT:
                self._names.add(name)


def _one_reading(instant: int, values: dict[str, float | None]) -> _Columns:
    n = len(values)
    _check_size(0, n)
    return [0] * n, [instant] * n, list(values), list(values.values())


def _many_readings(readings: list[tuple[int, dict[str, float | None]]]) -> _Columns:
    row: list[int] = []
    time_ms: list[int] = []
    channel: list[str] = []
    value: list[float | None] = []
    for i, (instant, values) in enumerate(readings):
        n = len(values)
        _check_size(i, n)
        row.extend(repeat(i, n))
        time_ms.extend(repeat(instant, n))
        channel.extend(values)
        value.extend(values.values())
    return row, time_ms, channel, value


def _check_size(reading: int, n: int) -> None:
    if not 0 < n <= MAX_CHANNELS:
        raise DecodeError("", f"reading {reading}: {n} channels, expected 1 to {MAX_CHANNELS}")


def _by_reading(readings: Readings) -> list[tuple[int, dict[str, float | None]]]:
    values = zip(readings.row, readings.time_ms, readings.channel, readings.value, strict=True)
    found: list[tuple[int, dict[str, float | None]]] = []
    for _, group in groupby(values, key=itemgetter(0)):
        part = list(group)
        # A NaN is written as null by the encoder.
        found.append((part[0][1], {name: value for _, _, name, value in part}))
    if len(found) != readings.n_rows:
        raise ValueError(f"{readings.n_rows} readings, but values of {len(found)}")
    return found
