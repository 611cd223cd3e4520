"""Weeks of a kahriz's water, a value a quarter of an hour, and what a gallery says of them.

The outlet's flow goes with a slow season, the shaft's level with a power of it, the line with a
share of it that has a day's shape. Nothing here is the simulator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kahriz.clock import to_datetime64
from kahriz.detect import Detection, Kind
from kahriz.detect.gallery import Gallery, dump, load
from kahriz.detect.station.channel import DAY, HOUR, IMPOSSIBLE
from kahriz.detect.ticks import Quarters
from kahriz.observations import DatastreamId, Quality, Series, Values
from kahriz.sites import Detect, Kahriz, RatingEntry, Sensor, Site, SiteKind

FIRST = 20_000 * DAY
"""The quarter that the days begin with: a midnight."""

OUTLET = DatastreamId("k.outlet.discharge")
SHAFT = DatastreamId("k.shaft.stage")
LINE = DatastreamId("k.line.discharge")
BATTERY = DatastreamId("k.outlet.battery_voltage")

_KINDS = {
    "outlet": (SiteKind.OUTLET, "discharge_lps"),
    "shaft": (SiteKind.SHAFT, "stage_m"),
    "line": (SiteKind.DELIVERY_LINE, "discharge_lps"),
}


def kahriz(
    *sites: str, battery: bool = False, rated: bool = False, detect: Detect | None = None
) -> Kahriz:
    """Return a kahriz with these of its sites (outlet shaft line; all without any)."""
    return Kahriz(
        id="k",
        name="K",
        village="V",
        district="D",
        people=500,
        site=tuple(_site(name, battery=battery, rated=rated) for name in sites or _KINDS),
        detect=detect or Detect(),
    )


def _site(name: str, *, battery: bool, rated: bool) -> Site:
    kind, channel = _KINDS[name]
    is_outlet = name == "outlet"
    sensors = [Sensor(device=f"k-{name}", channel="stage_m" if rated and is_outlet else channel)]
    if is_outlet and battery:
        sensors.append(Sensor(device="k-outlet", channel="battery_v"))
    entry = {"method": "v_notch_90", "valid_from": "2020-01-01", "stage_uncertainty_m": 0.003}
    rating = (RatingEntry.model_validate(entry),) if rated and is_outlet else ()
    return Site(id=name, kind=kind, name=name.title(), sensor=tuple(sensors), rating=rating)


@dataclass
class Days:
    """The water of so many days, quiet until something is done to it; times are days (2.5: noon).

    Attributes
    ----------
    flow, season, noise
        Middle [L/s], amplitude of the season and scatter of a reading [ln].
    stage_noise
        Scatter of a level [m].
    weather
        By how much a day differs from the one before [ln].
    night
        Part of its water that the line carries by night; by day 0.82.
    carries
        Whether the line carries what the outlet gives, as a canal does, or what people draw.
    """

    days: float = 160.0
    flow: float = 12.0
    season: float = 0.15
    noise: float = 0.006
    stage_noise: float = 0.0008
    weather: float = 0.004
    night: float = 0.92
    carries: bool = True
    seed: int = 5
    value: dict[DatastreamId, Values] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = round(self.days * DAY)
        rng = np.random.default_rng(self.seed)
        self.day = np.arange(n) / DAY
        # Steps of a day, smoothed: wetter and drier weeks beside the season.
        weather = np.convolve(rng.normal(0, self.weather, n // DAY + 22), np.ones(20) / 4, "same")
        slow = self.season * np.sin(2 * np.pi * self.day / 365)
        slow += np.interp(self.day, np.arange(len(weather)), weather)
        self.water = self.flow * np.exp(slow)
        hour = self.day % 1 * 24
        shape = np.where((hour >= 6) & (hour < 22), 0.82, self.night)
        demand = np.repeat(rng.normal(0, 0.02, n // HOUR + 1), HOUR)[:n]
        demand = np.where((hour >= 6) & (hour < 22), demand, 0.0)
        self.value = {
            OUTLET: self.water * np.exp(rng.normal(0, self.noise, n)),
            SHAFT: stage(self.water) + rng.normal(0, self.stage_noise, n),
            LINE: (self.water if self.carries else self.flow)
            * shape
            * np.exp(demand + rng.normal(0, self.noise, n)),
            BATTERY: 3.9 + rng.normal(0, 0.02, n),
        }

    # ---- what can happen

    def since(self, first: float, last: float = np.inf) -> np.ndarray:
        """Return which quarters lie in [first, last)."""
        return np.asarray((self.day >= first) & (self.day < last))

    def ramp(self, first: float, over: float) -> Values:
        """Return 0 before `first`, 1 after `over` days more (0: at once)."""
        return np.clip((self.day - first) / over, 0.0, 1.0) if over else 1.0 * self.since(first)

    def comes(self, change: np.ndarray) -> Days:
        """Let more or less water [ln] come, everything following."""
        self.value[SHAFT] += stage(self.water * np.exp(change)) - stage(self.water)
        for name in (OUTLET, LINE):
            self.value[name] *= np.exp(change)
        return self

    def blocked(
        self,
        first: float,
        part: float = 0.3,
        rise: float = 0.15,
        *,
        over: float = 0.0,
        until: float = np.inf,
    ) -> Days:
        """Lose a part of the flow in the gallery, the water standing `rise` higher behind it."""
        how = self.ramp(first, over) * (self.day < until)
        for name in (OUTLET, LINE):
            self.value[name] *= 1 - part * how
        self.value[SHAFT] += rise * how
        return self

    def tapped(self, first: float, part: float = 0.1) -> Days:
        """Let a part of what the outlet gives never reach the village."""
        self.value[LINE][self.since(first)] *= 1 - part
        return self

    def shifted(self, name: DatastreamId, first: float, by: float, last: float = np.inf) -> Days:
        """Let an instrument say `by` more (a flow: that part) from `first` to `last`."""
        return self._off(name, by * self.since(first, last))

    def drifted(self, name: DatastreamId, first: float, by: float, over: float) -> Days:
        """Let an instrument come to say `by` more (a flow: that part) within so many days."""
        return self._off(name, by * self.ramp(first, over))

    def _off(self, name: DatastreamId, by: Values) -> Days:
        value = self.value[name]
        self.value[name] = value * (1 + by) if name in (OUTLET, LINE) else value + by
        return self

    def says(self, name: DatastreamId, value: float, first: float, last: float = np.inf) -> Days:
        """Let an instrument say the same from `first` to `last`; NaN: nothing."""
        self.value[name][self.since(first, last)] = value
        return self

    def noisy(self, name: DatastreamId, first: float, by: float, last: float = np.inf) -> Days:
        """Let an instrument scatter by so much more (a flow: that part)."""
        scatter = np.random.default_rng(self.seed + 1).normal(0, by, len(self.day))
        return self._off(name, np.where(self.since(first, last), scatter, 0.0))

    # ---- step by step

    def steps(self, first: float, last: float) -> Iterator[tuple[int, dict[DatastreamId, float]]]:
        """Yield the quarters in [first, last) with what was measured."""
        start, end = round(first * DAY), round(min(last, self.days) * DAY)
        columns = [value[start:end].tolist() for value in self.value.values()]
        for i, row in enumerate(zip(*columns, strict=True), FIRST + start):
            yield i, dict(zip(self.value, row, strict=True))


def log(
    of: Kahriz, water: Days, first: float = 0.0, last: float = np.inf
) -> dict[DatastreamId, Series]:
    """Return what the instruments of a kahriz said on the days in [first, last), as is stored."""
    quarters, streams = Quarters(of), Gallery(of).streams
    start, end = round(first * DAY), round(min(last, water.days) * DAY)
    begin = to_datetime64(quarters.end(FIRST + start))
    times = begin + np.arange(end - start) * np.timedelta64(900_000, "ms")
    found = {}
    for name in streams:
        value = water.value[name][start:end]
        heard = ~np.isnan(value)
        failed = np.where(value == IMPOSSIBLE, Quality.FAIL, Quality.GOOD).astype(np.uint8)
        value = np.where(value == IMPOSSIBLE, 999.0, value)
        found[name] = Series(name, times[heard], value[heard], failed[heard])
    return found


def stage(flow: Values) -> Values:
    """Return the shaft's level [m] by the flow [L/s]."""
    return np.asarray(0.4 + 0.1 * flow**0.4)


