"""The world the devices stand in: the water, who draws it, and what goes wrong, at any instant."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import numpy as np

from firmware_sim.battery import Supply
from firmware_sim.chance import Floats, TimesMs, key
from firmware_sim.hydrology import DAY_MS, Water
from firmware_sim.scenario import STAGED, DeviceSpec, KahrizSpec, Scenario
from firmware_sim.sensor import DEFAULT_SENSORS, battery_voltage, in_steps, measured
from firmware_sim.spring import Spring
from firmware_sim.trouble import Trouble
from firmware_sim.trouble.devices import DeviceTrouble
from firmware_sim.trouble.water import Befalling, WaterTrouble
from firmware_sim.village import Village
from kahriz import plugins
from kahriz.rating import RATINGS, Rating
from kahriz.rating.v_notch import MAX_HEAD_M

_NEVER_NEGATIVE = ("discharge_lps", "turbidity_ntu")


class World:
    """A scenario that has begun; every answer is a pure function of (seed, time).

    Parameters
    ----------
    scenario
        What there is.
    seed
        Chance; the same seed gives the same values.
    live_start_ms
        The instant the events' hours count from.
    begin_ms
        The first instant anybody asks about; by default the scenario's history before the start.
    """

    def __init__(
        self, scenario: Scenario, seed: int, live_start_ms: int, begin_ms: int | None = None
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.troubles: tuple[Trouble, ...] = tuple(
            t.model_copy(update={"live_start_ms": live_start_ms}) for t in scenario.trouble
        )
        self._devices = scenario.devices()
        self._villages: dict[str, Village] = {}
        if begin_ms is None:
            begin_ms = live_start_ms - round(scenario.history_days * DAY_MS)
        self.supplies = {
            name: Supply(spec.battery, key(seed, name, "clouds"), begin_ms, self._shade_of(name))
            for name, (_, spec) in self._devices.items()
            if spec.battery is not None
        }
        """The batteries that are modelled, by device."""
        self._last: dict[str, tuple[TimesMs, Water]] = {}
        self._weir: Rating = plugins.load("rating", "v_notch_90", RATINGS)()

    def water(self, kahriz: KahrizSpec, time_ms: TimesMs) -> Water:
        """Return the kahriz's water at `time_ms` (n,), troubles and demand included."""
        if kahriz.id not in self._villages:
            self._villages[kahriz.id] = self._village(kahriz)
        return self._villages[kahriz.id].water(time_ms)

    def _village(self, kahriz: KahrizSpec) -> Village:
        seed = key(self.seed, kahriz.id)
        climate = kahriz.source.climate
        sky = key(self.seed, "climate", climate) if climate else seed
        befalling = Befalling([t for t in self.troubles if _befalls(t, kahriz)])
        spring = Spring(kahriz.source, kahriz.shafts, seed, sky, befalling)
        return Village(spring, kahriz.delivery, seed, befalling)

    def troubles_at(self, kahriz: KahrizSpec) -> list[Trouble]:
        """Return what happens at a kahriz: to its water, or to a device of it."""
        devices = {device.id for device in kahriz.device}
        return [t for t in self.troubles if t.device in devices or _befalls(t, kahriz)]

    def measure(self, device: str, time_ms: TimesMs) -> dict[str, Floats]:
        """Return what the device's sensors say (n,) a channel at `time_ms` (n,)."""
        kahriz, spec = self._devices[device]
        water = self._water_once(kahriz, time_ms)
        return {c: self._channel(kahriz, spec, c, time_ms, water) for c in spec.channels}

    def _water_once(self, kahriz: KahrizSpec, time_ms: TimesMs) -> Water:
        """Return the water that the last device of this kahriz looked at, if it is the same."""
        known = self._last.get(kahriz.id)
        if known is None or not np.array_equal(known[0], time_ms):
            known = self._last[kahriz.id] = (time_ms, self.water(kahriz, time_ms))
        return known[1]

    def _shade_of(self, device: str) -> Callable[[TimesMs], Floats]:
        """Return what says which part of the sun a device's troubles leave it."""
        shades = [t for t in self.troubles if isinstance(t, DeviceTrouble) and t.device == device]

        def shade(time_ms: TimesMs) -> Floats:
            left = np.ones(len(time_ms))
            for trouble in shades:
                left *= trouble.sunshine(time_ms)
            return left

        return shade

    def _channel(
        self, kahriz: KahrizSpec, spec: DeviceSpec, channel: str, time_ms: TimesMs, water: Water
    ) -> Floats:
        seed = key(self.seed, kahriz.id, spec.id, channel)
        sensor = spec.sensor.get(channel, DEFAULT_SENSORS[channel])
        truth = self._truth(spec, channel, water, time_ms, seed)
        values = measured(sensor, seed, time_ms, truth)
        if channel in _NEVER_NEGATIVE:
            values = np.maximum(values, 0.0)

        def sound(at: TimesMs) -> Floats:
            then = self._truth(spec, channel, self.water(kahriz, at), at, seed)
            return measured(sensor, seed, at, then)

        for trouble in self.troubles:
            if trouble.device == spec.id and trouble.channel == channel:
                values = in_steps(sensor, trouble.change_values(values, time_ms, sound))
        return values

    def _truth(
        self, spec: DeviceSpec, channel: str, water: Water, time_ms: TimesMs, seed: int
    ) -> Floats:
        if channel == "battery_v":
            supply = self.supplies.get(spec.id)
            return battery_voltage(seed, time_ms) if supply is None else supply.voltage(time_ms)
        if (spec.at, channel) == ("outlet", "stage_m"):
            return self._stage(water.outlet_lps)
        if channel == "discharge_lps":
            return water.line_lps if spec.at == "line" else water.outlet_lps
        return np.asarray(getattr(water, f"{spec.at}_{channel}" if spec.at in STAGED else channel))

    def _stage(self, discharge_lps: Floats) -> Floats:
        """Return the head (n,) [m] over the weir; one that runs over shows its rim."""
        return np.nan_to_num(self._weir.stage(discharge_lps), nan=MAX_HEAD_M)


def _befalls(trouble: Trouble, kahriz: KahrizSpec) -> TypeGuard[WaterTrouble]:
    if not isinstance(trouble, WaterTrouble):
        return False
    shared = bool(trouble.climate) and trouble.climate == kahriz.source.climate
    return shared or trouble.kahriz == kahriz.id


def write_truth(path: Path, world: World) -> None:
    """Write the troubles as CSV: what a detector's alerts are to be compared with.

    A series is a kahriz. Instants are UTC and name no zone; at `end` it is over, at `peak` it is as
    bad as it gets.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["series", "start", "end", "type", "channel", "severity", "peak", "device"])
        rows = ((k, t) for k in world.scenario.kahriz for t in world.troubles_at(k))
        for kahriz, trouble in sorted(rows, key=lambda row: row[1].start_ms):
            times = [_bare(ms) for ms in (trouble.start_ms, trouble.end_ms, trouble.peak_ms)]
            what = [trouble.kind, trouble.channel, trouble.severity]
            table.writerow([kahriz.id, *times[:2], *what, times[2], trouble.device])


def _bare(time_ms: int) -> str:
    return str(np.datetime_as_string(np.datetime64(time_ms, "ms"), unit="s"))
