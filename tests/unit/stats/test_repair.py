from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from kahriz.stats.repair import Handled, StageTime, stage_times

FIRED = datetime(2026, 11, 1, tzinfo=UTC)
NOW = FIRED + timedelta(days=21)


def after(minutes: float | None) -> datetime | None:
    return None if minutes is None else FIRED + timedelta(minutes=minutes)


def alert(
    told: float | None = 1,
    acknowledged: float | None = None,
    on_site: float | None = None,
    resolved: float | None = None,
    *,
    false: bool = False,
) -> Handled:
    return Handled(FIRED, after(told), after(acknowledged), after(on_site), after(resolved), false)


def stage(name: str, *alerts: Handled) -> StageTime:
    return next(s for s in stage_times(alerts, NOW) if s.stage == name)


def test_half_of_three_repairs_took_as_long_as_the_middle_one() -> None:
    found = stage("resolved", alert(resolved=60), alert(resolved=240), alert(resolved=120))

    assert found == StageTime("resolved", 3, 3, 120.0, 240.0, 60.0, 240.0)


def test_a_repair_that_is_not_done_counts_as_slower_than_it_has_waited() -> None:
    found = stage("resolved", alert(resolved=60), alert(), alert())

    assert found == StageTime("resolved", 3, 1, None, None, 60.0, None)


def test_a_published_example_is_computed_alike() -> None:
    # Bewick, Cheek & Ball 2004, Critical Care 8, 389, table 2: days 1 1 4 5 6+ 9 9+ 22, of which S
    # is 0.750 from day 1, 0.625 from 4, 0.500 from 5, 0.333 from 9 and 0 from 22 on.
    waits = [(1, True), (1, True), (4, True), (5, True), (6, False), (9, True), (9, False)]
    alerts = [
        Handled(NOW - timedelta(days=days), None, None, None, NOW if is_done else None)
        for days, is_done in [*waits, (22, True)]
    ]
    found = next(s for s in stage_times(alerts, NOW) if s.stage == "resolved")

    assert (found.n, found.n_reached) == (8, 6)
    assert (found.median_min, found.slow_min) == (5 * 1440.0, 22 * 1440.0)


def test_who_never_took_it_on_waited_until_it_ended() -> None:
    # The first waited 30 minutes at most, and says nothing of those who waited longer.
    found = stage("acknowledged", alert(resolved=30), alert(acknowledged=60))

    assert found == StageTime("acknowledged", 2, 1, 60.0, 60.0, 60.0, 60.0)


def test_a_false_alarm_is_told_and_repaired_by_nobody() -> None:
    false = alert(told=2, acknowledged=5, resolved=600, false=True)

    assert stage("told", false).n == 1
    assert stage("acknowledged", false).median_min == 5.0
    assert stage("resolved", false) == StageTime("resolved", 0, 0, None, None, None, None)


def test_who_took_it_on_while_it_was_watched_needed_no_time() -> None:
    assert stage("acknowledged", alert(acknowledged=-3)).median_min == 0.0


def test_what_happened_after_now_is_not_known() -> None:
    late = Handled(FIRED, None, None, None, NOW + timedelta(hours=1))

    assert stage("resolved", late) == StageTime("resolved", 1, 0, None, None, None, None)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=2, max_size=40))
def test_it_is_kaplan_meier_as_scipy_computes_it(waits: list[tuple[int, bool]]) -> None:
    done = [wait for wait, is_done in waits if is_done]
    if not done:
        return
    open_ = [wait for wait, is_done in waits if not is_done]
    alerts = [
        Handled(NOW - timedelta(minutes=wait), None, None, None, NOW if is_done else None)
        for wait, is_done in waits
    ]
    found = next(s for s in stage_times(alerts, NOW) if s.stage == "resolved")
    curve = ecdf(CensoredData(uncensored=np.array(done), right=np.array(open_))).sf
    for part, ours in ((0.5, found.median_min), (0.1, found.slow_min)):
        reached = curve.quantiles[curve.probabilities <= part + 1e-12]
        assert ours == (pytest.approx(reached[0]) if len(reached) else None)
    # Where nobody waits any more scipy's interval is not a number; ours ends there.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = curve.confidence_interval(method="log-log")
    is_over = curve.probabilities <= 1e-12
    for bound, ours in (
        (interval.low, found.median_low_min),
        (interval.high, found.median_high_min),
    ):
        known = np.where(is_over, 0.0, bound.probabilities)
        reached = curve.quantiles[known <= 0.5 + 1e-12]
        assert ours == (pytest.approx(reached[0]) if len(reached) else None)
