"""Rain, snowmelt, trees: what the sky gives and takes, at one kahriz or all that share a climate.

A rain soaks in within hours and is given back by the fissures within days: two linear stores, one
after the other, so a rain of height h adds h (exp(-t/f) - exp(-t/u)) with f = `rain_recession_d`
and 1/u = 1/`rain_rise_h` + 1/f. Its water, h (f - u), and what is still to come of it are known
exactly, so the budget closes without an integral. Meltwater comes and goes within its day. Trees
over the gallery drink by day in summer: a comb that no pump has made.

Neighbours with the same `climate` have the same rains at the same instants and the same snow in
the same year; how much of it each gets is its own `rain_lps` and `melt_lps`.

Limits: one rain a day at most; no snow that stays over a year.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firmware_sim.chance import Floats, TimesMs, key, uniform
from firmware_sim.hydrology import DAY_MS, HOUR_MS, ORIGIN_MS, YEAR_DAYS, Source, year_part

_AHEAD_DAYS = 256
_MIDSUMMER_DAY = 196.0


class Rain:
    """All rains since the origin, and what is left of them; grows in days as later ones are asked.

    Parameters
    ----------
    source
        How much and how often it rains, and how fast it comes out.
    seed
        Chance.
    arriving
        The part (n,) of a rain that arrives.
    """

    def __init__(self, source: Source, seed: int, arriving: Callable[[TimesMs], Floats]) -> None:
        self._source = source
        self._seed = seed
        self._arriving = arriving
        self._fissures_ms = source.rain_recession_d * DAY_MS
        self._rise_ms = 1.0 / (1.0 / (source.rain_rise_h * HOUR_MS) + 1.0 / self._fissures_ms)
        self._known_until_ms = ORIGIN_MS
        # The first is none, so that every instant has one before it.
        self._start_ms: TimesMs = np.array([ORIGIN_MS], dtype=np.int64)
        self._height: Floats = np.zeros(1)
        """What each would add if none of it had drained yet (k,) [L/s]."""
        self._slow: Floats = np.zeros(1)
        """The sum over the rains before and at each (k,) [L/s], drained by the fissures ..."""
        self._fast: Floats = np.zeros(1)
        """... and by the rise."""

    def discharge(self, time_ms: TimesMs) -> Floats:
        """Return what earlier rains add (n,) [L/s]."""
        slow, fast = self._stores(time_ms)
        return np.maximum(slow - fast, 0.0)

    def storage(self, time_ms: TimesMs) -> Floats:
        """Return the rain water (n,) [m3] that is still to come out."""
        slow, fast = self._stores(time_ms)
        return (slow * self._fissures_ms - fast * self._rise_ms) * 1e-6

    def recharge(self, time_ms: TimesMs) -> Floats:
        """Return what soaks in (n,) [L/s], spread over the UTC day each rain falls on."""
        day = time_ms // DAY_MS
        self._grow(time_ms)
        last = np.searchsorted(self._start_ms, (day + 1) * DAY_MS) - 1
        is_rainy = self._start_ms[last] // DAY_MS == day
        volume = self._height[last] * (self._fissures_ms - self._rise_ms)
        return np.where(is_rainy, volume / DAY_MS, 0.0)

    def _stores(self, time_ms: TimesMs) -> tuple[Floats, Floats]:
        self._grow(time_ms)
        last = np.searchsorted(self._start_ms, time_ms, side="right") - 1
        since = (time_ms - self._start_ms[last]).astype(np.float64)
        slow = self._slow[last] * np.exp(-since / self._fissures_ms)
        return slow, self._fast[last] * np.exp(-since / self._rise_ms)

    def _grow(self, time_ms: TimesMs) -> None:
        """Know the rains until the last of `time_ms` (n,)."""
        end_ms = (int(time_ms.max()) // DAY_MS + 1) * DAY_MS
        if end_ms <= self._known_until_ms:
            return
        end_ms += _AHEAD_DAYS * DAY_MS
        days = np.arange(self._known_until_ms // DAY_MS, end_ms // DAY_MS, dtype=np.int64)
        self._known_until_ms = end_ms
        days = days[uniform(self._seed, days) < self._likelihood(days)]
        starts = days * DAY_MS + (uniform(self._seed, days, 1) * DAY_MS).astype(np.int64)
        heights = -np.log(uniform(self._seed, days, 2)) * self._source.rain_lps
        self._fall(starts, heights * self._arriving(starts))

    def _likelihood(self, days: TimesMs) -> Floats:
        away = year_part(days * DAY_MS, self._source.rain_day)
        season = 1.0 + self._source.rain_swing * np.cos(2.0 * np.pi * away / YEAR_DAYS)
        return np.asarray(self._source.rains_per_year / YEAR_DAYS * season)

    def _fall(self, starts: TimesMs, heights: Floats) -> None:
        """Add each rain to what is left of those before."""
        gaps = np.diff(starts, prepend=self._start_ms[-1])
        slow, fast = float(self._slow[-1]), float(self._fast[-1])
        slows, fasts = [], []
        left_slow = np.exp(-gaps / self._fissures_ms).tolist()
        left_fast = np.exp(-gaps / self._rise_ms).tolist()
        for height, of_slow, of_fast in zip(heights.tolist(), left_slow, left_fast, strict=True):
            slow, fast = slow * of_slow + height, fast * of_fast + height
            slows.append(slow)
            fasts.append(fast)
        self._start_ms = np.concatenate([self._start_ms, starts])
        self._height = np.concatenate([self._height, heights])
        self._slow = np.concatenate([self._slow, slows])
        self._fast = np.concatenate([self._fast, fasts])


def melt_discharge(source: Source, seed: int, time_ms: TimesMs) -> Floats:
    """Return what snowmelt adds (n,) [L/s]: a bump in spring with a breath of day and night.

    Years differ: between half and one and a half of `melt_lps`.
    """
    half = YEAR_DAYS / 2
    since = time_ms / DAY_MS - source.melt_day + half
    year = np.floor(since / YEAR_DAYS)
    away = since - year * YEAR_DAYS - half
    snow = 0.5 + uniform(key(seed, "snow"), year.astype(np.int64))
    bump = np.exp(-0.5 * (away / source.melt_days) ** 2)
    daily = 1.0 + 0.1 * np.sin(2.0 * np.pi * (time_ms % DAY_MS) / DAY_MS)
    return np.asarray(source.melt_lps * snow * bump * daily)


def thirst_of_trees(source: Source, time_ms: TimesMs) -> Floats:
    """Return how much roots drink (n,), 0 to 1: nothing by night, nothing in winter."""
    summer = np.cos(2.0 * np.pi * year_part(time_ms, _MIDSUMMER_DAY) / YEAR_DAYS)
    day = 0.5 + 0.5 * np.cos(2.0 * np.pi * (time_ms - source.trees_h * HOUR_MS) / DAY_MS)
    return np.asarray(np.maximum(summer, 0.0) * day**2)
