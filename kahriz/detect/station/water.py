"""The water of one outlet and of the shaft above it: what leaves their usual days, and why."""

from __future__ import annotations

import msgspec

from kahriz.detect.station.channel import DAY, HOUR, Channel
from kahriz.detect.station.culprit import UNKNOWN, culprit
from kahriz.detect.station.curve import Curve
from kahriz.detect.station.losses import Losses
from kahriz.detect.station.rhythm import NEEDS_H, is_pumped
from kahriz.detect.station.season import Season
from kahriz.detect.station.verdict import (
    BLOCKAGE,
    DECLINE,
    DOUBT,
    FLOW,
    FLOW_MOVES_A_DAY,
    OVERABSTRACTION,
    STAGE,
    SURE_STAGE_M,
    SURGE,
    Scene,
    Side,
    follows,
    log_fall,
    verdict,
)
from kahriz.detect.station.window import NAN, Held, Window, median
from kahriz.sites import Detect

NEEDS_HOURS = 16
# What a day adds to the spread of what was usual: it is four times that which is no chance.
_FLOW_A_DAY, _STAGE_A_DAY = 0.008, 0.002
_LEAST_OFF_SPREAD_M = 0.0008
_YOUNG, _OLD = 0.01, 14.0  # days

# Steps a verdict has to hold before it is believed, and may be interrupted.
_HELD = {BLOCKAGE: 2, DECLINE: 3, SURGE: 2, FLOW: 8, DOUBT: 24, STAGE: 14}
_FORGIVEN = {FLOW: 3, DOUBT: 3, STAGE: 3}
_URGENT, _UNHURRIED = 6, 16
_LAG = 2  # the median of an hour is so much behind
_ENDS = {
    BLOCKAGE: HOUR,
    SURGE: 2 * HOUR,
    DECLINE: 9 * HOUR,
    OVERABSTRACTION: 30 * HOUR,
    FLOW: 4 * HOUR,
    STAGE: 4 * HOUR,
}
_SLOW_ENDS = 12 * HOUR
_SETTLES = {FLOW: 6 * HOUR, STAGE: 6 * HOUR}
_SETTLES_WATER = 8 * HOUR
_RELEASE = {
    BLOCKAGE: 45 * DAY,
    OVERABSTRACTION: 60 * DAY,
    FLOW: 40 * DAY,
    STAGE: 40 * DAY,
    DECLINE: 30 * DAY,
    SURGE: 21 * DAY,
}
_SLOW = tuple("slow " + name for name in (BLOCKAGE, FLOW, STAGE, UNKNOWN))

Usual = tuple[float, float]
_NONE: Usual = (NAN, NAN)


class Trouble(msgspec.Struct):
    """What is wrong with the water, or with one of the two instruments that speak of it.

    Attributes
    ----------
    kind
        `verdict.BLOCKAGE`, `DECLINE`, `OVERABSTRACTION`, `SURGE`; `FLOW` and `STAGE` are
        instruments.
    since, told_at
        When it began, and when it was believed.
    flow, stage, off
        (middle, spread) as they were before: while it lasts they are the measure.
    is_slow
        Whether the distance from the curve alone showed it.
    hours
        The flow's change by the hour, of the last two days of a decline [ln].
    """

    kind: str
    since: int
    told_at: int
    flow: Usual
    stage: Usual
    off: Usual
    is_slow: bool = False
    hours: list[float] = []

    @property
    def is_instrument(self) -> bool:
        """Whether the water is all right."""
        return self.kind in (FLOW, STAGE)


