"""What a trouble of the water may act through, and how several act together.

Every sensor that looks at the water sees its own side of such a trouble, because each acts on the
water and not on what is measured: volumes go on balancing (`firmware_sim.hydrology.Water`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.trouble import Trouble


class WaterTrouble(Trouble):
    """A trouble of one kahriz's water, or of all that share a climate."""

    needs: ClassVar[str] = "kahriz"
    climate: str = ""
    """In place of `kahriz`: it befalls every kahriz of this climate."""

    @property
    def until_ms(self) -> int:
        """The first instant its after-effects are over, too."""
        return self.end_ms

    def sustained(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of the usual discharge that the ground's recharge sustains."""
        return np.ones(len(time_ms))

    def recharged(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of rain and snow that arrives."""
        return np.ones(len(time_ms))

    def flooded(self, time_ms: TimesMs) -> Floats:
        """Return what comes in from above, and on at once (n,), as a part of the discharge."""
        return np.zeros(len(time_ms))

    def captured(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of what the ground gives that reaches the gallery."""
        return np.ones(len(time_ms))

    def passing(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of the gallery's water that comes out; the rest stays behind."""
        return np.ones(len(time_ms))

    def raised_m(self, time_ms: TimesMs) -> Floats:
        """Return how much higher (n,) [m] the water stands in the shaft upstream."""
        return np.zeros(len(time_ms))

    def stirred_ntu(self, time_ms: TimesMs) -> Floats:
        """Return what it adds (n,) [NTU] to the turbidity."""
        return np.zeros(len(time_ms))

    def diverted(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Return the part (n,) of the outlet's water taken before the line; `local_ms` (n,)."""
        return np.zeros(len(time_ms))

    def demanded(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Return what it multiplies people's demand by (n,); `local_ms` (n,) is their clock."""
        return np.ones(len(time_ms))

    def lost(self, time_ms: TimesMs, local_ms: TimesMs) -> Floats:
        """Return what leaves the line on its way (n,), as a part of its usual flow."""
        return np.zeros(len(time_ms))


class Befalling:
    """The water troubles of one kahriz, together: parts multiply, what is added adds up.

    Parameters
    ----------
    troubles
        All of them, whenever they are.
    """

    def __init__(self, troubles: Sequence[WaterTrouble]) -> None:
        self._troubles = troubles
        self._acting: dict[str, tuple[WaterTrouble, ...]] = {}

    def product(self, hook: Callable[..., Floats], *times: TimesMs) -> Floats:
        """Return what all leave (n,) of 1 by `hook`, a method of `WaterTrouble`."""
        left = np.ones(len(times[0]))
        for is_acting, effect in self._effects(hook, times):
            left *= np.where(is_acting, effect, 1.0)
        return left

    def total(self, hook: Callable[..., Floats], *times: TimesMs) -> Floats:
        """Return what all add (n,) to nothing by `hook`, a method of `WaterTrouble`."""
        added = np.zeros(len(times[0]))
        for is_acting, effect in self._effects(hook, times):
            added += np.where(is_acting, effect, 0.0)
        return added

    def spans(self, hook: Callable[..., Floats]) -> list[tuple[int, int]]:
        """Return when something acts by `hook`: [start, until) in milliseconds."""
        return [(t.start_ms, t.until_ms) for t in self._by(hook)]

    def _effects(
        self, hook: Callable[..., Floats], times: Sequence[TimesMs]
    ) -> Iterator[tuple[NDArray[np.bool_], Floats]]:
        """Yield where each acts (n,), and what it does (n,): beyond its end that is not asked."""
        time_ms = times[0]
        if not len(time_ms) or not (acting := self._by(hook)):
            return
        first, last = int(time_ms.min()), int(time_ms.max())
        for trouble in acting:
            start_ms, until_ms = trouble.start_ms, trouble.until_ms
            if start_ms <= last and until_ms > first:
                effect: Any = getattr(trouble, hook.__name__)
                yield (time_ms >= start_ms) & (time_ms < until_ms), effect(*times)

    def _by(self, hook: Callable[..., Floats]) -> tuple[WaterTrouble, ...]:
        name = hook.__name__
        if name not in self._acting:
            self._acting[name] = tuple(
                t for t in self._troubles if getattr(type(t), name) is not hook
            )
        return self._acting[name]
