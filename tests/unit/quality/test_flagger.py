"""The flagger: batches in any order and of any size give the flags of the whole series."""

from __future__ import annotations

import bisect
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kahriz.errors import StoreUnavailable
from kahriz.observations import Flags, Quality, Values, combine_flags
from kahriz.quality import LimitTable, Window
from kahriz.quality.flagger import Flagger, no_history
from kahriz.quality.flat_line import FlatLine
from kahriz.quality.gross_range import GrossRange
from kahriz.quality.noise import Noise
from kahriz.quality.rate_of_change import RateOfChange
from kahriz.quality.spike import Spike

N_STREAMS = 4
FIVE_MINUTES = 300_000
NAN = float("nan")
Row = tuple[int, int, float]

LIMITS = LimitTable(
    *(np.full(N_STREAMS, limit) for limit in (-0.05, 0.55, 0.05, 0.45, 0.5, 0.15, 0.15, 1.0))
)

coarse = st.one_of(st.integers(0, 6).map(lambda v: v / 10), st.just(NAN))
# (stream, steps since the stream's last row, value)
series = st.lists(
    st.tuples(st.integers(0, N_STREAMS - 1), st.sampled_from([1, 1, 2, 13]), coarse),
    min_size=1,
    max_size=60,
)
one_series = st.lists(
    st.tuples(st.just(0), st.sampled_from([1, 1, 2, 13]), coarse), min_size=10, max_size=30
)


class StoreFake:
    """Keeps what was flagged, and answers as a store would; counts how often it is asked."""

    def __init__(self) -> None:
        self.kept: dict[int, dict[int, float]] = {}
        self.asked: list[tuple[int, int | None]] = []
        self.is_down = False

    def write(self, rows: list[Row]) -> None:
        for stream, time_ms, value in rows:
            if np.isfinite(value):
                self.kept.setdefault(stream, {})[time_ms] = value

    def history(self, stream: int, before_ms: int | None) -> tuple[NDArray[np.int64], Values]:
        self.asked.append((stream, before_ms))
        if self.is_down:
            raise StoreUnavailable("down")
        kept = self.kept.get(stream, {})
        times = sorted(kept)
        end = len(times) if before_ms is None else bisect.bisect_left(times, before_ms)
        return (
            np.array(times[:end], np.int64),
            np.array([kept[t] for t in times[:end]], np.float64),
        )


def timed(said: list[tuple[int, int, float]]) -> list[Row]:
    """Rows in time order of each stream."""
    now = dict.fromkeys(range(N_STREAMS), 0)
    rows = []
    for stream, step, value in said:
        now[stream] += step * FIVE_MINUTES
        rows.append((stream, now[stream], value))
    return rows


def flag(flagger: Flagger, rows: list[Row]) -> list[int]:
    stream, time_ms, value = zip(*rows, strict=True)
    flags = flagger.flag(
        np.array(stream, np.int32), np.array(time_ms, np.int64), np.array(value, np.float64)
    )
    return [int(f) for f in flags]


def flags_of_whole(rows: list[Row]) -> list[int]:
    """Return the flags of all rows judged at once by the tests themselves."""
    order = sorted(range(len(rows)), key=lambda i: rows[i][:2])
    stream, time_ms, value = zip(*(rows[i] for i in order), strict=True)
    window = Window.of(np.array(stream, np.int32), np.array(time_ms, np.int64), np.array(value))
    tests = (GrossRange(), RateOfChange(), Spike(), Noise(), FlatLine())
    sorted_flags = combine_flags([test(window, LIMITS) for test in tests])
    found: Flags = np.empty(len(rows), np.uint8)
    found[order] = sorted_flags
    return [int(f) for f in found]


def pieces(rows: list[Row], cuts: list[int]) -> list[list[Row]]:
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    return [rows[a:b] for a, b in pairwise(edges)]


cuts = st.lists(st.integers(1, 59), max_size=10)


