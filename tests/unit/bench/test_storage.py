"""The benchmarks of what is stored compare the same readings, and refuse answers that differ."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from bench import fleet, many_sites, storage
from bench.fleet import START
from kahriz.clock import to_ms
from kahriz.observations import ObservationBatch, Quality, Series

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
STREAMS = fleet.names(3, ("discharge", "stage"))


def measured() -> list[ObservationBatch]:
    return list(fleet.batches(STREAMS, timedelta(minutes=25), MINUTE, SECOND))


def test_a_fleet_measures_every_minute_with_three_decimals_and_comes_a_little_late() -> None:
    batches = measured()

    assert [len(batch) for batch in batches] == [60, 60, 30]
    for name in STREAMS:
        series = [batch.by_datastream()[name] for batch in batches]
        late = np.concatenate([s.time.astype(np.int64) for s in series]) - to_ms(START)
        assert (late // 60_000).tolist() == list(range(25))
        assert 0 <= (late % 60_000).min() < (late % 60_000).max() <= 1000
        value = np.concatenate([s.value for s in series])
        assert np.array_equal(value.round(3), value)


def test_both_sides_are_given_the_same_readings() -> None:
    for one, other in zip(measured(), measured(), strict=True):
        assert np.array_equal(one.time, other.time)
        assert np.array_equal(one.value, other.value)


def test_the_embedded_store_is_measured_when_all_is_sealed(tmp_path: Path) -> None:
    with fleet.stored(tmp_path / "it.sqlite", measured()) as store:
        found = store.series(STREAMS[0], START, START + timedelta(days=1))
        more = store.tidy(START + timedelta(days=40_000))

    assert len(found) == 25
    assert more is False


def test_answers_that_differ_are_an_error_and_not_a_figure() -> None:
    time = np.array([1, 2]).astype("datetime64[ms]")
    flags = np.full(2, Quality.GOOD, np.uint8)
    one, other = (Series(STREAMS[0], time, np.array(v), flags) for v in ([1.0, 2.0], [1.0, 2.5]))
    days = {STREAMS[0]: [1.0] * 7}
    with pytest.raises(RuntimeError, match="disagree about the year"):
        storage._check_series(one, other)
    with pytest.raises(RuntimeError, match="disagree"):
        storage._check_chart([1.0, 2.0], [1.0, 2.5])
    with pytest.raises(RuntimeError, match="disagree"):
        many_sites._check_newest({STREAMS[0]: 1.0}, {STREAMS[0]: 2.0})
    with pytest.raises(RuntimeError, match="disagree on k0"):
        many_sites._check_volumes(days, {STREAMS[0]: [1.0] * 6 + [2.0]})


def test_each_side_is_asked_once_cold_and_then_in_turn() -> None:
    asked: list[str] = []
    checked: list[tuple[str, str]] = []

    def ask(who: str) -> str:
        asked.append(who)
        return who

    mine, peer = fleet.in_turn(
        2, lambda: ask("ours"), lambda: ask("theirs"), lambda a, b: checked.append((a, b))
    )

    assert asked == ["ours", "theirs"] * 3
    assert checked == [("ours", "theirs")] * 3
    assert (len(mine), len(peer)) == (2, 2)
