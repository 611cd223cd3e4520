"""What a device says of itself: that it is there, or by its last will that it is gone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from kahriz.errors import DecodeError

_SHOWN = 40
_FIRMWARE = re.compile(r"[ -~]{0,64}")


@dataclass(frozen=True, slots=True)
class Status:
    """A device's own word about itself, or its last will."""

    device: str
    status: str
    firmware: str | None


def decode_status(device: str, payload: bytes) -> Status:
    """Return what `device` says of itself; raise DecodeError where it is nothing we know."""
    try:
        said = json.loads(payload[:1024])
        status, firmware = said["status"], said.get("fw")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DecodeError(
            "", f"status is not {{'status': 'online' or 'offline'}}: got {payload[:_SHOWN]!r}"
        ) from error
    if status not in ("online", "offline"):
        raise DecodeError("", f"status {status!r} is neither 'online' nor 'offline'")
    if firmware is not None and not (isinstance(firmware, str) and _FIRMWARE.fullmatch(firmware)):
        raise DecodeError(
            "", f"fw {firmware!r} is not a string of at most 64 printable ASCII characters"
        )
    return Status(device, status, firmware)
