"""Bytes to readings and back.

Contract of every codec:

- `decode` is pure and never partial: it returns every reading of the payload or raises DecodeError.
- DecodeError is the only exception that leaves it, whatever the bytes; its reason names the thing
  and the value in one line. At most `MAX_PAYLOAD` bytes are looked at; more is a DecodeError.
- Values come out in the unit the channel's name says; numbers are finite, or NaN where the device
  stated that it had none (``null``); NaN, Infinity and numbers beyond float are DecodeErrors.
- Instants are whole milliseconds since 1970, as the device gave them: whether they can be true is
  judged later, where there is a clock.
- `encode` of what was decoded decodes to the same again. In what order a reading names its channels
  says nothing, and a codec may change it the first time.
"""

from __future__ import annotations

from typing import Protocol

from kahriz.observations import Readings

MAX_PAYLOAD = 16 * 1024

CODECS: dict[str, str] = {
    "json_v1": "kahriz.codec.json_v1:JsonV1",
    "senml": "kahriz.codec.senml:SenML",
    "compact_v1": "kahriz.codec.compact:Compact",
}


class Codec(Protocol):
    """Bytes to readings and back; see the module for the contract."""

    def decode(self, payload: bytes) -> Readings:
        """Return what `payload` says; raise DecodeError (topic empty) if it says nothing valid."""
        ...

    def encode(self, readings: Readings) -> bytes:
        """Return the payload that says `readings`."""
        ...
