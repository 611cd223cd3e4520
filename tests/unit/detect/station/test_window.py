from __future__ import annotations

import math

from kahriz.detect.station.window import Held, Window, median


def test_a_window_forgets_by_age_however_many_values_there_were() -> None:
    window = Window(10)
    for at in (0, 1, 2, 9):
        window.add(at, float(at))
    assert (len(window), window.middle) == (4, 1.5)

    window.add(11, 11.0)
    assert window.at == [2, 9, 11]
    assert window.middle == 9.0


def test_a_windows_spread_is_half_of_the_middle_two_thirds_and_outliers_do_not_widen_it() -> None:
    window = Window(1000)
    for at in range(100):
        window.add(at, at / 100 if at else 1e6)

    assert window.spread == (0.85 - 0.17) / 2
    window.clear()
    assert math.isnan(window.middle)
    assert len(window) == 0


def test_the_median_of_an_even_number_lies_between() -> None:
    assert median([4.0, 1.0, 2.0, 3.0]) == 2.5
    assert median([3.0, 1.0, 2.0]) == 2.0


def held(said: str, needed: int = 4, forgiven: int = 2) -> list[bool]:
    """Ask step by step: ``y`` so, ``n`` not so, a blank nobody asks."""
    condition = Held()
    return [
        condition.has("it", answer == "y", at, needed, forgiven)
        for at, answer in enumerate(said)
        if answer != " "
    ]


def test_a_condition_has_held_once_it_lasted() -> None:
    assert held("yyyyyy") == [False] * 4 + [True] * 2


def test_short_breaks_are_forgiven_longer_ones_are_not() -> None:
    assert held("ynnyy")[-1]
    assert not held("ynnnyyyy")[-1]
    assert held("ynnnyyyyy")[-1]


def test_what_held_once_and_again_a_day_later_has_not_held_meanwhile() -> None:
    assert held("y      y")[-1] is False
    assert held("y   y")[-1] is True


def test_conditions_are_kept_apart() -> None:
    condition = Held()
    condition.has("one", True, 5, 1)
    condition.has("other", False, 5, 1)

    assert condition.is_any("other", "one")
    assert not condition.is_any("other")
    assert (condition.start("one", 9), condition.start("other", 9)) == (5, 9)
    condition.drop("one")
    assert not condition.is_any("one")
