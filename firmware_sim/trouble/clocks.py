"""Troubles of a device's clock: its readings are right, and say that they are of another time.

The device's uptime, where its payloads tell it, is right nevertheless: it is another counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from firmware_sim.chance import TimesMs
from firmware_sim.hydrology import DAY_MS
from firmware_sim.trouble.devices import Boot, DeviceTrouble

_EPOCHS_MS = {1970: 0, 1980: 315_964_800_000, 2000: 946_684_800_000, 2004: 1_072_915_200_000}


class Clock1970(DeviceTrouble):
    """The clock's cell is empty: the device starts at the onset, and its clock with it.

    Until the network sets it right at the end, the clock counts from 1 January of the year
    `epoch` with each start (1980: 6 January, as GPS modules do).
    """

    epoch: Literal[1970, 1980, 2000, 2004] = 1970

    def boots(self, after_ms: int, until_ms: int) -> Sequence[Boot]:
        """Start at the onset."""
        return [Boot(self.start_ms)] if after_ms < self.start_ms <= until_ms else ()

    def change_clock(self, said_ms: TimesMs, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Count from the epoch."""
        since_ms = np.maximum(time_ms - booted_ms, 0)
        return np.where(self.is_on(time_ms), _EPOCHS_MS[self.epoch] + since_ms, said_ms)


class ClockDrift(DeviceTrouble):
    """The clock runs fast by `ppm` parts in a million, or slow; it is set right at the end."""

    ppm: float = Field(100.0, ge=-500_000, le=500_000)

    def change_clock(self, said_ms: TimesMs, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Add more and more."""
        off_ms = np.rint((time_ms - self.start_ms) * (self.ppm * 1e-6)).astype(np.int64)
        return np.where(self.is_on(time_ms), said_ms + off_ms, said_ms)


class ClockJump(DeviceTrouble):
    """The clock is suddenly `by_s` seconds ahead, or behind; it is set right at the end."""

    by_s: float = Field(3 * DAY_MS / 1000, ge=-3.2e9, le=3.2e9)

    def change_clock(self, said_ms: TimesMs, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Add the jump, but nothing before 1970: no clock says that."""
        jumped = np.maximum(said_ms + round(self.by_s * 1000), 0)
        return np.where(self.is_on(time_ms), jumped, said_ms)
