"""Waiting for a count: seldom while much is missing, exact at the end, and never for ever."""

from __future__ import annotations

import pytest

from bench import rig


class _Clock:
    """A clock on which a counter grows by so many a second, as long as it grows."""

    def __init__(self, per_s: float, upto: int) -> None:
        self.now = 0.0
        self.asked = 0
        self._per_s = per_s
        self._upto = upto

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds

    def count(self) -> int:
        self.asked += 1
        return min(int(self.now * self._per_s), self._upto)


def test_the_end_is_met_to_a_few_hundredths_of_a_second_by_few_questions() -> None:
    clock = _Clock(10_000, 100_000)
    ended = rig.wait_for(clock.count, 100_000, "all", clock)

    assert 10.0 <= ended <= 10.05
    assert clock.asked < 70


def test_what_never_comes_is_an_error_that_says_how_much_came() -> None:
    clock = _Clock(10_000, 100_000)

    with pytest.raises(RuntimeError, match="not within 180 s: all; there are 100000 of 100001"):
        rig.wait_for(clock.count, 100_001, "all", clock)


def test_a_count_that_grows_no_more_is_what_is_left() -> None:
    clock = _Clock(10_000, 100_000)

    assert rig.settled(clock.count, 200_000, quiet_s=5.0, watch=clock) == 100_000
    assert 15.0 <= clock.now <= 16.0


def test_a_count_that_is_whole_is_not_waited_for() -> None:
    clock = _Clock(10_000, 100_000)

    assert rig.settled(clock.count, 50_000, quiet_s=5.0, watch=clock) >= 50_000
    assert clock.now < 6.0
