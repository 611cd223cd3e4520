"""The outlet's flow left its normal within hours: a blockage, a decline, a surge, or its sensor."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from kahriz.detect import Detection, Episode, KahrizView, Kind
from kahriz.detect.departure import (
    Departure,
    Interval,
    Limits,
    Normal,
    departure,
    normal,
)
from kahriz.detect.scene import FLOW_KINDS, Scene, device_of, repeated
from kahriz.detect.stuck import stuck_sensors
from kahriz.detect.witnesses import Witnesses, diagnosis
from kahriz.sites import Site, SiteKind

_COVERAGE = 3.0  # k: what the rating cannot tell with near certainty is no news
_ALONE_H = 2.0  # so long a level must be off with the outlet steady before its sensor is blamed
_RELEASE = timedelta(days=14)  # a changed flow that lasted so long is the new normal
_RECONSIDERED_H = 12.0  # later a level wanders on its own; what was told stays
_HELD = 2 / 3  # of the limits, while an episode lasts: what hovers there would come and go

Evidence = dict[str, float | str]


class AbruptDrop:
    """Tell a step in the outlet's flow from noise, demand and season, and say what it is.

    A channel has left its normal when three of its four newest clean readings (of 20 minutes at
    least) are beyond the greatest of 15 % flow (35 % upwards) or 4 cm, five times its own spread
    (1.48 MAD), and three times what rating and stage can be wrong by: 2 L/s with 3 mm of noise
    never alarms. Normal is the median of the three days before the newest three hours. It must be a
    step: a recession crosses the limit too, but before and after differ little then. The other
    sensors decide the kind (`kahriz.detect.witnesses`).

    Known trouble is no normal: episodes in the view are left out of the median, and while one
    lasts the figures it began with stay the measure, until the flow is back or 14 days have gone.
    Where readings stop meanwhile, the episode stands: silence is not water.

    Beside that, a sensor that says the same for longer than its ``flat_line_h``, or nothing but
    impossible values for an hour, is reported as `sensor` (`kahriz.detect.stuck`).

    Limits
    ------
    With the outlet alone, a fall is called a decline: whether a gallery is blocked or less water
    comes, and whether the sensor is right, cannot be told, and the evidence says so. With a shaft
    alone nothing is told but a stuck sensor. Slow changes (silting, drought, drift) and losses
    between outlet and village are not seen here.

    Parameters
    ----------
    fall
        Smallest fraction of flow lost that matters; in (0, 1).
    rise
        Smallest fraction of flow gained that matters; > 0.
    stage_m
        Smallest change of a shaft's level that its sensor is blamed for; > 0.
    look_back
        History judged against; at least a day.
    """

    name = "abrupt_drop"

    def __init__(
        self,
        fall: float = 0.15,
        rise: float = 0.35,
        stage_m: float = 0.04,
        look_back: timedelta = timedelta(days=3, hours=12),
    ) -> None:
        if not 0 < fall < 1:
            raise ValueError(f"abrupt_drop: fall {fall!r} is not in (0, 1)")
        if not rise > 0:
            raise ValueError(f"abrupt_drop: rise {rise!r} is not above 0")
        if not stage_m > 0:
            raise ValueError(f"abrupt_drop: stage_m {stage_m!r} is not above 0")
        if look_back < timedelta(days=1):
            raise ValueError(f"abrupt_drop: look_back {look_back} is under a day")
        self._flow = Limits(down=-math.log1p(-fall), up=math.log1p(rise))
        self._stage = Limits(down=stage_m, up=stage_m)
        self.look_back = look_back
        self._window: Interval = (-look_back / timedelta(hours=1), -3.0)

    def detect(self, view: KahrizView, now: datetime) -> tuple[Detection, ...]:
        """Return what is wrong at `now` at every outlet, and every sensor that is not right."""
        found = list(stuck_sensors(view, now))
        stuck = frozenset(detection.key for detection in found)
        for site in view.kahriz.sites_of(SiteKind.OUTLET):
            found += self._outlet(Scene(view, site, now, stuck))
        return tuple(found)

    def _outlet(self, scene: Scene) -> list[Detection]:
        standing = scene.standing(FLOW_KINDS) or scene.standing((Kind.SENSOR,), scene.device)
        if standing is not None and "expected_lps" in standing.evidence:
            return self._ongoing(scene, standing)
        if scene.device in scene.stuck:
            return []
        channel = scene.flow(scene.outlet)
        usual = normal(channel, self._limits(scene), self._window, scene.known(scene.device))
        usual = usual or self._before_the_last_episode(scene)
        step = None if usual is None else departure(channel, usual)
        if step is None:
            return []
        return self._stepped(scene, step) if step.is_beyond else self._levels_alone(scene, step)

    def _stepped(self, scene: Scene, step: Departure) -> list[Detection]:
        if not step.is_abrupt:
            return []
        seen = scene.witnesses(step.onset_h)
        kind = diagnosis(step.change, -step.onset_h, seen)
        if kind is None:
            return []
        return [_water(scene, kind, step, seen, scene.at(step.onset_h))]

    def _limits(self, scene: Scene) -> Limits:
        return Limits(self._flow.down, self._flow.up, _COVERAGE * scene.rating_uncertainty())

    def _ongoing(self, scene: Scene, episode: Episode) -> list[Detection]:
        if scene.now - episode.since > _RELEASE:
            return []
        usual = _frozen(episode, self._limits(scene), _HELD)
        channel = scene.flow(scene.outlet)
        step = None if scene.device in scene.stuck else departure(channel, usual)
        if step is None:
            return [repeated(episode)]
        if not step.is_beyond:
            return []
        onset_h = scene.hours(episode.since)
        seen = scene.witnesses(onset_h)
        is_new = -onset_h <= _RECONSIDERED_H and seen.is_any
        judged = diagnosis(step.change, -onset_h, seen) if is_new else episode.kind
        kind = _kept(episode.kind, judged, step.change)
        return [] if kind is None else [_water(scene, kind, step, seen, episode.since)]

    def _before_the_last_episode(self, scene: Scene) -> Normal | None:
        """Return the last episode's measure, where it left too little normal water to learn."""
        for episode in reversed(scene.view.episodes):
            if episode.until is not None and "expected_lps" in episode.evidence:
                return _frozen(episode, self._limits(scene), 1.0)
        return None

    def _levels_alone(self, scene: Scene, outlet: Departure) -> list[Detection]:
        """Blame a shaft's sensor when its level stepped and the outlet stayed as it was."""
        if abs(outlet.change) > outlet.limit / 2 or scene.is_restless:
            return []
        found = (self._level_alone(scene, shaft) for shaft in scene.shafts)
        return [detection for detection in found if detection is not None]

    def _level_alone(self, scene: Scene, shaft: Site) -> Detection | None:
        device = device_of(shaft)
        channel = scene.stage(shaft)
        standing = scene.standing((Kind.SENSOR,), device)
        if standing is not None and "expected_m" in standing.evidence:
            if scene.now - standing.since > _RELEASE:
                return None
            held = self._stage.down * _HELD
            step = departure(channel, Normal(float(standing.evidence["expected_m"]), held, held))
            if step is None:
                return repeated(standing)
            return _level(scene, shaft, step, standing.since) if step.is_beyond else None
        usual = normal(channel, self._stage, self._window, scene.known(device))
        step = None if usual is None else departure(channel, usual)
        if step is None or not step.is_abrupt or step.onset_h > -_ALONE_H:
            return None
        return _level(scene, shaft, step, scene.at(step.onset_h))


