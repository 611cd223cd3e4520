"""ChirpStack v4's uplink event: who was heard, when, with which frame counter and which bytes.

ChirpStack publishes what its gateways hear as JSON, the protobuf mapping of `UplinkEvent`: names
in camel case, ``data`` in base64, ``time`` with up to nine digits of a second. Fields that have
their default may be missing (versions before 4.1 left them out): a frame counter that is not there
is 0. Everything else an event tells (gateways, radio, names) is not looked at.

This is no codec of `kahriz.codec.CODECS`: the device, its number and its payload stand beside one
another here, and what the payload means is a decoder's (`kahriz.codec.payload`).

Source: ChirpStack documentation, Integrations, Event types; api/proto/integration.proto.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from kahriz.codec.explain import check_text, explain_syntax, read_slowly, shown
from kahriz.errors import DecodeError

MAX_FRAME = 255
"""Bytes of a frame: no region of LoRaWAN lets a device send more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
_PLACE = re.compile(r"at `\$((?:\.\w+)+)`")
_URL_SAFE = str.maketrans("-_", "+/")
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[ -~]*\Z")]


@dataclass(frozen=True, slots=True)
class Uplink:
    """One frame that the network heard.

    Attributes
    ----------
    dev_eui
        The device, 16 hexadecimal digits in lower case.
    deduplication_id
        The same for every copy of one frame, whichever gateway heard it.
    f_cnt, f_port
        The frame's counter, and its port; 0 where the frame has no payload of the device's.
    time_ms
        When it was heard: by the clock of a gateway with GNSS, or else of the network server.
    data
        The bytes the device sent.
    object
        The JSON that ChirpStack's own decoder made of them; empty where there is none.
    """

    dev_eui: str
    deduplication_id: str
    f_cnt: int
    f_port: int
    time_ms: int
    data: bytes
    object: bytes


class _DeviceInfo(msgspec.Struct, rename="camel"):
    dev_eui: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{16}\Z")]


class _Event(msgspec.Struct, rename="camel"):
    deduplication_id: _Text
    device_info: _DeviceInfo
    time: _Text
    f_cnt: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    f_port: Annotated[int, msgspec.Meta(ge=0, lt=256)] = 0
    data: str = ""
    object: msgspec.Raw = msgspec.Raw(b"")


_DECODER = msgspec.json.Decoder(_Event)


def decode_uplink(payload: bytes) -> Uplink:
    """Return the uplink that `payload` tells of.

    Parameters
    ----------
    payload
        At most 16 KiB of UTF-8.

    Raises
    ------
    DecodeError
        Names the field and the value.
    """
    check_text(payload)
    try:
        event = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DecodeError("", _explain(payload, error)) from error
    raw = bytes(event.object).strip()
    return Uplink(
        dev_eui=event.device_info.dev_eui.lower(),
        deduplication_id=event.deduplication_id,
        f_cnt=event.f_cnt,
        f_port=event.f_port,
        time_ms=_instant(event.time),
        data=_bytes(event.data),
        object=b"" if raw == b"null" else raw,
    )


def _bytes(text: str) -> bytes:
    try:
        data = a2b_base64(text.translate(_URL_SAFE), strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise DecodeError("", f"data {shown(text)} is not base64: {error}") from error
    if len(data) > MAX_FRAME:
        raise DecodeError("", f"data of {len(data)} bytes, a frame has at most {MAX_FRAME}")
    return data


def _instant(text: str) -> int:
    """Return milliseconds since 1970; digits beyond are cut off, as a clock does."""
    found = _TIME.fullmatch(text)
    if found is not None:
        second, fraction, zone = found.groups()
        try:
            at = datetime.fromisoformat(second + ("+00:00" if zone == "Z" else zone)) - _EPOCH
        except ValueError:
            found = None
        else:
            time_ms = at // _SECOND * 1000 + int((fraction or "0").ljust(3, "0")[:3])
            if time_ms >= 0:
                return time_ms
    raise DecodeError("", f"time {shown(text)} is not an instant since 1970 with its zone")


def _explain(payload: bytes, error: Exception) -> str:
    try:
        said: Any = read_slowly(payload)
    except (ValueError, RecursionError) as syntax:
        return explain_syntax(payload, error if isinstance(syntax, ValueError) else syntax)
    message = str(error).replace("\n", " ")
    place = _PLACE.search(message)
    if place is None:
        return message
    for key in place[1][1:].split("."):
        said = said.get(key) if isinstance(said, dict) else None
    return f"{place[1][1:]} {shown(said)}: {message}"
