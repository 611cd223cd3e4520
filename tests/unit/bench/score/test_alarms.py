from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.score.alarms import Alarm, raised, read_alarms, read_flags
from bench.score.rules import Rules
from kahriz.errors import ConfigError
from tests.unit.bench.score.build import STEP_MS, at, collection


def spans(pattern: str, its: Rules | None = None) -> list[tuple[int, int]]:
    """Return the alarms of flags written as text, in steps of a quarter of an hour."""
    marked = np.array([letter == "x" for letter in pattern])
    time_ms = np.arange(len(marked), dtype=np.int64) * STEP_MS
    return [
        (a.onset_ms // STEP_MS, a.end_ms // STEP_MS)
        for a in raised(time_ms, marked, its or Rules())
    ]


def test_three_of_four_readings_raise_an_alarm_and_two_do_not() -> None:
    assert spans("..xx.x..") == [(5, 5)]
    assert spans("..xx..x.") == []


def test_an_alarm_is_over_after_six_hours_without_a_flag() -> None:
    assert spans("xxx" + "." * 23 + "xxx") == [(2, 28)]
    assert spans("xxx" + "." * 24 + "xxx") == [(2, 2), (29, 29)]


def test_a_policy_of_one_raises_at_the_first_flag() -> None:
    assert spans("..x..", Rules(on=1, win=1)) == [(2, 2)]


def test_no_flag_is_no_alarm() -> None:
    assert spans("." * 100) == []


def test_alarms_are_read_in_order_with_their_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "start,end,kind\n1970-01-01 05:00:00,1970-01-01 06:00:00,leak\n"
        "1970-01-01T01:00:00Z,1970-01-01T02:00:00Z,surge\n"
    )
    found = read_alarms(tmp_path, collection([], stations=2))

    assert found == {"a": (Alarm(at(1), at(2), "surge"), Alarm(at(5), at(6), "leak")), "b": ()}


def test_a_file_of_flags_becomes_alarms_by_the_policy(tmp_path: Path) -> None:
    rows = "".join(f"1970-01-01 01:{minute}:00,1\n" for minute in ("00", "15", "30"))
    (tmp_path / "a.csv").write_text(f"time,flag\n1970-01-01 00:00:00,0\n{rows}")
    water = collection([])

    assert read_alarms(tmp_path, water) == {"a": (Alarm(at(1.5), at(1.5)),)}
    assert np.flatnonzero(read_flags(tmp_path, water)["a"]).tolist() == [4, 5, 6]


def test_a_folder_without_any_station_is_not_a_silent_detector(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no file of a station of hand"):
        read_alarms(tmp_path, collection([]))


def test_a_file_that_is_neither_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("when,what\n")
    with pytest.raises(ConfigError, match=r"a\.csv: neither start,end nor time,flag"):
        read_alarms(tmp_path, collection([]))
