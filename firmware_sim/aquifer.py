"""The body of water a kahriz drains: recharged, emptied slowly, and a store of what is kept back.

Its discharge Q follows from what it holds, S:

- Maillet: Q = S / T, so without recharge Q = Q0 exp(-t/T);
- Boussinesq: Q = c S^2 with c = 1 / (4 T^2 Qm), so Q = Q0 / (1 + t/2T)^2 from Q0 = Qm on,

with T the source's `recession_d` and Qm its `discharge_lps`. Recharge is what makes the season's
shape come out; where the shape falls faster than the aquifer can, recharge is none and the aquifer
falls at its own pace. A drought lowers the shape that recharge sustains; what a blockage does not
let out stays in the aquifer and presses harder.

It is integrated by the trapezoidal rule, a day a step, from a fixed instant (`ORIGIN_MS`), and is
a line between midnights: whoever asks, in whatever portions, the steps are the same. A run from
2000 to 2027 takes some milliseconds a kahriz; what is long past is forgotten, and made anew for who
asks.

Limit: what is kept back presses from its UTC day's beginning on, evenly: with a recession of 90
days up to 0.3 % more water comes in the hours before a gallery falls in.

Sources: Maillet, Essais d'hydraulique souterraine et fluviale (1905); Boussinesq, Recherches
theoriques sur l'ecoulement des nappes d'eau (1904); Dewandel et al., J. Hydrol. 274 (2003).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.hydrology import DAY_MS, ORIGIN_MS, Source, season_factor

_ORIGIN_DAY = ORIGIN_MS // DAY_MS
_DAY_S = DAY_MS // 1000
_AHEAD_DAYS = 256
_DAYS_KEPT = 800
_STEP_MS = 5 * 60_000
# The middles of a day's steps: what is kept back is a mean of them.
_WITHIN_MS = np.arange(_STEP_MS // 2, DAY_MS, _STEP_MS, dtype=np.int64)
_WITHIN = _WITHIN_MS / DAY_MS

Course = Callable[[TimesMs], Floats]
"""What something comes to (n,) at instants (n,)."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """What stands between an aquifer and the day.

    Attributes
    ----------
    sustained
        The part of the season's shape that recharge sustains.
    kept
        The part of the discharge that does not come out; below 0 where more comes than is given.
    kept_spans
        When something may be kept: [start, until) in milliseconds.
    quick_lps
        Rain and melt [L/s], of which the same part is kept.
    """

    sustained: Course
    kept: Course
    kept_spans: Sequence[tuple[int, int]]
    quick_lps: Course


@dataclass(slots=True)
class _Days:
    """What happens in each of n days; each array (n,)."""

    given_lps: Floats
    """Recharge, and what is kept of rain and melt."""
    first: Floats
    """Seconds of the discharge at the day's beginning that come out, in that day ..."""
    last: Floats
    """... and of the discharge at its end: half a day each where nothing is kept."""


