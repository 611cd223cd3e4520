"""How high the water stands in the shaft when so much leaves the outlet, learned from calm days.

The gallery between shaft and outlet is a weir and a channel: the level rises with a power of the
discharge, 0.4 behind a V-notch (Q ~ h^2.5), up to 1 where friction rules, near 0 where it widens.
The power that suits the days best is taken. Water that comes and goes moves along this curve; what
leaves it is a gallery that is blocked, or an instrument.

Limits: a gallery that was cleaned or deepened has another curve; it is learned anew when the change
is announced. Beyond the flows of the last 90 days the curve is a guess, and `doubt` says so.
"""

from __future__ import annotations

import math

import msgspec

from kahriz.detect.station.window import NAN, median

SPAN = 90
NEEDS = 10
_LEAST_SPREAD_M = 0.0008
_EXPONENT = 0.4
_OTHERS = (0.0, 0.2, 0.7, 1.0)
_BETTER = 0.8  # another power is taken where it leaves so much less


class Curve(msgspec.Struct):
    """Level [m] against flow, from the medians of calm days.

    Attributes
    ----------
    days, flow, levels
        By day its number, the median flow [ln L/s], the median level [m].
    exponent, slope, offset
        Of the line between level and ``(Q^exponent - 1) / exponent``; NaN before `NEEDS` days.
    spread
        How far a day is from the line, one standard deviation [m].
    """

    days: list[int] = []
    flow: list[float] = []
    levels: list[float] = []
    exponent: float = _EXPONENT
    slope: float = NAN
    offset: float = NAN
    spread: float = NAN
    centre: float = NAN
    width: float = NAN

    @property
    def is_known(self) -> bool:
        """Whether it was learned."""
        return self.slope == self.slope

    def learn(self, day: int, log_flow: float, level: float) -> None:
        """Take a calm day's medians (ln L/s, m), and draw the line again."""
        self.days.append(day)
        self.flow.append(log_flow)
        self.levels.append(level)
        old = 0
        while self.days[old] <= day - SPAN:
            old += 1
        if old:
            del self.days[:old], self.flow[:old], self.levels[:old]
        self._draw()

    def _draw(self) -> None:
        if len(self.days) < NEEDS:
            self.slope = self.offset = self.spread = NAN
            return
        best = _Line.through(self.flow, self.levels, _EXPONENT)
        for exponent in _OTHERS:
            other = _Line.through(self.flow, self.levels, exponent)
            if other.spread < _BETTER * best.spread:
                best = other
        self.exponent, self.slope, self.offset = best.exponent, best.slope, best.offset
        self.spread = best.spread
        power = [_power(flow, best.exponent) for flow in self.flow]
        self.centre = sum(power) / len(power)
        variance = sum((q - self.centre) ** 2 for q in power) / len(power)
        # As if the flow had moved by 1 % at least.
        self.width = max(math.sqrt(variance), 0.01 * math.exp(best.exponent * self.flow[-1]))

    def level(self, log_flow: float) -> float:
        """Return the level [m] that a flow explains."""
        return self.offset + self.slope * _power(log_flow, self.exponent)

    def off(self, log_flow: float, level: float) -> float:
        """Return how much higher [m] the level is than the curve says."""
        return level - self.level(log_flow)

    def doubt(self, log_flow: float) -> float:
        """Return how far [m] the curve itself may be off at a flow, one standard deviation."""
        far = (_power(log_flow, self.exponent) - self.centre) / self.width
        return self.spread * math.sqrt(1 + (1 + far * far) * 9 / len(self.days))

    def rise(self, log_flow: float) -> float:
        """Return by how much [m] the level rises per ln of flow, at a flow."""
        return self.slope * math.exp(self.exponent * log_flow)

    def forget(self) -> None:
        """Learn anew: it is another curve now."""
        self.days, self.flow, self.levels = [], [], []
        self._draw()


class _Line(msgspec.Struct):
    exponent: float
    slope: float
    offset: float
    spread: float

    @classmethod
    def through(cls, flow: list[float], level: list[float], exponent: float) -> _Line:
        """Draw the line of one power; what is far off does not turn it."""
        power = [_power(value, exponent) for value in flow]
        slope, offset = _line(power, level)
        for _ in range(2):
            # What is far off would turn the line; a median decides what is far.
            off = [abs(h - offset - slope * q) for q, h in zip(power, level, strict=True)]
            limit = 3 * max(1.4826 * median(off), _LEAST_SPREAD_M)
            kept = [i for i, far in enumerate(off) if far <= limit]
            slope, offset = _line([power[i] for i in kept], [level[i] for i in kept])
        off = [abs(h - offset - slope * q) for q, h in zip(power, level, strict=True)]
        return cls(exponent, slope, offset, max(1.4826 * median(off), _LEAST_SPREAD_M))


def _power(log_flow: float, exponent: float) -> float:
    return math.expm1(exponent * log_flow) / exponent if exponent else log_flow


def _line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Return slope >= 0 and offset of the least squares line."""
    n = len(x)
    mx, my = sum(x) / n, sum(y) / n
    # Flows that hardly differ tell nothing of the slope: draw it towards 0 then.
    sxx = sum((a - mx) ** 2 for a in x) + 1e-5 * n
    sxy = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    slope = max(sxy / sxx, 0.0)
    return slope, my - slope * mx
