"""One kahriz with all its instruments: what is remembered of it, and what is wrong with it now."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from kahriz.detect import Detection
from kahriz.detect.findings import Findings, device_of, is_at_fault
from kahriz.detect.station.channel import DAY, HOUR, Channel
from kahriz.detect.station.level_alone import LevelAlone
from kahriz.detect.station.nights import Nights
from kahriz.detect.station.season import Battery
from kahriz.detect.station.station import Station, Tick
from kahriz.detect.station.window import NAN
from kahriz.detect.ticks import QUARTER_MS, Quarters
from kahriz.observations import DatastreamId, datastream_id
from kahriz.sites import Kahriz, Site, SiteKind
from kahriz.units import Property

COVERAGE = 3.0
"""What the rating cannot tell with near certainty is no news."""

_DEFAULT_EXPONENT = 2.5


class State(msgspec.Struct):
    """All that is remembered of a kahriz: plain numbers, the same after `dump` and `load`.

    Attributes
    ----------
    at
        The last quarter of an hour judged; -1: none.
    station
        By the outlet's site.
    channel
        By datastream: instruments that belong to no outlet.
    battery
        By device.
    level, night
        By datastream: levels and delivery lines that have no outlet's flow beside them.
    anew
        The last quarter of the newest works after which all was taken as normal; -1: none.
    """

    at: int = -1
    station: dict[str, Station] = {}
    channel: dict[str, Channel] = {}
    battery: dict[str, Battery] = {}
    level: dict[str, LevelAlone] = {}
    night: dict[str, Nights] = {}
    anew: int = -1


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(State)


def dump(state: State) -> bytes:
    """Return a state as bytes: about 9 kB an outlet after some months, never over 16."""
    return zlib.compress(_ENCODER.encode(state), 3)


def load(data: bytes) -> State:
    """Return the state that `dump` gave.

    Raises
    ------
    ValueError
        They are of another release, or damaged: learn anew from what is stored.
    """
    try:
        return _DECODER.decode(zlib.decompress(data))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"no state of a kahriz: {error}") from error


@dataclass(frozen=True, slots=True)
class Outlet:
    """One outlet and who speaks of it: the shaft above it, the line behind it."""

    site: Site
    flow: DatastreamId
    shaft: Site | None
    line: Site | None

    @property
    def places(self) -> tuple[Site | None, ...]:
        """Where the quantities of a `Tick` are measured, in its order; None: nowhere."""
        return (self.site, self.shaft, self.line)


class Gallery:
    """Judge a kahriz quarter by quarter; see docs/detectors.md for what it tells and how.

    The first shaft or mother well with a level stands for the gallery above, the first delivery
    line with a flow for the way to the village. Other instruments are judged each by itself: where
    no outlet's flow is measured, levels by how they move; delivery lines by their nights, too.

    Parameters
    ----------
    kahriz
        What there is.
    state
        What was remembered; changed by each step.
    """

    def __init__(self, kahriz: Kahriz, state: State | None = None) -> None:
        self.kahriz = kahriz
        self.state = State() if state is None else state
        self.quarters = Quarters(kahriz)
        self.outlets = tuple(_outlets(kahriz))
        self._findings = Findings(kahriz, self.quarters)
        spoken = {name for outlet in self.outlets for name in _streams(kahriz, outlet)}
        self._channels = {
            name: (site, prop)
            for name, site, prop in _measured(kahriz)
            if prop in (Property.DISCHARGE, Property.STAGE) and name not in spoken
        }
        self._batteries = {
            name: site for name, site, prop in _measured(kahriz) if prop is Property.BATTERY_VOLTAGE
        }

        has_flow = bool(self.outlets)
        self._levels = {
            name: (site, prop)
            for name, site, prop in _measured(kahriz)
            if prop is Property.STAGE and site.kind is not SiteKind.RESERVOIR and not has_flow
        }
        self._lines = {
            name: (site, prop)
            for name, site, prop in _measured(kahriz)
            if prop is Property.DISCHARGE and site.kind is SiteKind.DELIVERY_LINE
        }

    @property
    def streams(self) -> tuple[DatastreamId, ...]:
        """Everything it wants to be told of."""
        spoken = [
            name
            for outlet in self.outlets
            for name, site in zip(_streams(self.kahriz, outlet), outlet.places, strict=True)
            if site is not None
        ]
        every = [*spoken, *self._channels, *self._batteries, *self._lines]
        return tuple(dict.fromkeys(every))

    def step(
        self, at: int, values: Mapping[DatastreamId, float], *, is_worked_at: bool = False
    ) -> None:
        """Take a quarter of an hour, later than all before.

        Of water and sensors that somebody works at nothing is heard: as in a silence what stood
        stands, and nothing is learned. What was about to be believed is not any more. Batteries
        speak on.
        """
        state = self.state
        state.at = at
        if is_worked_at:
            values = {name: value for name, value in values.items() if name in self._batteries}
            for station in state.station.values():
                station.water.held.drop()
        for outlet in self.outlets:
            station = _of(state.station, outlet.site.id, Station)
            names = _streams(self.kahriz, outlet)
            tick = Tick(at, *(values.get(name, NAN) for name in names))
            night = state.night.get(names[2])
            is_losing = night is not None and night.standing is not None
            doubt = self._doubt(outlet, tick.flow)
            station.step(tick, self.kahriz.detect, doubt, is_losing=is_losing)
        for name, (_, prop) in self._channels.items():
            channel = _of(state.channel, name, partial(Channel, prop is Property.DISCHARGE))
            channel.take(at, values.get(name, NAN))
            channel.judge(at)
            if at % HOUR == HOUR - 1:
                channel.close_hour()
        for name in self._levels:
            _of(state.level, name, LevelAlone).step(at * QUARTER_MS, _possible(values, name))
        for name in self._lines:
            # Where little comes, nights are like days: nothing is learned or told of them then.
            value = NAN if self._is_short(name) else _possible(values, name)
            _of(state.night, name, Nights).step(at * QUARTER_MS, value)
        for name, site in self._batteries.items():
            battery = _of(state.battery, device_of(site, Property.BATTERY_VOLTAGE), Battery)
            battery.take(_possible(values, name))
            if at % DAY == DAY - 1:
                battery.close_day(at // DAY, self.kahriz.detect.battery_v)

    def detections(self) -> list[Detection]:
        """Return what is wrong after the last step."""
        found: list[Detection] = []
        state = self.state
        at = state.at
        for outlet in self.outlets:
            station = self.state.station.get(outlet.site.id)
            if station is not None:
                found += self._findings.station(at, outlet, station, key=self._key(outlet))
        for name, (site, prop) in self._channels.items():
            channel = self.state.channel.get(name)
            if channel is not None and is_at_fault(site, channel):
                found.append(self._findings.instrument(at, site, device_of(site, prop), channel))
        for name, (site, prop) in self._levels.items():
            strange = state.level[name].standing if name in state.level else None
            if strange is not None:
                device = device_of(site, prop)
                found.append(self._findings.level(at, site, device, strange))
        for name, (site, _) in self._lines.items():
            loss = state.night[name].standing if name in state.night else None
            if loss is not None and not self._is_told_or_denied(name):
                found.append(self._findings.night(at, site, loss))
        for site in self._batteries.values():
            device = device_of(site, Property.BATTERY_VOLTAGE)
            battery = self.state.battery.get(device)
            if battery is not None and battery.is_low:
                found.append(self._findings.battery(at, site, device, battery))
        # One instrument may be wrong in two ways; it is told once.
        return list({(d.kind, d.key): d for d in found}.values())

    def start_anew(self) -> None:
        """Take what is measured from now on as normal: the kahriz was worked at."""
        self.state.level.clear()
        self.state.night.clear()
        for station in self.state.station.values():
            station.start_anew(self.state.at)

    def _is_short(self, line: DatastreamId) -> bool:
        """Return whether the water of a line's outlet is in trouble."""
        for outlet in self.outlets:
            station = self.state.station.get(outlet.site.id)
            if station is not None and line in _streams(self.kahriz, outlet):
                trouble = station.water.trouble
                return trouble is not None and not trouble.is_instrument
        return False

    def _is_told_or_denied(self, line: DatastreamId) -> bool:
        """Return whether outlet and line together tell of a loss already, or know of none.

        Where a line carries what the outlet gives, a leak behind its meter makes it carry more.
        """
        for outlet in self.outlets:
            station = self.state.station.get(outlet.site.id)
            if station is not None and line in _streams(self.kahriz, outlet):
                if self._is_short(line):
                    return True
                losses = station.losses
                is_more = losses.loss < -0.5 * losses.limit
                return losses.is_leaking or (losses.is_judged and not is_more)
        return False

    def _key(self, outlet: Outlet) -> str:
        return "" if len(self.outlets) == 1 else outlet.site.id

    def _doubt(self, outlet: Outlet, flow: float) -> float:
        """Return what the rating cannot tell of a flow [ln], by its stage's uncertainty."""
        rating = outlet.site.rating
        if not rating or not math.isfinite(flow) or flow <= 0:
            return 0.0
        entry = rating[-1]
        exponent = entry.exponent or _DEFAULT_EXPONENT
        # Head from flow: the V-notch's 1380 L/s m^-2.5 unless the entry says its own.
        scale = entry.coefficient or 1380.0
        head = (flow / scale) ** (1 / exponent)
        stage_doubt: float = COVERAGE * exponent * entry.stage_uncertainty_m / max(head, 0.01)
        return stage_doubt


