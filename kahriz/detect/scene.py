"""One outlet with what stands around it at one instant: where its detector finds things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kahriz.clock import from_ms, to_ms
from kahriz.detect import Detection, Episode, KahrizView, Kind
from kahriz.detect.departure import (
    Channel,
    Interval,
    flow_channel,
    local_change,
    same_hour_change,
    stage_channel,
)
from kahriz.detect.witnesses import Witnesses
from kahriz.observations import Series, datastream_id
from kahriz.sites import Kahriz, RatingEntry, Site, SiteKind
from kahriz.units import Property

FLOW_KINDS = (Kind.BLOCKAGE, Kind.DECLINE, Kind.SURGE)


@dataclass(frozen=True, slots=True)
class Scene:
    """One outlet of a view at `now`; ``stuck`` are devices whose sensors are not to be believed."""

    view: KahrizView
    outlet: Site
    now: datetime
    stuck: frozenset[str] = frozenset()

    @property
    def kahriz(self) -> Kahriz:
        """The kahriz looked at."""
        return self.view.kahriz

    @property
    def device(self) -> str:
        """The device that measures the outlet."""
        return device_of(self.outlet)

    @property
    def shafts(self) -> tuple[Site, ...]:
        """Shafts whose level can be believed."""
        wells = self.kahriz.sites_of(SiteKind.MOTHER_WELL)
        return tuple(
            site
            for site in self.kahriz.sites_of(SiteKind.SHAFT) + wells
            if device_of(site) not in self.stuck
        )

    def at(self, hours: float) -> datetime:
        """Return the instant `hours` after now."""
        return from_ms(to_ms(self.now) + round(hours * 3.6e6))

    def hours(self, instant: datetime) -> float:
        """Return `instant` in hours after now."""
        return (instant - self.now) / timedelta(hours=1)

    def flow(self, site: Site) -> Channel:
        """Return the discharge at a site as a channel."""
        return flow_channel(self._series(site, Property.DISCHARGE), self.now)

    def stage(self, site: Site) -> Channel:
        """Return the stage at a site as a channel."""
        return stage_channel(self._series(site, Property.STAGE), self.now)

    def _series(self, site: Site, prop: Property) -> Series:
        name = datastream_id(self.kahriz.id, site.id, prop)
        return self.view.series.get(name) or Series.empty(name)

    def known(self, device: str) -> list[Interval]:
        """Return the hours in which the water, or the sensor of `device`, was in trouble."""
        return [
            (self.hours(episode.since), self.hours(episode.until or self.now))
            for episode in self.view.episodes
            if episode.kind in FLOW_KINDS or (episode.kind is Kind.SENSOR and episode.key == device)
        ]

    @property
    def is_restless(self) -> bool:
        """Whether the water was in trouble in the last two days: levels settle long after flows."""
        return any(
            episode.kind in FLOW_KINDS
            and (episode.until is None or self.now - episode.until < timedelta(days=2))
            for episode in self.view.episodes
        )

    def standing(self, kinds: tuple[Kind, ...], key: str = "") -> Episode | None:
        """Return the newest episode of these kinds that has not ended."""
        for episode in reversed(self.view.episodes):
            if episode.until is None and episode.kind in kinds and episode.key == key:
                return episode
        return None

    def witnesses(self, onset_h: float) -> Witnesses:
        """Return what the other sensors did since `onset_h`: the shaft that moved most speaks."""
        seen = Witnesses(line_change=self._line_change(onset_h))
        for shaft in self.shafts:
            channel = self.stage(shaft)
            change = self._stage_change(channel, onset_h, shaft)
            if change is None or abs(change[0]) < abs(seen.stage_change_m or 0.0):
                continue
            level = channel.median(-0.75, 0.01)
            seen = Witnesses(change[0], change[1], seen.line_change, shaft.id, level)
        return seen

    def _stage_change(
        self, channel: Channel, onset_h: float, shaft: Site
    ) -> tuple[float, float] | None:
        episode = self.standing(FLOW_KINDS)
        if episode is None or episode.evidence.get("upstream_site") != shaft.id:
            return local_change(channel, onset_h)
        after = channel.median(-0.75, 0.01) if channel.is_fresh else None
        before = float(episode.evidence["upstream_stage_expected_m"])
        return None if after is None else (after - before, 0.0)

    def _line_change(self, onset_h: float) -> float | None:
        for site in self.kahriz.sites_of(SiteKind.DELIVERY_LINE):
            change = same_hour_change(self.flow(site), onset_h)
            if change is not None:
                return change
        return None

    def rating_uncertainty(self) -> float:
        """Return the relative standard uncertainty of the outlet's discharge by its stage."""
        entry = self._rating()
        stage = self.stage(self.outlet).median(-1000.0, 0.01)
        if entry is None or stage is None:
            return 0.0
        exponent = entry.exponent or 2.5
        return exponent * entry.stage_uncertainty_m / max(stage - entry.zero_offset_m, 0.01)

    def _rating(self) -> RatingEntry | None:
        today = self.now.astimezone(self.kahriz.zone).date()
        for entry in self.outlet.rating:
            if entry.valid_from <= today and (entry.valid_to is None or today < entry.valid_to):
                return entry
        return None


def device_of(site: Site) -> str:
    """Return the device that measures the water at a site."""
    water = (Property.DISCHARGE, Property.STAGE)
    return next((s.device for s in site.sensor if s.measures in water), site.id)


def repeated(episode: Episode) -> Detection:
    """Return what an episode said when there is no new reading to say otherwise."""
    said = "No new reading since; the last word stands."
    return Detection(
        episode.kind, "abrupt_drop", episode.since, episode.evidence, said, episode.key
    )
