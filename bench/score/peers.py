"""The peers: what is usually put to such series, each at its honest best.

A peer looks at one column, flags readings, and its flags become alarms by the policy that all of
them share (`alarms.raised`). None names a kind, so its messages reach everybody. All but the
minimum night flow read the column the collection calls its main one (an outlet's flow): to flag on
any of several columns was tried on development data, and for a committee each of them did worse.
One setting for every collection, chosen on development data; where a peer needs limits from a
person who knows the station, they are learned from the learning period. A missing reading is
flagged by all but the night flow.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import numpy as np

from bench.score.data import Flags, Floats, Recording
from bench.score.rolling import before, blocks, held
from bench.score.rules import DAY_MS, HOUR_MS, Rules

LINE = ("flow_dist",)
"""Columns that are a delivery line's flow, where minimum night flow means something."""


class NotInstalledError(Exception):
    """A peer's library is not there; the message says how to have it."""


class Peer(Protocol):
    """One way to flag the readings of a station (n,) without looking ahead."""

    def __call__(self, recording: Recording, rules: Rules) -> Flags:
        """Return where something is wrong (n,)."""
        ...


def nothing(recording: Recording, rules: Rules) -> Flags:
    """Flag no reading: any metric has to give it 0."""
    return np.zeros(len(recording.time_ms), dtype=bool)


def everything(recording: Recording, rules: Rules) -> Flags:
    """Flag every reading: any metric has to give it 0."""
    return np.ones(len(recording.time_ms), dtype=bool)


@dataclass(frozen=True, slots=True)
class Hampel:
    """A reading far from the median of the day before it, in spreads of that day.

    A spread below `least` of the median is taken for that, so that a dead calm day does not flag
    the sensor's own resolution. Source: Hampel 1974, J. Am. Stat. Assoc. 69, 383.
    """

    threshold: float = 10.0
    hours: float = 72.0
    least: float = 0.02

    def __call__(self, recording: Recording, rules: Rules) -> Flags:
        """Return where a reading is too far out (n,)."""
        values = recording.main(rules)
        median, spread = before(values, round(self.hours * 60 / rules.step_min))
        limit = self.threshold * np.maximum(spread, self.least * np.abs(median))
        return np.asarray((np.abs(values - median) > limit) | np.isnan(values))


@dataclass(frozen=True, slots=True)
class Ewma:
    """A control chart: the weighted mean of hourly values leaves its limits.

    Source: Roberts 1959, Technometrics 1, 239. Centre and spread are those of the weeks before,
    because no flow has one centre for a year.
    """

    weight: float = 0.1
    width: float = 12.0
    days: float = 14.0

    def __call__(self, recording: Recording, rules: Rules) -> Flags:
        """Return where the chart is out of control (n,)."""
        values = recording.main(rules)
        size = max(1, round(60 / rules.step_min))
        hourly = held(blocks(values, size))
        centre, spread = before(hourly, round(self.days * 24))
        chart = _weighted(hourly, self.weight)
        sigma = spread * np.sqrt(self.weight / (2.0 - self.weight))
        is_out = np.abs(chart - centre) > self.width * sigma
        return _from_blocks(is_out, size, len(values)) | np.isnan(values)


