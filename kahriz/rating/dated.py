"""Which curve holds when: a site's ratings, each from one local day to another.

A weir is rebuilt, a plate is set anew, gaugings improve: a value is always rated by the curve that
held at its own time, so a backlog of last month is rated as last month would have been.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kahriz import plugins
from kahriz.clock import to_ms
from kahriz.errors import ConfigError
from kahriz.observations import Flags, Quality, Values
from kahriz.rating import RATINGS, Rated, Rating
from kahriz.sites import RatingEntry, Registry, Site
from kahriz.units import Property

FOR_EVER_MS = int(np.iinfo(np.int64).max)
"""The end of a rating that holds until further notice."""

SAYS_NOTHING = frozenset({"valid_from", "valid_to", "author", "note"})
"""Of an entry: what is no reason to derive discharge again; a new version is."""

_NO_OPTIONS = SAYS_NOTHING | {"method", "version"}


class DatedRating:
    """A site's discharge by whichever of its curves held at the time.

    Parameters
    ----------
    entries
        The site's ratings, in any order, not overlapping (the registry has checked that).
    zone
        The kahriz's time zone: `valid_from` is the first local day an entry holds, `valid_to` the
        first it no longer does.

    Raises
    ------
    ConfigError
        An entry cannot be built; names the rating, the option and the value.
    """

    def __init__(self, entries: Sequence[RatingEntry], zone: tzinfo) -> None:
        ordered = in_order(entries)
        self._curves = tuple(build(entry) for entry in ordered)
        self._start = np.array([midnight_ms(e.valid_from, zone) for e in ordered], np.int64)
        self._end = np.array(
            [FOR_EVER_MS if e.valid_to is None else midnight_ms(e.valid_to, zone) for e in ordered],
            np.int64,
        )

    def discharge(self, time_ms: NDArray[np.int64], stage_m: Values) -> Rated:
        """Return discharge of `stage_m` (n,) [m] at `time_ms` (n,), milliseconds since 1970.

        At times no entry covers discharge is NaN and FAIL. A stage of NaN is MISSING at any time.
        """
        stage = np.asarray(stage_m, np.float64)
        which = self.holding(time_ms)
        discharge, uncertainty = np.full((2, len(stage)), np.nan)
        flags: Flags = np.where(np.isnan(stage), Quality.MISSING, Quality.FAIL).astype(np.uint8)
        for i, curve in enumerate(self._curves):
            rows = np.flatnonzero(which == i)
            if len(rows):
                rated = curve.discharge(stage[rows])
                discharge[rows] = rated.discharge_lps
                uncertainty[rows] = rated.uncertainty_lps
                flags[rows] = rated.quality
        return Rated(discharge, uncertainty, flags)

    def holding(self, time_ms: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return (n,) which of the curves, in time order, held at `time_ms` (n,); -1: none did."""
        which = np.searchsorted(self._start, time_ms, side="right") - 1
        is_held = (which >= 0) & (time_ms < np.append(self._end, 0)[which])
        return np.where(is_held, which, -1)

    def stage(self, time_ms: NDArray[np.int64], discharge_lps: Values) -> Values:
        """Return the stage (n,) [m] that gave `discharge_lps` (n,) at `time_ms` (n,); NaN: none."""
        flow = np.asarray(discharge_lps, np.float64)
        stage = np.full(len(flow), np.nan)
        which = self.holding(time_ms)
        for i, curve in enumerate(self._curves):
            rows = np.flatnonzero(which == i)
            if len(rows):
                stage[rows] = curve.stage(flow[rows])
        return stage

    def uncertainty(self, time_ms: NDArray[np.int64], discharge_lps: Values) -> Values:
        """Return standard uncertainty (n,) [L/s] of discharges that were kept without a stage.

        By way of the stage that gives each; NaN where no curve held, or where it knows no such
        discharge.
        """
        return self.discharge(time_ms, self.stage(time_ms, discharge_lps)).uncertainty_lps


def in_order(entries: Sequence[RatingEntry]) -> list[RatingEntry]:
    """Return a site's ratings by when each begins to hold."""
    return sorted(entries, key=lambda entry: entry.valid_from)


def options(entry: RatingEntry) -> dict[str, Any]:
    """Return what an entry says of its curve, as JSON can."""
    return entry.model_dump(mode="json", exclude=set(_NO_OPTIONS), exclude_none=True)


def build(entry: RatingEntry) -> Rating:
    """Return the rating an `entry` of sites.toml describes.

    What the entry gives is passed on by name, so a rating of one's own (``module:Class``) takes
    whichever of the options it needs.

    Raises
    ------
    ConfigError
        No such rating, an option that is missing, not known to it, or impossible.
    """
    made = plugins.load("rating", entry.method, RATINGS)
    given = entry.model_dump(exclude=set(_NO_OPTIONS), exclude_none=True)
    known = inspect.signature(made).parameters
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in given:
            raise ConfigError(entry.method, f"{name} is missing")
    for name in sorted(entry.model_fields_set & given.keys() - known.keys()):
        raise ConfigError(
            entry.method, f"{name} {given[name]!r} is no option of it", "valid: " + ", ".join(known)
        )
    rating: Rating = made(**{name: value for name, value in given.items() if name in known})
    return rating


def validate(registry: Registry) -> None:
    """Check every rating of the registry, so that start-up refuses what could never be computed.

    Raises
    ------
    ConfigError
        Names kahriz, site, rating, option and value; or a site that has nothing to rate.
    """
    for kahriz in registry.kahriz:
        for site in kahriz.site:
            try:
                _validate(site)
            except ConfigError as error:
                where = f"kahriz {kahriz.id!r} site {site.id!r} rating"
                which = "" if error.where == "rating" else f"{error.where}: "
                raise ConfigError(where, which + error.problem, error.hint) from error


def _validate(site: Site) -> None:
    for entry in site.rating:
        build(entry)
        if entry.valid_to is not None and entry.valid_to <= entry.valid_from:
            raise ConfigError(
                entry.method,
                f"valid_to {entry.valid_to} is not after valid_from {entry.valid_from}",
            )
    if site.rating and not any(s.measures is Property.STAGE for s in site.sensor):
        raise ConfigError(site.rating[0].method, "no sensor of the site measures stage (stage_m)")


def midnight_ms(day: date, zone: tzinfo) -> int:
    """Return the instant at which a local day begins."""
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))
