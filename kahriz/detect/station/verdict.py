"""What a departure is: the other instruments decide, not its size."""

from __future__ import annotations

import math
from typing import NamedTuple

from kahriz.detect.station.window import NAN
from kahriz.sites import Detect

BLOCKAGE = "blockage"
DECLINE = "decline"
OVERABSTRACTION = "overabstraction"
SURGE = "surge"
FLOW = "flow"
STAGE = "stage"
DOUBT = "doubt"
"""The outlet's flow alone has moved: most likely its instrument."""

SURE_STAGE_M = 0.05
_RISE_STAGE_M = 0.02
_LEAST_OFF_M = 0.005

_FOLLOWS = 0.4
_STAYS = 0.6
_CLEAR = 0.35
# What is normal moves on while a trouble lasts: by day [ln, m, m].
FLOW_MOVES_A_DAY, _STAGE_A_DAY, _OFF_A_DAY = 0.012, 0.003, 0.0004


class Side(NamedTuple):
    """One quantity against what is expected, in the scale judged; NaN where not known."""

    change: float = NAN
    spread: float = NAN

    @property
    def is_known(self) -> bool:
        """Whether there is anything to judge."""
        return self.change == self.change

    def beyond(self, limit: float) -> int:
        """Return -1 below `limit`, 1 above, 0 within or not known."""
        return 1 if self.change > limit else -1 if self.change < -limit else 0


class Scene(NamedTuple):
    """All that is known at a step.

    Attributes
    ----------
    flow, stage
        Change of outlet [ln] and shaft [m] against the last days.
    off
        Change of the level's distance from the curve [m].
    rise
        What the level should have risen, the flow being right [m].
    loss
        Loss on the way to the village beyond the usual at this hour [ln].
    age
        Days since the trouble that is on began; 0: none is.
    doubt
        What the rating of the outlet cannot tell anyway [ln].
    least
        Which changes matter.
    """

    flow: Side
    stage: Side
    off: Side
    rise: float
    loss: Side
    age: float
    doubt: float = 0.0
    least: Detect = Detect()


def log_fall(part: float) -> float:
    """Return a lost part in (0, 1) as a change of the logarithm, without its sign."""
    return -math.log1p(-part)


def follows(scene: Scene) -> bool | None:
    """Return whether the village got as much less as the outlet gave; None: not clear."""
    if not scene.flow.is_known or not scene.loss.is_known:
        return None
    if scene.loss.spread >= _CLEAR * abs(scene.flow.change):
        return None
    share = scene.loss.change / scene.flow.change
    return True if share < _FOLLOWS else False if share > _STAYS else None


def verdict(scene: Scene) -> str:
    """Return what the departure is; nothing where there is none, or it cannot be said."""
    follow = follows(scene)
    if not scene.flow.is_known:
        return _level_alone(scene) if scene.stage.is_known else ""
    joint = (
        max(log_fall(scene.least.fall), 4 * scene.flow.spread, scene.doubt)
        + FLOW_MOVES_A_DAY * scene.age
    )
    if not scene.stage.is_known:
        return _blind(scene, follow, joint)
    deep = max(scene.least.level_m, 4 * scene.stage.spread) + _STAGE_A_DAY * scene.age
    if scene.off.is_known:
        return _by_curve(scene, follow, joint, deep)
    return _by_both(scene, follow, joint, deep)


def off_limit(scene: Scene) -> float:
    """Return which distance from the curve [m] is beyond chance."""
    instrument = 0.2 * abs(scene.rise)
    return max(_LEAST_OFF_M, 4.5 * scene.off.spread) + instrument + _OFF_A_DAY * scene.age


def _surges(scene: Scene) -> bool:
    flow, stage = scene.flow, scene.stage
    rise = math.log1p(scene.least.rise)
    return flow.change > max(rise, 5 * flow.spread, scene.doubt) and (
        stage.change > max(_RISE_STAGE_M, 4 * stage.spread)
    )


def _is_sure(scene: Scene) -> bool:
    """Return whether the shaft moved so much that it is believed against the line."""
    return abs(scene.stage.change) > SURE_STAGE_M


def _by_curve(scene: Scene, follow: bool | None, joint: float, deep: float) -> str:
    if _surges(scene) and (follow is not False or _is_sure(scene)):
        return SURGE
    limit = off_limit(scene)
    off, moved = scene.off.beyond(limit), scene.flow.beyond(joint)
    if off and not moved:
        alone = limit if scene.age else max(limit, scene.least.lone_level_m)
        return STAGE if scene.off.beyond(alone) else ""
    if off > 0:
        return _above(scene, follow, moved, deep)
    if off < 0:
        return _below(scene, follow, moved, deep)
    # On the curve: water that came or went, where the level had to show it.
    is_shown = abs(scene.rise) > 1.5 * limit or scene.stage.change < -deep
    return DECLINE if moved < 0 and is_shown and follow is not False else ""


def _above(scene: Scene, follow: bool | None, moved: int, deep: float) -> str:
    """Judge a shaft that stands higher than this flow explains."""
    if moved > 0:
        return FLOW if follow is False and scene.stage.beyond(deep) < 0 else ""
    if follow is False and not scene.stage.change > SURE_STAGE_M:
        return FLOW
    return BLOCKAGE if follow or scene.stage.change > deep else DOUBT


def _below(scene: Scene, follow: bool | None, moved: int, deep: float) -> str:
    """Judge a shaft that stands lower than this flow explains."""
    if moved < 0:
        # Both fell: a curve that was learned from water that hardly moved knows no slope.
        return DECLINE if follow is not False and scene.stage.change < -deep else ""
    return FLOW if follow is False else "" if follow else DOUBT


def _by_both(scene: Scene, follow: bool | None, joint: float, deep: float) -> str:
    flow, stage = scene.flow, scene.stage
    moved, level = flow.beyond(joint), stage.beyond(deep)
    if moved < 0 and level:
        kind = BLOCKAGE if level > 0 else DECLINE
        return kind if follow is not False or _is_sure(scene) else FLOW
    if _surges(scene):
        return SURGE if follow is not False or _is_sure(scene) else FLOW
    lone = (
        joint if scene.age else max(log_fall(scene.least.lone_fall), 5 * flow.spread, scene.doubt)
    )
    if flow.beyond(lone) and not level:
        if follow is None:
            return DOUBT
        return FLOW if not follow else DECLINE if moved < 0 else ""
    return "" if moved else _level_alone(scene)


def _level_alone(scene: Scene) -> str:
    if not scene.flow.is_known and not scene.age:
        return ""  # nobody to compare with
    least = scene.least
    limit = max(least.lone_level_m, 5 * scene.stage.spread)
    if scene.age:
        limit = 1.5 * max(least.level_m, 4 * scene.stage.spread) + _STAGE_A_DAY * scene.age
    return STAGE if scene.stage.beyond(limit) else ""


def _blind(scene: Scene, follow: bool | None, joint: float) -> str:
    """Judge without a shaft: an outlet is believed where its line follows, or it is alone."""
    flow = scene.flow
    if follow is False:
        return FLOW if flow.beyond(joint) else ""
    fall = max(log_fall(scene.least.lone_fall), 5 * flow.spread, scene.doubt)
    rise = max(math.log1p(scene.least.rise), 5 * flow.spread, scene.doubt)
    if scene.age:
        fall, rise = 0.7 * fall, 0.7 * rise
    return DECLINE if flow.change < -fall else SURGE if flow.change > rise else ""
