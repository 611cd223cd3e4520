"""The simulator's district in one month: its kahrizes, who answers there, and what goes wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.score.plans import PLANS, Plan
from firmware_sim.registry import sites_toml
from firmware_sim.scenario import KahrizSpec, Scenario, find_scenario, load_scenario
from firmware_sim.trouble import TROUBLES, Trouble
from firmware_sim.trouble.devices import NoSignal
from firmware_sim.trouble.water import WaterTrouble
from firmware_sim.world import World
from kahriz import plugins
from kahriz.clock import to_ms
from kahriz.contacts import Contact
from kahriz.sites import Kahriz, Registry

LEARNED = timedelta(days=75)
"""What the galleries know when the month begins."""

SEASONS = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC),
           datetime(2026, 7, 1, tzinfo=UTC))  # fmt: skip
"""When the month begins, by the seed's turn."""

A_MONTH: Mapping[str, float] = {
    "blockage": 1.0,
    "gradual_blockage": 0.5,
    "overabstraction": 1.0,
    "surge": 0.5,
    "leak": 1.0,
    "illegal_tap": 0.5,
    "natural_flood": 1.0,
    "flat_line": 2.0,
    "offset": 1.0,
    "noise": 1.0,
    "fouling": 1.0,
    "out_of_range": 1.0,
    "spike": 2.0,
    "battery_sag": 2.0,
    "silent": 8.0,
}
"""How often each comes to 24 kahrizes in 30 days: an assumption, nobody has counted it yet."""

OUTAGE_H = (3.0, 9.0)
"""Once a month the district's mast is down for so long; devices keep what they measure."""

_OUTAGE = Plan("no_signal", "station", OUTAGE_H, (1, 1), 24, ("offline",))
_PLANS = {plan.kind: plan for plan in (*PLANS, _OUTAGE)}
_LEVELS = ("outlet", "shaft")
_RATED_FOR = 24 * 30
_CREW = 6


@dataclass(frozen=True, slots=True)
class District:
    """The district, its truth, and the month [start, end)."""

    registry: Registry
    world: World
    start: datetime
    end: datetime

    def troubles(self, kahriz: str) -> Sequence[Trouble]:
        """Return what goes wrong at a kahriz or its devices."""
        spec = next(k for k in self.world.scenario.kahriz if k.id == kahriz)
        return self.world.troubles_at(spec)

    def outages(self, kahriz: str) -> list[tuple[int, int]]:
        """Return [start, end) in milliseconds of when nothing of a kahriz reaches us."""
        found = {(t.start_ms, t.end_ms) for t in self.troubles(kahriz) if isinstance(t, NoSignal)}
        return sorted(found)


def district(
    seed: int,
    kahrizes: int = 24,
    days: int = 30,
    troubles: Sequence[Trouble] | None = None,
    learned: timedelta = LEARNED,
) -> District:
    """Return the first so many kahrizes of the simulator's district in a month of their life.

    Parameters
    ----------
    seed
        Chance: of weather, instruments and, where they are not given, troubles.
    kahrizes, days
        How many, and how long.
    troubles
        What goes wrong, in hours after the month's start; None: by chance, at `A_MONTH`'s rates.
    learned
        How much is measured before.
    """
    whole = load_scenario(find_scenario("district"))
    chosen = whole.kahriz[:kahrizes]
    chance = np.random.default_rng([seed, 5])
    drawn = tuple(_month(chosen, chance, days)) if troubles is None else tuple(troubles)
    changed = {"kahriz": chosen, "trouble": drawn, "history_days": learned / timedelta(days=1)}
    scenario = whole.model_copy(update=changed)
    start = SEASONS[seed % len(SEASONS)]
    begin_ms = to_ms(start - learned)
    world = World(scenario, seed, to_ms(start), begin_ms)
    return District(_registry(scenario), world, start, start + timedelta(days=days))


def names(kind: str) -> tuple[str, ...]:
    """Return the kinds of alert that name a trouble right; none: nobody is to be told of it."""
    return _PLANS[kind].names


# ---- what goes wrong


