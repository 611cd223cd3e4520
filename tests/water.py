"""Builds four days of a kahriz's water, quiet unless told otherwise, ending at `NOW`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from kahriz.clock import to_datetime64
from kahriz.contacts import Contact
from kahriz.detect import Episode, KahrizView
from kahriz.observations import DatastreamId, Quality, Series, Values
from kahriz.sites import Kahriz, RatingEntry, Sensor, Site, SiteKind

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
OUTLET = DatastreamId("k.outlet.discharge")
SHAFT = DatastreamId("k.shaft.stage")
LINE = DatastreamId("k.line.discharge")

Change = Callable[[Values], Values]


def kahriz(*sites: str, rated: bool = False, stage_uncertainty_m: float = 0.003) -> Kahriz:
    """Return a kahriz with these of its sites (outlet shaft line), its flow rated or not."""
    rating = RatingEntry.model_validate(
        {
            "method": "v_notch_90",
            "valid_from": "2020-01-01",
            "stage_uncertainty_m": stage_uncertainty_m,
        }
    )
    outlet = Site(
        id="outlet",
        kind=SiteKind.OUTLET,
        name="Kəhrizin gözü",
        sensor=(_sensor("k-outlet", "stage_m" if rated else "discharge_lps", 12),),
        rating=(rating,) if rated else (),
    )
    shaft = Site(
        id="shaft", kind=SiteKind.SHAFT, name="Quyu 3", sensor=(_sensor("k-shaft", "stage_m", 24),)
    )
    line = Site(
        id="line",
        kind=SiteKind.DELIVERY_LINE,
        name="Kənd xətti",
        sensor=(_sensor("k-line", "discharge_lps", 12),),
    )
    chosen = {"outlet": outlet, "shaft": shaft, "line": line}
    return Kahriz(
        id="k",
        name="Ağ Dərə",
        village="Molla Cəlilli",
        district="Göygöl",
        people=2500,
        contact_for_repair="kankan +994 50 000 00 03",
        site=tuple(chosen[name] for name in sites or chosen),
        contact=(
            Contact(name="Chair", role="chair", phone="+994500000001", language="az"),
            Contact(name="Engineer", role="engineer", phone="+994500000009", language="en"),
        ),
    )


def _sensor(device: str, channel: str, flat_line_h: float) -> Sensor:
    return Sensor(device=device, channel=channel, flat_line_h=flat_line_h)


@dataclass
class Water:
    """Four days of readings every `step`; `hours` of each are relative to `NOW`, so <= 0.

    ``flow`` [L/s] with ``flow_noise`` (relative), ``stage`` [m] with ``stage_noise`` [m]; the line
    carries the outlet's flow by day, half of it by night.
    """

    step: timedelta = timedelta(minutes=5)
    days: float = 4.0
    flow: float = 14.8
    flow_noise: float = 0.01
    stage: float = 1.2
    stage_noise: float = 0.001
    seed: int = 7
    quality: dict[DatastreamId, list[tuple[float, float, Quality]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = round(timedelta(days=self.days) / self.step) + 1
        self.hours = np.linspace(-24.0 * self.days, 0.0, n)
        rng = np.random.default_rng(self.seed)
        hour_of_day = (self.hours + NOW.hour) % 24
        demand = np.where((hour_of_day >= 2) & (hour_of_day < 19), 1.0, 0.5)
        base = self.flow * np.exp(rng.normal(0, self.flow_noise, n))
        self.value: dict[DatastreamId, Values] = {
            OUTLET: base,
            SHAFT: self.stage + rng.normal(0, self.stage_noise, n),
            LINE: self.flow * demand * np.exp(rng.normal(0, self.flow_noise, n)),
        }

    def since(self, hours: float, stream: DatastreamId, change: Change) -> Water:
        """Change a stream's values from `hours` (<= 0) on."""
        late = self.hours >= hours
        self.value[stream][late] = change(self.value[stream][late])
        return self

    def falls(self, hours: float, to: float, *streams: DatastreamId) -> Water:
        """Let flows fall to the share `to` from `hours` on."""
        for stream in streams:
            self.since(hours, stream, lambda value: value * to)
        return self

    def rises(self, hours: float, metres_an_hour: float, most: float = 0.8) -> Water:
        """Let the shaft's level rise (or fall) steadily from `hours` on, by `most` metres."""
        ramp = np.maximum(self.hours - hours, 0.0) * metres_an_hour
        self.value[SHAFT] += np.clip(ramp, -most, most)
        return self

    def blocked(self, hours: float, to: float = 0.6, most: float = 0.8) -> Water:
        """Block the gallery between shaft and outlet at `hours`."""
        return self.falls(hours, to, OUTLET, LINE).rises(hours, 0.04, most)

    def freed(self, hours: float, of: float = 0.6, most: float = 0.8) -> Water:
        """Undo at `hours` what `blocked` did: the water comes back, the shaft drains in an hour."""
        return self.falls(hours, 1 / of, OUTLET, LINE).rises(hours, -most, most)

    def silent(self, hours: float, stream: DatastreamId) -> Water:
        """Let a stream say nothing from `hours` on."""
        return self.since(hours, stream, lambda value: np.full_like(value, np.nan))

    def marked(self, start: float, end: float, stream: DatastreamId, flag: Quality) -> Water:
        """Flag a stream's values in [start, end)."""
        self.quality.setdefault(stream, []).append((start, end, flag))
        return self

    def series(self) -> dict[DatastreamId, Series]:
        """Return the three streams."""
        times = to_datetime64(NOW) + np.round(self.hours * 3.6e6).astype("timedelta64[ms]")
        found = {}
        for stream, value in self.value.items():
            flags = np.full(len(value), Quality.GOOD, np.uint8)
            for start, end, flag in self.quality.get(stream, []):
                flags[(self.hours >= start) & (self.hours < end)] = flag
            heard = np.isfinite(value)
            found[stream] = Series(stream, times[heard], value[heard], flags[heard])
        return found

    def view(
        self,
        of: Kahriz | None = None,
        now: datetime = NOW,
        episodes: tuple[Episode, ...] = (),
    ) -> KahrizView:
        """Return what a detector may look at, at `now`, with the sensors that `of` has."""
        of = of or kahriz()
        until = now + timedelta(milliseconds=1)
        sites = {site.id for site in of.site}
        series = {
            stream: whole.between(NOW - timedelta(days=30), until)
            for stream, whole in self.series().items()
            if stream.split(".")[1] in sites
        }
        return KahrizView(of, series, episodes=episodes)
