"""While our own clock cannot be believed nothing is taken."""

from __future__ import annotations

from datetime import UTC, datetime

from ingest.own_clock import FLOOR_MS, HOLD_S, TOLERANCE_S, OwnClock

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()


class Times:
    """A wall clock that can be set, and a monotonic one that cannot."""

    def __init__(self, wall: float) -> None:
        self.wall, self.monotonic = wall, 1000.0
        self.own = OwnClock(lambda: self.wall, lambda: self.monotonic)

    def after(self, seconds: float) -> str:
        self.wall += seconds
        self.monotonic += seconds
        return self.own.problem()


def test_a_clock_that_runs_is_believed() -> None:
    times = Times(NOW)

    assert [times.after(s) for s in (0, 1, 3600, 86_400)] == ["", "", "", ""]


def test_a_clock_that_was_never_set_is_waited_for_until_it_is_set() -> None:
    times = Times(0.0)

    assert "our clock says 1970-01-01T00:20:00Z" in times.after(1200)
    assert times.after(86_400) != "", "for as long as it takes"
    times.wall = FLOOR_MS / 1000
    assert times.own.problem() == ""


def test_a_step_forward_is_believed_and_the_step_back_that_takes_it_back_is_waited_out() -> None:
    times = Times(NOW)
    times.wall += 3 * 86_400
    assert times.own.problem() == ""
    times.wall -= 3 * 86_400

    assert "our clock went back by 259200 s: the clock of this machine" in times.own.problem()
    assert times.after(HOLD_S - 1) != ""
    assert times.after(1) == ""
    assert times.after(1) == ""


def test_a_step_back_that_is_undone_is_over_at_once() -> None:
    times = Times(NOW)
    times.wall -= 3600
    assert times.own.problem() != ""
    times.wall += 3600

    assert times.own.problem() == ""


def test_a_step_within_the_tolerance_is_no_step() -> None:
    times = Times(NOW)
    times.wall -= TOLERANCE_S

    assert times.own.problem() == ""


def test_a_start_before_our_own_last_sign_of_life_waits_for_the_clock() -> None:
    times = Times(NOW)
    times.own.has_been(round((NOW + 1800) * 1000))

    assert "went back by 1800 s: ingest was at work at 2026-05-01T12:30:00Z" in times.after(0)
    times.wall += 1800
    assert times.own.problem() == ""


def test_a_start_after_our_last_sign_of_life_works_at_once() -> None:
    times = Times(NOW)
    times.own.has_been(round((NOW - 30) * 1000))

    assert times.own.problem() == ""
