"""What may go wrong at a simulated station, how hard and how long, and how it is judged.

A line a kind of trouble of `firmware_sim`. Ranges are drawn from, not tuned: they span what the
field's literature and the recorded collections show, weak cases included, so that not everything
can be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.score.rules import COMMITTEE_KINDS, TECHNICIAN_KINDS, Audience, Rules
from firmware_sim.trouble import TROUBLES

Range = tuple[float, float]
Where = Literal["water", "line", "sensor", "battery", "station"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One kind of trouble.

    Attributes
    ----------
    kind
        Its name among the simulator's.
    hours
        How long it lasts.
    severity
        Part of the discharge, or the unit of where it acts.
    severity_m
        The same for a level, in metres.
    horizon_h
        An onset later than this is no help any more.
    names
        Kinds of alarm that name it right; none for what must not alarm, or need not.
    weight
        How often it is drawn beside the others.
    """

    kind: str
    where: Where
    hours: Range
    severity: Range
    horizon_h: float
    names: tuple[str, ...]
    severity_m: Range = (0.0, 0.0)
    weight: float = 1.0
    called: str = ""
    """Its type in the truth, where that is not the kind's name."""

    @property
    def type(self) -> str:
        """Its name in the truth."""
        return self.called or self.kind


_SENSOR = ("sensor",)

_ALL = (
    Plan("blockage", "water", (24, 240), (0.25, 0.9), 72, ("blockage",), weight=2),
    Plan("gradual_blockage", "water", (330, 620), (0.25, 0.6), 600, ("blockage",)),
    Plan("debris", "water", (24, 120), (0.3, 0.8), 72, ("blockage", "surge")),
    Plan("silting", "water", (1000, 2200), (0.15, 0.35), 1440, ("blockage", "decline")),
    Plan("drought", "water", (1700, 2600), (0.3, 0.6), 1440, ("drought", "decline"), weight=2),
    Plan("overabstraction", "water", (72, 240), (0.15, 0.5), 240,
         ("overabstraction", "decline", "drought")),
    Plan("surge", "water", (8, 36), (0.5, 2.0), 24, ("surge",)),
    Plan("leak", "line", (170, 560), (0.08, 0.3), 336, ("tap_leak",), weight=1.5),
    Plan("illegal_tap", "line", (170, 560), (0.08, 0.25), 168, ("tap_leak",), weight=1.5),
    Plan("natural_flood", "water", (24, 120), (0.2, 0.6), 0, ()),
    Plan("natural_low", "water", (1000, 2000), (0.1, 0.2), 0, ()),
    Plan("flat_line", "sensor", (24, 120), (1, 1), 72, _SENSOR),
    Plan("drift", "sensor", (500, 900), (0.15, 0.5), 900, _SENSOR, (0.05, 0.2)),
    Plan("noise", "sensor", (24, 72), (0.05, 0.2), 48, _SENSOR, (0.02, 0.1)),
    Plan("fouling", "sensor", (400, 900), (0.15, 0.5), 900, _SENSOR, (0.05, 0.2)),
    Plan("offset", "sensor", (24, 120), (0.15, 0.5), 72, _SENSOR, (0.05, 0.3)),
    Plan("ice", "sensor", (24, 120), (0.15, 0.5), 72, _SENSOR, (0.05, 0.4), weight=0.5),
    Plan("out_of_range", "sensor", (4, 24), (10, 30), 24, _SENSOR, (10, 30)),
    Plan("spike", "sensor", (1, 24), (0.5, 3), 0, (), (0.2, 1.0)),
    Plan("battery_sag", "battery", (72, 200), (1.0, 1.6), 168, ("battery", "offline")),
    Plan("silent", "station", (4, 48), (1, 1), 24, ("offline",), called="gap"),
)  # fmt: skip

PLANS = tuple(plan for plan in _ALL if plan.kind in TROUBLES)
"""Those of them that the simulator has."""

NEUTRAL = ("natural_flood", "natural_low")
NOT_JUDGED = ("spike",)
"""Shorter than anybody has to be told of."""


def station_rules() -> Rules:
    """Return how simulated stations are judged; deadlines as for the recorded collections."""
    judged = [plan for plan in PLANS if plan.names]
    committee = [plan for plan in judged if plan.where in ("water", "line")]
    technician = [plan for plan in judged if plan not in committee]
    return Rules(
        step_min=15,
        merge_h=None,
        warmup_d=45,
        var="flow_out",
        exclude=NOT_JUDGED,
        neutral=NEUTRAL,
        horizon_h={plan.type: plan.horizon_h for plan in judged} | {"*": 72},
        kinds={plan.type: plan.names for plan in judged},
        audience={
            "committee": Audience(frozenset(p.type for p in committee), COMMITTEE_KINDS),
            "technician": Audience(frozenset(p.type for p in technician), TECHNICIAN_KINDS),
        },
    )
