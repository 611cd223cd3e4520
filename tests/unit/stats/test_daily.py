from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from kahriz.stats.daily import daily, monthly
from kahriz.stats.delivered import RevisedFigures
from kahriz.stats.rollup import Figures
from tests.unit.stats.test_delivered import BAKU, day_of_water

FIRST = date(2026, 10, 1)


def water(days: int, *, missing: tuple[int, ...] = (), hours: float = 24.0) -> list[RevisedFigures]:
    return [
        day_of_water(FIRST + timedelta(days=n), 86.4 * hours / 24, hours)
        for n in range(days)
        if n not in missing
    ]


def test_days_stay_one_day_apart_and_a_missing_one_is_not_known() -> None:
    found = daily(water(5, missing=(2,)), BAKU, FIRST + timedelta(days=6))

    assert found is not None
    assert (found.first, found.known) == (FIRST, 4)
    assert found.lps.tolist() == pytest.approx([1.0, 1.0, np.nan, 1.0, 1.0, np.nan], nan_ok=True)


def test_a_day_measured_for_less_than_nine_tenths_is_not_known() -> None:
    enough = daily(water(1, hours=21.6), BAKU, FIRST + timedelta(days=1))
    less = daily(water(1, hours=21.5), BAKU, FIRST + timedelta(days=1))

    assert enough is not None
    assert less is not None
    assert (enough.known, less.known) == (1, 0)


def test_the_running_day_and_what_follows_are_left_out() -> None:
    found = daily(water(5), BAKU, FIRST + timedelta(days=3))

    assert found is not None
    assert len(found.lps) == 3
    assert daily(water(5), BAKU, FIRST) is None
    assert daily([], BAKU, FIRST) is None


def test_a_month_is_known_by_nine_days_in_ten() -> None:
    until = date(2026, 12, 1)
    found = daily(water(61, missing=(3, 4, 5)), BAKU, until)
    more_missing = daily(water(61, missing=(3, 4, 5, 6)), BAKU, until)

    assert found is not None
    assert more_missing is not None
    months, means = monthly(found)
    assert months.tolist() == [12 * 2026 + 9, 12 * 2026 + 10]
    assert means.tolist() == pytest.approx([1.0, 1.0])
    assert monthly(more_missing)[0].tolist() == [12 * 2026 + 10]


def test_figures_without_a_mean_are_no_flow() -> None:
    day = day_of_water(FIRST, None, 0.0)
    assert isinstance(day, Figures)
    found = daily([day], BAKU, FIRST + timedelta(days=1))

    assert found is not None
    assert found.known == 0
