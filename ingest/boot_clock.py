"""The clock of one boot of one device, and by how much it is wrong; no I/O, no clock of its own.

What can be relied on: a device counts its readings upwards in the order it measured them, its
uptime runs evenly, and nothing is received before it was sent. So ``received - uptime`` is never
before the boot, and the least of it over many messages is the boot but for the way's latency.

When a reading was measured is then, in this order:

- *sent at once*: between two messages clock and uptime moved on alike: it was measured just now;
- *counted from the start*: a clock that has run for less than the uptime since a date such clocks
  start at (1970, 2000 ...) was started by the boot: what it says since then is the uptime;
- *set right on the way*: the same payload goes on with times that can be true;
- *counted by readings*: so many after the last one known, each a step apart. This tells a backlog
  from what was measured just now, and a backlog is not stamped "now".

Where none of these says anything, nothing is decided: the reading is set aside as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.clock_times import (
    MAX_STEP_MS,
    Bounds,
    Mark,
    Said,
    Verdict,
    end_of_run,
    insert,
    is_possible,
    offset_at,
    step_of,
)
from kahriz.book.clocks import Segment

EPOCHS_MS = (0, 315_964_800_000, 946_684_800_000, 1_072_915_200_000)
"""1970, 1980-01-06 (GPS), 2000 and 2004: where clocks without a battery begin."""

MAX_SEGMENTS = 1000
"""A clock that is wrong anew more often in one boot is corrected no more."""

BACKLOG_ROWS = 16
"""A payload of so many readings is a backlog; that it is late says nothing about the clock."""

_NEVER_MS = 2**63 - 1
_SURE_MS = 600_000  # with nothing else to go by: measured since the boot, and that was just now
_N_STEADY = 6  # readings after which the pace of a device is known
_N_BEHIND = 3  # messages in a row that have to agree that a clock fell behind
_SLACK_MS = 5_000


@dataclass(slots=True)
class BootClock:
    """What is known of the clock of one boot; `judge` decides, `hear` remembers.

    Attributes
    ----------
    segments
        What is decided; never changed for a reading that was stored.
    last
        The newest reading and when it was measured.
    booted_at_ms
        When it began by our clock, at the latest.
    """

    segments: list[Segment] = field(default_factory=list)
    last: Mark | None = None
    booted_at_ms: int = _NEVER_MS
    _calm: Said | None = None  # the newest payload that needed no judgement
    _uptime_ms: int = 0
    _step_ms: float | None = None
    _heard: tuple[int, int, int] | None = None  # seq, time as said, uptime: of the last message
    _waiting: Mark | None = None  # the first reading that could not be judged yet
    _steady_from: Mark | None = None  # by uptime: since when, and until when
    _steady_to: Mark | None = None  # it sent what it had just measured
    _n_behind: int = 0

    def passes(self, said: Said, tolerance_ms: int) -> bool:
        """Say whether a payload is just the next one in time, as nearly all are; remember it so.

        This is done for every message with an uptime, `judge` only where this says no.
        """
        before, uptime_ms, times_ms = self._calm, said.uptime_ms, said.times_ms
        if before is None or self.segments or uptime_ms is None:
            return False
        lag_ms = said.received_at_ms - times_ms[-1]
        if (
            said.first_seq <= before.last_seq
            or uptime_ms < (before.uptime_ms or 0)
            or times_ms[0] < before.times_ms[-1]
            or lag_ms < -tolerance_ms
            or (lag_ms > tolerance_ms and len(times_ms) < BACKLOG_ROWS)
            or (len(times_ms) > 1 and times_ms != sorted(times_ms))
        ):
            return False
        self._calm = said
        booted_at_ms = said.received_at_ms - uptime_ms
        if booted_at_ms < self.booted_at_ms:
            self.booted_at_ms = booted_at_ms
        return True

    def calm_down(self, said: Said) -> None:
        """Let `said`, which was heard and is right, be what the next ones come after."""
        if said.uptime_ms is not None and self.last is not None and self.last.seq == said.last_seq:
            self._calm = said

    def remember_calm(self, bounds: Bounds) -> None:
        """Hear the newest payload that passed, now that one has to be judged."""
        if self._calm is not None:
            said, self._calm = self._calm, None
            self.hear(said, Verdict([0] * len(said.times_ms)), bounds)

    def judge(self, said: Said, bounds: Bounds) -> Verdict:
        """Return what is to be added to each time of `said`; changes nothing."""
        verdict = Verdict()
        segments, before = list(self.segments), self.last
        is_behind = self._n_behind_with(said, bounds) >= _N_BEHIND
        for i, time_ms in enumerate(said.times_ms):
            seq = said.first_seq + i
            looked_up = offset_at(segments, seq)
            offset: int | None = looked_up
            fell_behind = is_behind and (self.last is None or seq > self.last.seq)
            if self._is_given_up(seq):
                pass
            elif fell_behind or not is_possible(seq, time_ms + looked_up, before, bounds):
                is_behind = is_behind and not fell_behind
                found = self._offset_of(said, i, before, bounds, fell_behind)
                if found is None:  # nothing says better than the device, yet
                    verdict.doubtful.add(seq)
                    kept = looked_up if said.uptime_ms is None else 0
                    found = kept if bounds.holds(time_ms + kept) else None
                if found is not None and found != looked_up:
                    begin = seq if verdict.decided else self._begin_of(seq, time_ms)
                    verdict.decided.append(Segment(begin, found, self._boot_of(said)))
                    insert(segments, verdict.decided[-1])
                offset = found
            verdict.offsets_ms.append(offset)
            if offset is not None and seq not in verdict.doubtful:
                before = Mark(seq, time_ms + offset)
        self._close(said, segments, verdict)
        return verdict

    def hear(self, said: Said, verdict: Verdict, bounds: Bounds) -> None:
        """Remember `said`, once `verdict` is kept."""
        self._n_behind = self._n_behind_with(said, bounds)
        if verdict.decided:
            self._waiting = None
            for segment in verdict.decided:
                insert(self.segments, segment)
        for i, offset in enumerate(verdict.offsets_ms):
            mark = Mark(said.first_seq + i, said.times_ms[i] + (offset or 0))
            if offset is None:
                self._waiting = self._waiting or mark
            elif mark.seq in verdict.doubtful:
                continue
            elif self.last is None:
                self.last = mark
            elif mark.seq > self.last.seq:
                step = (mark.at_ms - self.last.at_ms) / (mark.seq - self.last.seq)
                self._step_ms = step if 0 < step <= MAX_STEP_MS else self._step_ms
                self.last = mark
        if said.uptime_ms is not None and self._is_own(said):
            self._hear_uptime(said, said.uptime_ms, verdict.offsets_ms[-1], bounds)

    def _hear_uptime(self, said: Said, uptime_ms: int, offset: int | None, bounds: Bounds) -> None:
        self.booted_at_ms = self._boot_of(said)
        self._uptime_ms = max(self._uptime_ms, uptime_ms)
        self._heard = (said.last_seq, said.times_ms[-1], uptime_ms)
        now = Mark(said.last_seq, uptime_ms)
        lag = self.booted_at_ms + uptime_ms - said.times_ms[-1] - (offset or 0)
        if offset is not None and abs(lag) <= bounds.tolerance_ms:
            expected = self._expected_uptime_ms(said.last_seq)
            if expected is not None and not self._is_near(expected, uptime_ms, bounds):
                self._steady_from = None  # it measures at another pace now
            self._steady_from = self._steady_from or now
            self._steady_to = now

    def _is_given_up(self, seq: int) -> bool:
        """Say whether from here on times are as the device says them, whatever that is."""
        if len(self.segments) < MAX_SEGMENTS:
            return False
        return self.segments[-1].offset_ms == 0 and seq >= self.segments[-1].first_seq

    def _begin_of(self, seq: int, time_ms: int) -> int:
        """Return where a segment that is decided at `seq` begins: what waited for it is in it."""
        waiting = self._waiting
        if waiting is None or not 0 <= time_ms - waiting.at_ms <= MAX_STEP_MS:
            return seq
        is_between = self.last is None or self.last.seq < waiting.seq < seq
        return waiting.seq if is_between and waiting.seq < seq else seq

    def _close(self, said: Said, segments: Sequence[Segment], verdict: Verdict) -> None:
        """Leave what was received of later readings as it was."""
        beyond = said.last_seq + 1
        if verdict.decided and self.last is not None and self.last.seq >= beyond:
            before = offset_at(self.segments, beyond)
            if offset_at(segments, beyond) != before:
                verdict.decided.append(Segment(beyond, before, self._boot_of(said)))

    def _boot_of(self, said: Said) -> int:
        assert said.uptime_ms is not None
        heard = said.received_at_ms - said.uptime_ms
        return min([heard, self.booted_at_ms, *(s.booted_at_ms for s in self.segments)])

    def _is_own(self, said: Said) -> bool:
        """Say whether the uptime may be this boot's; a device that started anew says a lesser."""
        return said.uptime_ms is not None and said.uptime_ms >= self._uptime_ms - _SLACK_MS

    def _offset_of(
        self, said: Said, i: int, last: Mark | None, bounds: Bounds, is_behind: bool
    ) -> int | None:
        """Return what is to be added from reading `i` on, where its clock was found wrong."""
        seq, time_ms = said.first_seq + i, said.times_ms[i]
        if said.uptime_ms is None or not self._is_own(said):
            return None
        if len(self.segments) >= MAX_SEGMENTS:
            return 0
        live_ms = self._boot_of(said) + said.uptime_ms
        end = end_of_run(said.times_ms, i)
        is_at_the_end = end == len(said.times_ms) - 1
        if not is_behind and is_possible(seq, time_ms, last, bounds):
            return 0  # set right
        found = self._offsets_after(seq)
        if is_behind or (is_at_the_end and self._moves_like_uptime(said)):
            found.append(live_ms - said.times_ms[end])
        found += [
            live_ms - said.uptime_ms - epoch
            for epoch in EPOCHS_MS
            if epoch <= time_ms and said.times_ms[end] - epoch <= said.uptime_ms + _SLACK_MS
        ]
        measured = (
            self._by_count(said, i, last, live_ms, bounds)
            if is_at_the_end
            else said.times_ms[end + 1] - round(step_of(said.times_ms[i : end + 1]) or 0)
        )
        if measured is not None:
            found.append(measured - said.times_ms[end])
        allowed = (0 if abs(o) <= _SLACK_MS else o for o in found)
        return next((o for o in allowed if is_possible(seq, time_ms + o, last, bounds)), None)

    def _offsets_after(self, seq: int) -> list[int]:
        """Return the offset of the next segment, where later readings were judged before."""
        return [s.offset_ms for s in self.segments if s.first_seq > seq][:1]

    def _moves_like_uptime(self, said: Said) -> bool | None:
        """Say whether the clock moved like the uptime since the last message; None: not known."""
        if self._heard is None or said.uptime_ms is None:
            return None
        seq, time_ms, uptime_ms = self._heard
        by_clock, by_uptime = said.times_ms[-1] - time_ms, said.uptime_ms - uptime_ms
        if said.last_seq <= seq or not 0 <= by_clock <= MAX_STEP_MS:
            return None
        return abs(by_clock - by_uptime) <= max(_SLACK_MS, by_uptime / 4)

    def _by_count(
        self, said: Said, i: int, last: Mark | None, live_ms: int, bounds: Bounds
    ) -> int | None:
        """Return when the last reading of `said` was measured, by the count of readings."""
        is_live = self._moves_like_uptime(said)
        is_anchored = last is not None and last.seq < said.last_seq
        anchor = last if last is not None and is_anchored else Mark(0, self._boot_of(said))
        step = step_of(said.times_ms[i:]) or self._step_heard(said) or self._step_ms
        if step is None:
            is_sure = is_live is None and live_ms - anchor.at_ms <= _SURE_MS
            return live_ms if is_sure else None
        counted = anchor.at_ms + round((said.last_seq - anchor.seq) * step)
        slack = max(bounds.tolerance_ms, step / 4 if is_anchored else step * 1.5)
        if counted < live_ms - slack:
            return counted
        return live_ms if is_live is None or counted <= live_ms + slack else None

    def _step_heard(self, said: Said) -> float | None:
        if self._heard is None or said.last_seq <= self._heard[0]:
            return None
        step = (said.times_ms[-1] - self._heard[1]) / (said.last_seq - self._heard[0])
        return step if 0 < step <= MAX_STEP_MS else None

    def _expected_uptime_ms(self, seq: int) -> float | None:
        """Return the uptime at which reading `seq` is measured at the pace of those before."""
        a, b = self._steady_from, self._steady_to
        if a is None or b is None or b.seq - a.seq < _N_STEADY:
            return None
        return b.at_ms + (seq - b.seq) * (b.at_ms - a.at_ms) / (b.seq - a.seq)

    def _is_near(self, expected_ms: float, uptime_ms: int, bounds: Bounds) -> bool:
        a, b = self._steady_from, self._steady_to
        assert a is not None
        assert b is not None
        pace = (b.at_ms - a.at_ms) / (b.seq - a.seq)
        return abs(uptime_ms - expected_ms) <= max(bounds.tolerance_ms, pace / 2)

    def _n_behind_with(self, said: Said, bounds: Bounds) -> int:
        """Return how many messages in a row say that the clock fell behind.

        Late readings alone do not say so; but these come when, at the device's pace, they were
        measured just now, and would be late without what the way took longer than before, too.
        """
        if said.uptime_ms is None or not self._is_own(said):
            return self._n_behind
        if self.last is not None and said.last_seq <= self.last.seq:
            return self._n_behind
        offset = offset_at(self.segments, said.last_seq)
        lag = self._boot_of(said) + said.uptime_ms - said.times_ms[-1] - offset
        expected = self._expected_uptime_ms(said.last_seq)
        if expected is None or not self._is_near(expected, said.uptime_ms, bounds):
            return 0
        longer_ms = max(said.uptime_ms - expected, 0)
        return self._n_behind + 1 if lag - longer_ms > bounds.tolerance_ms else 0
