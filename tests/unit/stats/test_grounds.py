from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kahriz.clock import to_ms
from kahriz.stats.delivered import RevisedFigures
from kahriz.stats.grounds import grounds

START = datetime(2026, 11, 20, 20, tzinfo=UTC)
DAY = timedelta(days=1)


def day(
    n: int, covered_s: float, revision: int = 1, computed_at: datetime = START
) -> RevisedFigures:
    start = START + n * DAY
    return RevisedFigures(
        start_ms=to_ms(start),
        end_ms=to_ms(start + DAY),
        n=280,
        n_good=270,
        n_suspect=10,
        n_fail=3,
        min=1.0,
        max=1.0,
        mean=1.0,
        volume_m3=86.4,
        covered_s=covered_s,
        revision=revision,
        computed_at_ms=to_ms(computed_at),
    )


def test_days_nobody_measured_are_missing_from_the_completeness() -> None:
    found = grounds([day(0, 86_400), day(2, 43_200, 3, START + 9 * DAY)], START, START + 4 * DAY)

    assert found.completeness == pytest.approx(1.5 / 4)
    assert (found.n, found.n_suspect, found.n_fail) == (560, 20, 6)
    assert (found.revision, found.computed_at) == (3, START + 9 * DAY)


def test_of_nothing_it_is_said_that_nothing_is_known() -> None:
    found = grounds([], START, START + DAY)

    assert (found.n, found.completeness, found.revision, found.computed_at) == (0, 0.0, 1, None)
