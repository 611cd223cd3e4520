"""What a LoRaWAN frame carries to readings: one decoder for each kind of device.

A frame has no room for names and often none for a time, so what its bytes mean is the device's
own affair; which decoder a device needs, sites.toml says. Contract of every decoder:

- `decode` is pure and never partial, as that of a codec: every value, or DecodeError and nothing
  else, whatever the bytes.
- `reads` says what it is given: ``data``, the bytes the device sent, or ``object``, the JSON that
  ChirpStack's own decoder made of them.
- `time_ms` is when the network heard the frame: the instant of values that come without one.
- A device that counts its own boots and readings gives both. Where `boot` is None there is one
  reading, and the frame counter is its number.
- Names of values are the device's own; sites.toml may say which channel each is.
"""

from __future__ import annotations

from typing import Literal, Protocol

from kahriz.observations import Readings

PAYLOAD_DECODERS: dict[str, str] = {
    "compact_v1": "kahriz.codec.payload.compact:CompactPayload",
    "cayenne_lpp": "kahriz.codec.payload.cayenne_lpp:CayenneLPP",
    "object": "kahriz.codec.payload.chirpstack_object:ChirpStackObject",
}

DEFAULT = "object"
"""What a device is read by that sites.toml says nothing of."""


class PayloadDecoder(Protocol):
    """A frame's payload to readings; see the module for the contract."""

    reads: Literal["data", "object"]

    def decode(self, f_port: int, data: bytes, time_ms: int) -> Readings:
        """Return what `data` says; raise DecodeError (topic empty) if it says nothing valid.

        Parameters
        ----------
        f_port
            The frame's port, 1 to 255: some devices tell kinds of frames apart by it.
        data
            At most 255 bytes of the frame, or 16 KiB of the JSON object; not empty.
        time_ms
            When the network heard it.
        """
        ...