_T = TypeVar("_T")


def _of(kept: dict[str, _T], name: str, make: Callable[[], _T]) -> _T:
    found = kept.get(name)
    if found is None:
        found = kept[name] = make()
    return found


def _possible(values: Mapping[DatastreamId, float], name: DatastreamId) -> float:
    value = values.get(name, NAN)
    return value if math.isfinite(value) else NAN


def _outlets(kahriz: Kahriz) -> Iterator[Outlet]:
    levels = kahriz.sites_of(SiteKind.SHAFT) + kahriz.sites_of(SiteKind.MOTHER_WELL)
    shaft = next((site for site in levels if _device(site, Property.STAGE)), None)
    lines = kahriz.sites_of(SiteKind.DELIVERY_LINE)
    line = next((site for site in lines if _has_flow(site)), None)
    for site in kahriz.sites_of(SiteKind.OUTLET):
        if _has_flow(site):
            flow = datastream_id(kahriz.id, site.id, Property.DISCHARGE)
            yield Outlet(site, flow, shaft, line)


def _streams(kahriz: Kahriz, outlet: Outlet) -> tuple[DatastreamId, ...]:
    """Return the datastreams of a `Tick`, in its order."""
    shaft = outlet.shaft.id if outlet.shaft else "-"
    line = outlet.line.id if outlet.line else "-"
    return (
        outlet.flow,
        datastream_id(kahriz.id, shaft, Property.STAGE),
        datastream_id(kahriz.id, line, Property.DISCHARGE),
    )


def _measured(kahriz: Kahriz) -> Iterator[tuple[DatastreamId, Site, Property]]:
    for site in kahriz.site:
        for sensor in site.sensor:
            # The stage that a rating turns into discharge is judged as discharge.
            is_rated = sensor.measures is Property.STAGE and bool(site.rating)
            prop = Property.DISCHARGE if is_rated else sensor.measures
            yield datastream_id(kahriz.id, site.id, prop), site, prop


def _has_flow(site: Site) -> bool:
    return bool(site.rating) or bool(_device(site, Property.DISCHARGE))


def _device(site: Site, prop: Property) -> str:
    """Return the device that measures a property at a site; empty: none does."""
    return next((sensor.device for sensor in site.sensor if sensor.measures is prop), "")
