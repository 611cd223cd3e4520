"""What a station found, as detections: kinds, figures and sentences for engineers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kahriz.detect import Detection, Kind
from kahriz.detect.station.channel import Channel
from kahriz.detect.station.level_alone import Strange
from kahriz.detect.station.night_flow import Loss
from kahriz.detect.station.season import Battery
from kahriz.detect.station.station import Station
from kahriz.detect.station.verdict import FLOW
from kahriz.detect.station.water import Trouble
from kahriz.detect.ticks import QUARTER_MS, Quarters
from kahriz.sites import Kahriz, Site, SiteKind
from kahriz.units import Property

if TYPE_CHECKING:
    from kahriz.detect.gallery import Outlet

NAME = "station"

Evidence = dict[str, float | str]

_STRANGE = {
    "gave_way": "It climbed for hours and was gone at once: something that held it gave way.",
    "fell": "It fell from one reading to the next: the sensor may be in the air.",
    "moved": "It jumped from one reading to the next and stayed: the sensor may have been moved.",
}
_FAULTS = {"flat": "flat_line", "impossible": "out_of_range", "noise": "noise"}


class Findings:
    """Put what is wrong at one kahriz into words."""

    def __init__(self, kahriz: Kahriz, quarters: Quarters) -> None:
        self._kahriz = kahriz
        self._quarters = quarters

    def station(self, at: int, outlet: Outlet, station: Station, key: str) -> Iterator[Detection]:
        """Yield everything that is wrong at an outlet after step `at`."""
        water = station.water
        if water.trouble is not None:
            yield self._trouble(at, outlet, station, water.trouble, key)
        for channel, site, prop in (
            (water.flow, outlet.site, Property.DISCHARGE),
            (water.stage, outlet.shaft, Property.STAGE),
            (station.line, outlet.line, Property.DISCHARGE),
        ):
            if site is not None and is_at_fault(site, channel):
                yield self.instrument(at, site, device_of(site, prop), channel)
        if station.losses.is_leaking:
            yield self._leak(at, outlet, station, key)
        if station.season.is_drought:
            yield self._drought(at, outlet, station, key)

    def _trouble(
        self, at: int, outlet: Outlet, station: Station, trouble: Trouble, key: str
    ) -> Detection:
        water = station.water
        evidence: Evidence = {"minutes_since": 15 * (at - trouble.since), "site": outlet.site.id}
        words = []
        expected, observed = trouble.flow[0], water.flow.recent(at)
        if expected == expected and observed == observed:
            deviation = math.expm1(observed - expected)
            evidence |= {
                "observed_lps": round(math.exp(observed), 3),
                "expected_lps": round(math.exp(expected), 3),
                "deviation": round(deviation, 4),
            }
            evidence |= self._left(math.exp(observed))
            words.append(
                f"Outlet {math.exp(observed):.1f} L/s, expected {math.exp(expected):.1f}"
                f" ({100 * deviation:+z.0f} %)."
            )
        if outlet.shaft is not None:
            words += self._shaft(at, outlet.shaft, station, trouble, evidence)
        line, usual = station.line.recent(at), station.losses.usual(at)
        if usual is not None and line == line and observed == observed:
            change = line - (observed - usual[0])
            evidence["line_change"] = round(math.expm1(change), 4)
            words.append(f"Delivery line {100 * math.expm1(change):+z.0f} % against the outlet.")
        if trouble.is_instrument:
            site, prop = (outlet.site, Property.DISCHARGE)
            if trouble.kind != FLOW and outlet.shaft is not None:
                site, prop = outlet.shaft, Property.STAGE
            evidence |= {"fault": "alone", "site": site.id}
            return self._detection(
                Kind.SENSOR, trouble.since, evidence, words, device_of(site, prop)
            )
        if "upstream_stage_change_m" not in evidence and "line_change" not in evidence:
            evidence["witness"] = "none"
            words.append("No other sensor to compare with.")
        return self._detection(Kind(trouble.kind), trouble.since, evidence, words, key)

    def _shaft(
        self, at: int, shaft: Site, station: Station, trouble: Trouble, evidence: Evidence
    ) -> list[str]:
        water = station.water
        expected, observed = trouble.stage[0], water.stage.recent(at)
        words = []
        if expected == expected and observed == observed:
            evidence |= {
                "upstream_stage_change_m": round(observed - expected, 4),
                "upstream_stage_expected_m": round(expected, 4),
                "upstream_site": shaft.id,
            }
            words.append(f"Shaft level {100 * (observed - expected):+z.0f} cm.")
        if water.curve.is_known and water.slow_off == water.slow_off:
            evidence["off_curve_m"] = round(water.slow_off, 4)
            words.append(
                f"Level {100 * water.slow_off:+z.1f} cm off what this flow explains"
                " (12-hour median)."
            )
        return words

    def _left(self, observed_lps: float) -> Evidence:
        lpcd = self._kahriz.lpcd(observed_lps)
        return {} if lpcd is None else {"water_left_lpcd": round(lpcd, 1)}

    def instrument(self, at: int, site: Site, device: str, channel: Channel) -> Detection:
        """Return that an instrument cannot be believed, by itself."""
        evidence: Evidence = {"fault": _FAULTS[channel.fault], "site": site.id}
        since = channel.fault_since
        if channel.fault == "flat":
            since = channel.same_since
            evidence["flat_h"] = round((channel.same_until - since) / 4, 2)
            evidence["longest_flat_h"] = round(channel.longest / 4, 2)
            words = f"{site.name}: {channel.last:g} without any change for {evidence['flat_h']} h."
        elif channel.fault == "impossible":
            words = f"{site.name}: nothing but values that cannot be."
        else:
            words = f"{site.name}: readings scatter far more than in the weeks before."
        evidence["minutes_since"] = 15 * (at - since)
        return self._detection(Kind.SENSOR, since, evidence, [words], device)

    def _leak(self, at: int, outlet: Outlet, station: Station, key: str) -> Detection:
        losses = station.losses
        share = -math.expm1(-losses.worst) if losses.worst == losses.worst else 0.0
        evidence: Evidence = {
            "loss": round(share, 4),
            "limit": round(-math.expm1(-losses.limit), 4) if losses.limit == losses.limit else 0.0,
            "minutes_since": 15 * (at - losses.since),
            "site": outlet.line.id if outlet.line else outlet.site.id,
        }
        words = f"{100 * share:.0f} % more than usual is lost between outlet and village at night."
        flow = station.water.flow.recent(at)
        if flow == flow:
            evidence["loss_lps"] = round(share * math.exp(flow), 3)
            words += f" That is {share * math.exp(flow):.2f} L/s."
        return self._detection(Kind.TAP_LEAK, losses.since, evidence, [words], key)

    def _drought(self, at: int, outlet: Outlet, station: Station, key: str) -> Detection:
        season = station.season
        week = math.exp(sum(season.flow[-7:]) / len(season.flow[-7:]))
        below, fall = -math.expm1(-season.below), -math.expm1(-season.fall)
        evidence: Evidence = {
            "week_lps": round(week, 3),
            "below_season": round(below, 4),
            "change_3_weeks": round(-fall, 4),
            "site": outlet.site.id,
        }
        evidence |= self._left(week)
        words = (
            f"Last week {week:.1f} L/s: {100 * fall:.0f} % less than three weeks before,"
            f" {100 * below:.0f} % below the mean of eleven weeks."
        )
        return self._detection(Kind.DROUGHT, season.since, evidence, [words], key)

    def level(self, at: int, site: Site, device: str, strange: Strange) -> Detection:
        """Return that a level with nothing beside it does what water does not."""
        evidence: Evidence = {
            "fault": strange.fault,
            "site": site.id,
            "observed_m": round(strange.observed_m, 3),
            "expected_m": round(strange.calm_m, 3),
            "deviation_m": round(strange.observed_m - strange.calm_m, 3),
            "minutes_since": round((at * QUARTER_MS - strange.since_ms) / 60_000),
        }
        words = (
            f"{site.name}: level {strange.observed_m:.2f} m, calm {strange.calm_m:.2f}"
            f" ({100 * (strange.observed_m - strange.calm_m):+z.0f} cm); on a usual day it goes"
            f" {100 * strange.usual_m:.0f} cm from calm. {_STRANGE[strange.fault]}"
        )
        since = strange.since_ms // QUARTER_MS
        return self._detection(Kind.SENSOR, since, evidence, [words], device)

    def night(self, at: int, site: Site, loss: Loss) -> Detection:
        """Return that a line delivers water at night that nobody draws."""
        evidence: Evidence = {
            "loss": round(loss.lost, 4),
            "loss_lps": round(loss.night_lps - loss.expected_lps, 3),
            "night_lps": round(loss.night_lps, 3),
            "usual_night_lps": round(loss.expected_lps, 3),
            "minutes_since": round((at * QUARTER_MS - loss.since_ms) / 60_000),
            "site": site.id,
        }
        words = (
            f"{site.name}: {loss.night_lps:.2f} L/s at night, where people would draw"
            f" {loss.expected_lps:.2f}. {100 * loss.lost:.0f} % of the delivery is lost."
        )
        since = loss.since_ms // QUARTER_MS
        return self._detection(Kind.TAP_LEAK, since, evidence, [words], "")

    def battery(self, at: int, site: Site, device: str, battery: Battery) -> Detection:
        """Return that a battery sags."""
        evidence: Evidence = {
            "device": device,
            "battery_v": round(battery.mean, 2),
            "usual_v": round(battery.usual.middle, 2),
            "site": site.id,
        }
        words = (
            f"{device}: {battery.mean:.2f} V in the last day,"
            f" {battery.usual.middle:.2f} V in the two weeks before."
        )
        return self._detection(Kind.BATTERY, battery.since, evidence, [words], device)

    def _detection(
        self, kind: Kind, since: int, evidence: Evidence, words: list[str], key: str
    ) -> Detection:
        begun = self._quarters.end(since)
        return Detection(kind, NAME, begun, evidence, " ".join(words), key, is_held=True)


def is_at_fault(site: Site, channel: Channel) -> bool:
    """Return whether an instrument cannot be believed, by itself.

    Delivery follows people: what is noise at an outlet is a tap turned on and off there.
    """
    is_peoples = site.kind is SiteKind.DELIVERY_LINE and channel.is_flow
    return bool(channel.fault) and not (is_peoples and channel.fault == "noise")


def device_of(site: Site, prop: Property) -> str:
    """Return the device behind a quantity at a site; discharge may come from its stage."""
    measured = {sensor.measures: sensor.device for sensor in site.sensor}
    return measured.get(prop) or measured.get(Property.STAGE) or site.id
