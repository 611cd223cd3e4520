"""Troubles of a whole device: nothing arrives, which says nothing about the water."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from firmware_sim.chance import TimesMs
from firmware_sim.trouble import Trouble


class Silent(Trouble):
    """The device has no power: it measures nothing, a gap remains; afterwards it boots anew."""

    needs: ClassVar[str] = "device"

    def is_powered(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Off while it lasts."""
        return np.asarray(~self.is_on(time_ms))


class NoSignal(Trouble):
    """The device measures on but reaches no broker: afterwards it delivers a backlog."""

    needs: ClassVar[str] = "device"

    def has_signal(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Out of reach while it lasts."""
        return np.asarray(~self.is_on(time_ms))
