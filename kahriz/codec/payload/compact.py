"""compact_v1 in a LoRaWAN frame: the device's own clock, boots and numbers, on any port."""

from __future__ import annotations

from typing import Literal

from kahriz.codec.compact import Compact
from kahriz.observations import Readings


class CompactPayload:
    """The same bytes as on `up`; a device gets the time by the network's DeviceTimeAns."""

    reads: Literal["data", "object"] = "data"

    def __init__(self) -> None:
        self._codec = Compact()

    def decode(self, f_port: int, data: bytes, time_ms: int) -> Readings:
        """Return what `data` says; its own times, not `time_ms`."""
        return self._codec.decode(data)
