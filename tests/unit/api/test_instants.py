from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.instants import LONGEST, interval, parse_instant
from api.problems import Problem

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22T12:00:00Z", NOW),
        ("2026-11-22T16:00:00+04:00", NOW),
        ("2026-11-22T15:30+03:30", NOW),
        ("2026-11-22T12:00:00.250Z", NOW + timedelta(milliseconds=250)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2199-12-31T23:59:59Z", datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_with_a_zone_is_that_instant_in_utc(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "ISO 8601"),
        ("", "ISO 8601"),
        ("1763812800", "ISO 8601"),
        ("2026-02-30T00:00:00Z", "ISO 8601"),
        ("2026-11-22T16:00:00 04:00", "%2B"),
        ("2026-11-22T12:00:00", "zone"),
        ("2026-11-22", "zone"),
        ("1969-12-31T23:59:59Z", "1970"),
        ("2200-01-01T00:00:00Z", "2199"),
        ("0001-01-01T00:00:00+14:00", "1970"),
        ("9999-12-31T23:59:59-14:00", "1970"),
    ],
)
def test_anything_else_is_refused_and_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_instant(text)


def test_what_is_left_out_is_filled_in() -> None:
    assert interval(None, None, NOW, DAY) == (NOW - DAY, NOW)
    assert interval(None, NOW - DAY, NOW, DAY) == (NOW - 2 * DAY, NOW - DAY)
    assert interval(NOW - 9 * DAY, None, NOW, DAY) == (NOW - 9 * DAY, NOW)


def test_the_longest_interval_is_answered_and_one_millisecond_more_is_not() -> None:
    first = NOW - LONGEST

    assert interval(first, NOW, NOW, DAY) == (first, NOW)
    with pytest.raises(Problem, match="more than 3653 days"):
        interval(first - timedelta(milliseconds=1), NOW, NOW, DAY)


@pytest.mark.parametrize("start", [NOW, NOW + DAY])
def test_an_empty_or_turned_interval_names_the_parameter_and_both_instants(start: datetime) -> None:
    with pytest.raises(Problem) as caught:
        interval(start, NOW, NOW, DAY)

    assert caught.value.status == 422
    assert caught.value.errors[0]["name"] == "start"
    assert start.isoformat()[:10] in caught.value.errors[0]["value"]
    assert "2026-11-22T12:00:00Z" in caught.value.detail