class Aquifer:
    """What the ground holds and gives; grows in days as later ones are asked for.

    Parameters
    ----------
    source
        Its figures.
    outlet
        What changes its recharge or keeps its water back.
    """

    def __init__(self, source: Source, outlet: Outlet) -> None:
        self._source = source
        self._outlet = outlet
        self._recession_s = source.recession_d * _DAY_S
        self._begin()

    def _begin(self) -> None:
        """Know nothing but how it stood at the origin."""
        self._first_day = _ORIGIN_DAY
        self._discharge: Floats = self._wanted(_ORIGIN_DAY, 1)
        """At the midnights from the first day on (d + 1,) [L/s]."""
        self._recharge: Floats = np.empty(0)
        """Means of the days (d,) [L/s]."""

    def discharge(self, time_ms: TimesMs) -> Floats:
        """Return what it gives (n,) [L/s] while nothing keeps it back."""
        day, part = self._days(time_ms)
        return self._discharge[day] * (1.0 - part) + self._discharge[day + 1] * part

    def recharge(self, time_ms: TimesMs) -> Floats:
        """Return what it is given (n,) [L/s], a mean of each UTC day."""
        return self._recharge[self._days(time_ms)[0]]

    def storage(self, time_ms: TimesMs) -> Floats:
        """Return what it holds (n,) [m3]; at midnights exactly what recharge and outflow leave."""
        return self._held(self.discharge(time_ms)) / 1000.0

    def _days(self, time_ms: TimesMs) -> tuple[NDArray[np.int64], Floats]:
        day = time_ms // DAY_MS
        if len(day):
            first = int(day.min())
            if first < _ORIGIN_DAY:
                raise ValueError(f"no water before 2000-01-01: asked for {int(time_ms.min())} ms")
            if first < self._first_day:
                self._begin()
            self._grow(int(day.max()))
            self._forget(first)
        return day - self._first_day, (time_ms % DAY_MS) / DAY_MS

    def _forget(self, first_day: int) -> None:
        """Drop what is long before the first day asked for; who asks for it gets it made anew."""
        drop = first_day - _DAYS_KEPT - self._first_day
        if drop > _DAYS_KEPT:
            self._discharge = self._discharge[drop:].copy()
            self._recharge = self._recharge[drop:].copy()
            self._first_day += drop

    def _held(self, lps: Floats) -> Floats:
        """Return the storage [L] that gives `lps`."""
        if self._source.recession == "maillet":
            return lps * self._recession_s
        return 2.0 * self._recession_s * np.sqrt(lps * self._source.discharge_lps)

    def _grow(self, last_day: int) -> None:
        """Know the days until `last_day`."""
        first = self._first_day + len(self._recharge)
        if last_day < first:
            return
        n = last_day + 1 + _AHEAD_DAYS - first
        recharge = self._recharge_of(first, n)
        course = _Days(recharge.copy(), np.full(n, _DAY_S / 2.0), np.full(n, _DAY_S / 2.0))
        self._keep(first, course)
        step = self._maillet if self._source.recession == "maillet" else self._boussinesq
        discharge = step(float(self._discharge[-1]), course)
        self._recharge = np.concatenate([self._recharge, recharge])
        self._discharge = np.concatenate([self._discharge, discharge])

    def _wanted(self, first_day: int, n: int) -> Floats:
        """Return the discharge (n,) [L/s] that the season asks for, at n midnights."""
        midnights = np.arange(first_day, first_day + n, dtype=np.int64) * DAY_MS
        shape = season_factor(self._source, midnights) * self._outlet.sustained(midnights)
        return np.asarray(self._source.discharge_lps * shape)

    def _recharge_of(self, first_day: int, n: int) -> Floats:
        """Return the recharge of n days (n,) [L/s] that the season's shape asks for."""
        wanted = self._wanted(first_day, n + 1)
        means = (wanted[1:] + wanted[:-1]) / 2.0
        return np.maximum(means + np.diff(self._held(wanted)) / _DAY_S, 0.0)

    def _keep(self, first_day: int, course: _Days) -> None:
        """Let what is kept back stay, in the days from `first_day` on."""
        days = self._keeping(first_day, len(course.given_lps))
        if not len(days):
            return
        at = ((days[:, np.newaxis] + first_day) * DAY_MS + _WITHIN_MS).ravel()
        kept = self._outlet.kept(at).reshape(len(days), -1)
        quick = self._outlet.quick_lps(at).reshape(len(days), -1)
        course.given_lps[days] += (kept * quick).mean(axis=1)
        course.first[days] -= (kept * (1.0 - _WITHIN)).mean(axis=1) * _DAY_S
        course.last[days] -= (kept * _WITHIN).mean(axis=1) * _DAY_S

    def _keeping(self, first_day: int, n: int) -> NDArray[np.intp]:
        """Return which of n days something may be kept in."""
        is_keeping = np.zeros(n, dtype=bool)
        for start_ms, until_ms in self._outlet.kept_spans:
            start = start_ms // DAY_MS - first_day
            end = -(-until_ms // DAY_MS) - first_day
            is_keeping[max(start, 0) : max(end, 0)] = True
        return np.flatnonzero(is_keeping)

    def _maillet(self, lps: float, days: _Days) -> list[float]:
        """Return the discharge at the end of each day [L/s]: S1 = S0 + dt R - a Q0 - b Q1."""
        ends = []
        columns = (days.given_lps.tolist(), days.first.tolist(), days.last.tolist())
        for given, first, last in zip(*columns, strict=True):
            held = lps * self._recession_s + _DAY_S * given - first * lps
            lps = max(held, 0.0) / (self._recession_s + last)
            ends.append(lps)
        return ends

    def _boussinesq(self, lps: float, days: _Days) -> list[float]:
        """Return the same for Q = c S^2: the positive root of S1 + b c S1^2 = rest."""
        c = 1.0 / (4.0 * self._recession_s**2 * self._source.discharge_lps)
        ends = []
        columns = (days.given_lps.tolist(), days.first.tolist(), days.last.tolist())
        for given, first, last in zip(*columns, strict=True):
            rest = max(math.sqrt(lps / c) + _DAY_S * given - first * lps, 0.0)
            held = 2.0 * rest / (1.0 + math.sqrt(1.0 + 4.0 * last * c * rest))
            lps = c * held * held
            ends.append(lps)
        return ends
