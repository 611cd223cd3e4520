from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kahriz.detect import Detection, KahrizView, Kind
from kahriz.detect.no_data import NoData
from tests.water import LINE, NOW, OUTLET, SHAFT, Water, kahriz

EVERYBODY = ("k-outlet", "k-shaft", "k-line")


def silent(
    hours: float, *, water: Water | None = None, device: str = "k-outlet"
) -> tuple[Detection, ...]:
    water = water or Water()
    for stream in (OUTLET, SHAFT, LINE):
        water.silent(-hours, stream)
    seen: dict[str, datetime] = dict.fromkeys(EVERYBODY, NOW)
    seen[device] = NOW - timedelta(hours=hours)
    return NoData().detect(KahrizView(kahriz(), water.series(), seen), NOW)


def test_a_device_is_reported_after_two_hours_and_not_before() -> None:
    assert silent(1.95) == ()
    (found,) = silent(2.0)

    assert (found.kind, found.key) == (Kind.OFFLINE, "k-outlet")
    assert found.since == NOW - timedelta(hours=2)
    assert found.evidence["silent_h"] == 2.0


def test_a_device_that_speaks_every_half_hour_has_four_hours() -> None:
    water = Water(step=timedelta(minutes=30))

    assert silent(3.5, water=water) == ()
    assert len(silent(4.0, water=Water(step=timedelta(minutes=30)))) == 1


def test_a_device_silent_for_the_whole_look_back_is_still_reported() -> None:
    (found,) = silent(400.0)

    assert found.evidence["limit_h"] == 2.0


def test_a_device_never_heard_is_not_reported() -> None:
    seen = {"k-shaft": NOW, "k-line": NOW}

    assert NoData().detect(KahrizView(kahriz(), Water().series(), seen), NOW) == ()


def test_each_silent_device_is_reported_for_itself() -> None:
    seen = dict.fromkeys(EVERYBODY, NOW - timedelta(hours=3))
    found = NoData().detect(KahrizView(kahriz(), {}, seen), NOW)

    assert [d.key for d in found] == list(EVERYBODY)


def test_impossible_options_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no_data: least"):
        NoData(least=timedelta(0))
    with pytest.raises(ValueError, match="no_data: intervals"):
        NoData(intervals=0.5)
