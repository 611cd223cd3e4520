"""A frame counter that fell is a new boot, unless the frame is an old one told again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.frame_counters import MAX_IDS, MAX_SESSIONS, REPEAT_MS, FrameCounters

NOON = 1_795_348_800_000
HOUR = 3_600_000
LATEST = NOON + 10_000 * HOUR


class Heard:
    """One device's counters; each frame has a deduplication id of its own."""

    def __init__(self, counters: FrameCounters | None = None) -> None:
        self.counters = counters or FrameCounters()
        self._ids = 0

    def frame(self, f_cnt: int, time_ms: int, latest_ms: int = LATEST) -> tuple[int, int]:
        self._ids += 1
        return self.counters.number("d", f"{id(self)}-{self._ids}", f_cnt, time_ms, latest_ms)


def restored(boot: int = 3, last_seq: int = 40, last_ms: int = NOON) -> Heard:
    counters = FrameCounters()
    counters.restore("d", boot, last_seq, last_ms)
    return Heard(counters)


def test_a_counter_that_rises_stays_with_its_boot() -> None:
    heard = Heard()

    assert [heard.frame(f, NOON + f * HOUR) for f in (5, 6, 9)] == [(1, 5), (1, 6), (1, 9)]


def test_a_counter_that_fell_while_time_went_on_is_a_new_boot() -> None:
    heard = Heard()
    heard.frame(40, NOON)

    assert heard.frame(0, NOON + 1) == (2, 0)
    assert heard.frame(1, NOON + 2) == (2, 1)


def test_an_old_frame_told_again_is_no_new_boot() -> None:
    heard = Heard()
    first = [heard.frame(f, NOON + f * HOUR) for f in range(20)]

    assert [heard.frame(f, NOON + f * HOUR) for f in range(20)] == first
    assert heard.frame(20, NOON + 20 * HOUR) == (1, 20)


def test_an_old_frame_of_the_boot_before_keeps_that_boot() -> None:
    heard = Heard()
    heard.frame(40, NOON)
    heard.frame(0, NOON + HOUR)

    assert heard.frame(40, NOON) == (1, 40)
    assert heard.frame(1, NOON + 2 * HOUR) == (2, 1)


def test_a_frame_repeated_for_want_of_a_confirmation_is_the_same_frame() -> None:
    heard = Heard()
    heard.frame(7, NOON)

    assert heard.frame(7, NOON + REPEAT_MS) == (1, 7)
    assert heard.frame(7, NOON + REPEAT_MS + 1) == (2, 7)


def test_one_frame_heard_twice_has_one_number() -> None:
    counters = FrameCounters()
    counters.number("d", "same", 5, NOON, LATEST)
    counters.number("d", "other", 9, NOON + 1, LATEST)

    assert counters.number("d", "same", 5, NOON + HOUR, LATEST) == (1, 5)
    assert counters.number("e", "same", 8, NOON, LATEST) == (1, 8), "another device's"


def test_after_a_restart_it_goes_on_from_the_book() -> None:
    assert restored().frame(41, NOON + HOUR) == (3, 41)
    assert restored().frame(0, NOON + HOUR) == (4, 0)
    assert restored().frame(40, NOON) == (3, 40), "told again, because it was not acknowledged"
    assert restored().frame(12, NOON - HOUR) == (3, 12)
    assert restored().frame(99, NOON - HOUR) == (2, 99), "a counter the boot has not reached"
    assert restored(boot=0).frame(99, NOON - HOUR) == (0, 99)


def test_a_gateway_whose_clock_runs_ahead_teaches_nothing() -> None:
    heard = Heard()
    ahead = LATEST + 1

    assert heard.frame(3, ahead) == (1, 3)
    assert heard.frame(5, NOON) == (1, 5)
    assert heard.frame(6, ahead) == (1, 6)
    assert heard.frame(0, NOON + HOUR) == (2, 0)


def test_what_is_remembered_is_bounded() -> None:
    heard = Heard()
    for boot in range(MAX_SESSIONS + 5):
        heard.frame(0, NOON + boot * HOUR)
    for f_cnt in range(MAX_IDS + 100):
        heard.frame(f_cnt, NOON + 1000 * HOUR + f_cnt)

    assert len(heard.counters._numbers) == MAX_IDS
    assert len(heard.counters._sessions["d"]) == MAX_SESSIONS
    assert heard.frame(0, NOON + 2 * HOUR) == (6, 0), (
        "older than what is remembered: the one before"
    )


@st.composite
def lives(draw: st.DrawFn) -> list[list[tuple[int, int]]]:
    """Boots of one device: rising counters, each boot beginning below where the last one ended."""
    boots: list[list[tuple[int, int]]] = []
    time_ms, last = NOON, draw(st.integers(0, 1000))
    for _ in range(draw(st.integers(1, 6))):
        f_cnt = draw(st.integers(0, last)) if boots else last
        frames: list[tuple[int, int]] = []
        for _ in range(draw(st.integers(1, 8))):
            time_ms += draw(st.integers(REPEAT_MS + 1, 24 * HOUR))
            frames.append((f_cnt, time_ms))
            f_cnt += draw(st.integers(1, 50))
        last = frames[-1][0]
        boots.append(frames)
    return boots


@given(lives(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_every_life_is_numbered_as_it_was_lived_and_no_replay_changes_it(
    life: list[list[tuple[int, int]]], chance: object
) -> None:
    heard = Heard()
    frames = [(boot, frame) for boot, frames in enumerate(life, 1) for frame in frames]
    for i, (boot, frame) in enumerate(frames):
        assert heard.frame(*frame) == (boot, frame[0])
        old_boot, old = frames[chance.randrange(i + 1)]  # type: ignore[attr-defined]
        assert heard.frame(*old) == (old_boot, old[0]), "an old frame in between"


@given(lives(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_restart_anywhere_changes_nothing_of_what_comes_after(
    life: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    frames = [(boot, frame) for boot, frames in enumerate(life, 1) for frame in frames]
    at = data.draw(st.integers(1, len(frames)))
    boot, (f_cnt, time_ms) = frames[at - 1]
    heard = restored(boot, f_cnt, time_ms)
    unacknowledged = [frame for b, frame in frames[:at] if b == boot]

    assert [heard.frame(*frame) for frame in unacknowledged] == [
        (boot, frame[0]) for frame in unacknowledged
    ]
    assert [heard.frame(*frame) for _, frame in frames[at:]] == [
        (b, frame[0]) for b, frame in frames[at:]
    ]