@given(said=series, cuts=cuts)
@settings(max_examples=150, deadline=None)
def test_flags_do_not_depend_on_how_a_series_is_cut(
    said: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    rows = timed(said)
    flagger = Flagger(LIMITS)
    found = [f for piece in pieces(rows, cuts) for f in flag(flagger, piece)]

    assert found == flags_of_whole(rows)


@given(said=series, cuts=cuts)
@settings(max_examples=100, deadline=None)
def test_a_restart_before_every_batch_changes_no_flag(
    said: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    rows, store, found = timed(said), StoreFake(), []
    for piece in pieces(rows, cuts):
        found += flag(Flagger(LIMITS, store.history), piece)
        store.write(piece)

    assert found == flags_of_whole(rows)


@given(said=series, order=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_within_a_batch_changes_no_flag(
    said: list[tuple[int, int, float]], order: Random
) -> None:
    rows = timed(said)
    shuffled = list(range(len(rows)))
    order.shuffle(shuffled)
    found = flag(Flagger(LIMITS), [rows[i] for i in shuffled])

    expected = flags_of_whole(rows)
    assert found == [expected[i] for i in shuffled]


@given(said=series, cuts=cuts)
@settings(max_examples=60, deadline=None)
def test_a_redelivered_batch_gets_the_flags_it_had(
    said: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    rows, store = timed(said), StoreFake()
    flagger = Flagger(LIMITS, store.history)
    for piece in pieces(rows, cuts):
        first = flag(flagger, piece)
        store.write(piece)
        assert flag(flagger, piece) == first

    assert flag(flagger, rows) == flags_of_whole(rows)


@given(said=series, at=st.integers(0, 59), cuts=cuts)
@settings(max_examples=60, deadline=None)
def test_a_backlog_behind_live_data_is_flagged_as_if_it_had_come_in_time(
    said: list[tuple[int, int, float]], at: int, cuts: list[int]
) -> None:
    rows, store = timed(said), StoreFake()
    flagger = Flagger(LIMITS, store.history)
    backlog, live = rows[:at], rows[at:]
    if live:
        flag(flagger, live)
        store.write(live)
    found = []
    for piece in pieces(backlog, cuts):
        found += flag(flagger, piece)
        store.write(piece)

    assert found == (flags_of_whole(backlog) if backlog else [])


@given(one_series, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_after_late_rows_in_any_order_the_next_in_time_are_flagged_by_all_there_is(
    said: list[tuple[int, int, float]], chance: Random, n_next: int
) -> None:
    rows = timed(said)
    before, after = rows[:-n_next], rows[-n_next:]
    store = StoreFake()
    flagger = Flagger(LIMITS, store.history)
    shuffled = chance.sample(before, len(before))
    for row in shuffled:
        flag(flagger, [row])
        store.write([row])
    got = []
    for row in after:
        got += flag(flagger, [row])
        store.write([row])

    assert got == flags_of_whole(rows)[-len(after) :]


def calm(n: int, start: int = 0, level: float = 0.2) -> list[Row]:
    return [(0, (start + i) * FIVE_MINUTES, level + 0.01 * ((start + i) % 2)) for i in range(n)]


def test_late_rows_do_not_disturb_what_is_carried() -> None:
    store = StoreFake()
    flagger = Flagger(LIMITS, store.history)
    live = calm(20, start=1000)
    flag(flagger, live)
    store.write(live)
    flag(flagger, calm(20, start=0, level=0.4))

    assert flag(flagger, calm(1, start=1020)) == [Quality.GOOD]


def test_late_rows_are_judged_beside_what_the_store_has_before_them() -> None:
    store = StoreFake()
    flagger = Flagger(LIMITS, store.history)
    for rows in (calm(10), calm(10, start=20, level=0.4)):
        flag(flagger, rows)
        store.write(rows)
    fits, does_not = calm(1, start=10), calm(1, start=11, level=0.4)

    assert flag(flagger, fits + does_not) == [Quality.GOOD, Quality.SUSPECT]


def test_a_backlog_in_many_batches_asks_the_store_once() -> None:
    store = StoreFake()
    flagger = Flagger(LIMITS, store.history)
    flag(flagger, calm(5, start=10_000))
    store.asked.clear()
    for start in range(0, 400, 40):
        flag(flagger, calm(40, start=start))

    assert store.asked == [(0, 0)]


def test_a_second_hole_is_not_judged_beside_the_first() -> None:
    store = StoreFake()
    flagger = Flagger(LIMITS, store.history)
    known = calm(100, start=0, level=0.4)
    flag(flagger, known)
    store.write(known)
    flag(flagger, [(0, 10 * FIVE_MINUTES + 1000, 0.2), (0, 10 * FIVE_MINUTES + 2000, 0.2)])
    store.asked.clear()
    flag(flagger, calm(1, start=50, level=0.4))

    assert store.asked == [(0, 50 * FIVE_MINUTES)]


def test_a_flat_line_is_seen_reading_by_reading_over_hours() -> None:
    flagger = Flagger(LIMITS)
    found = [flag(flagger, [(0, i * FIVE_MINUTES, 0.2)])[0] for i in range(16)]

    # The limit is one hour: twelve steps of five minutes.
    assert found[1:12] == [Quality.GOOD] * 11
    assert found[12:] == [Quality.SUSPECT] * 4


def test_a_stream_is_read_from_the_store_once_after_a_start() -> None:
    store = StoreFake()
    store.write(calm(10))
    flagger = Flagger(LIMITS, store.history)
    for start in range(10, 14):
        flag(flagger, calm(1, start=start))

    assert store.asked == [(0, None)]


def test_a_store_that_is_down_leaves_everything_as_it_was() -> None:
    store = StoreFake()
    store.write(calm(10))
    store.is_down = True
    flagger = Flagger(LIMITS, store.history)
    with pytest.raises(StoreUnavailable):
        flag(flagger, calm(2, start=10))
    store.is_down = False

    assert flag(flagger, calm(2, start=10)) == [Quality.GOOD, Quality.GOOD]


def test_a_batch_whose_write_failed_gets_the_same_flags_when_tried_again() -> None:
    store = StoreFake()
    flagger = Flagger(LIMITS, store.history)
    flag(flagger, calm(10))
    store.write(calm(10))
    jump = calm(3, start=10, level=0.4)
    first = flag(flagger, jump)

    assert first[0] == Quality.SUSPECT
    assert flag(flagger, jump) == first
    assert flag(flagger, jump) == first


def test_of_rows_given_twice_the_last_counts() -> None:
    flagger = Flagger(LIMITS)
    flag(flagger, calm(10))
    t = 10 * FIVE_MINUTES

    assert flag(flagger, [(0, t, 9.9), (0, t, 0.2), (0, t, 0.2)]) == [
        Quality.NOT_EVALUATED,
        Quality.GOOD,
        Quality.GOOD,
    ]


def test_missing_values_are_missing_and_never_read_the_store() -> None:
    store = StoreFake()

    assert flag(Flagger(LIMITS, store.history), [(0, 0, NAN), (1, 5, NAN)]) == [
        Quality.MISSING,
        Quality.MISSING,
    ]
    assert store.asked == []


def test_an_empty_batch_has_no_flags() -> None:
    empty = np.empty(0, np.int64)

    assert len(Flagger(LIMITS).flag(empty.astype(np.int32), empty, np.empty(0))) == 0


def test_the_gravest_flag_of_all_tests_wins() -> None:
    flagger = Flagger(LIMITS, no_history)
    flag(flagger, calm(10))

    # Beyond the range that fails, and a spike, and too fast.
    assert flag(flagger, [(0, 10 * FIVE_MINUTES, 9.9)]) == [Quality.FAIL]