def _frozen(episode: Episode, limits: Limits, share: float) -> Normal:
    centre = math.log(max(float(episode.evidence["expected_lps"]), 0.005))
    down, up = (max(limit, limits.uncertainty) for limit in (limits.down, limits.up))
    return Normal(centre, down * share, up * share)


def _kept(stands: Kind, judged: Kind | None, change: float) -> Kind | None:
    """Return the kind of what lasts: it may become graver, never milder, while it lasts."""
    if change < 0 and stands is Kind.BLOCKAGE:
        return stands
    if stands is Kind.SENSOR or (change < 0) == (stands is not Kind.SURGE):
        return stands if judged in (None, Kind.SENSOR) else judged
    return judged


def _water(
    scene: Scene, kind: Kind, step: Departure, seen: Witnesses, since: datetime
) -> Detection:
    expected, observed = math.exp(step.expected), math.exp(step.observed)
    fraction = math.expm1(step.change)
    evidence: Evidence = {
        "observed_lps": round(observed, 3),
        "expected_lps": round(expected, 3),
        "deviation": round(fraction, 4),
        "limit": round(abs(math.expm1(math.copysign(step.limit, step.change))), 4),
        "minutes_since": round((scene.now - since) / timedelta(minutes=1)),
        "site": scene.outlet.id,
    }
    evidence |= seen.evidence()
    if scene.kahriz.served and scene.kahriz.use == "drinking":
        evidence["water_left_lpcd"] = round(observed * 86400 / scene.kahriz.served, 1)
    text = f"Outlet {observed:.1f} L/s, expected {expected:.1f} ({100 * fraction:+z.0f} %)."
    key = scene.device if kind is Kind.SENSOR else ""
    return Detection(kind, AbruptDrop.name, since, evidence, f"{text} {seen.in_words()}", key)


def _level(scene: Scene, shaft: Site, step: Departure, since: datetime) -> Detection:
    evidence: Evidence = {
        "observed_m": round(step.observed, 3),
        "expected_m": round(step.expected, 3),
        "deviation_m": round(step.change, 3),
        "minutes_since": round((scene.now - since) / timedelta(minutes=1)),
        "site": shaft.id,
        "fault": "alone",
    }
    text = (
        f"Shaft level {step.observed:.2f} m, expected {step.expected:.2f}"
        f" ({100 * step.change:+z.0f} cm). The outlet did not move."
    )
    return Detection(Kind.SENSOR, AbruptDrop.name, since, evidence, text, device_of(shaft))
