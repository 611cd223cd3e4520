"""One outlet and the instruments around it, judged a quarter of an hour at a time."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from kahriz.detect.station.channel import DAY, HOUR, Channel
from kahriz.detect.station.losses import Losses
from kahriz.detect.station.season import Season
from kahriz.detect.station.verdict import FLOW, STAGE, log_fall
from kahriz.detect.station.water import Water
from kahriz.detect.station.window import NAN, Window, median
from kahriz.sites import Detect

_DAY_NEEDS = 12  # hours
_OFF_LEARNS, _OFF_NEEDS = 15, 5  # days
_DEFAULT = Detect()


class Tick(NamedTuple):
    """What was measured in a quarter of an hour: NaN nothing, `channel.IMPOSSIBLE` what cannot be.

    ``at`` counts quarters of an hour since 1970 in the place's own time; flows in L/s, level in m.
    """

    at: int
    flow: float = NAN
    stage: float = NAN
    line: float = NAN


class Station(msgspec.Struct):
    """All that is remembered of one outlet; `step` judges.

    Any of the three quantities may never be measured: what cannot be told then is in
    docs/detectors.md.

    Attributes
    ----------
    off
        How far the level was from the curve on days without a loss [m], over as many days as the
        usual loss is learned from.
    """

    water: Water = msgspec.field(default_factory=Water)
    line: Channel = msgspec.field(default_factory=lambda: Channel(is_flow=True))
    losses: Losses = msgspec.field(default_factory=Losses)
    season: Season = msgspec.field(default_factory=Season)
    day: list[tuple[float, float, float]] = []
    off: Window = msgspec.field(default_factory=lambda: Window(_OFF_LEARNS))

    def step(
        self,
        tick: Tick,
        least: Detect = _DEFAULT,
        doubt: float = 0.0,
        *,
        is_losing: bool = False,
    ) -> None:
        """Take a step later than all before.

        Parameters
        ----------
        tick
            The quarter of an hour that ended.
        least
            Which changes matter.
        doubt
            What the outlet's rating cannot tell [ln of flow], coverage factor included.
        is_losing
            Whether the line's own nights tell of a loss: nothing is learned of the way meanwhile.
        """
        at, water = tick.at, self.water
        channels = (water.flow, water.stage, self.line)
        values = (tick.flow, tick.stage, tick.line)
        # A list: every channel has to take its value, whatever the first one says.
        is_fresh = [c.take(at, value) for c, value in zip(channels, values, strict=True)]
        for channel in channels:
            channel.judge(at)
        if is_fresh[0] or is_fresh[1]:
            line = NAN if self.line.fault else self.line.recent(at)
            water.look(at, water.scene(at, line, self.losses, doubt, least))
        if at % HOUR == HOUR - 1:
            self._close_hour(at, least, is_losing=is_losing)

    def _close_hour(self, at: int, least: Detect, *, is_losing: bool) -> None:
        water = self.water
        flow, stage, line = (c.close_hour() for c in (water.flow, water.stage, self.line))
        water.close_hour(at, flow, stage, self.losses, self.season, least)
        is_right = self._is_outlet_right() and at >= water.not_before
        least_loss = log_fall(least.loss)
        is_calm = water.trouble is None and not is_losing
        is_flow_wrong = water.trouble is not None and water.trouble.kind == FLOW
        if (is_flow_wrong or at < water.not_before) and not self.losses.is_leaking:
            self.losses.recent = []  # what a wrong meter made of them is no loss once it is right
        self.losses.close_hour(at, flow, line, least_loss, is_right=is_right, is_calm=is_calm)
        if flow == flow:
            self.day.append((flow, stage, line))
        if at // HOUR % 24 == 23:
            self._close_day(at // DAY, least, is_losing=is_losing)

    def _is_outlet_right(self) -> bool:
        """Return whether a loss is to be believed: the curve does not blame the outlet for it.

        A meter that says more than comes leaves the curve as the loss grows; a curve that has not
        suited for weeks, after silting say, has no word in it.
        """
        water = self.water
        if water.trouble is not None:
            return False
        off, usual = water.slow_off, water.flow.usual.middle
        if off != off or usual != usual or not water.curve.is_known:
            return True
        if len(self.off) >= _OFF_NEEDS:
            off -= self.off.middle
        blamed = 0.45 * water.curve.rise(usual) * self.losses.loss
        chance = min(0.006, 3 * water.curve.doubt(usual))
        return abs(off) < max(blamed, chance) or blamed != blamed

    def _close_day(self, day: int, least: Detect, *, is_losing: bool) -> None:
        hours, self.day = self.day, []
        trouble = self.water.trouble
        if len(hours) < _DAY_NEEDS or not (trouble is None or trouble.kind == STAGE):
            return
        flow = median([hour[0] for hour in hours])
        lines = [hour[2] for hour in hours if hour[2] == hour[2]]
        is_tight = not (self.losses.is_leaking or is_losing)
        if len(lines) >= _DAY_NEEDS and trouble is None and is_tight:
            self.losses.close_day(day, flow, median(lines))
            if self.water.slow_off == self.water.slow_off and not self.losses.held.is_any("leak"):
                self.off.add(day, self.water.slow_off)
        levels = [hour[1] for hour in hours if hour[1] == hour[1]]
        is_level_known = len(levels) >= _DAY_NEEDS // 2 and trouble is None
        level = median(levels) if is_level_known else NAN
        self.season.close_day(day, flow, level, log_fall(least.drought))
        if level == level and not self.water.is_in_doubt:
            self.water.curve.learn(day, flow, level)

    def start_anew(self, at: int) -> None:
        """Take what is measured from now on as normal: the place was worked at."""
        self.water.start_anew(at)
        self.losses.forget()
        self.off.clear()
        self.season.forget()
        self.day = []
