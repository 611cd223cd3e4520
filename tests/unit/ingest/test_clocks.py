"""Clocks that are wrong: when the water was measured, and that each delivery says the same."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.boot_clock import MAX_SEGMENTS
from ingest.clocks import Clocks, Corrected
from kahriz.book.clocks import Segment
from kahriz.clock import to_ms
from kahriz.observations import Readings

T0 = to_ms(datetime(2026, 5, 1, tzinfo=UTC))
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
TOLERANCE = 120 * SECOND
OLDEST = 7300 * DAY
STEP = 5 * MINUTE
LATENCY = 2 * SECOND
DEVICE, BOOT = "agh-dere-outlet", 7
Y2000 = to_ms(datetime(2000, 1, 1, tzinfo=UTC))
Y2038 = to_ms(datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC))

ClockOf = Callable[[int], int]  # true ms -> what the device's clock says


@dataclass
class Line:
    """One device, its wrong clock, and ingest at the other end."""

    says: ClockOf
    booted_ms: int = T0
    step_ms: int = STEP
    clocks: Clocks = field(default_factory=lambda: Clocks(TOLERANCE, OLDEST))
    got: dict[int, set[int]] = field(default_factory=dict)
    flagged: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    def true_ms(self, seq: int) -> int:
        return self.booted_ms + 10 * SECOND + seq * self.step_ms

    def payload(self, seqs: Sequence[int], sent_ms: int, uptime: bool = True) -> Readings:
        times = [self.says(self.true_ms(seq)) for seq in seqs]
        return Readings(
            len(seqs),
            list(range(len(seqs))),
            times,
            ["stage_m"] * len(seqs),
            [0.1] * len(seqs),
            boot=BOOT,
            first_seq=seqs[0],
            uptime_ms=sent_ms - self.booted_ms if uptime else None,
        )

    def deliver(self, readings: Readings, received_ms: int) -> Corrected | None:
        bounds = (received_ms - OLDEST, received_ms + TOLERANCE)
        corrected = self.clocks.corrected(DEVICE, readings, received_ms)
        times = readings.time_ms if corrected is None else corrected.time_ms
        assert readings.first_seq is not None
        for row, time_ms in enumerate(times):
            seq = readings.first_seq + row
            if bounds[0] <= time_ms <= bounds[1]:
                self.got.setdefault(seq, set()).add(time_ms)
                if corrected is not None and corrected.is_corrected[row]:
                    self.flagged.add(seq)
            else:
                self.refused.add(seq)
        return corrected

    def live(self, *seqs: int) -> None:
        """Send each reading by itself as soon as it is measured."""
        for seq in seqs:
            sent = self.true_ms(seq) + SECOND
            self.deliver(self.payload([seq], sent), sent + LATENCY)

    def backlog(self, seqs: Sequence[int], sent_ms: int, size: int) -> None:
        """Send what is held, oldest first, `size` readings a payload, one a second."""
        for n, first in enumerate(range(0, len(seqs), size)):
            sent = sent_ms + n * SECOND
            self.deliver(self.payload(seqs[first : first + size], sent), sent + LATENCY)

    def worst_ms(self, seqs: Sequence[int]) -> int:
        assert all(len(self.got[seq]) == 1 for seq in seqs), "one time each"
        return max(abs(next(iter(self.got[seq])) - self.true_ms(seq)) for seq in seqs)


def ahead(by_ms: int) -> ClockOf:
    return lambda true_ms: true_ms + by_ms


def from_boot(epoch_ms: int, booted_ms: int = T0) -> ClockOf:
    return lambda true_ms: epoch_ms + true_ms - booted_ms


WRONG = {
    "1970": from_boot(0),
    "2000": from_boot(Y2000),
    "2038": from_boot(Y2038),
    "three days ahead": ahead(3 * DAY),
    "five minutes ahead": ahead(5 * MINUTE),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_device_whose_clock_was_never_right_is_corrected_from_its_first_reading(
    name: str,
) -> None:
    line = Line(WRONG[name])
    line.live(*range(50))

    assert line.refused == set()
    assert line.worst_ms(range(50)) <= LATENCY + SECOND
    assert line.flagged == set(range(50))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("size", [1, 12, 40])
def test_a_backlog_whose_readings_are_hours_old_is_not_stamped_now(name: str, size: int) -> None:
    line = Line(WRONG[name])
    line.backlog(range(120), line.true_ms(119) + SECOND, size)
    line.live(*range(120, 130))

    assert line.worst_ms(sorted(line.got)) <= STEP + TOLERANCE
    assert len(line.refused) <= 2, "one reading alone says nothing of the pace"


def test_a_backlog_after_weeks_of_a_right_clock_goes_on_from_what_is_known() -> None:
    line = Line(lambda true: true if true < T0 + 10 * DAY else true + 3 * DAY)
    line.live(*range(2880))
    line.backlog(range(2880, 3100), line.true_ms(3099) + SECOND, 40)
    line.live(*range(3100, 3110))

    assert line.worst_ms(range(3110)) <= TOLERANCE
    assert line.flagged == set(range(2880, 3110))


@pytest.mark.parametrize("clock", [0, Y2000, Y2038])
def test_a_clock_set_right_by_the_network_is_believed_from_then_on(clock: int) -> None:
    line = Line(lambda true: from_boot(clock)(true) if true < T0 + HOUR else true)
    line.live(*range(30))

    assert line.worst_ms(range(30)) <= LATENCY + SECOND
    assert line.flagged == set(range(12)), "what came before keeps its correction"


def test_a_clock_that_begins_anew_in_the_middle_of_a_boot_is_not_counted_from_the_boot() -> None:
    line = Line(lambda true: true if true < T0 + HOUR else from_boot(Y2000, T0 + HOUR)(true))
    line.live(*range(50))

    assert line.worst_ms(range(50)) <= LATENCY + SECOND
    assert line.flagged == set(range(12, 50))


def test_a_clock_set_right_inside_one_payload_splits_it() -> None:
    line = Line(lambda true: from_boot(Y2000)(true) if true < T0 + HOUR else true)
    line.backlog(range(30), line.true_ms(29) + SECOND, 30)

    assert line.worst_ms(range(30)) <= LATENCY + SECOND
    assert line.flagged == set(range(12))


def test_a_backlog_behind_live_readings_is_corrected_and_those_stay_as_they_are() -> None:
    line = Line(lambda true: true + 30 * DAY if true < T0 + HOUR else true)
    line.live(*range(20, 30))
    line.backlog(range(12), line.true_ms(29) + MINUTE, 6)
    line.live(*range(20, 30))
    line.backlog(range(12, 20), line.true_ms(29) + 2 * MINUTE, 4)

    assert line.worst_ms(range(30)) <= STEP + LATENCY + SECOND
    assert line.flagged == set(range(12))


def test_a_clock_that_runs_fast_is_corrected_whenever_it_is_too_far_ahead() -> None:
    line = Line(lambda true: true + (true - T0) // 50)  # 2 %: 29 minutes a day
    line.live(*range(600))

    assert line.worst_ms(range(600)) <= TOLERANCE + LATENCY + SECOND
    assert line.refused == set()


def test_a_clock_that_runs_slow_is_found_by_the_uptime() -> None:
    line = Line(lambda true: true - (true - T0) // 50)
    line.live(*range(600))

    assert line.worst_ms(range(600)) <= TOLERANCE + 3 * STEP // 50 + LATENCY + SECOND + 12_000
    assert line.flagged, "and said so"


def test_a_clock_that_jumps_back_is_corrected_at_once() -> None:
    line = Line(lambda true: true if true < T0 + 5 * HOUR else true - 2 * HOUR)
    line.live(*range(100))

    assert line.worst_ms(range(100)) <= LATENCY + SECOND
    assert line.flagged == set(range(60, 100))


def test_a_device_that_is_always_some_readings_late_has_a_right_clock() -> None:
    line = Line(ahead(0))
    line.live(*range(20))
    for seq in range(20, 60):  # after an outage it sends one reading each time, three behind
        sent = line.true_ms(seq + 3) + SECOND
        line.deliver(line.payload([seq], sent), sent + LATENCY)

    assert line.worst_ms(range(60)) == 0
    assert line.flagged == set()


def test_a_modem_that_takes_longer_than_before_is_no_clock_that_fell_behind() -> None:
    line = Line(ahead(0))
    for seq in range(60):
        took = (100 if seq < 30 else 145) * SECOND
        sent = line.true_ms(seq) + took
        line.deliver(line.payload([seq], sent), sent + LATENCY)

    assert line.worst_ms(range(60)) == 0
    assert line.flagged == set()


@pytest.mark.parametrize("uptime_ms", [0, 12, 2**52])
def test_an_uptime_that_is_wrong_harms_no_clock_that_is_right(uptime_ms: int) -> None:
    line = Line(ahead(0))
    for seq in range(60):
        late = (0 if seq % 7 else 30) * MINUTE
        readings = line.payload([seq], 0)
        readings.uptime_ms = uptime_ms
        line.deliver(readings, line.true_ms(seq) + late)

    assert line.worst_ms(range(60)) == 0
    assert line.flagged == set()


def test_a_clock_that_is_wrong_anew_all_the_time_is_given_up() -> None:
    line = Line(lambda true: true + (1 + true // STEP % 2 * 9) * DAY)
    line.live(*range(MAX_SEGMENTS + 200))

    assert line.refused == set(range(MAX_SEGMENTS, MAX_SEGMENTS + 200)), "set aside from then on"
    assert line.worst_ms(range(MAX_SEGMENTS)) <= LATENCY + SECOND


def test_without_uptime_a_time_is_as_the_device_said() -> None:
    line = Line(ahead(3 * DAY))
    sent = line.true_ms(0) + SECOND

    assert line.deliver(line.payload([0], sent, uptime=False), sent) is None
    assert line.refused == {0}


def test_readings_of_a_corrected_boot_sent_after_the_next_start_keep_their_correction() -> None:
    line = Line(from_boot(0))
    line.live(*range(10))
    line.deliver(line.payload([10, 11], T0 + DAY, uptime=False), T0 + DAY)

    assert line.worst_ms(range(12)) <= LATENCY + SECOND


def test_an_uptime_that_is_less_than_before_is_not_of_this_boot_and_decides_nothing() -> None:
    line = Line(ahead(0))
    line.live(*range(10))
    line.says = ahead(9 * DAY)
    later = Readings(1, [0], [T0 + 9 * DAY], ["stage_m"], [0.1], BOOT, 10, uptime_ms=MINUTE)
    line.deliver(later, T0 + DAY)

    assert line.refused == {10}


def test_a_message_that_waited_at_the_broker_is_not_an_hour_late_where_others_came_in_time() -> (
    None
):
    line = Line(ahead(0))
    line.live(*range(20))
    line.says = ahead(3 * DAY)
    for seq in range(20, 32):  # the broker kept an hour of messages while ingest was away
        sent = line.true_ms(seq) + SECOND
        line.deliver(line.payload([seq], sent), line.true_ms(32))

    assert line.worst_ms(range(32)) <= LATENCY + SECOND


def test_a_boot_with_a_wrong_clock_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line(lambda true: from_boot(0)(true) if true < T0 + HOUR else true + 3 * DAY)
    with caplog.at_level(logging.INFO):
        line.live(*range(30))

    assert [r.message for r in caplog.records] == ["device clock corrected"]
    assert vars(caplog.records[0])["device"] == DEVICE


def test_what_another_process_decided_goes() -> None:
    theirs = [Segment(0, 5 * MINUTE, T0)]
    asked = []

    def keep(
        _key: object, known: Sequence[Segment], decided: Sequence[Segment], _now: int
    ) -> list[Segment]:
        asked.append(list(known))
        return theirs if list(known) != theirs else sorted([*theirs, *decided])

    line = Line(lambda true: true - T0 + Y2000, clocks=Clocks(TOLERANCE, OLDEST, keep))
    line.live(0)

    assert asked[:2] == [[], theirs]


def test_a_failure_to_keep_changes_nothing_and_the_next_try_decides() -> None:
    failures = iter([True, False])

    def keep(
        _key: object, known: Sequence[Segment], decided: Sequence[Segment], _now: int
    ) -> list[Segment]:
        if next(failures):
            raise OSError("the book is away")
        return sorted([*known, *decided])

    line = Line(from_boot(0), clocks=Clocks(TOLERANCE, OLDEST, keep))
    with pytest.raises(OSError, match="away"):
        line.live(0)
    line.live(0)

    assert line.worst_ms([0]) <= LATENCY + SECOND


class Restarted:
    """Segments in a dict that outlives the process, as the book does."""

    def __init__(self) -> None:
        self.segments: dict[tuple[str, int], list[Segment]] = {}

    def keep(
        self,
        key: tuple[str, int],
        known: Sequence[Segment],
        decided: Sequence[Segment],
        _now: int,
    ) -> list[Segment]:
        assert self.segments.get(key, []) == list(known)
        found = {s.first_seq: s for s in [*known, *decided]}
        self.segments[key] = sorted(found.values())
        return self.segments[key]

    def start(self, line: Line) -> None:
        line.clocks = Clocks(TOLERANCE, OLDEST, self.keep)
        newest = []
        if line.got:
            seq = max(line.got)
            newest = [(DEVICE, BOOT, seq, max(max(times) for times in line.got.values()))]
        line.clocks.recall(self.segments, newest)


HOURS = st.integers(1, 60)


def changes(before: ClockOf, after: ClockOf, hours: int) -> ClockOf:
    return lambda true: (before if true < T0 + hours * HOUR else after)(true)


CLOCKS = st.one_of(
    st.sampled_from([from_boot(0), from_boot(Y2000), from_boot(Y2038)]),
    st.integers(3 * 60, 10 * 86_400).map(lambda s: ahead(s * SECOND)),
    HOURS.map(lambda h: changes(from_boot(0), ahead(0), h)),
    HOURS.map(lambda h: changes(from_boot(Y2038), ahead(0), h)),
    HOURS.map(lambda h: changes(ahead(0), ahead(30 * DAY), h)),
    HOURS.map(lambda h: changes(ahead(0), ahead(-2 * DAY), h)),
)


@settings(max_examples=150, deadline=None)
@given(
    says=CLOCKS,
    step_s=st.sampled_from([60, 300, 900]),
    outage=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    size=st.integers(2, 40),
    chance=st.randoms(use_true_random=False),
)
def test_any_latency_backlog_repetition_order_and_restart_give_one_true_time(
    says: ClockOf, step_s: int, outage: tuple[int, int], size: int, chance: Random
) -> None:
    line = Line(says, step_ms=step_s * SECOND)
    book = Restarted()
    book.start(line)
    first, length = outage
    sent: list[tuple[Readings, int]] = []
    for seq in range(first):
        at = line.true_ms(seq) + SECOND
        sent.append((line.payload([seq], at), at + chance.randrange(5 * SECOND)))
    back = line.true_ms(first + length - 1) + SECOND
    held = range(first, first + length)
    for n, begin in enumerate(range(0, length, size)):
        at = back + n * SECOND
        sent.append((line.payload(held[begin : begin + size], at), at + 5 * SECOND))
    for seq in range(first + length, first + length + 10):
        at = line.true_ms(seq) + SECOND + n * SECOND
        sent.append((line.payload([seq], at), at + chance.randrange(5 * SECOND)))

    restart_after = chance.randrange(len(sent))
    for n, (readings, received) in enumerate(sent):
        line.deliver(readings, received)
        if chance.random() < 0.2:  # any earlier one again, or this one
            line.deliver(sent[chance.randrange(n + 1)][0], received + SECOND)
        if n == restart_after:
            book.start(line)
    settled = {seq: set(times) for seq, times in line.got.items()}
    limit_ms = 2 * line.step_ms + TOLERANCE + 5 * SECOND
    wrong = [seq for seq in settled if line.worst_ms([seq]) > limit_ms]
    for readings, _ in chance.sample(sent, len(sent)):
        line.deliver(readings, sent[-1][1] + DAY)

    newly = [seq for seq in line.got if seq not in settled]
    assert all(line.got[seq] == settled[seq] for seq in settled), "a redelivery changes nothing"
    assert set(newly) <= line.refused
    assert len(wrong) <= 2, "a jump back that nothing tells the size of yet"
    assert set(wrong).isdisjoint(line.flagged)
    assert set(itertools.chain(line.got, line.refused)) == set(range(first + length + 10))
