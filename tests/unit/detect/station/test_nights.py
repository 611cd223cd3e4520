"""When it is night at a line is read off its meter, and then its nights are judged."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kahriz.detect.station.nights import Nights

HOUR_MS = 3_600_000
DAYS = 45


def told(
    quiet: int, lost_lps: float = 0.0, since: float = 35.0, silent: tuple[int, int] = (0, 0)
) -> tuple[float, Nights]:
    """Return the day on which a loss was told (NaN: none) of a line, and what judges it.

    Four hours from `quiet` on a fifth is drawn; on the days of `silent` nothing is said.
    """
    rng = np.random.default_rng(2)
    line, day = Nights(), math.nan
    for quarter in range(DAYS * 96):
        at = quarter / 96
        is_quiet = (quarter // 4 - quiet) % 24 < 4
        people = (2.0 if is_quiet else 10.0) * math.exp(rng.normal(0, 0.02))
        value = people + (lost_lps if at >= since else 0.0)
        line.step(quarter * HOUR_MS // 4, math.nan if silent[0] <= at < silent[1] else value)
        if line.standing is not None and math.isnan(day):
            day = at
    return day, line


@pytest.mark.parametrize("quiet", [1, 5, 12, 22])
def test_a_leak_is_told_within_days_whatever_the_hours_at_which_least_is_drawn(quiet: int) -> None:
    day, line = told(quiet, lost_lps=1.0)

    assert 35 < day < 39
    assert line.flow is not None
    assert (line.flow.utc_offset_h + quiet - 1) % 24 == 0


@pytest.mark.parametrize("quiet", [1, 12])
def test_quiet_nights_say_nothing(quiet: int) -> None:
    assert math.isnan(told(quiet)[0])


def test_a_week_of_days_is_needed_to_know_when_it_is_night() -> None:
    assert told(1, silent=(6, DAYS))[1].flow is None
    assert told(1, silent=(8, DAYS))[1].flow is not None


def test_a_silence_is_nobodys_night() -> None:
    day, line = told(1, lost_lps=1.0, silent=(2, 5))

    assert 35 < day < 39
    assert all(1.0 < drawn < 12.0 for drawn in line.hours)


def test_a_line_never_heard_remembers_nothing() -> None:
    line = Nights()
    for hour in range(500):
        line.step(hour * HOUR_MS, math.nan)

    assert (line.hours, line.n_days, line.standing) == ([], 0, None)
