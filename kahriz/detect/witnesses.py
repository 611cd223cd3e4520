"""What the other sensors of a kahriz say about a step at its outlet, and so what it is.

=================  ==================  ====================  ==============================
outlet             upstream shaft      delivery line         kind
=================  ==================  ====================  ==============================
down               up                  not against it        blockage: water stands behind it
down               down                any                   decline: less water comes
down               steady              follows               decline, after three hours
down               steady              steady or none        sensor at the outlet
down               none                follows or none       decline, with that much said
up                 up, or none         not against it        surge
up                 down                any                   nothing: a blockage gave way
up                 steady              steady                sensor at the outlet
=================  ==================  ====================  ==============================

A line that clearly did not follow is outweighed by a shaft that moved 4 cm, not by 1 cm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kahriz.detect import Kind

LEAST_STAGE_M = 0.008
"""A shaft's level is called steady within this, however quiet its sensor."""

SURE_STAGE_M = 0.04
"""A shaft's change that outweighs a line that did not follow."""

_PATIENCE_H = 3.0  # a level behind a blockage rises over hours: no hurry to call it steady
_SENSOR_AFTER_H = 1.5
_BLIND_AFTER_H = 6.0


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What the other sensors did since the step; None where there is no such sensor or reading.

    ``stage_change_m`` of the upstream shaft that moved most, ``stage_noise_m`` what its noise
    could make; ``line_change`` of the delivery line against the same hour of other days
    [ln ratio].
    """

    stage_change_m: float | None = None
    stage_noise_m: float = 0.0
    line_change: float | None = None
    shaft: str = ""
    stage_now_m: float | None = None

    @property
    def stage_moved(self) -> int | None:
        """-1 fell, 0 steady, 1 rose."""
        if self.stage_change_m is None:
            return None
        if abs(self.stage_change_m) <= max(LEAST_STAGE_M, self.stage_noise_m):
            return 0
        return 1 if self.stage_change_m > 0 else -1

    @property
    def is_any(self) -> bool:
        """Whether there is a witness at all."""
        return self.stage_change_m is not None or self.line_change is not None

    @property
    def is_stage_sure(self) -> bool:
        """Whether the shaft moved so much that it is believed against the line."""
        return abs(self.stage_change_m or 0.0) >= SURE_STAGE_M

    def line_followed(self, outlet_change: float) -> bool | None:
        """Return whether the line moved with the outlet; None: no line, or it is not clear."""
        if self.line_change is None:
            return None
        share = self.line_change / outlet_change
        if share >= 0.5:
            return True
        return False if share <= 0.25 else None

    def evidence(self) -> dict[str, float | str]:
        """Return the figures, under the names evidence has them."""
        figures: dict[str, float | str] = {}
        if self.stage_change_m is not None and self.stage_now_m is not None:
            figures["upstream_stage_change_m"] = round(self.stage_change_m, 4)
            figures["upstream_stage_expected_m"] = round(self.stage_now_m - self.stage_change_m, 4)
            figures["upstream_site"] = self.shaft
        if self.line_change is not None:
            figures["line_change"] = round(math.expm1(self.line_change), 4)
        return figures or {"witness": "none"}

    def in_words(self) -> str:
        """Return the figures in a sentence for engineers."""
        words = []
        if self.stage_change_m is not None:
            words.append(f"Shaft level {100 * self.stage_change_m:+z.0f} cm.")
        if self.line_change is not None:
            words.append(f"Delivery line {100 * math.expm1(self.line_change):+z.0f} %.")
        return " ".join(words) or "No other sensor to compare with."


def diagnosis(change: float, lasted_h: float, seen: Witnesses) -> Kind | None:
    """Return what a step at the outlet is; None: nothing to tell, or not yet.

    Parameters
    ----------
    change
        Of the outlet's flow [ln ratio]; not 0.
    lasted_h
        Hours since the step began.
    seen
        The other sensors.
    """
    followed = seen.line_followed(change)
    if change < 0:
        return _fall(seen, followed, lasted_h)
    return _rise(seen, followed, lasted_h)


def _fall(seen: Witnesses, followed: bool | None, lasted_h: float) -> Kind | None:
    stage = seen.stage_moved
    if stage == 1 and (followed is not False or seen.is_stage_sure):
        return Kind.BLOCKAGE
    if stage == -1:
        return Kind.DECLINE
    if followed is False:
        return _blamed(lasted_h, _PATIENCE_H if stage == 1 else _SENSOR_AFTER_H)
    if stage == 0:
        return _steady(followed, lasted_h)
    # No shaft: the outlet is believed at once where its line follows, or where it is alone.
    if followed or seen.line_change is None or lasted_h >= _PATIENCE_H:
        return Kind.DECLINE
    return None


def _steady(followed: bool | None, lasted_h: float) -> Kind | None:
    if followed:
        return Kind.DECLINE if lasted_h >= _PATIENCE_H else None
    return _blamed(lasted_h, _BLIND_AFTER_H)


def _rise(seen: Witnesses, followed: bool | None, lasted_h: float) -> Kind | None:
    stage = seen.stage_moved
    if stage == -1:
        return None
    if followed is False and not (stage == 1 and seen.is_stage_sure):
        return _blamed(lasted_h, _PATIENCE_H if stage == 1 else _SENSOR_AFTER_H)
    if stage == 1 or followed or (stage is None and seen.line_change is None):
        return Kind.SURGE
    return _blamed(lasted_h, _BLIND_AFTER_H)


def _blamed(lasted_h: float, after_h: float) -> Kind | None:
    return Kind.SENSOR if lasted_h >= after_h else None
