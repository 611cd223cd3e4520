"""How right the forecast of falling water would have been over 20 simulated years: the table.

``python -m bench.hindcast`` prints the table of docs/statistics.md. The water is that of
``firmware_sim``: aquifers of both laws and several constants, a season, rain, snow, and in every
other year a drought of chance depth, which is what makes years differ. The flow is measured with
1 % of scatter; one day in twenty and a month every other year are lost. Every 15 days a forecast is
made from what was known by then, and held against what came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from firmware_sim.hydrology import DAY_MS, HOUR_MS, ORIGIN_MS, Shaft, Shafts, Source
from firmware_sim.spring import Spring
from firmware_sim.trouble.ground import Drought
from firmware_sim.trouble.water import Befalling
from kahriz.observations import Values
from kahriz.stats.forecast import HORIZON_DAYS, Forecast, forecast, smoothed

YEARS = 20
EVERY_DAYS = 15
LPCD = 60.0
SLACK_DAYS = 1
"""Whole days are told."""

MOVED_DAYS = (10.0, 20.0)
"""Years that come early or late, two thirds of them by less than so many days."""

_YEAR_DAYS = 365.25
_FIRST_DAYS = 60
_SHARE_OF_LOW_DAYS = 0.2


@dataclass(frozen=True, slots=True)
class Told:
    """One forecast and what came: days until the water was below; inf: not within the horizon."""

    station: str
    made: Forecast
    came: float

    @property
    def is_early(self) -> bool:
        """Whether the water fell before the band."""
        early = np.inf if self.made.earliest is None else self.made.earliest
        return self.came < early - SLACK_DAYS

    @property
    def is_late(self) -> bool:
        """Whether it fell after the band."""
        late = np.inf if self.made.latest is None else self.made.latest
        return self.came > late + SLACK_DAYS


def stations() -> dict[str, Source]:
    """Return sources of both laws, with recessions from 30 to 300 days, no two with one season."""
    found = {}
    for law in ("maillet", "boussinesq"):
        for days, swing, rain in (
            (30, 0.55, 0.05),
            (75, 0.45, 0.1),
            (150, 0.5, 0.2),
            (300, 0.4, 0.1),
        ):
            found[f"{law} {days} d"] = Source.model_validate(
                {
                    "discharge_lps": 3.0,
                    "swing": swing,
                    "recession": law,
                    "recession_d": days,
                    "rain_lps": rain,
                    "rain_swing": 0.6,
                    "melt_lps": 0.3 * (days > 100),
                    "peak_day": 120.0 + days / 10,
                }
            )
    return found


def daily(
    source: Source, seed: int, years: int = YEARS, moved_days: float = 0.0
) -> tuple[Values, Values]:
    """Return the true mean flow of each day (n,) and what was measured of it, lost days as NaN.

    Each year comes early or late by chance, `moved_days` being the standard deviation.
    """
    chance = np.random.default_rng(seed)
    start_ms = ORIGIN_MS + 366 * DAY_MS
    droughts = [
        Drought(
            kind="drought",
            kahriz="k",
            at_h=24.0 * (year * _YEAR_DAYS + chance.uniform(0, 300)),
            duration_h=24.0 * chance.uniform(60, 250),
            severity=chance.uniform(0.1, 0.6),
            live_start_ms=start_ms,
        )
        for year in range(years)
        if chance.random() < 0.5
    ]
    spring = Spring(source, Shafts(Shaft(), Shaft(), Shaft()), seed, seed, Befalling(droughts))
    days = int(years * _YEAR_DAYS)
    hours = start_ms + np.arange(days * 24, dtype=np.int64) * HOUR_MS
    true = spring.water(hours).outlet_lps.reshape(days, 24).mean(axis=1)
    if moved_days:
        true = _moved(true, moved_days * chance.normal(size=years + 1))
    measured = true * np.exp(0.01 * chance.normal(size=days))
    measured[chance.random(days) < 0.05] = np.nan
    for year in range(0, years, 2):
        lost = int(year * _YEAR_DAYS + chance.uniform(0, 330))
        measured[lost : lost + 30] = np.nan
    return true, measured


def _moved(lps: Values, by_days: Values) -> Values:
    """Return a flow whose middle of each year is `by_days` later, straight in between."""
    day = np.arange(float(len(lps)))
    middles = (np.arange(len(by_days)) + 0.5) * _YEAR_DAYS
    return np.asarray(np.interp(day - np.interp(day, middles, by_days), day, lps))


def hindcast(
    sources: dict[str, Source],
    seeds: Iterable[int],
    every_days: int = EVERY_DAYS,
    moved_days: float = 0.0,
) -> list[Told]:
    """Return what would have been told of each source, and what came."""
    told = []
    for seed in seeds:
        for index, (name, source) in enumerate(sources.items()):
            true, measured = daily(source, 1000 * seed + index, moved_days=moved_days)
            week = smoothed(true)
            people = round(float(np.nanquantile(week, _SHARE_OF_LOW_DAYS)) * 86_400 / LPCD)
            threshold = LPCD * people / 86_400
            for day in range(_FIRST_DAYS, len(true) - HORIZON_DAYS, every_days):
                made = forecast(measured[: day + 1], threshold)
                if made is None or made.earliest == 0 or week[day] < threshold:
                    continue
                below = np.flatnonzero(week[day + 1 : day + 1 + HORIZON_DAYS] < threshold)
                told.append(Told(name, made, float(below[0] + 1) if len(below) else np.inf))
    return told


def coverage(told: Sequence[Told]) -> float:
    """Return how often what came lay in the band."""
    return 1.0 - float(np.mean([each.is_early or each.is_late for each in told]))


def errors(told: Sequence[Told]) -> Values:
    """Return by how many days the likely date was wrong, where one was told and the water fell."""
    return np.array(
        [
            abs(each.came - each.made.likely)
            for each in told
            if each.made.likely is not None and np.isfinite(each.came)
        ]
    )


def row(name: str, told: Sequence[Told]) -> str:
    """Return a line of the table."""
    wrong = errors(told)
    closed = [each for each in told if each.made.latest is not None]
    widths = [(each.made.latest or 0) - (each.made.earliest or 0) for each in closed]
    return (
        f"| {name} | {len(told)} | {100 * coverage(told):.0f} %"
        f" | {100 * np.mean([each.is_early for each in told]):.0f} %"
        f" | {100 * np.mean([each.is_late for each in told]):.0f} %"
        f" | {100 * coverage(closed):.0f} %"
        f" | {np.median(wrong):.0f} d | {np.quantile(wrong, 0.9):.0f} d"
        f" | {np.median(widths):.0f} d"
        f" | {100 * len(closed) / len(told):.0f} %"
        f" | {100 * np.mean([np.isinf(each.came) for each in told]):.0f} % |"
    )


HEAD = (
    "rests on",
    "told",
    "in the band",
    "before it",
    "after it",
    "in a closed band",
    "off, half",
    "off, 9 of 10",
    "width",
    "closed",
    "never came",
)

GROUPS: dict[str, Callable[[Told], bool]] = {
    "recession alone": lambda told: told.made.basis == "recession",
    "2 to 4 years": lambda told: 2 <= told.made.years <= 4,
    "5 to 9 years": lambda told: 5 <= told.made.years <= 9,
    "10 to 19 years": lambda told: told.made.years >= 10,
}


def main() -> None:
    """Print the table."""
    sources = stations()
    told = hindcast(sources, range(1, 6))
    print("| " + " | ".join(HEAD) + " |")
    print("|---" * len(HEAD) + "|")
    for name, belongs in GROUPS.items():
        print(row(name, [each for each in told if belongs(each)]))
    by_years = [each for each in told if each.made.basis == "years"]
    for days in MOVED_DAYS:
        moved = hindcast(sources, range(1, 6), moved_days=days)
        found = [each for each in moved if each.made.basis == "years"]
        print(row(f"years, early or late by {days:.0f} d", found))
    for name in sources:
        print(row(name, [each for each in by_years if each.station == name]))


if __name__ == "__main__":
    main()
