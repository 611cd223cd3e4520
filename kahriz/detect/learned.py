"""How much of a kahriz has been learned, and what its instruments cannot show at all.

A kahriz of which little is known yet is judged by little: no alert of it means little, and people
have to be told so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kahriz.detect import Kind
from kahriz.detect.gallery import Gallery, Outlet
from kahriz.detect.station import (
    curve,
    level_alone,
    losses,
    night_flow,
    nights,
    season,
    water,
)
from kahriz.detect.station.station import Station
from kahriz.observations import datastream_id
from kahriz.sites import Kahriz, Site, SiteKind
from kahriz.units import Property


class Topic(StrEnum):
    """What is learned: each opens the eyes for some kinds of trouble."""

    USUAL = "usual"
    """Flow and level of a usual day: steps are seen."""
    CURVE = "curve"
    """The level that a flow explains: slow blockages and drifting sensors."""
    LOSSES = "losses"
    """What is lost between outlet and line at night: taps and leaks."""
    NIGHTS = "nights"
    """What the line delivers at night: taps and leaks where there is one meter."""
    SEASON = "season"
    """Weeks and months: droughts."""
    LEVEL = "level"
    """How a level that is alone moves: its sensor, ice and debris."""
    BATTERY = "battery"
    """A battery's usual voltage."""


class Why(StrEnum):
    """Why a kind of trouble cannot be seen."""

    NO_FLOW = "no_flow"
    NO_LEVEL = "no_level"
    NO_LINE = "no_line"
    NIGHTS_LIKE_DAYS = "nights_like_days"
    NO_VOLTAGE = "no_voltage"


@dataclass(frozen=True, slots=True)
class Learned:
    """How many days of a topic are known at a site, and how many it takes.

    Only days without trouble count: a kahriz with a long trouble learns for longer.
    """

    topic: Topic
    site: str
    days: float
    needed_days: float

    @property
    def is_known(self) -> bool:
        """Whether it is judged by."""
        return self.days >= self.needed_days


@dataclass(frozen=True, slots=True)
class Blind:
    """A kind of trouble that cannot be seen with the sensors there are."""

    kind: Kind
    why: Why


_OF_THE_FLOW = (Kind.BLOCKAGE, Kind.DECLINE, Kind.SURGE, Kind.OVERABSTRACTION, Kind.DROUGHT)


def learned(gallery: Gallery) -> tuple[Learned, ...]:
    """Return how far each topic is that the sensors of a kahriz allow."""
    kahriz, state = gallery.kahriz, gallery.state
    found: list[Learned] = []
    for outlet in gallery.outlets:
        station = state.station.get(outlet.site.id) or Station()
        found += _of_outlet(outlet, station)
    for site in () if gallery.outlets else _levels(kahriz):
        level = state.level.get(datastream_id(kahriz.id, site.id, Property.STAGE))
        days = 0 if level is None else len(level.days)
        found.append(_entry(Topic.LEVEL, site, days, level_alone.USUAL_NEEDS))
    for site in _lines(kahriz):
        if not _is_carried(gallery, site):
            night = state.night.get(datastream_id(kahriz.id, site.id, Property.DISCHARGE))
            days = 0 if night is None else night.nights
            needed = nights.DAY_LEARNED + night_flow.LEARNS
            found.append(_entry(Topic.NIGHTS, site, days, needed))
    for site, device in _batteries(kahriz):
        battery = state.battery.get(device)
        days = 0 if battery is None else len(battery.usual)
        found.append(_entry(Topic.BATTERY, site, days, season.WEEK))
    return tuple(found)


def _of_outlet(outlet: Outlet, station: Station) -> Iterator[Learned]:
    hours = len(station.water.flow.usual)
    yield _entry(Topic.USUAL, outlet.site, hours / 24, water.NEEDS_HOURS / 24)
    if outlet.shaft is not None:
        yield _entry(Topic.CURVE, outlet.shaft, len(station.water.curve.days), curve.NEEDS)
    if outlet.line is not None and station.losses.is_judged:
        days = len(station.losses.days)
        yield _entry(Topic.LOSSES, outlet.line, days, losses.NEEDS_FOR_LEAK)
    known = station.season
    days = known.days[-1] - known.first if known.days else 0
    yield _entry(Topic.SEASON, outlet.site, days, season.NEEDS)


def _entry(topic: Topic, site: Site, days: float, needed: float) -> Learned:
    return Learned(topic, site.id, min(days, needed), needed)


def blind(gallery: Gallery) -> tuple[Blind, ...]:
    """Return the kinds of trouble that stay unseen at a kahriz, and why."""
    kahriz = gallery.kahriz
    found: list[Blind] = []
    if not gallery.outlets:
        found += [Blind(kind, Why.NO_FLOW) for kind in _OF_THE_FLOW]
    elif all(outlet.shaft is None for outlet in gallery.outlets):
        found.append(Blind(Kind.BLOCKAGE, Why.NO_LEVEL))
    lines = list(_lines(kahriz))
    if not lines:
        found.append(Blind(Kind.TAP_LEAK, Why.NO_LINE))
    elif all(_is_useless(gallery, site) for site in lines):
        found.append(Blind(Kind.TAP_LEAK, Why.NIGHTS_LIKE_DAYS))
    if not any(True for _ in _batteries(kahriz)):
        found.append(Blind(Kind.BATTERY, Why.NO_VOLTAGE))
    return tuple(found)


def _is_carried(gallery: Gallery, line: Site) -> bool:
    """Return whether a line is judged against its outlet: so it is until it is seen not to be."""
    for outlet in gallery.outlets:
        if outlet.line is not None and outlet.line.id == line.id:
            station = gallery.state.station.get(outlet.site.id)
            return station is None or station.losses.is_judged
    return False


def _is_useless(gallery: Gallery, line: Site) -> bool:
    name = datastream_id(gallery.kahriz.id, line.id, Property.DISCHARGE)
    night = gallery.state.night.get(name)
    return not _is_carried(gallery, line) and night is not None and night.is_blind


def _levels(kahriz: Kahriz) -> Iterator[Site]:
    for site in kahriz.site:
        if site.kind is not SiteKind.RESERVOIR and _measures(site, Property.STAGE):
            yield site


def _lines(kahriz: Kahriz) -> Iterator[Site]:
    for site in kahriz.sites_of(SiteKind.DELIVERY_LINE):
        if site.rating or _measures(site, Property.DISCHARGE):
            yield site


def _batteries(kahriz: Kahriz) -> Iterator[tuple[Site, str]]:
    for site in kahriz.site:
        for sensor in site.sensor:
            if sensor.measures is Property.BATTERY_VOLTAGE:
                yield site, sensor.device


def _measures(site: Site, prop: Property) -> bool:
    return any(sensor.measures is prop for sensor in site.sensor)
