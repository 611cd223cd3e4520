"""Fresh stations by seed: random kahrizes with random troubles, and the truth about them.

Each is a scenario of `firmware_sim` with an outlet, a shaft upstream and mostly a delivery line,
measured every quarter of an hour for 400 days. The form is that of recorded series, in memory or
as a folder. The same seed gives the same stations; a seed more stations only adds some.

No detector may be tuned on `REPORT_SEEDS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.score.data import Collection, Event, Floats, Recording, TimesMs
from bench.score.plans import NEUTRAL, PLANS, Plan, station_rules
from bench.score.rules import DAY_MS, MINUTE_MS
from firmware_sim.conditions import Conditions
from firmware_sim.demand import Delivery
from firmware_sim.hydrology import Shaft, Source
from firmware_sim.scenario import DeviceSpec, KahrizSpec, Scenario
from firmware_sim.sensor import Sensor
from firmware_sim.trouble import TROUBLES, Trouble
from firmware_sim.world import World
from kahriz import plugins

DEV_SEEDS = (11, 12, 13, 14, *range(31, 46))
"""Look at these as often as you like."""
REPORT_SEEDS = (901, 902, 903, 904, 905)
"""What is reported; never tuned on."""
FLOOR_SEED = 701
"""What the suite holds ours and a peer to."""
STATIONS = 8
"""Stations a seed: 40 on the report seeds."""

DAYS = 400
STEP_MS = 15 * MINUTE_MS
LEARNING_DAYS = 45
START_MS = int(np.datetime64("2024-03-01", "ms").astype(np.int64))

OUTLET, SHAFT, LINE = "outlet", "shaft", "line"
COLUMNS = {
    "flow_out": (OUTLET, "discharge_lps"),
    "level_up": (SHAFT, "stage_m"),
    "flow_dist": (LINE, "discharge_lps"),
    "battery": (OUTLET, "battery_v"),
}
"""By column: device and channel."""
TROUBLED = ("flow_out", "level_up")
"""Columns whose sensors go wrong."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One trouble of a station's year: its plan, when, and the simulator's own for it."""

    plan: Plan
    troubles: tuple[Trouble, ...]

    @property
    def event(self) -> Event:
        """What the truth says: both ends are readings."""
        first = -(-self.troubles[0].start_ms // STEP_MS) * STEP_MS
        last = (self.troubles[0].end_ms - 1) // STEP_MS * STEP_MS
        return Event(first, max(first, last), self.plan.type)


def simulated(seed: int, stations: int = STATIONS, days: int = DAYS) -> Collection:
    """Return stations nobody has seen, by seed."""
    recordings: dict[str, Recording] = {}
    events: dict[str, tuple[Event, ...]] = {}
    for number in range(stations):
        name = f"s{seed}-{number:02d}"
        recordings[name], events[name] = _station(name, seed, number, days)
    return Collection(f"seed {seed}", recordings, events, station_rules())


def _station(name: str, seed: int, number: int, days: int) -> tuple[Recording, tuple[Event, ...]]:
    chance = np.random.default_rng([seed, number])
    kahriz = random_kahriz(name, chance)
    happenings = tuple(_year(kahriz, chance, days))
    troubles = tuple(t for happening in happenings for t in happening.troubles)
    scenario = Scenario(name=name, kahriz=(kahriz,), trouble=troubles)
    world = World(scenario, int(chance.integers(2**31)), START_MS)
    time_ms = START_MS + np.arange(days * DAY_MS // STEP_MS, dtype=np.int64) * STEP_MS
    channels = _measured(world, kahriz, time_ms)
    events = tuple(sorted((h.event for h in happenings), key=lambda e: e.start_ms))
    labelled = np.zeros(len(time_ms), dtype=bool)
    for event in events:
        if event.kind not in NEUTRAL:
            labelled |= (time_ms >= event.start_ms) & (time_ms <= event.end_ms)
    return Recording(name, time_ms, channels, labelled), events


def _measured(world: World, kahriz: KahrizSpec, time_ms: TimesMs) -> dict[str, Floats]:
    devices: dict[str, str] = {device.at: device.id for device in kahriz.device}
    surroundings = Conditions(world)
    said = {at: world.measure(device, time_ms) for at, device in devices.items()}
    heard = {at: surroundings.measures(device, time_ms) for at, device in devices.items()}
    return {
        column: np.where(heard[at], said[at][channel], np.nan)
        for column, (at, channel) in COLUMNS.items()
        if at in devices
    }


def random_kahriz(name: str, chance: np.random.Generator) -> KahrizSpec:
    """Return a kahriz of 2 to 30 L/s, its seasons, people and sensors left to chance."""
    lps = float(np.exp(chance.uniform(np.log(2.0), np.log(30.0))))
    source = Source(
        discharge_lps=lps,
        season="recession" if chance.random() < 0.7 else "sinusoid",
        swing=chance.uniform(0.05, 0.3),
        peak_day=chance.uniform(90, 170),
        recession="maillet" if chance.random() < 0.7 else "boussinesq",
        recession_d=chance.uniform(60, 180),
        rains_per_year=chance.uniform(15, 60),
        rain_swing=chance.uniform(0.0, 0.7),
        rain_lps=lps * chance.uniform(0.01, 0.06),
        rain_rise_h=chance.uniform(8, 30),
        rain_recession_d=chance.uniform(3, 9),
        melt_lps=lps * chance.uniform(0.0, 0.2),
        trees=chance.uniform(0.01, 0.05) if chance.random() < 0.3 else 0.0,
        noise=chance.uniform(0.003, 0.01),
    )
    shaft = Shaft(
        stage_m=chance.uniform(0.6, 2.0),
        gain_m=chance.uniform(0.2, 0.8),
        noise_m=chance.uniform(0.001, 0.003),
    )
    has_line = chance.random() < 0.7
    devices = [_outlet(name, lps, chance), _shaft(name, chance)]
    devices += [_line(name, chance)] if has_line else []
    return KahrizSpec(
        id=name, source=source, shaft=shaft, delivery=_delivery(lps, chance), device=tuple(devices)
    )


def _outlet(name: str, lps: float, chance: np.random.Generator) -> DeviceSpec:
    # A head of 1 to 2 mm, over a V-notch: the less water, the less sure.
    head_m = (lps / 1380.0) ** 0.4
    part = 2.5 * chance.uniform(0.0005, 0.0015) / head_m
    flow = Sensor(noise=0.004, noise_part=part, resolution=0.01)
    return DeviceSpec(
        id=f"{name}-{OUTLET}",
        at=OUTLET,
        channels=("discharge_lps", "battery_v"),
        sensor={"discharge_lps": flow},
    )


def _shaft(name: str, chance: np.random.Generator) -> DeviceSpec:
    level = Sensor(noise=chance.uniform(0.0005, 0.003), resolution=0.001)
    return DeviceSpec(
        id=f"{name}-{SHAFT}", at=SHAFT, channels=("stage_m",), sensor={"stage_m": level}
    )


def _line(name: str, chance: np.random.Generator) -> DeviceSpec:
    flow = Sensor(noise=0.01, noise_part=chance.uniform(0.003, 0.015), resolution=0.01)
    return DeviceSpec(
        id=f"{name}-{LINE}", at=LINE, channels=("discharge_lps",), sensor={"discharge_lps": flow}
    )


def _delivery(lps: float, chance: np.random.Generator) -> Delivery:
    if chance.random() < 0.5:
        share = chance.uniform(0.85, 0.98)
        return Delivery(pattern="turns", turns_h=((0.0, 24.0, share),), noise=0.02)
    return Delivery(
        pattern="drinking",
        mean_lps=lps * chance.uniform(0.3, 0.6),
        swing=chance.uniform(0.3, 0.9),
        noise=0.03,
    )


def _year(kahriz: KahrizSpec, chance: np.random.Generator, days: int) -> Iterator[Happening]:
    """Yield one trouble after the other, days of rest between them, from the learning's end on."""
    has_line = any(device.at == LINE for device in kahriz.device)
    plans = [plan for plan in PLANS if has_line or plan.where != "line"]
    weights = np.array([plan.weight for plan in plans])
    at_h = (LEARNING_DAYS + chance.uniform(3, 15)) * 24.0
    last = ""
    while True:
        plan = plans[int(chance.choice(len(plans), p=weights / weights.sum()))]
        duration_h = float(chance.uniform(*plan.hours))
        if at_h + duration_h > (days - 1) * 24.0:
            return
        if plan.kind != last:
            yield Happening(plan, drawn(plan, kahriz, chance, at_h, duration_h))
            # Long enough for what the trouble left behind to settle.
            at_h += duration_h + chance.uniform(8, 30) * 24.0
            last = plan.kind


def drawn(
    plan: Plan, kahriz: KahrizSpec, chance: np.random.Generator, at_h: float, duration_h: float
) -> tuple[Trouble, ...]:
    """Return the simulator's own for a plan: where and how hard is chance, when is given."""
    model: type[Trouble] = plugins.load("trouble", plan.kind, TROUBLES)
    devices: dict[str, str] = {device.at: device.id for device in kahriz.device}
    when: dict[str, object] = {"kind": plan.kind, "at_h": at_h, "duration_h": duration_h}
    severity = float(chance.uniform(*plan.severity))
    places: list[dict[str, object]]
    if plan.where in ("water", "line"):
        places = [{"kahriz": kahriz.id, "severity": severity}]
    elif plan.where == "sensor":
        places = [_sensor(plan, kahriz, chance, severity)]
    elif plan.where == "battery":
        places = [{"device": devices[OUTLET], "severity": severity}]
    else:
        # Mostly a logger for everything, else the outlet's own device.
        silent = list(devices.values()) if chance.random() < 0.7 else [devices[OUTLET]]
        places = [{"device": device} for device in silent]
    made = [model.model_validate(when | place) for place in places]
    return tuple(t.model_copy(update={"live_start_ms": START_MS}) for t in made)


def _sensor(
    plan: Plan, kahriz: KahrizSpec, chance: np.random.Generator, severity: float
) -> dict[str, object]:
    column = TROUBLED[int(chance.integers(len(TROUBLED)))]
    at, channel = COLUMNS[column]
    of_level = float(chance.uniform(*plan.severity_m))
    height = of_level if channel == "stage_m" else severity * kahriz.source.discharge_lps
    return {"device": f"{kahriz.id}-{at}", "channel": channel, "severity": height or 1.0}
