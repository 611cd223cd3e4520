"""What goes wrong: events with an onset, a severity, a duration, and the truth about them.

Contract of every trouble:

- A frozen pydantic model in one file of this folder, its kind in `TROUBLES`; its fields are the
  keys a scenario may give.
- `at_h` counts from the scenario's live start; negative lies in the history.
- Each hook is a pure function of the arrays it is handed and of time; a trouble overrides the ones
  it acts through and leaves the others alone. Outside [start, end) and its stated after-effects it
  changes nothing.
- Several troubles may overlap: they act together, or one after the other in the scenario's order.
- What must not alarm is a trouble, too, to the simulator: `is_natural`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from firmware_sim.chance import Floats, TimesMs, key, uniform
from firmware_sim.hydrology import HOUR_MS

TROUBLES: dict[str, str] = {
    "blockage": "firmware_sim.trouble.gallery:Blockage",
    "gradual_blockage": "firmware_sim.trouble.gallery:GradualBlockage",
    "silting": "firmware_sim.trouble.gallery:Silting",
    "debris": "firmware_sim.trouble.gallery:Debris",
    "surge": "firmware_sim.trouble.ground:Surge",
    "drought": "firmware_sim.trouble.ground:Drought",
    "decline": "firmware_sim.trouble.ground:Decline",
    "overabstraction": "firmware_sim.trouble.ground:Overabstraction",
    "natural_flood": "firmware_sim.trouble.ground:NaturalFlood",
    "natural_low": "firmware_sim.trouble.ground:NaturalLow",
    "leak": "firmware_sim.trouble.village:Leak",
    "illegal_tap": "firmware_sim.trouble.village:IllegalTap",
    "over_use": "firmware_sim.trouble.village:OverUse",
    "turn_violation": "firmware_sim.trouble.village:TurnViolation",
    "spike": "firmware_sim.trouble.sensors:Spike",
    "flat_line": "firmware_sim.trouble.sensors:FlatLine",
    "drift": "firmware_sim.trouble.sensors:Drift",
    "noise": "firmware_sim.trouble.sensors:Noise",
    "fouling": "firmware_sim.trouble.sensors:Fouling",
    "offset": "firmware_sim.trouble.sensors:Offset",
    "ice": "firmware_sim.trouble.sensors:Ice",
    "out_of_range": "firmware_sim.trouble.sensors:OutOfRange",
    "battery_sag": "firmware_sim.trouble.sensors:BatterySag",
    "gap": "firmware_sim.trouble.devices:Gap",
    "silent": "firmware_sim.trouble.devices:Silent",
    "no_signal": "firmware_sim.trouble.devices:NoSignal",
    "backlog": "firmware_sim.trouble.devices:Backlog",
    "reboot": "firmware_sim.trouble.devices:Reboot",
    "no_sun": "firmware_sim.trouble.devices:NoSun",
    "clock_1970": "firmware_sim.trouble.clocks:Clock1970",
    "clock_drift": "firmware_sim.trouble.clocks:ClockDrift",
    "clock_jump": "firmware_sim.trouble.clocks:ClockJump",
    "duplicates": "firmware_sim.trouble.devices:Duplicates",
    "reordering": "firmware_sim.trouble.devices:Reordering",
    "clone": "firmware_sim.trouble.devices:Clone",
}

Measure = Callable[[TimesMs], Floats]
"""What the sensor would say (n,) at other instants (n,)."""


class Trouble(BaseModel):
    """One event at one kahriz, device or channel; see the module for the contract."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    needs: ClassVar[str] = "kahriz"
    """What it happens to: ``kahriz``, ``device`` or ``channel`` (of a device)."""
    is_natural: ClassVar[bool] = False
    """Whether nobody is to be told of it."""

    kind: str
    kahriz: str = ""
    device: str = ""
    channel: str = ""
    at_h: float
    """Onset, hours of pretended time after the live start."""
    duration_h: float = Field(gt=0)
    severity: float = Field(1.0, gt=0)
    live_start_ms: int = 0
    """Set when the scenario starts; not a key of the file."""

    @property
    def start_ms(self) -> int:
        """Its onset."""
        return self.live_start_ms + round(self.at_h * HOUR_MS)

    @property
    def end_ms(self) -> int:
        """The first instant it is over."""
        return self.start_ms + round(self.duration_h * HOUR_MS)

    @property
    def peak_ms(self) -> int:
        """The first instant at which it is as bad as it gets."""
        return self.start_ms

    def is_on(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether it lasts at each instant (n,)."""
        return np.asarray((time_ms >= self.start_ms) & (time_ms < self.end_ms))

    def part(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of its duration that has passed: 0 before, 1 after."""
        since = (time_ms - self.start_ms) / (self.end_ms - self.start_ms)
        return np.clip(since, 0.0, 1.0)

    def hours_since_start(self, time_ms: TimesMs) -> Floats:
        """Return hours (n,) since its onset, 0 before."""
        return np.maximum(time_ms - self.start_ms, 0) / HOUR_MS

    def hours_since_end(self, time_ms: TimesMs) -> Floats:
        """Return hours (n,) since its end, 0 before."""
        return np.maximum(time_ms - self.end_ms, 0) / HOUR_MS

    def luck(self) -> float:
        """Return a chance in (0, 1) that is its own, for what a scenario does not say."""
        of = key(0, self.kind, self.kahriz, self.device, self.channel)
        return float(uniform(of, np.array([round(self.at_h * HOUR_MS)], np.int64))[0])

    def change_values(self, values: Floats, time_ms: TimesMs, measure: Measure) -> Floats:
        """Return what the troubled sensor says (n,) instead of `values` (n,)."""
        return values