class Said(NamedTuple):
    """Something that was found: from when on (days), what, at which instrument, until when."""

    at: float
    kind: Kind
    key: str
    until: float
    first: Detection


def said(gallery: Gallery, water: Days, first: float, last: float = np.inf) -> list[Said]:
    """Return all that a gallery found over some days, in order of its beginning."""
    found: dict[tuple[Kind, str], Said] = {}
    over: list[Said] = []
    for quarter, values in water.steps(first, last):
        gallery.step(quarter, values)
        at = (quarter - FIRST) / DAY
        now = {(d.kind, d.key): d for d in gallery.detections()}
        for place, detection in now.items():
            if place not in found:
                found[place] = Said(at, *place, np.inf, detection)
        gone = [place for place in found if place not in now]
        over += [found.pop(place)._replace(until=at) for place in gone]
    return sorted([*over, *found.values()], key=lambda s: s.at)


LEARNED = 60
"""Days after which a gallery of `learned` begins."""


def learned(*sites: str, rated: bool = False, flow: float = 12.0) -> Gallery:
    """Return a gallery that has seen the first `LEARNED` days of quiet water."""
    return Gallery(kahriz(*sites, battery=True, rated=rated), load(_learned(sites, rated, flow)))


@lru_cache
def _learned(sites: tuple[str, ...], rated: bool, flow: float) -> bytes:
    gallery = Gallery(kahriz(*sites, battery=True, rated=rated))
    for at, values in Days(flow=flow).steps(0, LEARNED):
        gallery.step(at, values)
        assert gallery.detections() == []
    return dump(gallery.state)