def _month(
    kahrizes: Sequence[KahrizSpec], chance: np.random.Generator, days: int
) -> Iterator[Trouble]:
    share = len(kahrizes) * days / _RATED_FOR
    for kind, rate in A_MONTH.items():
        for _ in range(int(chance.poisson(rate * share))):
            plan = _PLANS[kind]
            places = _places(plan, kahrizes, chance)
            yield from _made(plan, places, chance, days)
    everywhere = [{"device": d.id} for k in kahrizes for d in k.device]
    yield from _made(_OUTAGE, everywhere, chance, days)


def _made(
    plan: Plan, places: Sequence[Mapping[str, object]], chance: np.random.Generator, days: int
) -> Iterator[Trouble]:
    model: type[Trouble] = plugins.load("trouble", plan.kind, TROUBLES)
    at_h = float(chance.uniform(12, days * 24 - 24))
    when = {"kind": plan.kind, "at_h": at_h, "duration_h": float(chance.uniform(*plan.hours))}
    for place in places:
        yield model.model_validate({**when, **place})


def _places(
    plan: Plan, kahrizes: Sequence[KahrizSpec], chance: np.random.Generator
) -> list[dict[str, object]]:
    first = int(chance.integers(len(kahrizes)))
    kahriz = kahrizes[first]
    severity = float(chance.uniform(*plan.severity))
    devices: dict[str, str] = {device.at: device.id for device in kahriz.device}
    if plan.kind == "overabstraction":  # its neighbour feels the well as well, half as much
        other = kahrizes[(first + 1) % len(kahrizes)]
        felt = {kahriz.id: severity, other.id: severity / 2}
        return [{"kahriz": id, "severity": part} for id, part in felt.items()]
    if plan.where in ("water", "line"):
        return [{"kahriz": kahriz.id, "severity": severity}]
    if plan.where == "sensor":
        device = devices[_LEVELS[int(chance.integers(len(_LEVELS)))]]
        height = float(chance.uniform(*plan.severity_m)) or 1.0
        return [{"device": device, "channel": "stage_m", "severity": height}]
    any_of_them = list(devices.values())
    if plan.where == "battery":
        return [{"device": str(chance.choice(any_of_them)), "severity": severity}]
    # A logger for everything, or one device alone.
    silent = any_of_them if chance.random() < 0.4 else [str(chance.choice(any_of_them))]
    return [{"device": device} for device in silent]


# ---- who is there


def _registry(scenario: Scenario) -> Registry:
    plain = Registry.model_validate(tomllib.loads(sites_toml(scenario)))
    return Registry(kahriz=tuple(_inhabited(k, number) for number, k in enumerate(plain.kahriz)))


def _inhabited(kahriz: Kahriz, number: int) -> Kahriz:
    """Return a kahriz with its people: a crew serves six, an engineer the district."""
    crew = number // _CREW
    # Every fourth committee reads full letters, every sixth Russian, every third has mines near.
    alphabet = "full" if number % 4 == 3 else "folded"
    language = "ru" if number % 6 == 5 else "az"
    said = (
        ("chair", f"Chair {number + 1}", f"+99450100{number:04d}", language),
        ("deputy", f"Deputy {number + 1}", f"+99450200{number:04d}", language),
        ("digger", f"Crew {crew + 1}", f"+99450300{crew:04d}", "az"),
        ("engineer", "Engineer", "+994504000000", "az"),
    )
    contacts = tuple(
        Contact.model_validate(
            {
                "role": role,
                "name": name,
                "phone": phone,
                "language": speaks,
                "alphabet": alphabet if role in ("chair", "deputy") else "folded",
            }
        )
        for role, name, phone, speaks in said
    )
    return kahriz.model_copy(
        update={
            "people": 400 + 90 * number,
            "contact": contacts,
            "contact_for_repair": f"kankan +99450300{crew:04d}",
            "access_note": "Mina tehlükesi: yalniz temizlenmis yolla." if number % 3 == 0 else "",
        }
    )


def is_about_water(trouble: Trouble) -> bool:
    """Return whether a committee is to hear of it."""
    return isinstance(trouble, WaterTrouble) and bool(names(trouble.kind))