@dataclass(frozen=True, slots=True)
class Qartod:
    """Gross range, spike, rate of change and flat line of U.S. IOOS, as `ioos_qc` has them.

    SUSPECT counts as flagged. Limits are the operator's to give: twice what the learning
    period showed. Source: QARTOD manuals; https://github.com/ioos/ioos_qc.
    """

    margin: float = 2.0
    flat_h: float = 12.0

    def __call__(self, recording: Recording, rules: Rules) -> Flags:
        """Return where any of the four tests says SUSPECT or FAIL (n,)."""
        qartod = _ioos_qc()
        values = recording.main(rules)
        known = values[: _learned(recording, rules)]
        seconds = recording.time_ms.astype("datetime64[ms]").astype("datetime64[s]")
        low, high = np.nanmin(known), np.nanmax(known)
        beyond = (self.margin - 1.0) * (high - low)
        spike = self.margin * np.nanmax(np.abs(known[1:-1] - (known[:-2] + known[2:]) / 2))
        rate = self.margin * np.nanmax(np.abs(np.diff(known))) / (rules.step_min * 60)
        flat_s = round(self.flat_h * 3600)
        with warnings.catch_warnings():
            # Its own use of masked arrays and of time deltas warns.
            warnings.simplefilter("ignore")
            # A spike is known once the reading after it is there.
            spikes = np.roll(qartod.spike_test(values, spike, 2 * spike), 1)
            tests = (
                spikes,
                qartod.gross_range_test(values, fail_span=(low - beyond, high + beyond)),
                qartod.rate_of_change_test(values, seconds, threshold=rate),
                qartod.flat_line_test(values, seconds, flat_s // 2, flat_s, tolerance=0.0),
            )
        flags = np.isnan(values)
        for said in tests:
            flags |= np.isin(np.asarray(said), (3, 4))
        return flags


@dataclass(frozen=True, slots=True)
class NightFlow:
    """The least flow between two and four at night is a fifth above that of the nights before.

    Source: minimum night flow as in LeakDB (Vrachimis et al. 2018) and UK water industry practice.
    Reads the delivery line where there is one; sees leaks and taps only.
    """

    rise: float = 0.2
    nights: int = 10
    utc_offset_h: float = 0.0

    def __call__(self, recording: Recording, rules: Rules) -> Flags:
        """Return the days (n,) after a night with too much flow."""
        line = next((name for name in LINE if name in recording.channels), None)
        values = recording.channels[line] if line else recording.main(rules)
        local_ms = recording.time_ms + round(self.utc_offset_h * HOUR_MS)
        day = (local_ms // DAY_MS).astype(np.int64)
        hour = (local_ms % DAY_MS) / HOUR_MS
        least = np.full(int(day[-1] - day[0]) + 1, np.nan)
        for at in np.flatnonzero((hour >= 2) & (hour < 4) & ~np.isnan(values)).tolist():
            night = int(day[at] - day[0])
            least[night] = np.fmin(least[night], values[at])
        is_leaking = np.zeros(len(least), dtype=bool)
        for night in range(self.nights, len(least)):
            usual = least[night - self.nights : night]
            if not np.isnan(usual).all():
                is_leaking[night] = least[night] > (1.0 + self.rise) * np.nanmin(usual)
        # From four o'clock until the next night is over, what that night said stands.
        judged = np.where(hour >= 4, day, day - 1) - day[0]
        return np.asarray(is_leaking[np.maximum(judged, 0)] & (judged >= 0))


def _ioos_qc() -> ModuleType:
    try:
        return importlib.import_module("ioos_qc.qartod")
    except ImportError as error:
        raise NotInstalledError("no ioos_qc: pip install -e '.[score]'") from error


def _learned(recording: Recording, rules: Rules) -> int:
    """Return how many readings the learning period has."""
    end_ms = recording.time_ms[0] + rules.warmup_d * DAY_MS
    return int(np.searchsorted(recording.time_ms, end_ms))


def _weighted(values: Floats, weight: float) -> Floats:
    """Return the exponentially weighted mean (n,) of all values so far."""
    mean = np.empty(len(values))
    last = values[0] if len(values) else np.nan
    for i, value in enumerate(values.tolist()):
        last = value if np.isnan(last) else last + weight * (value - last)
        mean[i] = last
    return mean


def _from_blocks(is_out: Flags, size: int, n: int) -> Flags:
    """Return for each reading (n,) what the newest block that has ended by then says."""
    block = (np.arange(n) + 1) // size - 1
    return np.asarray(is_out[np.clip(block, 0, len(is_out) - 1)] & (block >= 0))


SANITY: Mapping[str, Peer] = {"null": nothing, "always on": everything}
PEERS: Mapping[str, Peer] = {
    "Hampel": Hampel(),
    "QARTOD": Qartod(),
    "EWMA": Ewma(),
    "night flow": NightFlow(),
}
