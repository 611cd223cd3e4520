"""The demo's time: kept over a start, and the time of whoever works beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kahriz.cli.demo_clock import clock_beside_a_demo, resumed_clock, save_clock

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AHEAD = NOW + timedelta(days=40)


def test_simulated_time_goes_on_where_it_stood_and_never_behind_the_real(tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(days=40)
    save_clock(tmp_path, lambda: ahead, 300)
    clock, environment = resumed_clock(tmp_path, 300)
    (tmp_path / "clock.json").write_text(json.dumps({"simulated": "2020-01-01T00:00:00+00:00"}))
    caught_up, _ = resumed_clock(tmp_path, 300)

    assert timedelta(0) <= clock() - ahead < timedelta(hours=1)
    assert datetime.fromisoformat(environment["KAHRIZ_CLOCK__ORIGIN"]) == ahead
    assert caught_up() >= datetime.now(UTC)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 5.0])
def test_who_works_beside_a_demo_has_its_time(tmp_path: Path, seconds: float) -> None:
    save_clock(tmp_path, lambda: AHEAD, 300, lambda: NOW)
    clock = clock_beside_a_demo(tmp_path, lambda: NOW + timedelta(seconds=seconds))

    assert clock is not None
    assert clock() == AHEAD + timedelta(seconds=300 * seconds)


@pytest.mark.parametrize("seconds", [-1.0, 5.1])
def test_a_demo_that_has_ended_leaves_nobody_its_time(tmp_path: Path, seconds: float) -> None:
    save_clock(tmp_path, lambda: AHEAD, 300, lambda: NOW)

    assert clock_beside_a_demo(tmp_path, lambda: NOW + timedelta(seconds=seconds)) is None


def test_what_an_older_demo_left_behind_is_no_clock(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text(json.dumps({"simulated": NOW.isoformat()}))

    assert clock_beside_a_demo(tmp_path, lambda: NOW) is None
    assert clock_beside_a_demo(tmp_path / "nowhere") is None