class Water(msgspec.Struct):
    """Outlet and shaft, and the trouble that is on.

    Attributes
    ----------
    off
        Distance from the curve, by the hour, over three calm days [m].
    half_day
        (step, distance, flow) of the last 12 hours.
    slow_off
        The median of these distances; NaN where it is not known.
    """

    flow: Channel = msgspec.field(default_factory=lambda: Channel(is_flow=True))
    stage: Channel = msgspec.field(default_factory=lambda: Channel(is_flow=False))
    curve: Curve = msgspec.field(default_factory=Curve)
    off: Window = msgspec.field(default_factory=lambda: Window(3 * DAY))
    half_day: list[tuple[int, float, float]] = []
    slow_off: float = NAN
    held: Held = msgspec.field(default_factory=Held)
    trouble: Trouble | None = None
    not_before: int = 0

    @property
    def is_calm(self) -> bool:
        """Whether what is measured now may be learned as usual."""
        return self.trouble is None and not self.held.is_any(BLOCKAGE, DECLINE, SURGE)

    @property
    def is_in_doubt(self) -> bool:
        """Whether one of the two instruments is under suspicion."""
        return self.held.is_any(STAGE, FLOW, DOUBT, *_SLOW)

    # ---- every step

    def scene(self, at: int, line: float, losses: Losses, doubt: float, least: Detect) -> Scene:
        """Return how everything stands at a step; `line` is the delivery now [ln L/s] or NaN."""
        flow, stage = self.flow.recent(at), self.stage.recent(at)
        usual_flow = self._usual(self.flow, FLOW)
        usual_stage = self._usual(self.stage, STAGE)
        stale = self._stale_days(at)
        change = Side(flow - usual_flow[0], usual_flow[1] + _FLOW_A_DAY * stale)
        level = Side(stage - usual_stage[0], usual_stage[1] + _STAGE_A_DAY * stale)
        off, rise = Side(), 0.0
        usual_off = self._usual_off()
        if change.is_known and level.is_known and self.curve.is_known:
            off = Side(
                self.curve.off(flow, stage) - usual_off[0], max(usual_off[1], _LEAST_OFF_SPREAD_M)
            )
            rise = self.curve.level(flow) - self.curve.level(usual_flow[0])
        loss = Side()
        usual_loss = losses.usual(at)
        if usual_loss is not None:
            loss = Side(flow - line - usual_loss[0], usual_loss[1])
        age = 0.0 if self.trouble is None else max((at - self.trouble.told_at) / DAY, _YOUNG)
        return Scene(change, level, off, rise, loss, age, doubt, least)

    def _stale_days(self, at: int) -> float:
        """Return how much older than usual the usual is, after a silence: water moves on."""
        seen = self.flow.usual.at or self.stage.usual.at
        if self.trouble is not None or not seen:
            return 0.0
        return max(0.0, (at - seen[len(seen) // 2]) / DAY - 2)

    def _usual(self, channel: Channel, name: str) -> Usual:
        if channel.fault:
            return _NONE
        trouble = self.trouble
        if trouble is not None:
            frozen = trouble.flow if name == FLOW else trouble.stage
            is_sane = trouble.is_instrument and trouble.kind != name
            if frozen[0] == frozen[0] and not is_sane:
                return frozen
        return _usual_of(channel.usual)

    def _usual_off(self) -> Usual:
        return _usual_of(self.off) if self.trouble is None else self.trouble.off

    def look(self, at: int, scene: Scene) -> None:
        """Judge a step with new readings."""
        kind = verdict(scene)
        if self.trouble is not None:
            self._go_on(at, kind, scene, self.trouble)
            return
        if at < self.not_before:
            return
        for name, needed in _HELD.items():
            if self.held.has(name, kind == name, at, needed, _FORGIVEN.get(name, 2)):
                self._begin(at, FLOW if name == DOUBT else name, self.held.start(name, at) - _LAG)
                return

    def _go_on(self, at: int, kind: str, scene: Scene, trouble: Trouble) -> None:
        if trouble.is_slow and kind not in (BLOCKAGE, DECLINE, SURGE):
            return
        if kind == STAGE and trouble.kind == BLOCKAGE and _is_still_short(scene):
            kind = BLOCKAGE
        if trouble.kind == STAGE and kind in ("", DOUBT) and _falls_alone(scene):
            kind = DECLINE  # whatever a level says that was not believed before
        if kind in (STAGE, DOUBT) and not trouble.is_instrument:
            kind = ""  # the flow is back; that the level is not yet is no news
        if kind == DECLINE and trouble.kind == OVERABSTRACTION:
            kind = trouble.kind  # the hours at which it pumps
        if kind not in ("", DOUBT, trouble.kind) and _is_clear(trouble, kind, scene):
            is_urgent = trouble.is_instrument and kind not in (FLOW, STAGE)
            needed = _URGENT if is_urgent else _UNHURRIED
            if self.held.has("to " + kind, True, at, needed):
                trouble.kind, trouble.told_at, trouble.is_slow = kind, at, False
                self.held.drop()
                return
        if trouble.is_slow:
            return
        # What is silent has not come back.
        judged = scene.stage if trouble.kind == STAGE else scene.flow
        is_over = not kind and judged.is_known
        if self.held.has("end", is_over, at, _ENDS[trouble.kind], 3):
            # Or have we only got used to it: the limits have grown meanwhile.
            is_back = scene.age < _OLD or not verdict(scene._replace(age=_YOUNG))
            (self._end if is_back else self._release)(at, trouble)
        elif at - trouble.told_at > _RELEASE[trouble.kind]:
            self._release(at, trouble)

    def _begin(self, at: int, kind: str, since: int, *, is_slow: bool = False) -> None:
        off = (0.0, self.curve.spread) if is_slow else _usual_of(self.off)
        flow, stage = _usual_of(self.flow.usual), _usual_of(self.stage.usual)
        self.trouble = Trouble(kind, since, at, flow, stage, off, is_slow)
        self.held.drop()

    def _end(self, at: int, trouble: Trouble) -> None:
        self.trouble = None
        self.held.drop()
        self.off.clear()
        self.half_day = []
        self.slow_off = NAN
        for channel in (self.flow, self.stage):
            channel.usual.clear()
        self.not_before = at + _SETTLES.get(trouble.kind, _SETTLES_WATER)

    def _release(self, at: int, trouble: Trouble) -> None:
        """Take what has lasted so long as the new normal."""
        self._end(at, trouble)
        self.curve.forget()

    def start_anew(self, at: int) -> None:
        """Take what is measured from now on as normal: somebody worked here."""
        if self.trouble is not None:
            self._end(at, self.trouble)
        self.off.clear()
        self.half_day, self.slow_off = [], NAN
        self.curve.forget()
        for channel in (self.flow, self.stage):
            channel.usual.clear()

    # ---- every hour

    def close_hour(
        self, at: int, flow: float, stage: float, losses: Losses, season: Season, least: Detect
    ) -> None:
        """Take the medians of an hour (ln L/s, m; NaN: not known)."""
        trouble = self.trouble
        if self.is_calm:
            _learn(self.flow, at, flow)
            _learn(self.stage, at, stage)
        elif trouble is not None and trouble.is_instrument:
            sane, value = (self.stage, stage) if trouble.kind == FLOW else (self.flow, flow)
            _learn(sane, at, value)
        if trouble is not None and trouble.kind in (DECLINE, OVERABSTRACTION):
            trouble.hours.append(flow - trouble.flow[0])
            del trouble.hours[:-NEEDS_H]
            if trouble.kind == DECLINE and is_pumped(trouble.hours):
                trouble.kind = OVERABSTRACTION
                self.held.drop()
        if flow == flow and stage == stage and self.curve.is_known:
            self._off_the_curve(at, flow, stage, losses, season, least)

    def _off_the_curve(
        self,
        at: int,
        flow: float,
        stage: float,
        losses: Losses,
        season: Season,
        least: Detect,
    ) -> None:
        off = self.curve.off(flow, stage)
        if self.is_calm:
            self.off.add(at, off)
        self.half_day.append((at, off, flow))
        while at - self.half_day[0][0] >= 12 * HOUR:
            del self.half_day[0]
        if len(self.half_day) < 7:
            self.slow_off = NAN
            return
        self.slow_off = median([entry[1] for entry in self.half_day])
        usual = median([entry[2] for entry in self.half_day])
        limit = max(least.off_curve_m, 5 * self.curve.doubt(usual))
        if self.trouble is None:
            self._suspect(at, usual, limit, losses, season)
        else:
            self._reconsider(at, usual, limit, self.trouble, losses, season, least)

    def _slow_level(self, flow: float) -> float:
        return self.slow_off + self.curve.level(flow)

    def _suspect(self, at: int, flow: float, limit: float, losses: Losses, season: Season) -> None:
        """Find a slow trouble: what has been off the curve for long, whoever it is."""
        if abs(self.slow_off) <= limit or at < self.not_before:
            for name in _SLOW:
                self.held.has(name, False, at, 1, HOUR)
            return
        kind, needed = culprit(
            self.slow_off, self.curve.rise(flow), flow, self._slow_level(flow), losses, season
        )
        name = "slow " + kind
        if self.held.has(name, True, at, needed, HOUR):
            since = self.held.start(name, at) - 6 * HOUR
            self._begin(at, STAGE if kind == UNKNOWN else kind, since, is_slow=True)

    def _reconsider(
        self,
        at: int,
        flow: float,
        limit: float,
        trouble: Trouble,
        losses: Losses,
        season: Season,
        least: Detect,
    ) -> None:
        # What jumped is an instrument, unless the flow has fallen since by as much as matters.
        is_likely = trouble.is_slow or not flow - trouble.flow[0] > -log_fall(least.fall)
        if trouble.kind == STAGE and self.slow_off > limit and is_likely:
            kind, needed = culprit(
                self.slow_off, self.curve.rise(flow), flow, self._slow_level(flow), losses, season
            )
            if self.held.has("slow to blockage", kind == BLOCKAGE, at, needed, HOUR):
                trouble.kind, trouble.told_at, trouble.is_slow = BLOCKAGE, at, True
                trouble.off = (0.0, self.curve.spread)
                self.held.drop()
                return
        if not trouble.is_slow:
            return
        is_back = abs(self.slow_off) < 0.6 * limit
        if self.held.has("slow end", is_back, at, _SLOW_ENDS):
            self._end(at, trouble)
        elif at - trouble.told_at > _RELEASE[trouble.kind]:
            self._release(at, trouble)


def _usual_of(window: Window) -> Usual:
    return (window.middle, window.spread) if len(window) >= NEEDS_HOURS else _NONE


def _learn(channel: Channel, at: int, value: float) -> None:
    if value == value:
        channel.usual.add(at, value)


def _is_clear(trouble: Trouble, kind: str, scene: Scene) -> bool:
    """Return whether `kind` is said clearly enough to change what was told."""
    if trouble.kind != FLOW or kind in (FLOW, STAGE):
        return True
    if not scene.stage.is_known:
        return bool(follows(scene))  # that nobody contradicts it any more clears no outlet
    moved = abs(scene.stage.change)
    least = max(scene.least.level_m, 4 * scene.stage.spread) if follows(scene) else SURE_STAGE_M
    return moved > least


def _falls_alone(scene: Scene) -> bool:
    """Return whether so much less comes as is believed of an outlet without a shaft."""
    fall = max(log_fall(scene.least.lone_fall), 5 * scene.flow.spread, scene.doubt)
    return scene.flow.change < -fall - FLOW_MOVES_A_DAY * scene.age


def _is_still_short(scene: Scene) -> bool:
    """Return whether as little comes as matters, under a level that is too high for it."""
    return scene.off.change > 0 and scene.flow.change < -log_fall(scene.least.fall)
